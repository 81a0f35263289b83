/**
 * The load generator: a process of its own that takes jobs as JSON lines on stdin and answers each with
 * one line on stdout. It lives for the whole run, so that its own code is warm in every measurement.
 *
 * CPU time of the process under test is read here, at the same instants at which counting starts and ends.
 *
 * @module
 */

import { fullLook, quickLook, replyBytesMax } from "./check.ts";
import { type Connection, openConnection } from "./connection.ts";
import { createHistogram } from "./histogram.ts";
import { linesOf } from "./lines.ts";
import { machineCpu, processCpuUs, processRssBytes } from "./proc.ts";
import { ID_PLACEHOLDER, type Job, type JobResult } from "./types.ts";

const WRONG_SAMPLES_MAX = 3;

/** What the connections of one job share. */
interface Run {
  readonly job: Job;
  readonly nextId: () => string;
  readonly onReply: (latencyMs: number) => void;
  readonly onWrong: (what: string) => void;
  isOver: boolean;
}

/** Carries out one job. */
async function runJob(job: Job, nextId: () => string): Promise<JobResult> {
  const latencies = createHistogram();
  const wrongSamples: string[] = [];
  const wanted = "requests" in job.extent ? job.extent.requests : Infinity;
  const full = Promise.withResolvers<void>();
  let isMeasuring = false;
  let requests = 0;
  let wrong = 0;
  const run: Run = {
    job,
    nextId,
    isOver: false,
    onReply(latencyMs) {
      if (!isMeasuring) return;
      latencies.add(latencyMs);
      if (++requests >= wanted) full.resolve();
    },
    onWrong(what) {
      wrong++;
      if (wrongSamples.length < WRONG_SAMPLES_MAX) wrongSamples.push(what);
    },
  };
  const connections = Array.from({ length: job.connections }, () => drive(run));
  const allLost = Promise.all(connections).then(() => {});

  await Promise.race([sleep(job.warmupMs), allLost]);
  const before = readings(job);
  isMeasuring = true;
  const end = "durationMs" in job.extent ? sleep(job.extent.durationMs) : full.promise;
  await Promise.race([end, allLost]);
  isMeasuring = false;
  const after = readings(job);
  run.isOver = true;
  await allLost;

  const wallMs = after.atMs - before.atMs;
  const foreignUs = after.machine.workUs - before.machine.workUs - (after.ownUs - before.ownUs);
  return {
    requests,
    wallMs,
    p50Ms: latencies.percentileMs(0.5),
    p99Ms: latencies.percentileMs(0.99),
    cpuUs: after.cpuUs - before.cpuUs,
    rssBytes: processRssBytes(job.pid),
    foreignCores: Math.max(0, foreignUs / (wallMs * 1000)),
    stealCores: (after.machine.stealUs - before.machine.stealUs) / (wallMs * 1000),
    wrong,
    wrongSamples,
  };
}

/** Sends requests on one connection until the run is over. A lost connection is a wrong answer. */
async function drive(run: Run): Promise<void> {
  const { job } = run;
  const request = new TextEncoder().encode(job.request);
  const places = placesOf(job.request);
  let isFirst = true;
  let connection: Connection | undefined;
  try {
    connection = await openConnection(job.port, replyBytesMax(job.expect));
    while (!run.isOver) {
      const id = run.nextId();
      for (const place of places) write(request, place, id);
      const startMs = performance.now();
      const reply = await connection.exchange(request);
      run.onReply(performance.now() - startMs);
      let fault = quickLook(reply, id, job.expect);
      if (isFirst) fault ??= fullLook(reply, id, job.expect);
      isFirst = false;
      if (fault !== undefined) run.onWrong(fault);
    }
  } catch (error) {
    run.onWrong(error instanceof Error ? error.message : String(error));
  } finally {
    connection?.close();
  }
}

function readings(job: Job) {
  return {
    atMs: performance.now(),
    cpuUs: processCpuUs(job.pid),
    ownUs: job.ownPids.reduce((sum, pid) => sum + processCpuUs(pid), 0),
    machine: machineCpu(),
  };
}

/** Where ids stand. Heads and bodies are ASCII, so places in the text are places in the bytes. */
function placesOf(request: string): number[] {
  const places: number[] = [];
  let at = request.indexOf(ID_PLACEHOLDER);
  while (at >= 0) {
    places.push(at);
    at = request.indexOf(ID_PLACEHOLDER, at + ID_PLACEHOLDER.length);
  }
  return places;
}

function write(target: Uint8Array, at: number, digits: string): void {
  for (let index = 0; index < digits.length; index++) target[at + index] = digits.charCodeAt(index);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) {
  let lastId = Number(ID_PLACEHOLDER);
  const nextId = () => String(++lastId);
  for await (const line of linesOf(Deno.stdin.readable)) {
    console.log(JSON.stringify(await runJob(JSON.parse(line), nextId)));
  }
}
