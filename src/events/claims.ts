/**
 * Claims: what only one replica may hold at a time, a watch on an upstream server or a task that
 * one of them does for all.
 *
 * A claim moves only when its holder is dead, or has given it back. Each time it is taken it has a
 * higher fencing number, by which whoever stores something can refuse a holder of the past.
 *
 * `memory_claims.ts` and `redis_claims.ts` implement it; both pass `tests/contract/claims.ts`.
 *
 * @module
 * @see security.md, F25, F45
 */
import type { ReplicaId } from "./presence.ts";

export interface Claim {
  /** Higher than that of every holder before. */
  readonly fence: number;
  /** Whether it is certain that nobody else holds it. */
  readonly isHeld: () => boolean;
  /** For the next one, who need not wait then. */
  readonly release: () => Promise<void>;
}

export interface Claims {
  /**
   * Takes the claim, unless a replica holds it that lives: then gives which. Of a claim that this
   * replica holds it gives the same again.
   * @param lost called once when it is not certain any more that it is held here
   * @throws {GatewayError} `unavailable`
   */
  readonly take: (name: string, lost: () => void) => Promise<Claim | ReplicaId>;
  /** Who holds it, as far as is known. @throws {GatewayError} `unavailable` */
  readonly holder: (name: string) => Promise<ReplicaId | undefined>;
  readonly close: () => Promise<void>;
}
