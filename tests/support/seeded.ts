/**
 * Randomness that can be repeated: the seed is printed, and `TEST_SEED` sets it.
 *
 * @module
 */

export interface Seeded {
  readonly seed: number;
  /** A whole number from 0 to below `bound`. */
  readonly below: (bound: number) => number;
  readonly pick: <T>(values: readonly T[]) => T;
}

export function seeded(what: string): Seeded {
  const given = Number(Deno.env.get("TEST_SEED"));
  const seed = given || crypto.getRandomValues(new Uint32Array(1))[0]!;
  console.log(`${what}: TEST_SEED=${seed}`);
  return fromSeed(seed);
}

export function fromSeed(seed: number): Seeded {
  let state = seed;
  // Mulberry32: small, and random enough to choose among test cases.
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number) => Math.floor(next() * bound);
  return { seed, below, pick: (values) => values[below(values.length)]! };
}
