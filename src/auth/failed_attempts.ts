/**
 * Counts credentials that failed, so that guessing and flooding cost little and end soon.
 *
 * Nobody is locked out by somebody else: good credentials pass whatever fails beside them. Only a
 * source that fails without end is not listened to any more, but for what it was known for before.
 *
 * @module
 * @see security.md, AUTHN-19
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { parseAddress } from "../platform/addresses.ts";
import type { Clock } from "../platform/clock.ts";

export interface FailedAttempts {
  /**
   * Before anything is verified.
   * @param source IP address
   * @throws {GatewayError} `rate_limited` when this source has failed far too often
   */
  readonly check: (source: string) => void;
  /**
   * After a credential has failed.
   * @param subject whom it names, unproven
   * @throws {GatewayError} `rate_limited` when that is one too many
   */
  readonly note: (source: string, subject: string | undefined) => void;
}

export function createFailedAttempts(clock: Clock): FailedAttempts {
  const sources = createCounts(clock);
  const subjects = createCounts(clock);
  return {
    check(source) {
      if (sources.of(networkOf(source)) >= LIMITS.failuresVerified) throw tooMany();
    },
    note(source, subject) {
      const bySource = sources.add(networkOf(source));
      const bySubject = subject === undefined ? 0 : subjects.add(subject);
      // Also who is guessed at by many sources still learns that a token of their own has ended.
      const isHeldBack = bySource > LIMITS.failuresAnswered ||
        (bySubject > LIMITS.failuresAnswered && bySource > LIMITS.failuresFree);
      if (isHeldBack) throw tooMany();
    },
  };
}

/** Whoever has one IPv6 address has 2^64 of them. */
function networkOf(source: string): string {
  const address = parseAddress(source);
  if (address === undefined) return source;
  return address.bits === 32 ? `4 ${address.value}` : `6 ${address.value >> 64n}`;
}

interface Count {
  count: number;
  readonly endMs: number;
}

function createCounts(clock: Clock) {
  const counts = new Map<string, Count>();

  function current(key: string): Count | undefined {
    const found = counts.get(key);
    if (found === undefined || found.endMs > clock.monotonic()) return found;
    counts.delete(key);
    return undefined;
  }

  return {
    of: (key: string): number => current(key)?.count ?? 0,
    add(key: string): number {
      let found = current(key);
      if (found === undefined) {
        // Insertion order is age: the oldest makes room.
        if (counts.size >= LIMITS.failuresTracked) counts.delete(counts.keys().next().value!);
        found = { count: 0, endMs: clock.monotonic() + LIMITS.failuresMs };
        counts.set(key, found);
      }
      return ++found.count;
    },
  };
}

function tooMany(): GatewayError {
  return new GatewayError("rate_limited", "Too many failed attempts");
}
