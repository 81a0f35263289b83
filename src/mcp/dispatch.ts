/**
 * One message and its context in, one reply out.
 *
 * Knows neither HTTP framing nor sessions. Failures before the upstream server is involved are
 * thrown; from then on every request is answered with a message, because its id is known.
 *
 * @module
 */
import { GatewayError, ProtocolError } from "../domain/errors.ts";
import { missingForSubscription, missingPermission } from "../domain/access.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import { DialError } from "../platform/dial.ts";
import type { McpClient, UpstreamRequest } from "../upstream/mcp_client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../upstream/reply.ts";
import { onOneLine } from "./edit.ts";
import type { EraProbe } from "./era_probe.ts";
import { type ClientMessage, INVALID_REQUEST, isObject } from "./message.ts";
import { Draining, endedWithoutAnswer, explained, isIdempotent, SLOW_TO_START } from "./failure.ts";
import {
  type Inbound,
  inbound,
  outbound,
  type RelayIds,
  subscriptionEnd,
  withUnknownId,
} from "./relay.ts";
import {
  checkStateless,
  HEADER_MISMATCH,
  type MirrorHeaders,
  nameHeaderOf,
  UNSUPPORTED_VERSION,
} from "./revisions/stateless_era.ts";
import { SESSION_REVISIONS, STATELESS_REVISIONS } from "./revisions/revision.ts";
import { refusalOf } from "./refusal.ts";
import { failureResponse } from "./rpc_error.ts";

export interface CallContext {
  readonly principal: Principal;
  readonly server: UpstreamServer;
  readonly message: ClientMessage;
  readonly headers: MirrorHeaders;
  readonly correlationId: string;
  /** Aborted when the client leaves or a deadline runs out; either way the upstream call ends. */
  readonly abort: AbortController;
}

export type Reply =
  /** A notification was taken; `status` is 202 unless the upstream server refused it. */
  | { readonly kind: "accepted" }
  /** One message is the whole answer. */
  | { readonly kind: "message"; readonly status: number; readonly body: Uint8Array }
  /** Messages, each on one line, the response last. */
  | { readonly kind: "stream"; readonly next: () => Promise<readonly Uint8Array[] | undefined> };

export interface DispatchDeps {
  readonly client: McpClient;
  readonly eras: EraProbe;
  readonly budget: ByteBudget;
  readonly failed: (call: CallContext, error: unknown) => void;
}

export interface DispatchOptions {
  readonly firstByteMs: number;
  readonly toolMs: number;
  readonly toolMsMax: number;
}

/**
 * Refusals that need no upstream server are thrown at once; what is returned rejects only with a
 * `ProtocolError`, or a `GatewayError` where a notification could not be passed on.
 */
export type Dispatch = (call: CallContext) => Promise<Reply>;

export function createDispatch(deps: DispatchDeps, options: DispatchOptions): Dispatch {
  // Unique among the open calls of this process; a number stays small on the wire.
  let lastId = 0;

  function dispatch(call: CallContext): Promise<Reply> {
    const { message, principal } = call;
    if (message.kind === "response") {
      throw new ProtocolError(INVALID_REQUEST, 400, "A client of this revision sends no responses");
    }
    checkStateless(message, call.headers);
    const missing = missingPermission(principal, message.method) ??
      missingForListen(principal, message);
    if (missing !== undefined) throw new InsufficientScope(missing);
    // Before anything is sent: an answer of 503 means that nothing was executed.
    if (deps.budget.isSpent()) throw new GatewayError("unavailable", "The gateway is full");
    return message.kind === "notification" ? relayNotification(call) : relayRequest(call);
  }

  async function relayRequest(call: CallContext): Promise<Reply> {
    let reply: UpstreamReply | undefined;
    let isSent = false;
    try {
      if (deps.eras.knownEraOf(call.server) !== "stateless") await requireStateless(call.server);
      const { body, ids } = outbound(call.message, ++lastId);
      isSent = true;
      reply = await deps.client.send(call.server, upstreamRequest(call, body, options));
      if (reply.isStream) return await answerFromStream(call, reply, ids);
      const answer = answerFromBody(call, reply, ids);
      if (reply.status >= 400 && isOfOtherEra(answer.body)) deps.eras.forget(call.server);
      reply.close();
      return answer;
    } catch (error) {
      reply?.close();
      if (error instanceof ProtocolError) throw error;
      // The server may have been replaced by one of the other era.
      if (error instanceof UpstreamStatusError) deps.eras.forget(call.server);
      return { kind: "message", status: 200, body: failure(call, error, isSent) };
    }
  }

  async function relayNotification(call: CallContext): Promise<Reply> {
    // Over HTTP a call is cancelled by closing its stream. The id in here is the client's: upstream
    // it could be that of somebody else's call.
    if (call.message.method === "notifications/cancelled") return { kind: "accepted" };
    await requireStateless(call.server);
    const { message } = call;
    const reply = await deps.client.send(
      call.server,
      upstreamRequest(call, message.bytes, options),
    );
    const refusal = refusalOf(reply);
    return refusal === undefined ? { kind: "accepted" } : { kind: "message", ...refusal };
  }

  async function requireStateless(server: UpstreamServer): Promise<void> {
    if (await deps.eras.eraOf(server) === "stateless") return;
    throw otherEra();
  }

  async function answerFromStream(
    call: CallContext,
    reply: UpstreamReply,
    ids: RelayIds,
  ): Promise<Reply> {
    const first = await nextInbound(call, reply, ids);
    if (first.isFinal) {
      reply.close();
      return { kind: "message", status: 200, body: first.message! };
    }
    return { kind: "stream", next: streamOf(call, reply, ids, first) };
  }

  /** Batches of messages: what has arrived goes out together, the answer as the last one. */
  function streamOf(call: CallContext, reply: UpstreamReply, ids: RelayIds, first: Inbound) {
    let ready: Inbound | undefined = first;
    let ended = false;
    return async (): Promise<readonly Uint8Array[] | undefined> => {
      if (ended) return undefined;
      const batch: Uint8Array[] = [];
      try {
        ready ??= await nextInbound(call, reply, ids);
        for (let bytes = 0; ready !== undefined; ready = takeInbound(call, reply, ids)) {
          if (ready.message === undefined) continue;
          batch.push(singleLine(ready));
          bytes += ready.message.length;
          if (ready.isFinal) ended = true;
          if (ended || bytes >= LIMITS.streamBufferBytes) break;
        }
      } catch (error) {
        ended = true;
        batch.push(failure(call, error, true));
      }
      ready = undefined;
      if (ended) reply.close();
      return batch;
    };
  }

  /** @param isSent whether the upstream server may have seen the request */
  function failure(call: CallContext, error: unknown, isSent: boolean): Uint8Array {
    if (error instanceof Draining && call.message.method === "subscriptions/listen") {
      return subscriptionEnd(call.message.id);
    }
    const isSafe = !isSent || error instanceof DialError || isIdempotent(call.message.method);
    const shown = explained(error, isSafe);
    deps.failed(call, error);
    const { id, method } = call.message;
    return failureResponse(id, method, shown, call.correlationId, { resultType: "complete" });
  }

  return dispatch;
}

