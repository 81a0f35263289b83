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

const RELEASE = redisScript(`
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('HSET', KEYS[1], 'holder', '') end
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
    return held.add(name, fence, lost, () => redis.run(RELEASE, [keyOf(name)], [self]));
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

  const stop = repeat(timers, RENEW_MS, async () => {
    const names = held.list().map(([name]) => name);
    const renewed = names.map((name) => redis.ask("PEXPIRE", keyOf(name), String(CLAIM_MS)));
    await Promise.allSettled(renewed);
  });

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
