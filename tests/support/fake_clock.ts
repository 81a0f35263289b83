/**
 * Time that a test moves by hand.
 *
 * @module
 */
import type { Clock } from "../../src/platform/clock.ts";
import type { Timers } from "../../src/platform/timers.ts";

export interface FakeClock extends Clock {
  readonly advance: (ms: number) => void;
}

/** Both clocks stand still until they are advanced together. */
export function fakeClock(startMs = Date.UTC(2026, 7, 1)): FakeClock {
  let passedMs = 0;
  return {
    now: () => startMs + passedMs,
    monotonic: () => passedMs,
    advance: (ms) => void (passedMs += ms),
  };
}

export interface FakeTimers extends Timers {
  /** Moves the clock to each timer that falls due, fires it, and goes on to the end. */
  readonly advance: (ms: number) => void;
  /** Timers that are set and neither fired nor cancelled. */
  readonly open: () => number;
}

/** Timers that fire exactly when they are due, on a clock that nothing else moves. */
export function fakeTimers(clock: FakeClock): FakeTimers {
  const due = new Set<{ readonly atMs: number; readonly fire: () => void }>();
  return {
    after(delayMs, fire) {
      const entry = { atMs: clock.monotonic() + delayMs, fire };
      due.add(entry);
      return { cancel: () => void due.delete(entry) };
    },
    advance(ms) {
      const endMs = clock.monotonic() + ms;
      for (;;) {
        const next = [...due].sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > endMs) break;
        clock.advance(next.atMs - clock.monotonic());
        due.delete(next);
        next.fire();
      }
      clock.advance(endMs - clock.monotonic());
    },
    open: () => due.size,
  };
}
