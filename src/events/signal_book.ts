/**
 * What a replica has to remember of signals: numbers that it gives, numbers that it has seen, and
 * who waits for which answer.
 *
 * @module
 */
import { LIMITS } from "../domain/limits.ts";
import type { ReplicaId } from "./presence.ts";

/** A message as it is sealed. */
export interface Envelope {
  readonly from: ReplicaId;
  /** Rises with each message from this sender to this receiver. */
  readonly number: number;
  readonly body: string;
  /** The number of the message that it answers. */
  readonly answers?: number;
}

/** @param text was sealed, so a replica has written it */
export function readEnvelope(text: string): Envelope {
  return JSON.parse(text) as Envelope;
}

export interface SignalBook {
  readonly envelope: (body: string, answers?: number) => Envelope;
  /** Whether its sender has said nothing newer yet: else somebody says it again. */
  readonly isNew: (envelope: Envelope) => boolean;
  /** Gives what ends the waiting. */
  readonly await: (number: number, answered: (answer: string) => void) => () => void;
  readonly answered: (number: number, answer: string) => void;
}

export function createSignalBook(self: ReplicaId): SignalBook {
  // One row of numbers for all receivers: to each of them it rises.
  let last = 0;
  const seen = new Map<ReplicaId, number>();
  const waiting = new Map<number, (answer: string) => void>();
  return {
    envelope: (body, answers) => ({
      from: self,
      number: ++last,
      body,
      ...answers !== undefined && { answers },
    }),
    isNew({ from, number }) {
      if (number <= (seen.get(from) ?? 0)) return false;
      // The one that was heard of last comes last: with too many the first goes.
      seen.delete(from);
      if (seen.size >= LIMITS.replicasHeard) seen.delete(seen.keys().next().value!);
      seen.set(from, number);
      return true;
    },
    await(number, answered) {
      waiting.set(number, answered);
      return () => void waiting.delete(number);
    },
    answered: (number, answer) => waiting.get(number)?.(answer),
  };
}
