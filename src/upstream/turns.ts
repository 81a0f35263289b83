/**
 * Places that are taken in turns. Whoever finds none waits; when one is free it goes to the first who
 * waits of the next caller, so that a caller with many waiting keeps no other from its turn.
 *
 * It is short, because whoever waits long is better told, and bounded. When it is full, the caller
 * with the most waiting gives up the last of them for one of a caller that has fewer.
 *
 * @module
 */
import type { Timers } from "../platform/timers.ts";

export interface Turns {
  /**
   * Takes a place that is free.
   * @returns false when there is none
   */
  readonly take: () => boolean;
  /**
   * Waits for a place; resolves when this waiter has it.
   * @param signal aborted when the waiter leaves
   * @throws what `tooBusy` makes, or the reason of `signal`
   */
  readonly wait: (caller: string, signal: AbortSignal) => Promise<void>;
  /** Gives a place back: to whoever's turn it is. */
  readonly give: () => void;
  readonly waiting: () => number;
}

export interface TurnsOptions {
  readonly places: number;
  readonly waitingMax: number;
  readonly waitMs: number;
  readonly tooBusy: () => Error;
}

interface Waiter {
  readonly begin: () => void;
  readonly giveUp: (reason: unknown) => void;
}

/** Those of one caller who wait, in the order in which they came; never none. */
interface Line {
  readonly caller: string;
  readonly waiters: Waiter[];
}

export function createTurns(timers: Timers, options: TurnsOptions): Turns {
  let taken = 0;
  let waiting = 0;
  /** In the order of their turns. */
  const lines: Line[] = [];

  function lineOf(caller: string): Line | undefined {
    return lines.find((line) => line.caller === caller);
  }

  function enter(caller: string, waiter: Waiter): void {
    const line = lineOf(caller);
    if (line === undefined) lines.push({ caller, waiters: [waiter] });
    else line.waiters.push(waiter);
    waiting++;
  }

  function leave(caller: string, waiter: Waiter): void {
    const line = lineOf(caller)!;
    line.waiters.splice(line.waiters.indexOf(waiter), 1);
    if (line.waiters.length === 0) lines.splice(lines.indexOf(line), 1);
    waiting--;
  }

  /** @returns whether there is room for one more of this caller, made if need be */
  function hasRoom(caller: string): boolean {
    if (waiting < options.waitingMax) return true;
    const longest = lines.reduce((one, other) =>
      other.waiters.length > one.waiters.length ? other : one
    );
    const own = lineOf(caller)?.waiters.length ?? 0;
    if (longest.waiters.length <= own + 1) return false;
    longest.waiters.at(-1)!.giveUp(options.tooBusy());
    return true;
  }

  function wait(caller: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (!hasRoom(caller)) return Promise.reject(options.tooBusy());
    return new Promise((resolve, reject) => {
      const left = () => waiter.giveUp(signal.reason);
      const timer = timers.after(options.waitMs, () => waiter.giveUp(options.tooBusy()));
      const over = () => {
        timer.cancel();
        signal.removeEventListener("abort", left);
        leave(caller, waiter);
      };
      const waiter: Waiter = {
        begin() {
          over();
          resolve();
        },
        giveUp(reason) {
          over();
          reject(reason);
        },
      };
      enter(caller, waiter);
      signal.addEventListener("abort", left);
    });
  }

  return {
    take() {
      // Who waits comes before who has just come.
      if (taken >= options.places || waiting > 0) return false;
      taken++;
      return true;
    },
    wait,
    give() {
      const line = lines[0];
      if (line === undefined) return void taken--;
      const hasMore = line.waiters.length > 1;
      // The place goes from hand to hand.
      line.waiters[0]!.begin();
      if (hasMore) lines.push(lines.shift()!);
    },
    waiting: () => waiting,
  };
}
