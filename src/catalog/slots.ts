/**
 * Bounds how many things are done at once, without letting those that hang hold up the others.
 *
 * @module
 */
import type { Timers } from "../platform/timers.ts";

export interface Slots {
  /** Waits for a free slot. */
  readonly within: <T>(act: () => Promise<T>) => Promise<T>;
}

/**
 * @param patienceMs for how long anything keeps its slot: after that it is waiting for somebody
 *   else, and costs nothing
 */
export function createSlots(max: number, patienceMs: number, timers: Timers): Slots {
  let free = max;
  const waiting: (() => void)[] = [];

  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  }

  return {
    async within(act) {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => void waiting.push(resolve));
      let isHeld = true;
      const release = () => {
        if (!isHeld) return;
        isHeld = false;
        leave();
      };
      const timer = timers.after(patienceMs, release);
      try {
        return await act();
      } finally {
        timer.cancel();
        release();
      }
    },
  };
}
