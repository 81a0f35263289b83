/**
 * The load generator's other jobs: sessions that are held, and sessions that come and go, each with a
 * stream of its own.
 *
 * @module
 */

import { fullLook, replyBytesMax } from "./check.ts";
import { type Connection, openConnection } from "./connection.ts";
import { type EventStream, openEventStream } from "./event_stream.ts";
import { createFaultCount, type FaultCount } from "./faults.ts";
import { ANNOUNCEMENT } from "./payload.ts";
import { processRssBytes } from "./proc.ts";
import { endSession, inSession, openSession, SCRIPT_REPLY_BYTES_MAX } from "./session.ts";
import {
  type ChurnJob,
  type ChurnResult,
  ID_PLACEHOLDER,
  type IdleJob,
  type IdleResult,
} from "./types.ts";

/** Connections that open and end sessions side by side. */
const OPENERS = 16;
/** Sessions before memory is read for the first time: code is loaded and pools are open. */
const WARM_SESSIONS = 32;
const HEARD_MS_MAX = 10_000;
const POLL_MS = 20;

const encoder = new TextEncoder();

interface Held {
  readonly session: string;
  readonly stream: EventStream;
}

/** Opens the sessions, reads the memory, sees that every stream is alive, and ends them. */
export async function runIdle(job: IdleJob, nextId: () => string): Promise<IdleResult> {
  const faults = createFaultCount();
  await end(job, await open(job, WARM_SESSIONS, nextId, faults), faults);
  await sleep(job.settleMs);
  const beforeBytes = processRssBytes(job.pid);
  const held = await open(job, job.count, nextId, faults);
  await sleep(job.settleMs);
  const heldBytes = processRssBytes(job.pid);
  const spoken = await aliveOf(job, held).catch(faults.add);
  if (spoken !== job.count) faults.add(`${spoken} of ${job.count} streams said the one thing`);
  await end(job, held, faults);
  return { beforeBytes, heldBytes, ...faults.faults() };
}

/** Opens sessions, calls once in each while its stream is open, and ends them. */
export async function runChurn(job: ChurnJob, nextId: () => string): Promise<ChurnResult> {
  const faults = createFaultCount();
  const startedMs = performance.now();
  const bytesMax = replyBytesMax(job.expect);
  await inParallel(job.sessionPort, bytesMax, job.count, faults, async (connection) => {
    const { session, stream } = await openOne(job, connection, nextId);
    const id = nextId();
    const text = inSession(job.request, session).replaceAll(ID_PLACEHOLDER, id);
    const fault = fullLook(await connection.exchange(encoder.encode(text)), id, job.expect);
    if (fault !== undefined) faults.add(fault);
    if (!stream.isOpen()) faults.add("A stream ended before its session");
    stream.close();
    await endSession(connection, job.session, session);
  });
  return { wallMs: performance.now() - startedMs, ...faults.faults() };
}

async function open(
  job: IdleJob,
  count: number,
  nextId: () => string,
  faults: FaultCount,
): Promise<Held[]> {
  const held: Held[] = [];
  const bytesMax = SCRIPT_REPLY_BYTES_MAX;
  await inParallel(job.sessionPort, bytesMax, count, faults, async (connection) => {
    held.push(await openOne(job, connection, nextId));
  });
  return held;
}

async function openOne(
  job: IdleJob | ChurnJob,
  connection: Connection,
  nextId: () => string,
): Promise<Held> {
  const session = await openSession(connection, job.session, nextId);
  const request = encoder.encode(inSession(job.stream, session));
  return { session, stream: await openEventStream(job.port, request) };
}

async function end(job: IdleJob, held: readonly Held[], faults: FaultCount): Promise<void> {
  for (const { stream } of held) stream.close();
  const left = held.map(({ session }) => session);
  const bytesMax = SCRIPT_REPLY_BYTES_MAX;
  await inParallel(job.sessionPort, bytesMax, left.length, faults, async (connection) => {
    await endSession(connection, job.session, left.pop() ?? "");
  });
}

/** Has the stub say one thing on all streams. Returns on how many it was heard exactly once. */
async function aliveOf(job: IdleJob, held: readonly Held[]): Promise<number> {
  const connection = await openConnection(job.stubPort, SCRIPT_REPLY_BYTES_MAX);
  await connection.exchange(encoder.encode(job.announce));
  connection.close();
  const heard = () => {
    return held.filter(({ stream }) =>
      stream.isOpen() && stream.text().split(ANNOUNCEMENT).length === 2
    ).length;
  };
  const untilMs = performance.now() + HEARD_MS_MAX;
  while (heard() < job.count && performance.now() < untilMs) await sleep(POLL_MS);
  return heard();
}

/** Does the work so many times in all, on several connections. The first fault ends a connection. */
async function inParallel(
  port: number,
  bytesMax: number,
  count: number,
  faults: FaultCount,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: Math.min(OPENERS, count) }, async () => {
    let connection: Connection | undefined;
    try {
      connection = await openConnection(port, bytesMax);
      while (left-- > 0) await work(connection);
    } catch (error) {
      faults.add(error);
    } finally {
      connection?.close();
    }
  }));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
