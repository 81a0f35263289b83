/**
 * Timers for deadlines: cheap to set and to cancel, late by up to `TICK_MS`.
 *
 * Every request has three deadlines that almost never run out. A timer of the runtime for each
 * costs more than relaying the headers does; here they are entries of a set, and one interval
 * looks at them.
 *
 * @module
 */
import { type Bag, type Bagged, createBag } from "./bag.ts";

export interface Timer {
  readonly cancel: () => void;
}

export interface Timers {
  /** Calls `fire` once, `delayMs` from now or up to `TICK_MS` later, unless cancelled first. */
  readonly after: (delayMs: number, fire: () => void) => Timer;
}

export const TICK_MS = 25;

interface Entry extends Bagged {
  readonly fire: () => void;
}

/** @param monotonic the clock for durations, in milliseconds */
export function createTimers(monotonic: () => number): Timers {
  /** Entries by the tick at which they are due. */
  const due = new Map<number, Bag<Entry>>();
  let interval: ReturnType<typeof setInterval> | undefined;
  let lastTick = 0;

  function tick(): void {
    const now = Math.floor(monotonic() / TICK_MS);
    while (lastTick <= now) {
      // Counted first: a timer that is set while others fire belongs to a later tick.
      const at = lastTick++;
      const entries = due.get(at);
      if (entries === undefined) continue;
      due.delete(at);
      for (const entry of entries.list()) {
        if (entry.slot < 0) continue;
        entries.remove(entry);
        entry.fire();
      }
    }
    if (due.size > 0) return;
    clearInterval(interval);
    interval = undefined;
  }

  return {
    after(delayMs, fire) {
      const nowMs = monotonic();
      if (interval === undefined) {
        lastTick = Math.floor(nowMs / TICK_MS);
        interval = setInterval(tick, TICK_MS);
      }
      // Rounded up: never early. Ticks that are past are not looked at again.
      const at = Math.max(Math.ceil((nowMs + delayMs) / TICK_MS), lastTick);
      const entries = due.get(at) ?? createBag<Entry>();
      if (entries.size() === 0) due.set(at, entries);
      const entry: Entry = { slot: -1, fire };
      entries.add(entry);
      return {
        cancel() {
          entries.remove(entry);
          if (entries.size() === 0 && due.get(at) === entries) due.delete(at);
        },
      };
    },
  };
}

/** Resolves after that time; rejects with the reason when `signal` is aborted before. */
export function sleep(timers: Timers, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      timer.cancel();
      reject(signal!.reason);
    };
    const timer = timers.after(delayMs, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });
}
