/**
 * Counts bytes that are held for others, so that many large answers at once cannot exhaust memory.
 *
 * @module
 */
export interface ByteBudget {
  readonly hold: (bytes: number) => void;
  readonly release: (bytes: number) => void;
  /** Whether nothing more should be started. */
  readonly isSpent: () => boolean;
}

export function createByteBudget(maxBytes: number): ByteBudget {
  let held = 0;
  return {
    hold: (bytes) => void (held += bytes),
    release: (bytes) => void (held -= bytes),
    isSpent: () => held >= maxBytes,
  };
}
