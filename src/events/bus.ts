/**
 * Signals: what one replica says to another one that it names, and what that one answers.
 *
 * Bounded, and never a database: who is not there gets nothing, and nothing is kept for later. But
 * what becomes of a signal is known: it was answered, or it was surely not acted on and never will
 * be, or it was taken and the answer did not come.
 *
 * `memory_bus.ts` and `redis_bus.ts` implement it; both pass `tests/contract/signal_bus.ts`.
 *
 * @module
 * @see security.md, IRPC-03 to IRPC-05, F28, F29
 */
import type { ReplicaId } from "./presence.ts";

/** What it means is between sender and receiver. A message of MCP at most. */
export type Signal = string;

export type Delivery =
  | { readonly kind: "answered"; readonly answer: string }
  /** Nobody has taken it, and nobody will. */
  | { readonly kind: "undelivered" }
  /** It was taken, and what came of it is not known. */
  | { readonly kind: "unknown" };

/** Gives the answer. What it throws is nobody's answer: the sender is left without one. */
export type Receive = (signal: Signal, from: ReplicaId) => string | Promise<string>;

export interface SignalBus {
  /** Never rejects. Waits for the answer for `ANSWER_MS` at most. */
  readonly send: (to: ReplicaId, signal: Signal) => Promise<Delivery>;
  /** Whoever receives; there is one receiver. */
  readonly receive: (receive: Receive) => void;
  readonly close: () => void;
}

export const ANSWER_MS = 500;
