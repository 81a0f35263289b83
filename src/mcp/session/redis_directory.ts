/**
 * Session directory in Redis: for several replicas.
 *
 * The record is a hash, and it alone decides whether a session lives: each access is one script on
 * it. Two indexes may be wrong for a while, as they lie in other slots: the sessions of an owner
 * (what is counted), and all sessions by key (what is swept and listed). A session is counted
 * first, then indexed and made; who dies in between leaves a place taken for the idle time.
 *
 * Redis forgets a record some time after its session has ended. Until then `takeExpired`, of
 * whichever replica comes first, gives it out, so that what hangs on it can be ended.
 *
 * Time is that of Redis, which all replicas share.
 *
 * @module
 * @see docs/decisions/0013-the-session-record-on-redis.md
 */
import { Buffer } from "node:buffer";
import type { Clock } from "../../platform/clock.ts";
import { type Redis, redisKey, type Reply, type TimeArgument } from "../../platform/redis.ts";
import type { Entry, Field, Listed, SessionDirectory, SessionKey } from "./directory.ts";
import {
  COUNT,
  CREATE,
  FIND,
  INDEX,
  LIST,
  LISTED,
  OVERDUE,
  REMOVE,
  SWAP,
  TAKE,
  TOUCH,
  UNINDEX,
} from "./redis_directory_scripts.ts";

export interface RedisDirectoryDeps {
  readonly redis: Redis;
  readonly clock: Clock;
  readonly time: TimeArgument;
}

export interface RedisDirectoryOptions {
  /** `SESSION_IDLE_TTL`. */
  readonly idleMs: number;
}

/** Parts of the index of all sessions, in the order of their keys; keys are ASCII. */
const SHARDS = 16;
const SHARD_CHARS = 128 / SHARDS;

const recordOf = (key: SessionKey) => redisKey(key, "session");
const ownerOf = (owner: string) => redisKey(owner, "sessions");
const shardOf = (key: SessionKey) => Math.floor((key.charCodeAt(0) || 0) / SHARD_CHARS) % SHARDS;
const indexOf = (shard: number) => redisKey(`index-${shard}`, "sessions");

