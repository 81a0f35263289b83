/**
 * The measuring itself: every case, in rounds; in each round every contender once, the first one of a
 * round being another each time. A measurement that other load disturbed is repeated, within a budget.
 *
 * @module
 */

import type { BenchCase } from "./cases.ts";
import type { Contender, ContenderName } from "./contenders.ts";
import type { Listener, LoadGenerator } from "./processes.ts";
import { requestsOf, sessionScriptOf } from "./requests.ts";
import type { Extent, JobResult, Work } from "./types.ts";

/** How much is measured. */
export interface Plan {
  readonly rounds: number;
  readonly windowMs: number;
  /** The first round of a case warms up longer: its code is new to each contender. */
  readonly firstWarmupMs: number;
  readonly warmupMs: number;
  /** Repetitions of one measurement, and time for all repetitions of the run. */
  readonly repeatsMax: number;
  readonly repeatBudgetMs: number;
  readonly holding: HoldingPlan;
}

/** How much is measured of what is no case of load. */
export interface HoldingPlan {
  readonly idleSessions: number;
  readonly idleRounds: number;
  /** Each round opens and ends so many sessions; until the warm ones are over, a heap still grows. */
  readonly growthWarmRounds: number;
  readonly growthRounds: number;
  readonly growthSessions: number;
  /** Before holdings are read. */
  readonly settleMs: number;
  /** Fresh processes with servers that do not answer, and how long each is asked for its list. */
  readonly faultyRounds: number;
  readonly faultyMs: number;
  /** Fresh processes that are given a server with very many tools, and readings of all of these. */
  readonly discoveryRounds: number;
  readonly discoveryReadings: number;
  /** Rounds with one principal over its limit, and how long each half of one takes. */
  readonly fairRounds: number;
  readonly fairMs: number;
  /** Two contenders at once: load before the first window, before each, and the windows. */
  readonly sideHeatMs: number;
  readonly sideWarmupMs: number;
  readonly sideWindows: number;
  readonly sideMs: number;
  /** Of checks of arguments. */
  readonly checkWindows: number;
}

/** One measurement of one contender in one round of one case. */
export interface Sample {
  readonly which: BenchCase;
  readonly contender: ContenderName;
  readonly round: number;
  readonly result: JobResult;
  readonly isDisturbed: boolean;
}

/** Above these, counted in cores, a measurement is called disturbed. */
export const FOREIGN_CORES_MAX = 0.1;
export const STEAL_CORES_MAX = 0.02;

/** The full run, a little under nine minutes; and the look at everything that CI takes. */
export const FULL_PLAN: Plan = {
  rounds: 5,
  windowMs: 1_500,
  firstWarmupMs: 3_000,
  warmupMs: 300,
  repeatsMax: 2,
  repeatBudgetMs: 60_000,
  holding: {
    idleSessions: 1_000,
    idleRounds: 1,
    growthWarmRounds: 3,
    growthRounds: 5,
    growthSessions: 1_000,
    settleMs: 1_500,
    faultyRounds: 3,
    faultyMs: 4_000,
    discoveryRounds: 3,
    discoveryReadings: 40,
    fairRounds: 5,
    fairMs: 4_000,
    sideHeatMs: 12_000,
    sideWarmupMs: 100,
    sideWindows: 15,
    sideMs: 1_500,
    checkWindows: 25,
  },
};
export const SHORT_PLAN: Plan = {
  rounds: 1,
  windowMs: 500,
  firstWarmupMs: 250,
  warmupMs: 250,
  repeatsMax: 0,
  repeatBudgetMs: 0,
  holding: {
    idleSessions: 200,
    idleRounds: 1,
    growthWarmRounds: 1,
    growthRounds: 2,
    growthSessions: 100,
    settleMs: 300,
    faultyRounds: 1,
    faultyMs: 1_000,
    discoveryRounds: 1,
    discoveryReadings: 5,
    fairRounds: 1,
    fairMs: 1_000,
    sideHeatMs: 500,
    sideWarmupMs: 50,
    sideWindows: 1,
    sideMs: 500,
    checkWindows: 1,
  },
};