/** The credential lacks the permission that the method needs. */
export class InsufficientScope extends GatewayError {
  readonly scope: string;

  constructor(scope: string) {
    super("forbidden", `The credential lacks the permission "${scope}"`);
    this.scope = scope;
  }
}

/** Names what the server does speak: a client that can falls back to it. */
function otherEra(): ProtocolError {
  const text = "The upstream server speaks older revisions only, which are not bridged yet";
  const data = { supported: SESSION_REVISIONS, requested: STATELESS_REVISIONS[0] };
  return new ProtocolError(UNSUPPORTED_VERSION, 400, text, data);
}

function missingForListen(principal: Principal, message: ClientMessage): string | undefined {
  const filter = message.method === "subscriptions/listen" && message.params?.notifications;
  return isObject(filter) ? missingForSubscription(principal, filter) : undefined;
}

/**
 * Whether an error with a 4xx is none that a server of this era gives: its codes are those of
 * JSON-RPC and of the specification, while older servers answer -32000 to what they do not know.
 */
function isOfOtherEra(body: Uint8Array): boolean {
  const { error } = JSON.parse(new TextDecoder().decode(body));
  return isObject(error) && typeof error.code === "number" &&
    error.code > HEADER_MISMATCH && error.code <= -32000;
}

function answerFromBody(
  call: CallContext,
  reply: UpstreamReply,
  ids: RelayIds,
): Extract<Reply, { kind: "message" }> {
  const bytes = reply.take();
  if (bytes === undefined) {
    throw new GatewayError("upstream_protocol", "The upstream server sent an empty answer");
  }
  const answer = (reply.status >= 400 ? withUnknownId(bytes, ids.client) : undefined) ??
    inbound(bytes, call.message, ids, reply.isOwned);
  if (!answer.isFinal) {
    throw new GatewayError("upstream_protocol", "The upstream server did not answer the request");
  }
  // A 4xx belongs to the error that it carries. A server error is the upstream server's, and our
  // own 503 must keep its meaning: not executed.
  const keepsStatus = answer.isError && reply.status >= 400 && reply.status < 500;
  return { kind: "message", status: keepsStatus ? reply.status : 200, body: answer.message! };
}

/** The next message that is this client's. @throws when the stream ends without the answer */
async function nextInbound(
  call: CallContext,
  reply: UpstreamReply,
  ids: RelayIds,
): Promise<Inbound> {
  for (;;) {
    const bytes = await reply.next();
    if (bytes === undefined) throw endedWithoutAnswer(call.message.method);
    const message = inbound(bytes, call.message, ids, reply.isOwned);
    if (message.message !== undefined) return message;
  }
}

function takeInbound(call: CallContext, reply: UpstreamReply, ids: RelayIds): Inbound | undefined {
  const bytes = reply.take();
  return bytes && inbound(bytes, call.message, ids, reply.isOwned);
}

function singleLine(inbound: Inbound): Uint8Array {
  if (inbound.hasLineBreaks) onOneLine(inbound.message!);
  return inbound.message!;
}

function upstreamRequest(
  call: CallContext,
  body: Uint8Array,
  options: DispatchOptions,
): UpstreamRequest {
  const { method } = call.message;
  const isListen = method === "subscriptions/listen";
  const silenceMs = call.server.timeoutMs ?? options.toolMs;
  return {
    body,
    headers: mirrorHeaders(call),
    idempotent: isIdempotent(method),
    firstMs: SLOW_TO_START.has(method) ? silenceMs : options.firstByteMs,
    // A subscription is silent until something changes; it ends with its client.
    silenceMs: isListen ? Infinity : silenceMs,
    totalMs: isListen ? Infinity : options.toolMsMax,
    abort: call.abort,
  };
}

function mirrorHeaders({ headers, message }: CallContext): string {
  const name = nameHeaderOf(message) ?? headers.name;
  let lines = `MCP-Protocol-Version: ${headers.version}\r\nMcp-Method: ${headers.method}\r\n`;
  if (name !== undefined) lines += `Mcp-Name: ${name}\r\n`;
  for (const [param, value] of headers.params) lines += `${param}: ${value}\r\n`;
  return lines;
}
