/**
 * Messages of a view's session that are for several upstream servers, or for the one that they name.
 *
 * @module
 */
import { ProtocolError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { type ClientMessage, INVALID_PARAMS, type JsonObject } from "../message.ts";
import type { Refusal } from "../refusal.ts";
import { resultResponse } from "../rpc_error.ts";
import type { SessionCalls } from "./calls.ts";
import { sendOneWay } from "./one_way.ts";
import { cancelledKey, notificationFor, ownId, questionOf } from "./reverse.ts";
import { isOpenTo, type Session } from "./session.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

export interface ViewMessages {
  /** Passes on what gets no answer. @throws as `UpstreamSessions.send` */
  readonly oneWay: (session: Session, message: ClientMessage) => Promise<Refusal | undefined>;
  /** The answer to `logging/setLevel`. @throws {ProtocolError} for a level that there is not */
  readonly setLevel: (session: Session, message: ClientMessage) => Promise<Uint8Array>;
}

export interface ViewMessagesDeps {
  readonly upstream: UpstreamSessions;
  readonly calls: SessionCalls;
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  readonly failed: (session: Session, server: UpstreamServer, error: unknown) => void;
}

export function createViewMessages(
  deps: ViewMessagesDeps,
  options: { readonly firstByteMs: number },
): ViewMessages {
  const { upstream, calls } = deps;

  async function setLevel(session: Session, message: ClientMessage): Promise<Uint8Array> {
    const level = message.params?.level;
    if (typeof level !== "string" || !LEVELS.includes(level)) {
      throw new ProtocolError(
        INVALID_PARAMS,
        200,
        `params.level must be one of ${LEVELS.join(", ")}`,
      );
    }
    await upstream.update(session, { slug: session.base.server }, (state) => ({
      ...state,
      logLevel: level,
    }));
    await Promise.all(
      open(session).map(async (server) => {
        await upstream.update(session, server, (state) => ({ ...state, logLevel: level }));
        await tell(session, server, {
          id: ownId("level"),
          method: "logging/setLevel",
          params: { level },
        });
      }),
    );
    return resultResponse(message.id, {});
  }

  /** To a server that may have no such method, or be gone: neither is the client's affair. */
  async function tell(
    session: Session,
    server: UpstreamServer,
    message: JsonObject,
  ): Promise<void> {
    const body = encoder.encode(JSON.stringify({ jsonrpc: "2.0", ...message }));
    try {
      await sendOneWay(upstream, session, server, body, Math.min(options.firstByteMs, TELL_MS));
    } catch (error) {
      deps.failed(session, server, error);
    }
  }

  /** The servers at which this session has one, and which are in use. */
  function open(session: Session): readonly UpstreamServer[] {
    return [...session.upstreams.keys()].filter((slug) => slug !== session.base.server)
      .flatMap((slug) => deps.serverOf(slug) ?? []).filter(({ enabled }) => enabled);
  }

  async function oneWay(session: Session, message: ClientMessage) {
    if (message.kind === "response") return await answered(session, message);
    const { method } = message;
    if (method === "notifications/cancelled") {
      const key = cancelledKey(message) ?? "";
      const server = calls.serverOf(session, key);
      if (server === undefined) return undefined;
      calls.cancelled(session, key);
      const { body } = notificationFor(message);
      return await sendOneWay(upstream, session, server, body, options.firstByteMs);
    }
    if (method === "notifications/progress") {
      const { question, body } = notificationFor(message);
      const server = question && deps.serverOf(question.server);
      if (server === undefined || !isOpenTo(question!, session, server)) return undefined;
      return await sendOneWay(upstream, session, server, body, options.firstByteMs);
    }
    // Each server's session is told by the gateway that it is initialized.
    if (method !== "notifications/roots/list_changed") return undefined;
    await Promise.all(open(session).map((server) => tell(session, server, { method })));
    return undefined;
  }

  async function answered(session: Session, message: ClientMessage) {
    const question = questionOf(JSON.parse(decoder.decode(message.id)));
    const server = question && deps.serverOf(question.server);
    const body = server && calls.answered(session, server, message);
    if (body === undefined) return undefined;
    return await sendOneWay(upstream, session, server!, body, options.firstByteMs);
  }

  return { oneWay, setLevel };
}

const LEVELS = "debug info notice warning error critical alert emergency".split(" ");
/** One server that hangs must not keep the client waiting for what it says to all. */
const TELL_MS = 2_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
