/**
 * When one upstream server is discovered: one run at a time, whatever asks for it.
 *
 * @module
 */
import type { Timer, Timers } from "../platform/timers.ts";

export interface Turns<T> {
  /**
   * A run that begins now. While one is on its way, all who ask get the one behind it: it sees what
   * was there when they asked.
   */
  readonly ask: () => Promise<T>;
  /** Something may have changed: a run now, or as soon as the last one is long enough ago. */
  readonly notice: () => void;
  /** No run begins any more, but for those that are asked for. */
  readonly stop: () => void;
  /** Resolves when no run is on its way. */
  readonly settled: () => Promise<void>;
}

export interface Turn<T> {
  readonly outcome: T;
  /** When to run again if nobody asks before. */
  readonly againMs: number;
}

export interface TurnsDeps<T> {
  /** Never rejects. */
  readonly run: () => Promise<Turn<T>>;
  readonly timers: Timers;
  readonly monotonic: () => number;
}

/** Notices within this time are one. */
const SPACING_MS = 250;

export function createTurns<T>({ run, timers, monotonic }: TurnsDeps<T>): Turns<T> {
  let running: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  let again: Timer | undefined;
  let noticing: Timer | undefined;
  let hasNotice = false;
  let isStopped = false;
  /** Before this, no notice begins a run. */
  let earliestMs = -Infinity;

  function begin(): Promise<T> {
    again?.cancel();
    noticing?.cancel();
    noticing = undefined;
    hasNotice = false;
    const startedMs = monotonic();
    running = run().then(({ outcome, againMs }) => {
      running = undefined;
      const nowMs = monotonic();
      // A server that never stops announcing changes gets half of the time at most.
      earliestMs = Math.max(startedMs + SPACING_MS, nowMs + (nowMs - startedMs));
      if (!isStopped) again = timers.after(againMs, () => void ask());
      arm();
      return outcome;
    });
    return running;
  }

  function ask(): Promise<T> {
    if (running === undefined) return begin();
    next ??= running.then(() => {
      next = undefined;
      return begin();
    });
    return next;
  }

  function arm(): void {
    if (isStopped || !hasNotice || running !== undefined || noticing !== undefined) return;
    const waitMs = earliestMs - monotonic();
    if (waitMs <= 0) return void ask();
    noticing = timers.after(waitMs, () => {
      noticing = undefined;
      void ask();
    });
  }

  return {
    ask,
    notice() {
      hasNotice = true;
      arm();
    },
    stop() {
      isStopped = true;
      again?.cancel();
      noticing?.cancel();
    },
    async settled() {
      while (running !== undefined) await (next ?? running);
    },
  };
}
