/**
 * Messages of a client that get no answer: notifications, and answers to an upstream server's
 * questions.
 *
 * @module
 */
import type { UpstreamServer } from "../../domain/server.ts";
import { UpstreamStatusError } from "../../upstream/mcp_client.ts";
import { NULL_ID } from "../message.ts";
import { withUnknownId } from "../relay.ts";
import type { Session } from "./session.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

/** What the upstream server had against it; `undefined` when it took the message. */
export interface Refusal {
  readonly status: number;
  readonly body: Uint8Array;
}

/**
 * @throws as `UpstreamSessions.send`
 */
export async function sendOneWay(
  upstream: UpstreamSessions,
  session: Session,
  server: UpstreamServer,
  body: Uint8Array,
  firstMs: number,
): Promise<Refusal | undefined> {
  const reply = await upstream.send(session, server, {
    body,
    idempotent: false,
    isOneWay: true,
    firstMs,
    silenceMs: firstMs,
    totalMs: firstMs,
    abort: new AbortController(),
  });
  try {
    if (reply.status < 300) return undefined;
    const bytes = reply.take();
    const error = bytes && withUnknownId(bytes, NULL_ID)?.message;
    if (error === undefined) throw new UpstreamStatusError(reply.status);
    return { status: reply.status, body: error };
  } finally {
    reply.close();
  }
}
