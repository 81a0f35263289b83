/**
 * Rates as people write them.
 *
 * @module
 */
export interface Rate {
  /** At least 1. */
  readonly count: number;
  readonly periodMs: number;
  /** As it was written, for people. */
  readonly text: string;
}

const PERIOD_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** Beyond, the smallest step of the clock is not much less than the time between two. */
const PER_SECOND_MAX = 1_000_000;

/** `100/s`, `1000/m`, `5000/h`. */
export function parseRate(text: string): Rate {
  const match = /^(\d{1,12})\s*\/\s*([smh])$/.exec(text.trim());
  const count = Number(match?.[1]);
  const periodMs = PERIOD_MS[match?.[2] ?? ""];
  if (periodMs === undefined || count < 1) {
    throw new Error('must be a rate such as "100/s", "1000/m" or "5000/h"');
  }
  if (count / periodMs * 1_000 > PER_SECOND_MAX) {
    throw new Error(`must not be more than ${PER_SECOND_MAX}/s`);
  }
  return { count, periodMs, text: `${count}/${match![2]}` };
}
