/**
 * Claims in Redis: who holds each, and the fencing number with which it was taken.
 *
 * Whether a holder lives is known from its presence: so all claims of a replica cost one beat. A
 * holder that was dead for a moment has lost them, and knows it by its own clock.
 *
 * @module
 */
import { repeat } from "../platform/again.ts";
import { type Redis, redisKey, redisScript, type Reply, TIME_LUA } from "../platform/redis.ts";
import type { Timers } from "../platform/timers.ts";
import type { Claim, Claims } from "./claims.ts";
import { createHeldClaims } from "./held_claims.ts";
import type { Presence, ReplicaId } from "./presence.ts";

export interface RedisClaimsDeps {
  readonly redis: Redis;
  readonly timers: Timers;
  readonly presence: Presence;
}

/** A claim whose holder is gone for so long is forgotten. */
const CLAIM_MS = 3_600_000;
const RENEW_MS = CLAIM_MS / 4;

/**
 * Gives holder and number that stand afterwards. The number is never lower than the time, so that
 * it rises even when Redis has forgotten the one before.
 */
const TAKE = redisScript(`${TIME_LUA}
local found = redis.call('HMGET', KEYS[1], 'holder', 'fence')
local holder, fence = found[1] or '', tonumber(found[2]) or 0
if holder ~= '' and holder ~= ARGV[1] and holder ~= ARGV[2] then return { holder, fence } end
fence = math.max(fence + 1, time(''))
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'fence', string.format('%d', fence))
redis.call('PEXPIRE', KEYS[1], ${CLAIM_MS})
return { ARGV[1], fence }
`);

/** The number is over by the time that it is forgotten. */
const RELEASED_MS = 10_000;

/** What was taken anew meanwhile is left alone: this may come late. */
const RELEASE = redisScript(`
local found = redis.call('HMGET', KEYS[1], 'holder', 'fence')
if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then return end
redis.call('HSET', KEYS[1], 'holder', '')
redis.call('PEXPIRE', KEYS[1], ${RELEASED_MS})
`);

/** Whether it stands as it was taken: a server that failed over may be behind that. */
const RENEW = redisScript(`
local found = redis.call('HMGET', KEYS[1], 'holder', 'fence')
if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', KEYS[1], ${CLAIM_MS})
return 1
`);

const keyOf = (name: string) => redisKey(`claim-${name}`, "claim");

export function createRedisClaims(
  { redis, timers, presence }: RedisClaimsDeps,
  self: ReplicaId,
): Claims {
  const held = createHeldClaims(presence);
  const taking = new Map<string, Promise<Claim | ReplicaId>>();

  /** @param dead whose claim may be taken */
  async function attempt(name: string, dead: ReplicaId): Promise<readonly [ReplicaId, number]> {
    const [holder, fence] = await redis.run(TAKE, [keyOf(name)], [self, dead]) as Reply[];
    return [String(holder), Number(fence)];
  }

  async function takeNow(name: string, lost: () => void): Promise<Claim | ReplicaId> {
    let [holder, fence] = await attempt(name, self);
    if (holder !== self && !await presence.isAlive(holder)) {
      [holder, fence] = await attempt(name, holder);
    }
    if (holder !== self) return holder;
    const release = () => redis.run(RELEASE, [keyOf(name)], [self, String(fence)]);
    return held.add(name, fence, lost, release);
  }

  function take(name: string, lost: () => void): Promise<Claim | ReplicaId> {
    const own = held.get(name);
    if (own?.isHeld()) return Promise.resolve(own);
    // Whoever comes meanwhile gets the same claim, with the same number.
    const known = taking.get(name);
    if (known !== undefined) return known;
    const taken = takeNow(name, lost).finally(() => taking.delete(name));
    taking.set(name, taken);
    return taken;
  }

  async function renew(): Promise<void> {
    const renewed = held.list().map(async ([name, claim]) => {
      const stands = await redis.run(RENEW, [keyOf(name)], [self, String(claim.fence)]);
      if (stands === 0) held.lose(name, claim);
    });
    await Promise.allSettled(renewed);
  }

  const stop = repeat(timers, RENEW_MS, renew);
  // What it is connected to now may be another server, which has forgotten the last moments.
  redis.onChange((isUp) => void (isUp && renew()));

  return {
    take,
    async holder(name) {
      const holder = await redis.ask("HGET", keyOf(name), "holder");
      return holder === null || String(holder) === "" ? undefined : String(holder);
    },
    async close() {
      stop();
      await Promise.allSettled(held.list().map(([, claim]) => claim.release()));
    },
  };
}
