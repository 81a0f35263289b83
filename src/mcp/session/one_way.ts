/**
 * Messages of a client that get no answer: notifications, and answers to an upstream server's
 * questions.
 *
 * @module
 */
import type { UpstreamServer } from "../../domain/server.ts";
import { type Refusal, refusalOf } from "../refusal.ts";
import type { Session } from "./session.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

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
  return refusalOf(reply);
}
