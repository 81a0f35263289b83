/**
 * What processes held, in figures: idle sessions against the relay, and sessions that came and went.
 *
 * @module
 */

import type { ContenderName } from "./contenders.ts";
import { median } from "./figures.ts";
import type { Growth } from "./growth.ts";
import type { IdleSample } from "./idle.ts";
import type { Holding } from "./proc.ts";

/**
 * One contender with idle sessions. Ratios are to the relay; undefined where that took no part, or
 * sessions are missing.
 */
export interface IdleFigures {
  readonly contender: ContenderName;
  readonly sessions: number;
  readonly beforeBytes: number;
  readonly heldBytes: number;
  readonly sessionBytes: number;
  readonly heldRatio: number | undefined;
  readonly sessionRatio: number | undefined;
}

/** All of it. */
export interface Held {
  readonly idle: readonly IdleFigures[];
  readonly growth: Growth | undefined;
}

/** Sums up the rounds of idle sessions. */
export function heldOf(samples: readonly IdleSample[], growth: Growth | undefined): Held {
  const names = [...new Set(samples.map(({ contender }) => contender))];
  const isWhole = (name: ContenderName) => {
    return samples.every(({ contender, wrong }) => contender !== name || wrong === 0);
  };
  const rows = names.map((contender) => {
    const rounds = samples.filter((sample) => sample.contender === contender);
    const over = (value: (sample: IdleSample) => number) => median(rounds.map(value));
    return {
      contender,
      sessions: over(({ sessions }) => sessions),
      beforeBytes: over(({ beforeBytes }) => beforeBytes),
      heldBytes: over(({ heldBytes }) => heldBytes),
      sessionBytes: over((it) => (it.heldBytes - it.beforeBytes) / it.sessions),
    };
  });
  const relay = rows.find(({ contender }) => contender === "relay" && isWhole(contender));
  const idle = rows.map((row) => {
    const measure = isWhole(row.contender) ? relay : undefined;
    return {
      ...row,
      heldRatio: measure && row.heldBytes / measure.heldBytes,
      sessionRatio: measure && row.sessionBytes / measure.sessionBytes,
    };
  });
  return { idle, growth };
}

/**
 * By how much memory grew per round: the median of the slopes between any two readings. A heap that makes
 * one step does not move it, and what every round leaves behind does.
 */
export function growthBytesPerRound(holdings: readonly Holding[]): number {
  const slopes = holdings.flatMap((from, index) =>
    holdings.slice(index + 1).map((to, more) => (to.rssBytes - from.rssBytes) / (more + 1))
  );
  return median(slopes);
}
