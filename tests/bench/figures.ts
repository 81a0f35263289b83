/**
 * From samples to figures: medians over the rounds, and ratios that are taken within a round, between
 * neighbours in time, before the median is.
 *
 * @module
 */

import type { BenchCase, CaseName } from "./cases.ts";
import type { ContenderName } from "./contenders.ts";
import type { Sample } from "./measure.ts";

/** What is known of one contender in one case. Units are requests or notifications. */
export interface Figures {
  readonly which: BenchCase;
  readonly contender: ContenderName;
  readonly unitsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerUnit: number;
  readonly rssBytes: number;
  readonly disturbedRounds: number;
}

/** Reads figures of contenders, alone and against each other; undefined where one did not take part. */
export interface Results {
  readonly all: readonly Figures[];
  of(name: CaseName, contender: ContenderName): Figures | undefined;
  /** Median over the rounds of how many times the other's CPU time per unit was used. */
  cpuRatio(name: CaseName, contender: ContenderName, other: ContenderName): number | undefined;
  /** The same for units per second. */
  speedRatio(name: CaseName, contender: ContenderName, other: ContenderName): number | undefined;
  /** Median over the rounds of what the contender's median latency adds to the other's. */
  addedP50Ms(name: CaseName, contender: ContenderName, other: ContenderName): number | undefined;
}

/** Sums up all samples of a run. */
export function resultsOf(samples: readonly Sample[]): Results {
  const find = (name: CaseName, contender: ContenderName) =>
    samples.filter((sample) => sample.which.name === name && sample.contender === contender);

  function compare(
    name: CaseName,
    contender: ContenderName,
    other: ContenderName,
    by: (one: Sample, two: Sample) => number,
  ): number | undefined {
    const others = find(name, other);
    const values = find(name, contender).flatMap((one) => {
      const two = others.find((sample) => sample.round === one.round);
      return two === undefined ? [] : [by(one, two)];
    });
    return values.length === 0 ? undefined : median(values);
  }

  const keys = new Map(samples.map((it) => [`${it.which.name} ${it.contender}`, it] as const));
  const all = [...keys.values()].map(({ which, contender }): Figures => {
    const rounds = find(which.name, contender);
    const over = (value: (sample: Sample) => number) => median(rounds.map(value));
    return {
      which,
      contender,
      unitsPerSecond: over(unitsPerSecond),
      p50Ms: over(({ result }) => result.p50Ms),
      p99Ms: over(({ result }) => result.p99Ms),
      cpuUsPerUnit: over(cpuUsPerUnit),
      rssBytes: over(({ result }) => result.rssBytes),
      disturbedRounds: rounds.filter((sample) => sample.isDisturbed).length,
    };
  });
  return {
    all,
    of: (name, contender) => all.find((it) => it.which.name === name && it.contender === contender),
    cpuRatio: (name, contender, other) =>
      compare(name, contender, other, (one, two) => cpuUsPerUnit(one) / cpuUsPerUnit(two)),
    speedRatio: (name, contender, other) =>
      compare(name, contender, other, (one, two) => unitsPerSecond(one) / unitsPerSecond(two)),
    addedP50Ms: (name, contender, other) =>
      compare(name, contender, other, (one, two) => one.result.p50Ms - two.result.p50Ms),
  };
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

function unitsPerSecond({ which, result }: Sample): number {
  return result.requests * which.unitsPerRequest / result.wallMs * 1000;
}

function cpuUsPerUnit({ which, result }: Sample): number {
  return result.cpuUs / (result.requests * which.unitsPerRequest);
}
