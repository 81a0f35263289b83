/**
 * Which replicas live: each says so again and again, and counts as dead when it has not for
 * `ABSENT_MS`, by the clock of Redis. One that comes back after that has lost all that it held.
 *
 * @module
 * @see security.md, F45, F47
 */

/** Names a process, from its start to its end: 12 random bytes as base64url. */
export type ReplicaId = string;

export interface Presence {
  /** @throws {GatewayError} `unavailable` when it cannot be known */
  readonly isAlive: (replica: ReplicaId) => Promise<boolean>;
  /** Those that live, this one included. @throws {GatewayError} `unavailable`, the same */
  readonly list: () => Promise<readonly ReplicaId[]>;
  /** Replicas that live, this one included, as far as is known here. At least 1. */
  readonly count: () => number;
  /** Whether the others still hold this one for alive. */
  readonly isPresent: () => boolean;
  /** Called when others may have held this one for dead: what it held is not its own any more. */
  readonly onLost: (lost: () => void) => void;
  readonly close: () => Promise<void>;
}

/** More than an event loop may hang, and less than a client waits. */
export const ABSENT_MS = 3_000;
export const BEAT_MS = 700;

/** The presence of a process that has no others. */
export function alone(self: ReplicaId): Presence {
  return {
    isAlive: (replica) => Promise.resolve(replica === self),
    list: () => Promise.resolve([self]),
    count: () => 1,
    isPresent: () => true,
    onLost() {},
    close: () => Promise.resolve(),
  };
}
