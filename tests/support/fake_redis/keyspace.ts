/**
 * What a fake Redis holds: keys with values of the kinds that the gateway uses, each until its time.
 *
 * Text is bytes, one character each.
 *
 * @module
 */
export interface StreamEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** A string, a hash, a list, a sorted set, a stream. */
export interface Values {
  readonly string: { text: string };
  readonly hash: Map<string, string>;
  readonly list: string[];
  readonly zset: Map<string, number>;
  readonly stream: { entries: StreamEntry[]; lastMs: number; lastSeq: number };
}

export type Kind = keyof Values;

interface Kept {
  readonly kind: Kind;
  readonly value: Values[Kind];
  endMs: number | undefined;
}

/** What Redis answers instead of a result. */
export class RedisError extends Error {
  override readonly name = "RedisError";
}

export interface Keyspace {
  /** The value of a key; `undefined` where there is none. @throws {RedisError} of another kind */
  readonly get: <K extends Kind>(key: string, kind: K) => Values[K] | undefined;
  /** The same, made where there is none. */
  readonly make: <K extends Kind>(key: string, kind: K) => Values[K];
  /** Takes away what is empty. */
  readonly trim: (key: string) => void;
  /** Whether it was there. */
  readonly remove: (key: string) => boolean;
  /** Whether it is there. */
  readonly expire: (key: string, atMs: number) => boolean;
  /** Milliseconds that are left; -1 for one without an end, -2 where there is none. */
  readonly left: (key: string) => number;
  readonly names: () => readonly string[];
  readonly clear: () => void;
  /** Gives what brings back all that is there now. */
  readonly remember: () => () => void;
}

export function createKeyspace(nowMs: () => number): Keyspace {
  let all = new Map<string, Kept>();

  function find(key: string): Kept | undefined {
    const kept = all.get(key);
    if (kept?.endMs === undefined || nowMs() <= kept.endMs) return kept;
    all.delete(key);
    return undefined;
  }

  function get<K extends Kind>(key: string, kind: K): Values[K] | undefined {
    const kept = find(key);
    if (kept === undefined) return undefined;
    if (kept.kind !== kind) {
      throw new RedisError("WRONGTYPE Operation against a key holding the wrong kind of value");
    }
    return kept.value as Values[K];
  }

  return {
    get,
    make<K extends Kind>(key: string, kind: K): Values[K] {
      const value = get(key, kind) ?? MAKE[kind]() as Values[K];
      if (!all.has(key)) all.set(key, { kind, value, endMs: undefined });
      return value;
    },
    trim(key) {
      const kept = all.get(key);
      if (kept !== undefined && isEmpty(kept.value)) all.delete(key);
    },
    remove: (key) => find(key) !== undefined && all.delete(key),
    expire(key, atMs) {
      const kept = find(key);
      if (kept === undefined) return false;
      kept.endMs = atMs;
      if (atMs <= nowMs()) all.delete(key);
      return true;
    },
    left(key) {
      const kept = find(key);
      if (kept === undefined) return -2;
      return kept.endMs === undefined ? -1 : kept.endMs - nowMs();
    },
    names: () => [...all.keys()].filter((key) => find(key) !== undefined),
    clear: () => all.clear(),
    remember() {
      const then = copied(all);
      return () => void (all = copied(then));
    },
  };
}

const MAKE: { readonly [K in Kind]: () => Values[K] } = {
  string: () => ({ text: "" }),
  hash: () => new Map(),
  list: () => [],
  zset: () => new Map(),
  stream: () => ({ entries: [], lastMs: 0, lastSeq: 0 }),
};

/** A stream stays when it is empty. */
function isEmpty(value: Values[Kind]): boolean {
  if (value instanceof Map) return value.size === 0;
  return Array.isArray(value) && value.length === 0;
}

function copied(all: ReadonlyMap<string, Kept>): Map<string, Kept> {
  return new Map([...all].map(([key, kept]) => [key, structuredClone(kept)]));
}
