/**
 * Budgets that several replicas share, counted in Redis.
 *
 * A replica takes from a budget in portions, and spends them without asking. It asks for the next
 * one when half of it is spent; who comes when nothing is left waits for it. Where nothing is to be
 * had, it is known for how long, and nobody asks meanwhile. No more is ever given out than there
 * is; what lies unspent in other replicas is at most a tenth of a budget.
 *
 * With Redis away each replica counts by itself, its share of the limit.
 *
 * @module
 * @see security.md, RATE-02
 */
import { createHmac } from "node:crypto";
import { LIMITS } from "../domain/limits.ts";
import type { Rate } from "../domain/rate.ts";
import {
  type Redis,
  redisKey,
  redisScript,
  TIME_LUA,
  type TimeArgument,
} from "../platform/redis.ts";
import { createLocalRateLimiter, type RateLimiter, rememberedMs } from "./rate_limit.ts";
import { createRecentKeys } from "./recent_keys.ts";

export interface RedisRateLimiterDeps {
  readonly redis: Redis;
  readonly time: TimeArgument;
  readonly monotonic: () => number;
  /** Replicas that live, at least 1. */
  readonly replicas: () => number;
  /** Names of callers are no one's concern who reads Redis: keys of budgets are made with it. */
  readonly secret: Uint8Array;
}

/** What a replica has of one budget. */
interface Share {
  left: number;
  /** Of all that was asked for, nothing was to be had until then. */
  emptyUntilMs: number;
  asking: Promise<void> | undefined;
  /** Those who wait for it. */
  waiting: number;
}

/** What all replicas together may hold unspent: a part of a budget. */
const UNSPENT = 0.1;
const PORTION_MAX = 1_000;

/** Gives how much is given, and in how many milliseconds there is one more. */
const TAKE = redisScript(`${TIME_LUA}
local now, count, period = time(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local found = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, at = tonumber(found[1]) or count, tonumber(found[2]) or now
left = math.min(count, left + math.max(0, now - at) * count / period)
local given = math.min(tonumber(ARGV[4]), math.floor(left + 0.000001))
left = math.max(0, left - given)
redis.call('HSET', KEYS[1], 'left', string.format('%.6f', left), 'at', math.max(now, at))
redis.call('PEXPIRE', KEYS[1], math.ceil(period) + 1000)
return { given, math.ceil(math.max(0, 1 - left) * period / count) }
`);

/** @param name tells budgets apart that are of the same key */
export function createRedisRateLimiter(
  deps: RedisRateLimiterDeps,
  { count, periodMs }: Rate,
  name: string,
): RateLimiter {
  const { redis, monotonic, replicas } = deps;
  const shares = createRecentKeys<Share>(
    () => ({ left: 0, emptyUntilMs: 0, asking: undefined, waiting: 0 }),
    { rememberedMs: rememberedMs(periodMs), keysMax: LIMITS.rateKeys, nowMs: monotonic() },
  );
  const aside = createAside(deps, { count, periodMs });

  function portion(): number {
    const part = Math.floor(count * UNSPENT / replicas() / 2);
    return Math.min(PORTION_MAX, Math.max(1, part));
  }

  function ask(key: string, share: Share): Promise<void> {
    return share.asking ??= fetch(key, share).finally(() => share.asking = undefined);
  }

  async function fetch(key: string, share: Share): Promise<void> {
    const digest = createHmac("sha256", deps.secret).update(key).digest("base64url");
    const wanted = Math.max(portion(), share.waiting);
    const args = [deps.time(), String(count), String(periodMs), String(wanted)];
    const reply = await redis.run(TAKE, [redisKey(digest, `rate-${name}`)], args);
    const [given, nextMs] = reply as [number, number];
    share.left += given;
    if (given === 0) share.emptyUntilMs = monotonic() + nextMs;
  }

  async function waited(key: string, share: Share): Promise<number> {
    share.waiting++;
    try {
      while (share.left < 1) {
        const emptyMs = share.emptyUntilMs - monotonic();
        if (emptyMs > 0) return emptyMs;
        await ask(key, share);
      }
      share.left--;
      return 0;
    } catch {
      return aside(key);
    } finally {
      share.waiting--;
    }
  }

  return {
    take(key) {
      const nowMs = monotonic();
      const share = shares.of(key, nowMs);
      if (share.left >= 1) {
        share.left--;
        const isLow = share.left < portion() / 2 && count * UNSPENT >= 2;
        if (isLow && redis.isUp() && nowMs >= share.emptyUntilMs) ask(key, share).catch(() => {});
        return 0;
      }
      if (nowMs < share.emptyUntilMs) return share.emptyUntilMs - nowMs;
      return redis.isUp() ? waited(key, share) : aside(key);
    },
  };
}

/** Counts here, with this replica's share of the limit. */
function createAside(
  { monotonic, replicas }: RedisRateLimiterDeps,
  { count, periodMs }: Pick<Rate, "count" | "periodMs">,
): (key: string) => number {
  let divisor = 0;
  let limiter = createLocalRateLimiter({ count, periodMs }, monotonic);
  return (key) => {
    const among = replicas();
    if (among !== divisor) {
      divisor = among;
      // At least one at once; with fewer than replicas, it takes longer to come back.
      const share = Math.max(1, Math.floor(count / among));
      limiter = createLocalRateLimiter(
        { count: share, periodMs: periodMs * share * among / count },
        monotonic,
      );
    }
    return limiter.take(key);
  };
}
