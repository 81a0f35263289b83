/**
 * A budget for each of many keys: so many in a period, all at once if need be, and then as many as
 * come back with time (a token bucket).
 *
 * The limiter of one process answers at once. One that counts for several replicas may have to ask;
 * whoever takes from a limiter waits only for what is a promise.
 *
 * @module
 */
import { LIMITS } from "../domain/limits.ts";
import type { Rate } from "../domain/rate.ts";

export interface RateLimiter {
  /**
   * Takes one from the budget of this key.
   * @returns 0 when there was one; else the milliseconds until there is, and nothing is taken
   */
  readonly take: (key: string) => number | Promise<number>;
}

/** Answers at once. */
export interface LocalRateLimiter extends RateLimiter {
  readonly take: (key: string) => number;
  /** Keys that are remembered. */
  readonly size: () => number;
}

/** The budget of one key. */
interface Bucket {
  /** What was left at `atMs`. */
  left: number;
  atMs: number;
}

/** How long a key is remembered at least: longer than its budget needs to be whole again. */
const REMEMBERED_MS = 60_000;

/**
 * Counts within this process.
 *
 * Keys lie in two generations: a key that is used moves into the young one, and from time to time
 * the old one is dropped and the young one becomes it. So nothing has to be swept, and no table
 * shrinks (see `docs/decisions/0012-no-sets-on-the-message-path.md`).
 *
 * @param monotonic the clock for durations, in milliseconds
 */
export function createLocalRateLimiter(
  { count, periodMs }: Rate,
  monotonic: () => number,
  keysMax: number = LIMITS.rateKeys,
): LocalRateLimiter {
  const stepMs = periodMs / count;
  const rememberedMs = Math.max(periodMs, REMEMBERED_MS);
  let young = new Map<string, Bucket>();
  let old = new Map<string, Bucket>();
  let turnedMs = monotonic();

  function bucketOf(key: string, nowMs: number): Bucket {
    if (nowMs - turnedMs >= rememberedMs) turn(nowMs);
    let bucket = young.get(key);
    if (bucket !== undefined) return bucket;
    bucket = old.get(key) ?? { left: count, atMs: nowMs };
    // With more keys than fit, those that were not used for longest begin anew.
    if (young.size >= keysMax / 2) turn(nowMs);
    young.set(key, bucket);
    old.delete(key);
    return bucket;
  }

  function turn(nowMs: number): void {
    // Neither was used since: what is in them is as good as new.
    old = nowMs - turnedMs >= 2 * rememberedMs ? new Map() : young;
    young = new Map();
    turnedMs = nowMs;
  }

  return {
    take(key) {
      const nowMs = monotonic();
      const bucket = bucketOf(key, nowMs);
      bucket.left = Math.min(count, bucket.left + (nowMs - bucket.atMs) / stepMs);
      bucket.atMs = nowMs;
      // What comes back in fractions is not always whole when it should be.
      if (bucket.left < 1 - ROUNDING) return (1 - bucket.left) * stepMs;
      bucket.left = Math.max(0, bucket.left - 1);
      return 0;
    },
    size: () => young.size + old.size,
  };
}

const ROUNDING = 1e-6;
