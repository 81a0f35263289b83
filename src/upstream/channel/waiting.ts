/**
 * Waiting for something, but not for ever.
 *
 * @module
 */
import type { Timers } from "../../platform/timers.ts";

/** Resolves when `work` does, or after that time. */
export async function within(timers: Timers, ms: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = timers.after(ms, resolve);
  try {
    await Promise.race([work, promise]);
  } finally {
    timer.cancel();
  }
}
