/**
 * Time as an argument: tests hand in a clock of their own.
 *
 * @module
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. For token times and log lines. */
  readonly now: () => number;
  /** Never jumps; milliseconds since some moment. For durations. */
  readonly monotonic: () => number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
