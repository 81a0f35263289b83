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
import { createRecentKeys } from "./recent_keys.ts";

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

const REMEMBERED_MS = 60_000;

/**
 * Counts within this process.
 *
 * @param monotonic the clock for durations, in milliseconds
 */
export function createLocalRateLimiter(
  { count, periodMs }: Pick<Rate, "count" | "periodMs">,
  monotonic: () => number,
  keysMax: number = LIMITS.rateKeys,
): LocalRateLimiter {
  const stepMs = periodMs / count;
  const buckets = createRecentKeys<Bucket>((atMs) => ({ left: count, atMs }), {
    rememberedMs: rememberedMs(periodMs),
    keysMax,
    nowMs: monotonic(),
  });

  return {
    take(key) {
      const nowMs = monotonic();
      const bucket = buckets.of(key, nowMs);
      bucket.left = Math.min(count, bucket.left + (nowMs - bucket.atMs) / stepMs);
      bucket.atMs = nowMs;
      // What comes back in fractions is not always whole when it should be.
      if (bucket.left < 1 - ROUNDING) return (1 - bucket.left) * stepMs;
      bucket.left = Math.max(0, bucket.left - 1);
      return 0;
    },
    size: buckets.size,
  };
}

/** How long a budget is remembered: longer than it needs to be whole again. */
export function rememberedMs(periodMs: number): number {
  return Math.max(periodMs, REMEMBERED_MS);
}

const ROUNDING = 1e-6;
