/**
 * The commands that the gateway gives, as Redis 7 carries them out.
 *
 * Whoever needs another one writes it here and adds it to the commands that
 * `tests/support/fake_redis_test.ts` compares with a real server.
 *
 * @module
 */
import { type Keyspace, RedisError } from "./keyspace.ts";

/** `ok` is a status, such as `OK`. */
export type RedisValue = number | string | null | { readonly ok: string } | readonly RedisValue[];

export interface CommandContext {
  readonly keys: Keyspace;
  /** Milliseconds, with a fraction. */
  readonly nowMs: () => number;
  readonly publish: (channel: string, message: string) => number;
}

type Command = (context: CommandContext, args: readonly string[]) => RedisValue;

/** @throws {RedisError} */
export function runCommand(context: CommandContext, [name, ...args]: readonly string[]) {
  const command = COMMANDS[name?.toUpperCase() ?? ""];
  if (command === undefined) throw new RedisError(`ERR unknown command '${name}'`);
  return command(context, args);
}

const OK = { ok: "OK" } as const;

const COMMANDS: Readonly<Record<string, Command>> = {
  DEL: remove,
  UNLINK: remove,
  FLUSHALL({ keys }) {
    keys.clear();
    return OK;
  },
  GET: ({ keys }, [key]) => keys.get(key!, "string")?.text ?? null,
  KEYS: ({ keys }) => keys.names(),
  PEXPIRE: ({ keys, nowMs }, [key, ms]) =>
    keys.expire(key!, Math.floor(nowMs()) + whole(ms)) ? 1 : 0,
  PTTL: ({ keys }, [key]) => Math.ceil(keys.left(key!)),
  PUBLISH: ({ publish }, [channel, message]) => publish(channel!, message!),
  SET({ keys, nowMs }, [key, text, , ms]) {
    keys.remove(key!);
    keys.make(key!, "string").text = text!;
    if (ms !== undefined) keys.expire(key!, Math.floor(nowMs()) + whole(ms));
    return OK;
  },
  TIME({ nowMs }) {
    const ms = nowMs();
    return [String(Math.floor(ms / 1000)), String(Math.floor((ms % 1000) * 1000))];
  },

  HDEL({ keys }, [key, ...fields]) {
    const hash = keys.get(key!, "hash");
    const count = fields.filter((field) => hash?.delete(field)).length;
    keys.trim(key!);
    return count;
  },
  HGET: ({ keys }, [key, field]) => keys.get(key!, "hash")?.get(field!) ?? null,
  HGETALL: ({ keys }, [key]) => [...keys.get(key!, "hash") ?? []].flat(),
  HMGET({ keys }, [key, ...fields]) {
    const hash = keys.get(key!, "hash");
    return fields.map((field) => hash?.get(field) ?? null);
  },
  HSET({ keys }, [key, ...pairs]) {
    const hash = keys.make(key!, "hash");
    const before = hash.size;
    for (let i = 0; i < pairs.length; i += 2) hash.set(pairs[i]!, pairs[i + 1]!);
    return hash.size - before;
  },

  LINDEX: ({ keys }, [key, at]) => keys.get(key!, "list")?.at(whole(at)) ?? null,
  LLEN: ({ keys }, [key]) => keys.get(key!, "list")?.length ?? 0,
  LPOP({ keys }, [key]) {
    const first = keys.get(key!, "list")?.shift() ?? null;
    keys.trim(key!);
    return first;
  },
  LRANGE: ({ keys }, [key, from, to]) => ranged(keys.get(key!, "list") ?? [], from, to),
  LREM({ keys }, [key, , value]) {
    const list = keys.get(key!, "list");
    const at = list?.indexOf(value!) ?? -1;
    if (at >= 0) list!.splice(at, 1);
    keys.trim(key!);
    return at >= 0 ? 1 : 0;
  },
  RPUSH: ({ keys }, [key, ...values]) => keys.make(key!, "list").push(...values),

  XADD: addToStream,
  XDEL({ keys }, [key, ...ids]) {
    const stream = keys.get(key!, "stream");
    if (stream === undefined) return 0;
    const before = stream.entries.length;
    stream.entries = stream.entries.filter(({ id }) => !ids.includes(id));
    return before - stream.entries.length;
  },
  XLEN: ({ keys }, [key]) => keys.get(key!, "stream")?.entries.length ?? 0,
  XRANGE({ keys }, [key, , , , count]) {
    const entries = keys.get(key!, "stream")?.entries.slice(0, whole(count)) ?? [];
    return entries.map(({ id, fields }) => [id, fields]);
  },

  ZADD: addToSorted,
  ZCARD: ({ keys }, [key]) => keys.get(key!, "zset")?.size ?? 0,
  ZRANGE({ keys }, [key, from, to, by]) {
    const names = sorted(keys, key!);
    if (by?.toUpperCase() !== "BYSCORE") return ranged(names.map(([name]) => name), from, to);
    return between(names, from!, to!);
  },
  ZRANGEBYSCORE({ keys }, [key, from, to, , offset, count]) {
    const names = between(sorted(keys, key!), from!, to!);
    return offset === undefined ? names : names.slice(whole(offset), whole(offset) + whole(count));
  },
  ZREM({ keys }, [key, ...names]) {
    const set = keys.get(key!, "zset");
    const count = names.filter((name) => set?.delete(name)).length;
    keys.trim(key!);
    return count;
  },
  ZREMRANGEBYSCORE({ keys }, [key, from, to]) {
    const names = between(sorted(keys, key!), from!, to!);
    for (const name of names) keys.get(key!, "zset")?.delete(name);
    keys.trim(key!);
    return names.length;
  },
  ZSCORE({ keys }, [key, name]) {
    const score = keys.get(key!, "zset")?.get(name!);
    return score === undefined ? null : numberText(score);
  },
};

