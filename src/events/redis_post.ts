/**
 * Signals in Redis: a stream for each replica, from which it takes what the others have written.
 *
 * Each is sealed for its way and numbered by its sender: what somebody else has written, or writes a
 * second time, is dropped.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do", "Cancel and answers"
 */
import { Buffer } from "node:buffer";
import { inTurns, repeat } from "../platform/again.ts";
import { type Redis, redisKey, redisScript } from "../platform/redis.ts";
import type { Timers } from "../platform/timers.ts";
import type { Presence, ReplicaId } from "./presence.ts";
import type { Seals } from "./redis_seals.ts";
import type { Post } from "./remote.ts";

export interface RedisPost extends Post {
  readonly close: () => void;
}

export interface RedisPostDeps {
  readonly redis: Redis;
  readonly presence: Presence;
  readonly timers: Timers;
  readonly seals: Seals;
  /** Told of a signal that was not sent by a replica, or not only once. */
  readonly forged: () => void;
}

/** How long signals wait for a replica that does not take them; then it is dead anyway. */
const KEPT_MS = 10_000;
/** A replica that takes nothing is not to fill Redis. */
const WAITING_MAX = 2_000;
const TAKEN_AT_ONCE = 32;
/** Whoever misses that there is something finds out so late. */
const LOOK_MS = 1_000;
const NUMBER_BYTES = 8;

const SEND = redisScript(`
redis.call('XADD', KEYS[1], 'MAXLEN', ${WAITING_MAX}, '*', ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ${KEPT_MS})
redis.call('PUBLISH', ARGV[3], '')
`);

/** Gives senders and signals in turn. */
const TAKE = redisScript(`
local taken = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ${TAKEN_AT_ONCE})) do
  redis.call('XDEL', KEYS[1], entry[1])
  taken[#taken + 1] = entry[2][1]
  taken[#taken + 1] = entry[2][2]
end
return taken
`);

export function createRedisPost(
  { redis, presence, timers, seals, forged }: RedisPostDeps,
  self: ReplicaId,
): RedisPost {
  const newest = new Map<ReplicaId, bigint>();
  let number = 0n;
  let took = (_from: ReplicaId, _signal: Uint8Array) => {};

  function unsealed(from: ReplicaId, sealed: Buffer): Uint8Array | undefined {
    const plain = seals.open(sealed, wayOf(from, self));
    if (plain === undefined) return undefined;
    const nth = viewOf(plain).getBigUint64(0);
    if (nth <= (newest.get(from) ?? -1n)) return void forged();
    newest.set(from, nth);
    return plain.subarray(NUMBER_BYTES);
  }

  const take = inTurns(async () => {
    for (let isMore = true; isMore;) {
      const taken = await redis.run(TAKE, [keyOf(self)], []) as Buffer[];
      for (let i = 0; i < taken.length; i += 2) {
        const from = taken[i]!.toString();
        const signal = unsealed(from, taken[i + 1]!);
        if (signal !== undefined) took(from, signal);
      }
      isMore = taken.length === 2 * TAKEN_AT_ONCE;
    }
  });
  // What cannot be taken now is taken later, or is too late then.
  const look = () => take().catch(() => {});
  const stops = [redis.subscribe(channelOf(self), look), repeat(timers, LOOK_MS, look)];

  return {
    self,
    async send(to, signal) {
      const plain = new Uint8Array(NUMBER_BYTES + signal.length);
      viewOf(plain).setBigUint64(0, number++);
      plain.set(signal, NUMBER_BYTES);
      const sealed = seals.seal(plain, wayOf(self, to));
      await redis.run(SEND, [keyOf(to)], [self, sealed, channelOf(to)]);
    },
    receive: (taking) => void (took = taking),
    isAlive: presence.isAlive,
    others: async () => (await presence.list()).filter((replica) => replica !== self),
    close() {
      for (const stop of stops) stop();
    },
  };
}

function keyOf(replica: ReplicaId): string {
  return redisKey(replica, "signals");
}

function channelOf(replica: ReplicaId): string {
  return redisKey(replica, "signalled");
}

function wayOf(from: ReplicaId, to: ReplicaId): string {
  return `signal from ${from} to ${to}`;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