export function createRedisDirectory(
  { redis, clock, time }: RedisDirectoryDeps,
  { idleMs }: RedisDirectoryOptions,
): SessionDirectory {
  const idle = String(idleMs);

  /** Both indexes, at once. */
  async function index(key: SessionKey, owner: string, deadlineMs: number, isNew: boolean) {
    const args = [key, String(deadlineMs), isNew ? "1" : "0", idle];
    await Promise.all([
      redis.run(INDEX, [ownerOf(owner)], args),
      redis.run(INDEX, [indexOf(shardOf(key))], args),
    ]);
  }

  async function unindex(key: SessionKey, owner: string): Promise<void> {
    await Promise.all([
      redis.run(UNINDEX, [ownerOf(owner)], [key]),
      redis.run(UNINDEX, [indexOf(shardOf(key))], [key]),
    ]);
  }

  /** Whether it is over, and whatever it was. */
  async function take(key: SessionKey): Promise<[SessionKey, Entry] | undefined> {
    const [deadline, owner, ...rest] = listOf(
      await redis.run(TAKE, [recordOf(key)], [time(), idle]),
    );
    if (deadline === undefined) {
      await redis.run(UNINDEX, [indexOf(shardOf(key))], [key]);
      return undefined;
    }
    if (Number(deadline) > 0) {
      await index(key, textOf(owner), Number(deadline), false);
      return undefined;
    }
    await unindex(key, textOf(owner));
    return [key, entryOf(rest)];
  }

  async function keysFrom(shard: number, after: SessionKey): Promise<SessionKey[]> {
    const keys = listOf(await redis.run(LIST, [indexOf(shard)], [])).map(textOf);
    return keys.filter((key) => key > after).sort(byCode);
  }

  async function listed(key: SessionKey): Promise<Listed | undefined> {
    const [base, usedMs] = listOf(await redis.run(LISTED, [recordOf(key)], [time(), idle]));
    return base === undefined ? undefined : { key, base: bytesOf(base), usedMs: Number(usedMs) };
  }

  return {
    async create({ key, owner, base, endMs }, ownerMax) {
      // The replica's wall clock may be another one than that of Redis.
      const lifeMs = Math.ceil(endMs - clock.now());
      const args = [key, time(), idle, String(lifeMs), String(ownerMax)];
      const deadline = Number(await redis.run(COUNT, [ownerOf(owner)], args));
      if (deadline === 0) return false;
      await redis.run(INDEX, [indexOf(shardOf(key))], [key, String(deadline), "1", idle]);
      const record = [time(), idle, String(lifeMs), owner, bufferOf(base)];
      if (await redis.run(CREATE, [recordOf(key)], record) === 1) return true;
      await redis.run(UNINDEX, [ownerOf(owner)], [key]);
      return false;
    },

    async find(key) {
      const found = listOf(await redis.run(FIND, [recordOf(key)], [time(), idle]));
      return found.length === 0 ? undefined : entryOf(found);
    },

    async swap(key, upstream, generation, value) {
      const args = [time(), idle, `up:${upstream}`, String(generation), bufferOf(value)];
      const [field] = listOf(await redis.run(SWAP, [recordOf(key)], args));
      if (field === undefined) return undefined;
      return field === null ? undefined : fieldOf(field);
    },

    async page(after, max) {
      const page: Listed[] = [];
      for (let shard = after === "" ? 0 : shardOf(after); shard < SHARDS; shard++) {
        const keys = await keysFrom(shard, after);
        while (keys.length > 0 && page.length < max) {
          const found = await Promise.all(keys.splice(0, max - page.length).map(listed));
          page.push(...found.filter((one) => one !== undefined));
        }
        if (page.length === max) break;
      }
      return page;
    },

    async touch(key) {
      const [owner, deadline] = listOf(await redis.run(TOUCH, [recordOf(key)], [time(), idle]));
      if (owner !== undefined) await index(key, textOf(owner), Number(deadline), false);
    },

    async remove(key) {
      const [owner] = listOf(await redis.run(REMOVE, [recordOf(key)], []));
      if (owner === undefined) return false;
      await unindex(key, textOf(owner));
      return true;
    },

    async takeExpired(max) {
      const shards = Array.from({ length: SHARDS }, (_, shard) => shard);
      const overdue = await Promise.all(
        shards.map((shard) => redis.run(OVERDUE, [indexOf(shard)], [time(), String(max)])),
      );
      const keys = overdue.flatMap(listOf).slice(0, max).map(textOf);
      const taken = await Promise.all(keys.map(take));
      return taken.filter((one) => one !== undefined);
    },

    close() {},
  };
}

/** Nothing, where a script gives nothing. */
function listOf(reply: Reply): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

function textOf(reply: Reply | undefined): string {
  return String(reply ?? "");
}

function bytesOf(reply: Reply): Uint8Array {
  return Buffer.isBuffer(reply) ? new Uint8Array(reply) : new Uint8Array(0);
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** Base, then names and values of fields in turns. */
function entryOf([base = null, ...rest]: readonly Reply[]): Entry {
  const fields = new Map<string, Field>();
  for (let i = 0; i < rest.length; i += 2) {
    const field = fieldOf(rest[i + 1]!);
    if (field !== undefined) fields.set(textOf(rest[i]).slice("up:".length), field);
  }
  return { base: bytesOf(base), fields };
}

/** A generation, a space, the value. */
function fieldOf(reply: Reply): Field | undefined {
  const bytes = bytesOf(reply);
  const end = bytes.indexOf(" ".charCodeAt(0));
  const generation = Number(decoder.decode(bytes.subarray(0, Math.max(0, end))));
  return generation > 0 ? { generation, value: bytes.slice(end + 1) } : undefined;
}

const decoder = new TextDecoder();

function byCode(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
