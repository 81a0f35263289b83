/**
 * How much of a test is done: all of it by `FAULTS=long`, or what a run of all tests has time for.
 *
 * @module
 */
export const IS_LONG = Deno.env.get("FAULTS") === "long";

/** So many at length, and so many otherwise. */
export function often(long: number, short: number): number {
  return IS_LONG ? long : short;
}
