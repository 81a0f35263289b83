/**
 * Long computations in slices: whoever works through much asks now and then whether it is others'
 * turn.
 *
 * @module
 * @see design.md, "The road of a message, and its cost", point 4
 */

import { nextTick } from "node:process";

/** Resolves at once, or, when the slice is used up, after the event loop has seen to the rest. */
export type Pace = () => Promise<void>;

/** So that a message that comes in between waits no longer than it takes to relay a few others. */
const SLICE_MS = 3;

/**
 * Lets everything else that is ready run first, what has come over the network included.
 *
 * By a timer, although that takes two milliseconds: of immediates that follow each other, Deno 2.9 runs
 * some sixty before it looks at its sockets.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, 0));
}

/**
 * Calls `fire` at the end of this turn of the event loop: when all that came in together has been
 * taken in, and before anything that comes next is waited for.
 */
export function atTurnEnd(fire: () => void): void {
  nextTick(fire);
}

/**
 * All who share one pace share its slices: together they hold up the others no longer than one
 * would.
 * @param monotonic the clock for durations, in milliseconds
 */
export function createPace(monotonic: () => number): Pace {
  let startedMs = monotonic();
  let turn: Promise<void> | undefined;

  return () => {
    if (turn === undefined) {
      if (monotonic() - startedMs < SLICE_MS) return DONE;
      turn = nextTurn().then(() => {
        startedMs = monotonic();
        turn = undefined;
      });
    }
    return turn;
  };
}

/** A computation that could be interrupted, and is not. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The same, others in between. */
export async function paced<T>(steps: Generator<void, T>, pace: Pace): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await pace();
  }
}

const DONE = Promise.resolve();
