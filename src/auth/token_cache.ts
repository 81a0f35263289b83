/**
 * Remembers verified credentials: verifying a signature costs ten times a relayed call.
 *
 * Credentials are kept as a keyed hash, so that a memory dump holds those in use and no others.
 * Hashing costs a sixth of a relayed call: what was seen in the last seconds is found by itself,
 * and forgotten again. Only success is remembered.
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

/** How long a credential may be kept as it is after it was hashed. */
const RECENT_MS = 10_000;
const RECENT_MAX = 1_000;

export function createTokenCache(
  clock: Clock,
  maxEntries: number = LIMITS.verifiedTokens,
): TokenCache {
  const entries = new Map<string, Principal>();
  const recent = new Map<string, Principal>();
  let recentSinceMs = clock.monotonic();
  // The key comes first and has a fixed length, and the digest never leaves this map.
  const key = randomText(32);
  const keyOf = (credential: string) => hash("sha256", key + credential, "hex");

  function findRecent(credential: string): Principal | undefined {
    const nowMs = clock.monotonic();
    if (nowMs - recentSinceMs < RECENT_MS) return recent.get(credential);
    recent.clear();
    recentSinceMs = nowMs;
    return undefined;
  }

  function findKept(credential: string): Principal | undefined {
    const principal = entries.get(keyOf(credential));
    if (principal !== undefined && recent.size < RECENT_MAX) recent.set(credential, principal);
    return principal;
  }

  return {
    find(credential) {
      const principal = findRecent(credential) ?? findKept(credential);
      if (principal === undefined || principal.expiresAtMs > clock.now()) return principal;
      recent.delete(credential);
      entries.delete(keyOf(credential));
      return undefined;
    },
    keep(credential, principal) {
      // Insertion order is age: the oldest makes room.
      if (entries.size >= maxEntries) entries.delete(entries.keys().next().value!);
      entries.set(keyOf(credential), principal);
    },
  };
}
