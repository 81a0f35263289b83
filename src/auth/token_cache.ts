/**
 * Remembers verified credentials: verifying a signature costs ten times a relayed call.
 *
 * Tokens are kept as a keyed hash, so that a memory dump holds none. Only success is remembered.
 *
 * @module
 */
import { hash } from "node:crypto";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { Clock } from "../platform/clock.ts";
import { randomText } from "../platform/random.ts";

export interface TokenCache {
  /** The principal of a verified token that has not expired since. */
  readonly find: (token: string) => Principal | undefined;
  readonly keep: (token: string, principal: Principal) => void;
}

export function createTokenCache(clock: Clock, maxEntries = LIMITS.verifiedTokens): TokenCache {
  const entries = new Map<string, Principal>();
  // The key comes first and has a fixed length, and the digest never leaves this map.
  const key = randomText(32);
  const keyOf = (token: string) => hash("sha256", key + token, "base64");

  return {
    find(token) {
      const id = keyOf(token);
      const principal = entries.get(id);
      if (principal === undefined) return undefined;
      if (principal.expiresAtMs > clock.now()) return principal;
      entries.delete(id);
      return undefined;
    },
    keep(token, principal) {
      // Insertion order is age: the oldest makes room.
      if (entries.size >= maxEntries) entries.delete(entries.keys().next().value!);
      entries.set(keyOf(token), principal);
    },
  };
}
