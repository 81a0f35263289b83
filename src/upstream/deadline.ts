/**
 * The deadlines of one upstream exchange: until its first sign of life, between signs of life, and
 * in all. One timer serves the three.
 *
 * @module
 */
import type { Timer, Timers } from "../platform/timers.ts";

export interface DeadlineOptions {
  /** Until the first `touch`; `Infinity` for none. */
  readonly firstMs: number;
  /** Between two calls of `touch`; `Infinity` for none. */
  readonly silenceMs: number;
  readonly totalMs: number;
  /**
   * When somebody else than the upstream server was last waited for, now included, on the clock for
   * durations: silence counts from then. The total does not care.
   */
  readonly pausedAtMs?: (() => number) | undefined;
  /** Called once, with the span that ran out. */
  readonly expired: (spanMs: number) => void;
}

export interface Deadline {
  /** The upstream gave a sign of life. */
  readonly touch: () => void;
  readonly end: () => void;
}

export function startDeadline(
  deps: { readonly timers: Timers; readonly now: () => number },
  options: DeadlineOptions,
): Deadline {
  const startedMs = deps.now();
  let touchedMs = startedMs;
  let spanMs = options.firstMs;
  let timer: Timer | undefined;
  let isOver = false;

  function arm(): void {
    const atMs = Math.min(touchedMs + spanMs, startedMs + options.totalMs);
    if (atMs < Infinity) timer = deps.timers.after(Math.max(0, atMs - deps.now()), check);
  }

  function check(): void {
    const nowMs = deps.now();
    if (options.pausedAtMs !== undefined) touchedMs = Math.max(touchedMs, options.pausedAtMs());
    // A touch only notes the time; the timer finds out here that it has to wait longer.
    if (nowMs - startedMs >= options.totalMs) expire(options.totalMs);
    else if (nowMs - touchedMs >= spanMs) expire(spanMs);
    else arm();
  }

  function expire(ms: number): void {
    isOver = true;
    options.expired(ms);
  }

  arm();
  return {
    touch() {
      touchedMs = deps.now();
      if (isOver || spanMs === options.silenceMs) return;
      spanMs = options.silenceMs;
      timer?.cancel();
      arm();
    },
    end() {
      isOver = true;
      timer?.cancel();
    },
  };
}