/** A soak begins with a process that is cold, whose heap grows for long without any reason but that. */
export const SOAK_PLAN: HoldingPlan = { ...FULL_PLAN.holding, growthWarmRounds: 15 };

/** The parts that take load, and those that belong to us. */
export interface Bench {
  readonly load: LoadGenerator;
  readonly stub: Listener;
  readonly contenders: readonly Contender[];
  readonly ownPids: readonly number[];
}

/** Measures all cases on all contenders. Wrong answers are in the samples; a dead process throws. */
export async function measureAll(
  bench: Bench,
  cases: readonly BenchCase[],
  plan: Plan,
  onSample: (sample: Sample) => void,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  let repeatMsLeft = plan.repeatBudgetMs;
  for (const which of cases) {
    const taking = bench.contenders.filter(({ name }) => which.contenders.includes(name));
    for (let round = 0; round < plan.rounds; round++) {
      for (const contender of rotated(taking, round)) {
        const warmupMs = round === 0 ? plan.firstWarmupMs : plan.warmupMs;
        let best = await measure(bench, which, contender, warmupMs, plan);
        for (let repeat = 0; repeat < plan.repeatsMax; repeat++) {
          // A wrong answer is a finding, not a disturbance: it must not be measured away.
          if (best.wrong > 0 || !isDisturbed(best) || repeatMsLeft <= 0) break;
          repeatMsLeft -= plan.warmupMs + plan.windowMs;
          const next = await measure(bench, which, contender, plan.warmupMs, plan);
          if (disturbance(next) < disturbance(best) || next.wrong > 0) best = next;
        }
        const sample: Sample = {
          which,
          contender: contender.name,
          round,
          result: best,
          isDisturbed: isDisturbed(best),
        };
        samples.push(sample);
        onSample(sample);
      }
    }
  }
  return samples;
}

/** One job of a case on a contender. */
export async function runCase(
  bench: Bench,
  which: BenchCase,
  contender: Contender,
  warmupMs: number,
  extent: Extent,
): Promise<JobResult> {
  const { listener } = contender;
  listener.check();
  const job = {
    kind: "load" as const,
    port: listener.port,
    work: workOf(which, contender),
    connections: which.connections,
    pauseMs: 0,
    warmupMs,
    extent,
    pid: listener.pid,
    ownPids: bench.ownPids,
  };
  try {
    return await bench.load.run(job);
  } finally {
    // If the contender has ended, its last words say more than what that did to the load generator.
    listener.check();
  }
}

/** The work of a case, as texts for this contender. */
function workOf({ asks }: BenchCase, contender: Contender): Work {
  const session = sessionScriptOf(contender.session);
  if (asks.kind === "sessions") return { kind: "sessions", session, endsEach: asks.endsEach };
  const { era, at = era, expect } = asks;
  const requests = requestsOf(asks, contender[at]);
  const work = { kind: "requests" as const, requests, expect };
  return era === "session" ? { ...work, session } : work;
}

function measure(
  bench: Bench,
  which: BenchCase,
  contender: Contender,
  warmupMs: number,
  plan: Plan,
): Promise<JobResult> {
  return runCase(bench, which, contender, warmupMs, { durationMs: plan.windowMs });
}

function disturbance(result: JobResult): number {
  return result.foreignCores / FOREIGN_CORES_MAX + result.stealCores / STEAL_CORES_MAX;
}

function isDisturbed(result: JobResult): boolean {
  return result.foreignCores > FOREIGN_CORES_MAX || result.stealCores > STEAL_CORES_MAX;
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = by % Math.max(list.length, 1);
  return [...list.slice(at), ...list.slice(0, at)];
}
