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
import type { Credential } from "../domain/credential.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../platform/clock.ts";
import { randomText } from "../platform/random.ts";
import type { Verdict } from "./bearer_jwt.ts";

export interface TokenCache {
  /**
   * What was verified, while it has not expired, its key is not to be asked for again, and it
   * counts at this URL.
   * @param text as it was presented
   */
  readonly find: (
    text: string,
    at: { readonly resource: string },
  ) => Credential | undefined;
  readonly keep: (text: string, verdict: Verdict) => void;
}

interface Entry {
  readonly credential: Credential;
  readonly resources: readonly string[] | undefined;
  /** By the clock for durations. */
  readonly untilMs: number;
}

/** How long a credential may be kept as it is after it was hashed. */
const RECENT_MS = 10_000;
const RECENT_MAX = 1_000;

export function createTokenCache(
  clock: Clock,
  maxEntries: number = LIMITS.verifiedTokens,
): TokenCache {
  const entries = new Map<string, Entry>();
  const recent = new Map<string, Entry>();
  let recentSinceMs = clock.monotonic();
  // The key comes first and has a fixed length, and the digest never leaves this map.
  const key = randomText(32);
  const keyOf = (text: string) => hash("sha256", key + text, "hex");

  function findRecent(text: string): Entry | undefined {
    const nowMs = clock.monotonic();
    if (nowMs - recentSinceMs < RECENT_MS) return recent.get(text);
    recent.clear();
    recentSinceMs = nowMs;
    return undefined;
  }

  function findKept(text: string): Entry | undefined {
    const entry = entries.get(keyOf(text));
    if (entry !== undefined && recent.size < RECENT_MAX) recent.set(text, entry);
    return entry;
  }

  const isOver = ({ credential, untilMs }: Entry) =>
    credential.expiresAtMs <= clock.now() ||
    (untilMs !== Infinity && untilMs <= clock.monotonic());

  return {
    find(text, at) {
      const entry = findRecent(text) ?? findKept(text);
      if (entry === undefined) return undefined;
      if (isOver(entry)) {
        recent.delete(text);
        entries.delete(keyOf(text));
        return undefined;
      }
      const { credential, resources } = entry;
      return resources === undefined || resources.includes(at.resource) ? credential : undefined;
    },
    keep(text, { credential, resources, freshMs }) {
      const hashed = keyOf(text);
      // Of two requests with one token the later one is kept last.
      recent.delete(text);
      entries.delete(hashed);
      // Insertion order is age: the oldest makes room.
      if (entries.size >= maxEntries) entries.delete(entries.keys().next().value!);
      entries.set(hashed, { credential, resources, untilMs: clock.monotonic() + freshMs });
    },
  };
}
