/**
 * What is remembered of many keys, for as long as they are used.
 *
 * Keys lie in two generations: a key that is used moves into the young one, and from time to time
 * the old one is dropped and the young one becomes it. So nothing has to be swept, and no table
 * shrinks (see `docs/decisions/0012-no-sets-on-the-message-path.md`).
 *
 * @module
 */
export interface RecentKeys<T> {
  /** What is remembered of the key, or made anew. */
  readonly of: (key: string, nowMs: number) => T;
  /** Keys that are remembered. */
  readonly size: () => number;
}

/**
 * @param rememberedMs how long a key is remembered at least after its last use
 * @param keysMax with more keys, those that were not used for longest begin anew
 */
export function createRecentKeys<T>(
  make: (nowMs: number) => T,
  { rememberedMs, keysMax, nowMs }: {
    readonly rememberedMs: number;
    readonly keysMax: number;
    readonly nowMs: number;
  },
): RecentKeys<T> {
  let young = new Map<string, T>();
  let old = new Map<string, T>();
  let turnedMs = nowMs;

  function turn(nowMs: number): void {
    // Neither was used since: what is in them is as good as new.
    old = nowMs - turnedMs >= 2 * rememberedMs ? new Map() : young;
    young = new Map();
    turnedMs = nowMs;
  }

  return {
    of(key, nowMs) {
      if (nowMs - turnedMs >= rememberedMs) turn(nowMs);
      let value = young.get(key);
      if (value !== undefined) return value;
      value = old.get(key) ?? make(nowMs);
      if (young.size >= keysMax / 2) turn(nowMs);
      young.set(key, value);
      old.delete(key);
      return value;
    },
    size: () => young.size + old.size,
  };
}
