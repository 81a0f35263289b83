/**
 * One principal at ten times its limit: what do others feel of it?
 *
 * A process with `RATE_LIMIT_PRINCIPAL`, and some principals with light load each. Their latency is
 * measured twice in each round: alone, and while another one sends ten times what it may. A second
 * load generator sends that; on few cores what it takes itself is in the figure, too.
 *
 * @module
 */

import { newAccess, program, startGateway } from "./gateway.ts";
import type { Bench, HoldingPlan } from "./measure.ts";
import { STATELESS_PATH } from "./payload.ts";
import type { LoadGenerator, Processes } from "./processes.ts";
import { urlsOf } from "./contenders.ts";
import { requestOf } from "./requests.ts";
import type { Faults, Job, JobResult } from "./types.ts";

/** Messages per second that one principal may send. */
const RATE = 200;

/** Each sends well below its limit. */
const OTHERS = 4;
const OTHERS_PAUSE_MS = 10;

/** Ten times the limit: connections that each wait for so long after an answer. */
const FLOOD_CONNECTIONS = 32;
const FLOOD_PAUSE_MS = 10;

const TEXT_BYTES = 1024;

/** What was found in one round. Faults are those of the others: the flood is refused on purpose. */
export interface FairnessSample extends Faults {
  readonly quietP50Ms: number;
  readonly quietP99Ms: number;
  readonly floodedP50Ms: number;
  readonly floodedP99Ms: number;
  /** What the flood has sent per second, in multiples of its limit. */
  readonly timesLimit: number;
  /** CPU time of the process for each message of the flood. */
  readonly floodCpuUs: number;
}

/** Measures round by round, in one process. */
export async function measureFairness(
  processes: Processes,
  bench: Bench,
  scratchDir: string,
  plan: HoldingPlan,
): Promise<FairnessSample[]> {
  const { env, tokenOf } = await newAccess();
  const settings = { ...env, RATE_LIMIT_PRINCIPAL: `${RATE}/s` };
  const upstreams = urlsOf(bench.stub, { stub: STATELESS_PATH });
  const listener = await startGateway(processes, upstreams, `${scratchDir}/fair`, settings);
  const flood = processes.startLoadGenerator(program("load.ts"));
  const ownPids = [...bench.ownPids, listener.pid, flood.pid];
  const jobOf = (tokens: readonly string[], more: Pick<Job, "connections" | "pauseMs">): Job => ({
    kind: "load",
    port: listener.port,
    work: {
      kind: "requests",
      requests: tokens.map((token) => callAs(token, listener.port)),
      expect: { kind: "text", bytes: TEXT_BYTES },
    },
    warmupMs: plan.fairMs / 4,
    extent: { durationMs: plan.fairMs },
    pid: listener.pid,
    ownPids,
    ...more,
  });
  try {
    const names = Array.from({ length: OTHERS }, (_, at) => `other-${at}@example.com`);
    const others = jobOf(await Promise.all(names.map((name) => tokenOf(name))), {
      connections: OTHERS,
      pauseMs: OTHERS_PAUSE_MS,
    });
    const flooding = jobOf([await tokenOf("flood@example.com")], {
      connections: FLOOD_CONNECTIONS,
      pauseMs: FLOOD_PAUSE_MS,
    });
    const samples: FairnessSample[] = [];
    // What was never run before is slow for everybody.
    await together(bench.load, others, flood, flooding);
    for (let round = 0; round < plan.fairRounds; round++) {
      const quiet = await bench.load.run(others);
      samples.push(sampleOf(quiet, ...await together(bench.load, others, flood, flooding)));
    }
    return samples;
  } finally {
    listener.check();
    await listener.stop();
  }
}

function together(
  load: LoadGenerator,
  others: Job,
  flood: LoadGenerator,
  flooding: Job,
): Promise<[JobResult, JobResult]> {
  return Promise.all([load.run(others), flood.run(flooding)]);
}

function sampleOf(quiet: JobResult, flooded: JobResult, flood: JobResult): FairnessSample {
  const ownUs = quiet.cpuUs / quiet.wallMs * flooded.wallMs;
  return {
    quietP50Ms: quiet.p50Ms,
    quietP99Ms: quiet.p99Ms,
    floodedP50Ms: flooded.p50Ms,
    floodedP99Ms: flooded.p99Ms,
    timesLimit: flood.requests / (flood.wallMs / 1000) / RATE,
    floodCpuUs: (flooded.cpuUs - ownUs) / flood.requests,
    wrong: quiet.wrong + flooded.wrong,
    wrongSamples: [...quiet.wrongSamples, ...flooded.wrongSamples],
  };
}

function callAs(token: string, port: number): string {
  return requestOf({
    kind: "request",
    era: "stateless",
    method: "tools/call",
    tool: "text",
    args: { bytes: TEXT_BYTES },
    expect: { kind: "text", bytes: TEXT_BYTES },
  }, { port, path: "/servers/stub/mcp", token });
}
