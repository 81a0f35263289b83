/**
 * What one connection of a job does until the run is over. A lost connection is a wrong answer.
 *
 * @module
 */

import { fullLook, quickLook, replyBytesMax } from "./check.ts";
import { type Connection, openConnection } from "./connection.ts";
import { endSession, inSession, openSession, SCRIPT_REPLY_BYTES_MAX } from "./session.ts";
import { ID_PLACEHOLDER, type Job, type Work } from "./types.ts";

/** An answer that a window cuts in two: how much of it had come when the window opened or closed. */
interface Cut {
  readonly bytes: number;
  /** What was in before the window opened is not of the window; what was in when it closed is. */
  readonly sign: 1 | -1;
}

/** What the connections of one job share. */
export interface Run {
  readonly job: Job;
  readonly nextId: () => string;
  /** The connection is open, and its session if it has one. */
  readonly onReady: () => void;
  readonly onReply: (latencyMs: number) => void;
  /** The part of a long answer that is, or with a negative share is not, of the window. */
  readonly onPart: (share: number) => void;
  /** Called when the window opens and closes, for each connection that has long answers. */
  readonly onEdge: ((sign: Cut["sign"]) => void)[];
  readonly onWrong: (what: unknown) => void;
  isMeasuring: boolean;
  isOver: boolean;
}

/** Opens a connection and does the job's work on it, again and again. `turn` counts connections. */
export async function drive(run: Run, turn: number): Promise<void> {
  const { port, work } = run.job;
  const isSessions = work.kind === "sessions";
  let connection: Connection | undefined;
  try {
    const bytesMax = isSessions ? SCRIPT_REPLY_BYTES_MAX : replyBytesMax(work.expect);
    connection = await openConnection(port, bytesMax);
    if (isSessions) await driveSessions(run, work, connection);
    else await driveRequests(run, work, connection, turn);
  } catch (error) {
    run.onWrong(error);
  } finally {
    connection?.close();
  }
}

async function driveRequests(
  run: Run,
  work: Work & { readonly kind: "requests" },
  connection: Connection,
  turn: number,
): Promise<void> {
  const { nextId } = run;
  const { pauseMs } = run.job;
  const session = work.session && await openSession(connection, work.session, nextId);
  const share = shareOf(work.requests, turn, run.job.connections).map((own) => {
    const text = session === undefined ? own : inSession(own, session);
    return { request: new TextEncoder().encode(text), places: placesOf(text) };
  });
  const cuts: Cut[] = [];
  let isFirst = true;
  if (work.expect.kind === "progress") {
    run.onEdge.push((sign) => cuts.push({ sign, bytes: connection.received() }));
  }
  run.onReady();
  for (let sent = 0; !run.isOver; sent++) {
    const { request, places } = share[sent % share.length]!;
    const id = nextId();
    for (const place of places) write(request, place, id);
    const startMs = performance.now();
    const reply = await connection.exchange(request);
    run.onReply(performance.now() - startMs);
    for (const { sign, bytes } of cuts.splice(0)) run.onPart(sign * bytes / connection.received());
    let fault = quickLook(reply, id, work.expect);
    if (isFirst) fault ??= fullLook(reply, id, work.expect);
    isFirst = false;
    if (fault !== undefined) run.onWrong(fault);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  if (work.session && session !== undefined) await endSession(connection, work.session, session);
}

async function driveSessions(
  run: Run,
  work: Work & { readonly kind: "sessions" },
  connection: Connection,
): Promise<void> {
  const held: string[] = [];
  run.onReady();
  while (!run.isOver) {
    const startMs = performance.now();
    const session = await openSession(connection, work.session, run.nextId);
    if (work.endsEach) await endSession(connection, work.session, session);
    run.onReply(performance.now() - startMs);
    if (work.endsEach) continue;
    // What does not count need not be held: a long warm-up opens no more sessions than a short one.
    if (run.isMeasuring) held.push(session);
    else await endSession(connection, work.session, session);
  }
  for (const session of held) await endSession(connection, work.session, session);
}

/** What falls to one of many connections that send these in turn, round and round. */
export function shareOf(requests: readonly string[], turn: number, connections: number): string[] {
  const share: string[] = [];
  const first = turn % requests.length;
  let at = first;
  do {
    share.push(requests[at]!);
    at = (at + connections) % requests.length;
  } while (at !== first);
  return share;
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