function remove({ keys }: CommandContext, names: readonly string[]): number {
  return names.filter((name) => keys.remove(name)).length;
}

/** `key MAXLEN n * field value …` */
function addToStream({ keys, nowMs }: CommandContext, args: readonly string[]): string {
  const [key, , max, , ...fields] = args;
  const stream = keys.make(key!, "stream");
  const ms = Math.floor(nowMs());
  if (ms > stream.lastMs) [stream.lastMs, stream.lastSeq] = [ms, 0];
  else stream.lastSeq++;
  const id = `${stream.lastMs}-${stream.lastSeq}`;
  stream.entries.push({ id, fields });
  stream.entries = stream.entries.slice(-whole(max));
  return id;
}

/** `key [NX|XX] score name …` */
function addToSorted({ keys }: CommandContext, [key, ...rest]: readonly string[]): number {
  const [first] = rest;
  const when = first === "NX" || first === "XX" ? rest.shift() : undefined;
  const set = keys.make(key!, "zset");
  const before = set.size;
  for (let i = 0; i < rest.length; i += 2) {
    const isThere = set.has(rest[i + 1]!);
    if (when === undefined || isThere === (when === "XX")) set.set(rest[i + 1]!, score(rest[i]));
  }
  const added = set.size - before;
  keys.trim(key!);
  return added;
}

/** By score, then by name. */
function sorted(keys: Keyspace, key: string): [string, number][] {
  const all = [...keys.get(key, "zset") ?? []];
  return all.sort(([a, x], [b, y]) => x - y || (a < b ? -1 : a > b ? 1 : 0));
}

function between(names: readonly [string, number][], from: string, to: string): string[] {
  const [low, high] = [from, to].map((text) => ({
    at: score(text.replace("(", "")),
    isOpen: text.startsWith("("),
  }));
  const isIn = (at: number) =>
    (low!.isOpen ? at > low!.at : at >= low!.at) &&
    (high!.isOpen ? at < high!.at : at <= high!.at);
  return names.filter(([, at]) => isIn(at)).map(([name]) => name);
}

function ranged(list: readonly string[], from: string | undefined, to: string | undefined) {
  const [low, high] = [whole(from), whole(to)].map((at) => at < 0 ? list.length + at : at);
  return list.slice(Math.max(0, low!), high! + 1);
}

function whole(text: string | undefined): number {
  if (text !== undefined && /^-?\d{1,16}$/.test(text)) return Number(text);
  throw new RedisError("ERR value is not an integer or out of range");
}

function score(text: string | undefined): number {
  if (text === "+inf" || text === "inf") return Infinity;
  if (text === "-inf") return -Infinity;
  const value = Number(text);
  if (text === undefined || text === "" || Number.isNaN(value)) {
    throw new RedisError("ERR value is not a valid float");
  }
  return value;
}

/** As `%.17g` writes it, for what is not too large and not too small. */
export function numberText(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(17)));
}
