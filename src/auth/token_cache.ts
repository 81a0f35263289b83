/**
 * Remembers verified credentials: verifying a signature costs ten times a relayed call.
 *
 * Credentials are kept as a keyed hash, so that a memory dump holds none. Only success is remembered.
 *
 * @module
 */
import { hash } from "node:crypto";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { Clock } from "../platform/clock.ts";
import { randomText } from "../platform/random.ts";

export interface TokenCache {
  /** The principal of a verified credential that has not expired since. */
  readonly find: (credential: string) => Principal | undefined;
  readonly keep: (credential: string, principal: Principal) => void;
}

export function createTokenCache(
  clock: Clock,
  maxEntries: number = LIMITS.verifiedTokens,
): TokenCache {
  const entries = new Map<string, Principal>();
  // The key comes first and has a fixed length, and the digest never leaves this map.
  const key = randomText(32);
  const keyOf = (credential: string) => hash("sha256", key + credential, "hex");

  return {
    find(credential) {
      const id = keyOf(credential);
      const principal = entries.get(id);
      if (principal === undefined) return undefined;
      if (principal.expiresAtMs > clock.now()) return principal;
      entries.delete(id);
      return undefined;
    },
    keep(credential, principal) {
      // Insertion order is age: the oldest makes room.
      if (entries.size >= maxEntries) entries.delete(entries.keys().next().value!);
      entries.set(keyOf(credential), principal);
    },
  };
}
