/**
 * Which calls of a session run, on whichever replica: a request whose id is still in use is refused
 * also where another replica runs the one before it. Whoever claims learns as well whether a replica
 * is opening servers' own streams for the session, see `openings.ts`.
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
   * @throws {GatewayError} `unavailable`
   */
  readonly claim: (session: SessionKey, keys: readonly string[]) => Promise<Claimed>;
  /** It has been answered. */
  readonly release: (session: SessionKey, key: string) => void;
  /** Streams are being opened here: who claims is told so, until they are open. */
  readonly opens: (session: SessionKey) => void;
  readonly opened: (session: SessionKey) => void;
}

export interface Claimed {
  /** False when one with such a key runs on a replica that lives. */
  readonly isFree: boolean;
  /** The replica that is opening streams. */
  readonly opener: string | undefined;
}

/**
 * Gives who opens streams, and the replicas that have one of the calls, but for those that are known
 * to be dead.
 */
const CLAIM = redisScript(`
local dead, keys, held = {}, {}, { redis.call('GET', KEYS[2]) or '' }
local count = tonumber(ARGV[3])
for i = 4, 3 + count do keys[#keys + 1] = ARGV[i] end
for i = 4 + count, #ARGV do dead[ARGV[i]] = true end
for _, key in ipairs(keys) do
  local holder = redis.call('HGET', KEYS[1], key)
  if holder and not dead[holder] then held[#held + 1] = holder end
end
if #held > 1 then return held end
for _, key in ipairs(keys) do redis.call('HSET', KEYS[1], key, ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return held
`);

const RELEASE = redisScript(`
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
`);

const OPENED = redisScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
`);

/** Longer than it takes; what a replica that died was opening is forgotten then. */
const OPENING_MS = 1_000;

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
        const places = [keyOf(session), openingOf(session)];
        const reply = await redis.run(CLAIM, places, args) as readonly Uint8Array[];
        const [opener, ...held] = reply;
        if (held.length === 0) return opener!.length === 0 ? FREE : free(String(opener));
        let isHeld = false;
        for (const holder of new Set(held.map(String))) {
          if (await remote.isAlive(holder)) isHeld = true;
          else dead.add(holder);
        }
        if (isHeld && looks++ === LOOKS) return { isFree: false, opener: undefined };
        if (isHeld) await sleep(timers, LOOK_MS);
      }
    },
    release(session, key) {
      // One that stays is in nobody's way: ids are seldom used again.
      redis.run(RELEASE, [keyOf(session)], [key, self]).catch(() => {});
    },
    // Without it a call comes too early perhaps, and is made all the same.
    opens(session) {
      redis.ask("SET", openingOf(session), self, "PX", String(OPENING_MS)).catch(() => {});
    },
    opened(session) {
      redis.run(OPENED, [openingOf(session)], [self]).catch(() => {});
    },
  };
}

const FREE: Claimed = Object.freeze({ isFree: true, opener: undefined });
const free = (opener: string): Claimed => ({ isFree: true, opener });

function keyOf(session: SessionKey): string {
  return redisKey(session, "calls");
}

function openingOf(session: SessionKey): string {
  return redisKey(session, "opening");
}
