/**
 * Counts what was wrong, and keeps a few of it in words.
 *
 * @module
 */

import type { Faults } from "./types.ts";

const SAMPLES_MAX = 3;

/** A count that begins at nothing. */
export interface FaultCount {
  add(what: unknown): void;
  faults(): Faults;
}

export function createFaultCount(): FaultCount {
  const wrongSamples: string[] = [];
  let wrong = 0;
  return {
    add(what) {
      wrong++;
      if (wrongSamples.length >= SAMPLES_MAX) return;
      wrongSamples.push(what instanceof Error ? what.message : String(what));
    },
    faults: () => ({ wrong, wrongSamples }),
  };
}

/** The faults of several measurements as one. */
export function sumOfFaults(parts: readonly Faults[]): Faults {
  return {
    wrong: parts.reduce((sum, part) => sum + part.wrong, 0),
    wrongSamples: parts.flatMap((part) => part.wrongSamples).slice(0, SAMPLES_MAX),
  };
}
