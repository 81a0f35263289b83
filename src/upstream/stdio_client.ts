/**
 * MCP over stdio, client side, with the semantics of Streamable HTTP: a session is a child process,
 * and a session whose process has ended is one that the server has lost. What belongs to no session
 * is said to a process that one caller has to itself.
 *
 * @module
 * @see MCP 2025-11-25 and 2026-07-28, Transports, "stdio"
 */
import type { StdioUpstream } from "../domain/server.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Clock } from "../platform/clock.ts";
import { startProcess } from "../platform/process.ts";
import { jittered, randomText } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import type { SessionMark, UpstreamRequest } from "./client.ts";
import type { StdioMcpClient } from "./connect.ts";
import type { UpstreamReply } from "./reply.ts";
import { UpstreamStatusError } from "./reply.ts";
import { accepted, ask, listen } from "./channel/asking.ts";
import { ownedSessionId } from "./owned_session.ts";
import { createCallers } from "./stdio/callers.ts";
import type { Child, ChildLog } from "./stdio/child.ts";
import { type Envelope, envelopeOf, isRequest } from "./channel/envelope.ts";
import { openingAnswer } from "./channel/first_answer.ts";
import { createPool } from "./stdio/pool.ts";
import { isSameProgram } from "./stdio/program.ts";
import { within } from "./channel/waiting.ts";

export interface StdioClient extends StdioMcpClient {
  /** Ends the processes of a server that is gone or has changed. */
  readonly forget: (serverId: string) => Promise<void>;
  /** Processes that are there. */
  readonly children: () => number;
  /** Ends all processes; takes a few seconds at most. */
  readonly close: () => Promise<void>;
}

export interface StdioClientDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Charged with what processes have said and nobody has taken yet. */
  readonly budget: ByteBudget;
  readonly log: ChildLog;
  /** Those of the platform unless given. */
  readonly startProcess?: typeof startProcess;
}

export interface StdioClientOptions {
  readonly childrenMax: number;
  readonly idleMs: number;
  /** One line of a server's output. */
  readonly messageBytesMax: number;
  /** What every process is given besides what its entry lists. */
  readonly env: Readonly<Record<string, string>>;
  /** Sessions are named after this replica, which alone has their processes. */
  readonly replica: string;
}

/** 192 random bits. */
const SESSION_BYTES = 24;

export function createStdioClient(deps: StdioClientDeps, options: StdioClientOptions): StdioClient {
  const { clock, timers } = deps;
  const now = clock.monotonic;
  const timing = { timers, now };
  const pool = createPool({ startProcess, ...deps, now, jittered }, options);
  const callers = createCallers({ pool, timers, now });
  const sessions = new Map<string, Child>();

  async function send(server: StdioUpstream, request: UpstreamRequest): Promise<UpstreamReply> {
    const { body, session, abort } = request;
    abort.signal.throwIfAborted();
    if (session !== undefined) return toSession(childOf(server, session), request);
    // Without a session there is no stream of the server's own.
    if (body === undefined) throw new UpstreamStatusError(405);
    const envelope = envelopeOf(body);
    if (envelope.method === "initialize" && isRequest(envelope)) {
      return await openSession(server, request, body, envelope);
    }
    return await callers.send(server, request, body, envelope);
  }

  function toSession(child: Child, request: UpstreamRequest): UpstreamReply {
    const { body, isOneWay } = request;
    if (body === undefined) return listen(timing, child, request);
    const envelope = envelopeOf(body);
    if (isRequest(envelope) && !isOneWay) return ask(timing, child, request, body, envelope);
    child.write(body, envelope.method);
    if (envelope.method === undefined) child.router.answered(envelope);
    return accepted();
  }

  async function openSession(
    server: StdioUpstream,
    request: UpstreamRequest,
    body: Uint8Array,
    envelope: Envelope,
  ): Promise<UpstreamReply> {
    const child = callers.takeSpare(server) ?? await pool.start(server, false);
    child.adopt();
    if (request.abort.signal.aborted) child.end("its session ended");
    request.abort.signal.throwIfAborted();
    const { reply, isResult } = await openingAnswer(ask(timing, child, request, body, envelope));
    if (!isResult) child.end("its session ended");
    const id = ownedSessionId(options.replica, randomText(SESSION_BYTES));
    sessions.set(id, child);
    child.ended.then(() => sessions.delete(id));
    return { ...reply, sessionId: () => id };
  }

  /** @throws {UpstreamStatusError} 404 as a server that has lost the session would answer */
  function childOf(server: StdioUpstream, session: string): Child {
    const child = sessions.get(session);
    if (child?.server.id !== server.id || !child.isLive()) throw new UpstreamStatusError(404);
    if (isSameProgram(child.server, server)) return child;
    child.end("its server was removed");
    throw new UpstreamStatusError(404);
  }

  async function remove(
    server: StdioUpstream,
    { session }: SessionMark,
    totalMs: number,
  ): Promise<number> {
    const child = session === undefined ? undefined : sessions.get(session);
    if (child?.server.id !== server.id) return 404;
    child.end("its session ended");
    await within(timers, totalMs, child.ended);
    return 200;
  }

  async function forget(serverId: string): Promise<void> {
    const theirs = pool.list().filter((child) => child.server.id === serverId);
    for (const child of theirs) child.end("its server was removed");
    await Promise.all(theirs.map((child) => child.ended));
  }

  return {
    send,
    remove,
    forget,
    children: () => pool.list().length,
    close: pool.close,
  };
}
