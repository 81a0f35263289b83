/**
 * Servers that do not answer, among others: does the gateway start in spite of them, and are lists as
 * fast as ever?
 *
 * Each measurement has a process of its own, which knows nothing of its servers yet. One of them
 * accepts connections and never says anything, one refuses them.
 *
 * @module
 */

import { ALL_PATH, manyPaths, urlsOf } from "./contenders.ts";
import { newAccess, startGateway } from "./gateway.ts";
import type { Bench, HoldingPlan } from "./measure.ts";
import { manyToolNames } from "./payload.ts";
import type { Processes } from "./processes.ts";
import { listRequestOf } from "./requests.ts";
import type { Faults, JobResult } from "./types.ts";

/** Those that answer; the two others make it twenty. */
const WELL = 18;

/** Nobody listens there: it takes special rights, and the service that it was for is forgotten. */
const DEAD_PORT = 1;

/** Light load: some clients that ask now and then. */
const CONNECTIONS = 4;
const PAUSE_MS = 20;

const READY_MS_MAX = 10_000;
const POLL_MS = 5;

/** What was found, in one process. */
export interface FaultySample extends Faults {
  /** From the start of the process until it said that it is ready. */
  readonly readyMs: number;
  readonly lists: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Measures round by round. */
export async function measureFaulty(
  processes: Processes,
  bench: Bench,
  scratchDir: string,
  plan: HoldingPlan,
): Promise<FaultySample[]> {
  const samples: FaultySample[] = [];
  using hanging = openHanging();
  for (let round = 0; round < plan.faultyRounds; round++) {
    const dataDir = `${scratchDir}/faulty-${round}`;
    samples.push(await measureOne(processes, bench, dataDir, hanging, plan));
  }
  return samples;
}

async function measureOne(
  processes: Processes,
  bench: Bench,
  dataDir: string,
  hanging: Hanging,
  plan: HoldingPlan,
): Promise<FaultySample> {
  const { env, token } = await newAccess();
  const upstreams = {
    hanging: `http://127.0.0.1:${hanging.port}/mcp`,
    ...urlsOf(bench.stub, manyPaths(WELL)),
    dead: `http://127.0.0.1:${DEAD_PORT}/mcp`,
  };
  const startedMs = performance.now();
  const listener = await startGateway(processes, upstreams, dataDir, env);
  try {
    await whenReady(listener.port);
    const readyMs = performance.now() - startedMs;
    const address = { port: listener.port, path: ALL_PATH, token };
    const result: JobResult = await bench.load.run({
      kind: "load",
      port: listener.port,
      work: {
        kind: "requests",
        requests: [listRequestOf(address, undefined)],
        expect: { kind: "tools", names: manyToolNames(WELL) },
      },
      connections: CONNECTIONS,
      pauseMs: PAUSE_MS,
      warmupMs: 0,
      extent: { durationMs: plan.faultyMs },
      pid: listener.pid,
      ownPids: [...bench.ownPids, listener.pid],
    });
    const { requests: lists, p50Ms, p99Ms, wrong, wrongSamples } = result;
    return { readyMs, lists, p50Ms, p99Ms, wrong, wrongSamples };
  } finally {
    listener.check();
    await listener.stop();
  }
}

async function whenReady(port: number): Promise<void> {
  const untilMs = performance.now() + READY_MS_MAX;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/ready`);
    const text = await response.text();
    if (response.status === 200) return;
    if (performance.now() > untilMs) throw new Error(`It does not get ready: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

interface Hanging extends Disposable {
  readonly port: number;
}

/** A server that accepts connections, and that is all. */
function openHanging(): Hanging {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held: Deno.Conn[] = [];
  (async () => {
    for await (const conn of listener) held.push(conn);
  })().catch(() => {});
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      listener.close();
      for (const conn of held) conn.close();
    },
  };
}
