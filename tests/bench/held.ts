/**
 * What is no case of load, in figures: idle sessions against the relay, sessions that came and went,
 * servers that do not answer, and one with very many tools.
 *
 * @module
 */

import type { ContenderName } from "./contenders.ts";
import { median } from "./figures.ts";
import type { FaultySample } from "./faulty.ts";
import type { Growth } from "./growth.ts";
import type { IdleSample } from "./idle.ts";
import type { Holding } from "./proc.ts";
import type { SideFigures } from "./side.ts";
import type { DiscoverResult, Faults } from "./types.ts";

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

/** Lists and the start of a gateway, some of whose servers do not answer. */
export interface FaultyFigures {
  readonly rounds: number;
  readonly readyMs: number;
  readonly lists: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A server with very many tools, see `DiscoverResult`. */
export type DiscoveryFigures = Omit<DiscoverResult, keyof Faults>;

/** What is no case of load; undefined and empty for what took no part. */
export interface Held {
  readonly idle: readonly IdleFigures[];
  readonly growth: Growth | undefined;
  readonly faulty: FaultyFigures | undefined;
  readonly discovery: DiscoveryFigures | undefined;
  readonly sides: readonly SideFigures[];
}

/** Sums up the rounds of servers that do not answer: the median of each figure. */
export function faultyOf(samples: readonly FaultySample[]): FaultyFigures | undefined {
  if (!isRight(samples)) return undefined;
  return {
    rounds: samples.length,
    readyMs: median(samples.map(({ readyMs }) => readyMs)),
    lists: samples.reduce((sum, { lists }) => sum + lists, 0),
    p50Ms: median(samples.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(samples.map(({ p99Ms }) => p99Ms)),
  };
}

/** Sums up the rounds of discovery: the median of each figure. */
export function discoveryOf(results: readonly DiscoverResult[]): DiscoveryFigures | undefined {
  if (!isRight(results)) return undefined;
  const over = (value: (result: DiscoverResult) => number) => median(results.map(value));
  return {
    discoveryMs: over(({ discoveryMs }) => discoveryMs),
    againMs: over(({ againMs }) => againMs),
    pages: over(({ pages }) => pages),
    firstPageMs: over(({ firstPageMs }) => firstPageMs),
    pageP50Ms: over(({ pageP50Ms }) => pageP50Ms),
    pageP99Ms: over(({ pageP99Ms }) => pageP99Ms),
    quietPauseMs: over(({ quietPauseMs }) => quietPauseMs),
    discoveryPauseMs: over(({ discoveryPauseMs }) => discoveryPauseMs),
    againPauseMs: over(({ againPauseMs }) => againPauseMs),
  };
}

function isRight(all: readonly Faults[]): boolean {
  return all.length > 0 && all.every(({ wrong }) => wrong === 0);
}

/** Sums up the rounds of idle sessions. */
export function idleOf(samples: readonly IdleSample[]): readonly IdleFigures[] {
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
  return rows.map((row) => {
    const measure = isWhole(row.contender) ? relay : undefined;
    return {
      ...row,
      heldRatio: measure && row.heldBytes / measure.heldBytes,
      sessionRatio: measure && row.sessionBytes / measure.sessionBytes,
    };
  });
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
