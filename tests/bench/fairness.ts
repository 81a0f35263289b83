/**
 * One principal at ten times its limit: what do others feel of it?
 *
 * A process with `RATE_LIMIT_PRINCIPAL`, and some principals with light load each. Their latency is
 * measured three times in each round: alone; while another one sends ten times what it may, to a
 * process of its own; while it sends that to theirs. On few cores the second is more than the first,
 * since a second load generator and refusing take their part of them; what the gateway lets others
 * feel is the third beside the second.
 *
 * @module
 */

import { newAccess, program, startGateway } from "./gateway.ts";
import type { Bench, HoldingPlan } from "./measure.ts";
import { STATELESS_PATH } from "./payload.ts";
import type { Listener, Processes } from "./processes.ts";
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
  readonly elsewhereP50Ms: number;
  readonly elsewhereP99Ms: number;
  readonly floodedP50Ms: number;
  readonly floodedP99Ms: number;
  /** What the flood has sent per second, in multiples of its limit. */
  readonly timesLimit: number;
  /** CPU time of the process for each message of the flood. */
  readonly floodCpuUs: number;
}

/** Measures round by round. */
export async function measureFairness(
  processes: Processes,
  bench: Bench,
  scratchDir: string,
  plan: HoldingPlan,
): Promise<FairnessSample[]> {
  const { env, tokenOf } = await newAccess();
  const settings = { ...env, RATE_LIMIT_PRINCIPAL: `${RATE}/s` };
  const upstreams = urlsOf(bench.stub, { stub: STATELESS_PATH });
  const start = (name: string) =>
    startGateway(processes, upstreams, `${scratchDir}/${name}`, settings);
  const listener = await start("fair");
  const elsewhere = await start("fair-elsewhere");
  const flood = processes.startLoadGenerator(program("load.ts"));
  const ownPids = [...bench.ownPids, listener.pid, elsewhere.pid, flood.pid];
  const jobOf = (
    listener: Listener,
    tokens: readonly string[],
    more: Pick<Job, "connections" | "pauseMs">,
  ): Job => ({
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
    const others = jobOf(listener, await Promise.all(names.map((name) => tokenOf(name))), {
      connections: OTHERS,
      pauseMs: OTHERS_PAUSE_MS,
    });
    const flooder = [await tokenOf("flood@example.com")];
    const beside = (at: Listener) => {
      const connections = FLOOD_CONNECTIONS;
      const flooding = jobOf(at, flooder, { connections, pauseMs: FLOOD_PAUSE_MS });
      return Promise.all([bench.load.run(others), flood.run(flooding)]);
    };
    const samples: FairnessSample[] = [];
    // What was never run before is slow for everybody.
    for (const at of [elsewhere, listener]) await beside(at);
    for (let round = 0; round < plan.fairRounds; round++) {
      const quiet = await bench.load.run(others);
      const [control] = await beside(elsewhere);
      samples.push(sampleOf(quiet, control, ...await beside(listener)));
    }
    return samples;
  } finally {
    for (const each of [listener, elsewhere]) {
      each.check();
      await each.stop();
    }
  }
}

function sampleOf(
  quiet: JobResult,
  control: JobResult,
  flooded: JobResult,
  flood: JobResult,
): FairnessSample {
  const ownUs = quiet.cpuUs / quiet.wallMs * flooded.wallMs;
  return {
    quietP50Ms: quiet.p50Ms,
    quietP99Ms: quiet.p99Ms,
    elsewhereP50Ms: control.p50Ms,
    elsewhereP99Ms: control.p99Ms,
    floodedP50Ms: flooded.p50Ms,
    floodedP99Ms: flooded.p99Ms,
    timesLimit: flood.requests / (flood.wallMs / 1000) / RATE,
    floodCpuUs: (flooded.cpuUs - ownUs) / flood.requests,
    wrong: quiet.wrong + control.wrong + flooded.wrong,
    wrongSamples: [quiet, control, flooded].flatMap(({ wrongSamples }) => wrongSamples),
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
