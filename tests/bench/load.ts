/**
 * The load generator: a process of its own that takes jobs as JSON lines on stdin and answers each with
 * one line on stdout. It lives for the whole run, so that its own code is warm in every measurement.
 *
 * CPU time of the process under test is read here, at the same instants at which counting starts and ends.
 *
 * @module
 */

import { drive, type Run } from "./drive.ts";
import { runDiscover } from "./discover.ts";
import { createFaultCount } from "./faults.ts";
import { createHistogram } from "./histogram.ts";
import { runChurn, runIdle } from "./hold.ts";
import { linesOf } from "./lines.ts";
import { machineCpu, processCpuUs, processRssBytes } from "./proc.ts";
import {
  type AnyJob,
  ID_PLACEHOLDER,
  type Job,
  type JobResult,
  SESSIONS_HELD_MAX,
} from "./types.ts";

/** Carries out one job of load. */
async function runLoad(job: Job, nextId: () => string): Promise<JobResult> {
  const latencies = createHistogram();
  const faults = createFaultCount();
  const wanted = "requests" in job.extent ? job.extent.requests : requestsMaxOf(job);
  const full = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<void>();
  let requests = 0;
  let parts = 0;
  let notReady = job.connections;
  const run: Run = {
    job,
    nextId,
    isMeasuring: false,
    isOver: false,
    onReady() {
      if (--notReady === 0) ready.resolve();
    },
    onReply(latencyMs) {
      if (!run.isMeasuring) return;
      latencies.add(latencyMs);
      if (++requests >= wanted) full.resolve();
    },
    onPart: (share) => void (parts += share),
    onEdge: [],
    onWrong: faults.add,
  };
  const connections = Array.from({ length: job.connections }, (_, turn) => drive(run, turn));
  const allLost = Promise.all(connections).then(() => {});

  // A connection that never gets ready is a wrong answer; the others need not wait for it.
  await Promise.race([ready.promise, sleep(READY_MS_MAX), allLost]);
  await Promise.race([sleep(job.warmupMs), allLost]);
  const before = readings(job);
  run.isMeasuring = true;
  for (const edge of run.onEdge) edge(-1);
  const end = "durationMs" in job.extent ? sleep(job.extent.durationMs) : full.promise;
  await Promise.race([end, full.promise, allLost]);
  run.isMeasuring = false;
  for (const edge of run.onEdge) edge(1);
  const after = readings(job);
  run.isOver = true;
  await allLost;

  const wallMs = after.atMs - before.atMs;
  const foreignUs = after.machine.workUs - before.machine.workUs - (after.ownUs - before.ownUs);
  return {
    requests: requests + parts,
    wallMs,
    p50Ms: latencies.percentileMs(0.5),
    p99Ms: latencies.percentileMs(0.99),
    cpuUs: after.cpuUs - before.cpuUs,
    rssBytes: after.rssBytes,
    foreignCores: Math.max(0, foreignUs / (wallMs * 1000)),
    stealCores: (after.machine.stealUs - before.machine.stealUs) / (wallMs * 1000),
    ...faults.faults(),
  };
}

/** Opening sessions and connections takes milliseconds; a connection that was refused never does. */
const READY_MS_MAX = 2_000;

function requestsMaxOf({ work, connections }: Job): number {
  const isHolding = work.kind === "sessions" && !work.endsEach;
  return isHolding ? SESSIONS_HELD_MAX - connections : Infinity;
}

function readings(job: Job) {
  return {
    atMs: performance.now(),
    cpuUs: processCpuUs(job.pid),
    ownUs: job.ownPids.reduce((sum, pid) => sum + processCpuUs(pid), 0),
    rssBytes: processRssBytes(job.pid),
    machine: machineCpu(),
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function runJob(job: AnyJob, nextId: () => string) {
  switch (job.kind) {
    case "load":
      return runLoad(job, nextId);
    case "idle":
      return runIdle(job, nextId);
    case "churn":
      return runChurn(job, nextId);
    case "discover":
      return runDiscover(job);
  }
}

if (import.meta.main) {
  let lastId = Number(ID_PLACEHOLDER);
  const nextId = () => String(++lastId);
  for await (const line of linesOf(Deno.stdin.readable)) {
    console.log(JSON.stringify(await runJob(JSON.parse(line), nextId)));
  }
}
