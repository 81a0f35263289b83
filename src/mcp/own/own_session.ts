/**
 * The gateway's own client at servers of the session era: one session at each, kept for as long as
 * the server is minded, and opened anew when the server has lost it.
 *
 * @module
 * @see MCP 2025-11-25, Base Protocol, "Lifecycle"; Transports, "Session Management"
 */
import type { UpstreamServer } from "../../domain/server.ts";
import type { UpstreamClient } from "../../upstream/client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../../upstream/reply.ts";
import type { EraProbe } from "../era_probe.ts";
import type { OwnCalls } from "./calls.ts";
import { endSession, openSession, type OwnSession } from "./own_handshake.ts";
import type { OwnSide } from "./side.ts";

export interface SessionSideDeps {
  readonly client: UpstreamClient;
  readonly calls: OwnCalls;
  readonly eras: Pick<EraProbe, "forget">;
}

export interface SessionSideOptions {
  readonly version: string;
  readonly firstByteMs: number;
}

/** How servers say that they have no stream of their own, or do not know an event. */
const NOT_OFFERED: readonly number[] = [400, 404, 405, 406, 501];

export function createSessionSide(deps: SessionSideDeps, options: SessionSideOptions): OwnSide {
  const { client, calls } = deps;
  /** Those that are open, or about to be. */
  const sessions = new Map<UpstreamServer, Promise<OwnSession>>();

  function sessionOf(server: UpstreamServer, abort: AbortController): Promise<OwnSession> {
    return sessions.get(server) ?? begin(server, abort);
  }

  async function begin(server: UpstreamServer, abort: AbortController): Promise<OwnSession> {
    // A session for a server that is forgotten would never be ended.
    abort.signal.throwIfAborted();
    const opening = openSession(deps, options, server);
    sessions.set(server, opening);
    opening.catch(() => sessions.get(server) === opening && sessions.delete(server));
    return await opening;
  }

  /** Whoever finds that the same session is lost gets the same new one. */
  async function renewed(
    server: UpstreamServer,
    lost: OwnSession,
    abort: AbortController,
  ): Promise<OwnSession> {
    const known = sessions.get(server);
    const session = await known?.catch(() => undefined);
    if (session !== undefined && session !== lost) return session;
    const later = sessions.get(server);
    if (later !== undefined && later !== known) return await later;
    // Some servers answer like this to a method that they do not know.
    void endSession(client, server, lost);
    return await begin(server, abort);
  }

  /** Tried once more in a new session when the server has lost the first. */
  const ask: OwnSide["ask"] = async (server, method, params, abort) => {
    const within = ({ mark: { headers, session }, asked }: OwnSession) =>
      calls.ask({ server, method, params, headers, session, abort, asked });
    const session = await sessionOf(server, abort);
    try {
      const answer = await within(session);
      if (!isLost(session, answer.status)) return answer;
    } catch (error) {
      if (!(error instanceof UpstreamStatusError) || !isLost(session, error.status)) throw error;
    }
    return await within(await renewed(server, session, abort));
  };

  return {
    ask,
    pingMethod: "ping",
    async describe(server, abort) {
      const known = sessions.get(server);
      if (known === undefined || (await known).id === undefined) {
        return (await begin(server, abort)).description;
      }
      // A server that was started again has lost the session, and may offer something else.
      await ask(server, "ping", undefined, abort);
      return (await sessionOf(server, abort)).description;
    },
    async listen(server, _kinds, eventId, abort) {
      const session = await sessionOf(server, abort);
      abort.signal.throwIfAborted();
      const reply = await openStream(client, server, session, eventId, abort);
      if (typeof reply !== "number") {
        const isResumed = eventId !== undefined;
        return { reply, isResumed, isAcknowledged: false, asked: session.asked };
      }
      // It may be the event that it does not know, or the session: only then the stream at all.
      const failure = new UpstreamStatusError(reply);
      if (!NOT_OFFERED.includes(reply) || eventId !== undefined) throw failure;
      if (reply === 404) await ask(server, "ping", undefined, abort);
      if (await sessionOf(server, abort) !== session) throw failure;
      return "none";
    },
    async end(server) {
      const known = sessions.get(server);
      sessions.delete(server);
      const session = await known?.catch(() => undefined);
      if (session !== undefined) await endSession(client, server, session);
    },
  };
}

/** Gives the status when the server refuses. */
async function openStream(
  client: UpstreamClient,
  server: UpstreamServer,
  { mark: { headers, session } }: OwnSession,
  eventId: string | undefined,
  abort: AbortController,
): Promise<UpstreamReply | number> {
  const resume = eventId === undefined ? "" : `Last-Event-ID: ${eventId}\r\n`;
  try {
    const reply = await client.send(server, {
      body: undefined,
      headers: headers + resume,
      session,
      caller: "",
      idempotent: true,
      isQuiet: true,
      // Some servers send the head of their reply with the first event only.
      firstMs: Infinity,
      silenceMs: Infinity,
      totalMs: Infinity,
      abort,
    });
    if (reply.isStream) return reply;
    reply.close();
    return reply.status;
  } catch (error) {
    if (error instanceof UpstreamStatusError) return error.status;
    throw error;
  }
}

/** "Session not found" is the only meaning of a 404 to a request with a session id. */
function isLost({ id }: OwnSession, status: number): boolean {
  return status === 404 && id !== undefined;
}
