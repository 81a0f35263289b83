/**
 * Which calls of a session run, on whichever replica: a request whose id is still in use is refused
 * also where another replica runs the one before it.
 *
 * @module
 * @see contract.md, section 8, "Same id twice"; security.md, F68
 */
import type { Remote } from "../../events/remote.ts";
import { type Redis, redisKey, redisScript } from "../../platform/redis.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import type { SessionKey } from "./directory.ts";

export interface CallClaims {
  /**
   * Notes that calls run here, all of them or none.
   * @param keys made of the ids that the client gave
   * @returns false when one with such a key runs on a replica that lives
   * @throws {GatewayError} `unavailable`
   */
  readonly claim: (session: SessionKey, keys: readonly string[]) => Promise<boolean>;
  /** It has been answered. */
  readonly release: (session: SessionKey, key: string) => void;
}

/** Gives the replicas that have one of the calls, but for those that are known to be dead. */
const CLAIM = redisScript(`
local dead, keys, held = {}, {}, {}
local count = tonumber(ARGV[3])
for i = 4, 3 + count do keys[#keys + 1] = ARGV[i] end
for i = 4 + count, #ARGV do dead[ARGV[i]] = true end
for _, key in ipairs(keys) do
  local holder = redis.call('HGET', KEYS[1], key)
  if holder and not dead[holder] then held[#held + 1] = holder end
end
if #held > 0 then return held end
for _, key in ipairs(keys) do redis.call('HSET', KEYS[1], key, ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return held
`);

const RELEASE = redisScript(`
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
`);

/** A client may have its answer, and come with the same id, before another replica has taken it out. */
const LOOKS = 5;
const LOOK_MS = 40;

/** @param keptMs longer than any call may take */
export function createRedisCallClaims(
  { redis, remote, timers }: {
    readonly redis: Redis;
    readonly remote: Remote;
    readonly timers: Timers;
  },
  { keptMs }: { readonly keptMs: number },
): CallClaims {
  const { self } = remote;

  return {
    async claim(session, keys) {
      // What runs here is known here: it has been looked at before.
      const dead = new Set([self]);
      for (let looks = 1;;) {
        const args = [self, String(keptMs), String(keys.length), ...keys, ...dead];
        const held = await redis.run(CLAIM, [keyOf(session)], args) as readonly Uint8Array[];
        if (held.length === 0) return true;
        let isHeld = false;
        for (const holder of new Set(held.map(String))) {
          if (await remote.isAlive(holder)) isHeld = true;
          else dead.add(holder);
        }
        if (isHeld && looks++ === LOOKS) return false;
        if (isHeld) await sleep(timers, LOOK_MS);
      }
    },
    release(session, key) {
      // One that stays is in nobody's way: ids are seldom used again.
      redis.run(RELEASE, [keyOf(session)], [key, self]).catch(() => {});
    },
  };
}

function keyOf(session: SessionKey): string {
  return redisKey(session, "calls");
}
