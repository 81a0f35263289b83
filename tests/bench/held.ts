/**
 * What is no case of load, in figures: idle sessions against the relay, sessions that came and went,
 * servers that do not answer, one with very many tools, and a principal far over its limit.
 *
 * @module
 */

import type { ContenderName } from "./contenders.ts";
import { median } from "./figures.ts";
import type { FairnessSample } from "./fairness.ts";
import type { ScaleFigures } from "./scale.ts";
import type { FaultySample } from "./faulty.ts";
import type { Growth } from "./growth.ts";
import type { IdleSample } from "./idle.ts";
import type { ImportFigures } from "./openapi_import.ts";
import type { Holding } from "./proc.ts";
import type { SideFigures } from "./side.ts";
import type { DiscoverResult, Faults } from "./types.ts";
import type { ValidationFigures } from "./validation.ts";

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

/** What others feel of a principal over its limit, see `FairnessSample`. */
export interface FairnessFigures extends Omit<FairnessSample, keyof Faults> {
  readonly rounds: number;
  /** To being alone, of what is measured within one round. */
  readonly p50Ratio: number;
  readonly p99Ratio: number;
  /** The same to the flood being elsewhere. */
  readonly p50ElsewhereRatio: number;
  readonly p99ElsewhereRatio: number;
}

/** What is no case of load; undefined and empty for what took no part. */
export interface Held {
  readonly idle: readonly IdleFigures[];
  readonly growth: Growth | undefined;
  readonly faulty: FaultyFigures | undefined;
  readonly discovery: DiscoveryFigures | undefined;
  readonly fairness: FairnessFigures | undefined;
  readonly sides: readonly SideFigures[];
  readonly scale: ScaleFigures | undefined;
  readonly imported: ImportFigures | undefined;
  readonly validation: ValidationFigures | undefined;
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

/** Sums up the rounds with a principal over its limit: the median of each figure. */
export function fairnessOf(samples: readonly FairnessSample[]): FairnessFigures | undefined {
  if (!isRight(samples)) return undefined;
  const over = (value: (sample: FairnessSample) => number) => median(samples.map(value));
  return {
    rounds: samples.length,
    quietP50Ms: over(({ quietP50Ms }) => quietP50Ms),
    quietP99Ms: over(({ quietP99Ms }) => quietP99Ms),
    elsewhereP50Ms: over(({ elsewhereP50Ms }) => elsewhereP50Ms),
    elsewhereP99Ms: over(({ elsewhereP99Ms }) => elsewhereP99Ms),
    floodedP50Ms: over(({ floodedP50Ms }) => floodedP50Ms),
    floodedP99Ms: over(({ floodedP99Ms }) => floodedP99Ms),
    p50Ratio: over(({ quietP50Ms, floodedP50Ms }) => floodedP50Ms / quietP50Ms),
    p99Ratio: over(({ quietP99Ms, floodedP99Ms }) => floodedP99Ms / quietP99Ms),
    p50ElsewhereRatio: over(({ elsewhereP50Ms, floodedP50Ms }) => floodedP50Ms / elsewhereP50Ms),
    p99ElsewhereRatio: over(({ elsewhereP99Ms, floodedP99Ms }) => floodedP99Ms / elsewhereP99Ms),
    timesLimit: over(({ timesLimit }) => timesLimit),
    floodCpuUs: over(({ floodCpuUs }) => floodCpuUs),
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
