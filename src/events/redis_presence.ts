/**
 * Presence in Redis: one sorted set of replicas by the time at which they count as dead.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { repeat } from "../platform/again.ts";
import type { Clock } from "../platform/clock.ts";
import { type Redis, redisKey, redisScript, TIME_LUA } from "../platform/redis.ts";
import type { Timers } from "../platform/timers.ts";
import { ABSENT_MS, BEAT_MS, type Presence, type ReplicaId } from "./presence.ts";

export interface PresenceDeps {
  readonly redis: Redis;
  readonly clock: Clock;
  readonly timers: Timers;
}

const KEY = redisKey("replicas", "present");

/** Gives whether it was there, and how many are. */
const BEAT = redisScript(`${TIME_LUA}
local now = time('')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local isNew = redis.call('ZADD', KEYS[1], now + ${ABSENT_MS}, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ${ABSENT_MS})
return { 1 - isNew, redis.call('ZCARD', KEYS[1]) }
`);

const IS_ALIVE = redisScript(`${TIME_LUA}
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
return at and tonumber(at) > time('') and 1 or 0
`);

const LIST = redisScript(`${TIME_LUA}
return redis.call('ZRANGE', KEYS[1], '(' .. time(''), '+inf', 'BYSCORE')
`);

export function createRedisPresence(
  { redis, clock, timers }: PresenceDeps,
  self: ReplicaId,
): Presence {
  const listeners: (() => void)[] = [];
  let count = 1;
  /** When the last beat that arrived was sent: until `ABSENT_MS` later nobody holds it for dead. */
  let beatMs: number | undefined;

  function isPresent(): boolean {
    return beatMs !== undefined && clock.monotonic() - beatMs < ABSENT_MS;
  }

  function lose(): void {
    if (beatMs === undefined) return;
    beatMs = undefined;
    for (const lost of listeners) lost();
  }

  async function beat(): Promise<void> {
    const sentMs = clock.monotonic();
    // Found out before anything is said: a process that was stopped is told by its own clock.
    if (!isPresent()) lose();
    try {
      const [wasThere, present] = await redis.run(BEAT, [KEY], [self]) as [number, number];
      // Redis came back without its data, or held it for dead.
      if (wasThere === 0) lose();
      beatMs = sentMs;
      count = Math.max(1, present);
    } catch {
      if (!isPresent()) lose();
    }
  }

  const stop = repeat(timers, BEAT_MS, beat);
  redis.onChange((isUp) => void (isUp && beat()));
  void beat();
  return {
    isAlive: async (replica) => await redis.run(IS_ALIVE, [KEY], [replica]) === 1,
    list: async () => (await redis.run(LIST, [KEY], []) as Buffer[]).map(String),
    count: () => count,
    isPresent,
    onLost: (lost) => void listeners.push(lost),
    async close() {
      stop();
      await redis.ask("ZREM", KEY, self).catch(() => {});
    },
  };
}
