/**
 * Work that is done again and again: when somebody asks, and now and then.
 *
 * @module
 */
import type { Timer, Timers } from "./timers.ts";

/** One at a time; whoever comes while it runs is served by exactly one more. */
export function inTurns(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  return function ask(): Promise<void> {
    if (running === undefined) {
      running = work().finally(() => running = undefined);
      return running;
    }
    next ??= running.catch(() => {}).then(() => {
      next = undefined;
      return ask();
    });
    return next;
  };
}

/** Waits so long before it begins, and after each time. Gives the way to stop it. */
export function repeat(timers: Timers, ms: number, work: () => Promise<void>): () => void {
  let isStopped = false;
  let timer: Timer | undefined;
  const later = () => {
    if (!isStopped) timer = timers.after(ms, () => work().finally(later));
  };
  later();
  return () => {
    isStopped = true;
    timer?.cancel();
  };
}
