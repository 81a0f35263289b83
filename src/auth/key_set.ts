/**
 * The keys of one external issuer: fetched when the first token comes, again after some minutes, and
 * for a `kid` that is not known; never more often than `LIMITS.keysRetryMs`, however many ask.
 *
 * While the source is away, the keys that were last seen go on for a bounded time.
 *
 * @module
 * @see security.md, AUTHN-07, AUTHN-09
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../platform/clock.ts";
import type { PublicKeys } from "./key_document.ts";

export interface KeySet {
  /**
   * @returns `undefined` when the issuer has no such key; `freshMs` is how long what it verifies may
   *   be remembered
   * @throws {GatewayError} `unavailable` when the issuer's keys were never to be had, or too long ago
   */
  readonly find: (
    kid: string | undefined,
    algorithm: string,
  ) => Promise<{ readonly key: CryptoKey; readonly freshMs: number } | undefined>;
}

export interface KeySetDeps {
  readonly clock: Clock;
  /** Bounded in size and time. */
  readonly fetchKeys: () => Promise<PublicKeys>;
  /** Told of each failure to fetch. */
  readonly failed: (error: unknown) => void;
}

/** Before a source is asked again that has never answered; twice as long each time. */
const FIRST_RETRY_MS = 1_000;

export function createKeySet({ clock, fetchKeys, failed }: KeySetDeps): KeySet {
  let keys: PublicKeys | undefined;
  let fetchedMs = -Infinity;
  let nextMs = -Infinity;
  let pauseMs = FIRST_RETRY_MS;
  let fetching: Promise<boolean> | undefined;

  async function fetched(): Promise<boolean> {
    const startedMs = clock.monotonic();
    try {
      keys = await fetchKeys();
      fetchedMs = startedMs;
      nextMs = startedMs + LIMITS.keysRetryMs;
      return true;
    } catch (error) {
      nextMs = clock.monotonic() + (keys === undefined ? pauseMs : LIMITS.keysRetryMs);
      pauseMs = Math.min(2 * pauseMs, LIMITS.keysRetryMs);
      failed(error);
      return false;
    } finally {
      fetching = undefined;
    }
  }

  /** Whether the keys are others now, perhaps. One request, however many wait for it. */
  function refreshed(): Promise<boolean> {
    if (fetching === undefined && clock.monotonic() < nextMs) return Promise.resolve(false);
    return fetching ??= fetched();
  }

  const ageMs = () => clock.monotonic() - fetchedMs;

  return {
    async find(kid, algorithm) {
      let isRenewed = false;
      if (ageMs() >= LIMITS.keysFreshMs) isRenewed = await refreshed();
      if (keys === undefined || ageMs() >= LIMITS.keysStaleMs) {
        throw new GatewayError("unavailable", "The keys of the token's issuer cannot be had now");
      }
      let key = await keys.find(kid, algorithm);
      if (key === undefined && !isRenewed && await refreshed()) {
        key = await keys.find(kid, algorithm);
      }
      if (key === undefined) return undefined;
      const untilMs = ageMs() < LIMITS.keysFreshMs ? fetchedMs + LIMITS.keysFreshMs : nextMs;
      return { key, freshMs: Math.max(0, untilMs - clock.monotonic()) };
    },
  };
}
