/**
 * The session era without sessions (`USE_STATEFUL_SESSIONS=false`): every request stands alone.
 *
 * Upstream servers still have sessions. Requests of one principal share one for each server, in
 * which ids and progress tokens are the gateway's own. Clients cannot be asked anything, nor told
 * anything outside of calls.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do", "Ids"
 */
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import { explained } from "../failure.ts";
import { type Batch, type ClientMessage, InvalidMessage, METHOD_NOT_FOUND } from "../message.ts";
import { outbound } from "../relay.ts";
import { BATCH_REVISION } from "../revisions/revision.ts";
import { failureResponse } from "../rpc_error.ts";
import type { SessionCalls } from "./calls.ts";
import { createDirectOutlet } from "./direct_outlet.ts";
import {
  ACCEPTED,
  mayUse,
  type Pending,
  type Posted,
  requestsOf,
  type SessionEndpoint,
  ungreeted,
  type Visitor,
} from "./endpoint.ts";
import { type Greeting, greeting, helloOf } from "./handshake.ts";
import { sendOneWay } from "./one_way.ts";
import { cancelledKey, idKey } from "./reverse.ts";
import type { SharedSessions } from "./shared_sessions.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

export interface SessionlessDeps {
  readonly upstream: UpstreamSessions;
  readonly calls: SessionCalls;
  readonly shared: SharedSessions;
}

export function createSessionless(
  deps: SessionlessDeps,
  options: { readonly firstByteMs: number },
): SessionEndpoint {
  const { upstream, calls, shared } = deps;
  // Unique among the open calls of this process.
  let lastId = 0;

  async function initialize(
    visitor: Visitor,
    _sessionId: string | undefined,
    message: ClientMessage,
  ): Promise<Greeting> {
    mayUse(visitor.principal, message);
    const hello = helloOf(message);
    try {
      const opened = await (await shared.of(visitor.principal, visitor.server)).opened;
      return { status: opened.status, body: greeting(opened, hello), sessionId: undefined };
    } catch (error) {
      return ungreeted(error, message, visitor.correlationId);
    }
  }

  async function post(
    visitor: Visitor,
    _sessionId: string | undefined,
    message: ClientMessage | Batch,
    isWhole: boolean,
  ): Promise<Posted> {
    const isBatch = message.kind === "batch";
    if (isBatch && (visitor.version ?? BATCH_REVISION) !== BATCH_REVISION) {
      throw new InvalidMessage("A body is one message; only 2025-03-26 has batches");
    }
    const messages = isBatch ? message.messages : [message];
    const requests = requestsOf(visitor.principal, messages);
    for (const message of messages) {
      if (message.method === "notifications/cancelled") await cancel(visitor, message);
    }
    if (requests.length === 0) return ACCEPTED;
    try {
      return await pending(visitor, requests, isWhole, isBatch);
    } catch (error) {
      if (isBatch || error instanceof ProtocolError) throw error;
      const { id, method } = requests[0]!;
      // Nothing was sent: what failed is the upstream session.
      const body = failureResponse(id, method, explained(error, true), visitor.correlationId);
      return { kind: "message", status: 200, body };
    }
  }

  async function pending(
    visitor: Visitor,
    requests: readonly ClientMessage[],
    isWhole: boolean,
    isBatch: boolean,
  ): Promise<Pending> {
    for (const { method } of requests) {
      if (!method.startsWith("resources/") || !method.endsWith("subscribe")) continue;
      throw new ProtocolError(METHOD_NOT_FOUND, 200, "Subscriptions need a session");
    }
    const { session, server } = await shared.of(visitor.principal, visitor.server);
    const outlet = createDirectOutlet(requests.length, isWhole);
    const { correlationId } = visitor;
    const call = { session, server, outlet, correlationId, canAsk: false };
    for (const request of requests) {
      const { body, ids } = outbound(request, ++lastId);
      const { client, upstream, progressToken } = ids;
      const key = `${lastId} ${idKey(client)}`;
      calls.start(call, request, {
        key,
        body,
        ids: { client, upstream, shared: { progressToken } },
      });
    }
    return { kind: "pending", whole: outlet.whole, isBatch, read: outlet.read };
  }

  /** Only when there is no doubt which call is meant: several clients may use the same id. */
  async function cancel(visitor: Visitor, message: ClientMessage): Promise<void> {
    const { session, server } = await shared.of(visitor.principal, visitor.server);
    const wanted = ` ${cancelledKey(message)}`;
    const meant = session.calls.list().filter(({ key }) => key.endsWith(wanted));
    const key = meant[0]?.key;
    if (meant.length !== 1) return;
    calls.cancelled(session, key!);
    const params = { requestId: parseInt(key!), reason: message.params?.reason };
    const text = JSON.stringify({ jsonrpc: "2.0", method: message.method, params });
    await sendOneWay(upstream, session, server, encoder.encode(text), options.firstByteMs);
  }

  return { initialize, post, listen: refuseVerb, end: refuseVerb };
}

/** @throws {GatewayError} */
function refuseVerb(): Promise<never> {
  throw new GatewayError("method_not_allowed", "Sessions are switched off: this URL takes POST");
}

const encoder = new TextEncoder();
