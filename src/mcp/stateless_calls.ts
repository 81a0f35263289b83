/**
 * Requests and notifications of a stateless client, passed on to one upstream server. Those for a
 * server of the session era go over the bridge (`bridge/bridge.ts`).
 *
 * @module
 */
import { callerOf } from "../domain/principal.ts";
import { GatewayError, ProtocolError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { DialError } from "../platform/dial.ts";
import type { UpstreamClient, UpstreamRequest } from "../upstream/client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../upstream/reply.ts";
import { onOneLine } from "./edit.ts";
import type { EraProbe } from "./era_probe.ts";
import type { CallContext, Reply } from "./dispatch.ts";
import { isObject } from "./message.ts";
import { Draining, endedWithoutAnswer, explained, isIdempotent, SLOW_TO_START } from "./failure.ts";
import {
  type Inbound,
  inbound,
  outbound,
  type RelayIds,
  subscriptionEnd,
  withUnknownId,
} from "./relay.ts";
import { encodeHeaderValue, HEADER_MISMATCH, nameHeaderOf } from "./revisions/stateless_era.ts";
import { refusalOf } from "./refusal.ts";
import { failureResponse } from "./rpc_error.ts";
import type { Rewrite } from "./view/routing.ts";
import { withRenamedUris } from "./view/uris.ts";

/** A message for one upstream server. */
export interface UpstreamCall extends CallContext {
  readonly server: UpstreamServer;
  /** Of a message to a view: what stands differently in it upstream. */
  readonly route?: Rewrite | undefined;
}

export interface StatelessCalls {
  /**
   * What becomes of the request is its reply.
   * @throws as `bridged`
   */
  readonly request: (call: UpstreamCall) => Promise<Reply>;
  /** @throws as `UpstreamClient.send` */
  readonly notification: (call: UpstreamCall) => Promise<Reply>;
}

export interface StatelessCallsDeps {
  readonly client: UpstreamClient;
  readonly eras: EraProbe;
  /**
   * Carries a request out at a server of the session era.
   * @throws {ProtocolError} for what is refused before the server is asked
   * @throws {GatewayError} `rate_limited`, the same
   */
  readonly bridged: (call: UpstreamCall) => Promise<Reply>;
  readonly now: () => number;
  /** Counts a request to a server; see `Stats`. */
  readonly record: RecordCall;
  readonly failed: (call: UpstreamCall, error: unknown) => void;
}

export type RecordCall = (method: string, serverId: string, ms: number, isError: boolean) => void;

export interface StatelessCallsOptions {
  readonly firstByteMs: number;
  readonly toolMs: number;
  readonly toolMsMax: number;
}

export function createStatelessCalls(
  deps: StatelessCallsDeps,
  options: StatelessCallsOptions,
): StatelessCalls {
  // Unique among the open calls of this process; a number stays small on the wire.
  let lastId = 0;

  function count({ message, server }: UpstreamCall, startedMs: number, isError: boolean): void {
    deps.record(message.method, server.id, deps.now() - startedMs, isError);
  }

  async function request(call: UpstreamCall): Promise<Reply> {
    const startedMs = deps.now();
    let reply: UpstreamReply | undefined;
    let isSent = false;
    try {
      const era = deps.eras.knownEraOf(call.server) ?? await deps.eras.eraOf(call.server);
      if (era === "session") return await deps.bridged(call);
      const { body, ids } = outbound(call.message, ++lastId, call.route?.edit);
      isSent = true;
      reply = await deps.client.send(call.server, upstreamRequest(call, body, options));
      if (reply.isStream) return await answerFromStream(call, reply, ids, startedMs);
      const answer = answerFromBody(call, reply, ids);
      if (reply.status >= 400 && isOfOtherEra(answer.body)) deps.eras.forget(call.server);
      reply.close();
      count(call, startedMs, false);
      return answer;
    } catch (error) {
      reply?.close();
      if (error instanceof ProtocolError || isRateLimited(error)) throw error;
      // The server may have been replaced by one of the other era.
      if (error instanceof UpstreamStatusError) deps.eras.forget(call.server);
      count(call, startedMs, true);
      return { kind: "message", status: 200, body: failure(call, error, isSent) };
    }
  }

  async function notification(call: UpstreamCall): Promise<Reply> {
    // Over HTTP a call is cancelled by closing its stream. The id in here is the client's: upstream
    // it could be that of somebody else's call.
    if (call.message.method === "notifications/cancelled") return { kind: "accepted" };
    // None of those that a stateless client sends means anything in a session that it does not have.
    if (await deps.eras.eraOf(call.server) === "session") return { kind: "accepted" };
    const sent = upstreamRequest(call, call.message.bytes, options);
    const reply = await deps.client.send(call.server, sent);
    const refusal = refusalOf(reply);
    return refusal === undefined ? { kind: "accepted" } : { kind: "message", ...refusal };
  }

  async function answerFromStream(
    call: UpstreamCall,
    reply: UpstreamReply,
    ids: RelayIds,
    startedMs: number,
  ): Promise<Reply> {
    const first = await nextInbound(call, reply, ids);
    if (first.isFinal) {
      reply.close();
      count(call, startedMs, false);
      return { kind: "message", status: 200, body: first.message! };
    }
    const ended = (isError: boolean) => count(call, startedMs, isError);
    return { kind: "stream", next: streamOf(call, reply, ids, first, ended) };
  }

  /** Batches of messages: what has arrived goes out together, the answer as the last one. */
  function streamOf(
    call: UpstreamCall,
    reply: UpstreamReply,
    ids: RelayIds,
    first: Inbound,
    done: (isError: boolean) => void,
  ) {
    let ready: Inbound | undefined = first;
    let ended = false;
    let isError = false;
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
        isError = true;
        batch.push(failure(call, error, true));
      }
      ready = undefined;
      if (ended) {
        reply.close();
        done(isError);
      }
      return batch;
    };
  }

  /** @param isSent whether the upstream server may have seen the request */
  function failure(call: UpstreamCall, error: unknown, isSent: boolean): Uint8Array {
    if (error instanceof Draining && call.message.method === "subscriptions/listen") {
      return subscriptionEnd(call.message.id);
    }
    const isSafe = !isSent || error instanceof DialError || isIdempotent(call.message.method);
    const shown = explained(error, isSafe);
    deps.failed(call, error);
    const { id, method } = call.message;
    return failureResponse(id, method, shown, call.correlationId, { resultType: "complete" });
  }

  return { request, notification };
}

function isRateLimited(error: unknown): boolean {
  return error instanceof GatewayError && error.code === "rate_limited";
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
  call: UpstreamCall,
  reply: UpstreamReply,
  ids: RelayIds,
): Extract<Reply, { kind: "message" }> & { readonly body: Uint8Array } {
  const bytes = reply.take();
  if (bytes === undefined) {
    throw new GatewayError("upstream_protocol", "The upstream server sent an empty answer");
  }
  const answer = (reply.status >= 400 ? withUnknownId(bytes, ids.client) : undefined) ??
    received(call, bytes, ids, reply.isOwned);
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
  call: UpstreamCall,
  reply: UpstreamReply,
  ids: RelayIds,
): Promise<Inbound> {
  for (;;) {
    const bytes = await reply.next();
    if (bytes === undefined) throw endedWithoutAnswer(call.message.method);
    const message = received(call, bytes, ids, reply.isOwned);
    if (message.message !== undefined) return message;
  }
}

function takeInbound(call: UpstreamCall, reply: UpstreamReply, ids: RelayIds): Inbound | undefined {
  const bytes = reply.take();
  return bytes && received(call, bytes, ids, reply.isOwned);
}

function received(
  call: UpstreamCall,
  bytes: Uint8Array,
  ids: RelayIds,
  isOwned: boolean,
): Inbound {
  const found = inbound(bytes, call.message, ids, isOwned);
  const renamed = call.route?.renamed;
  if (renamed === undefined || found.message === undefined) return found;
  return { ...found, message: withRenamedUris(found.message, renamed) };
}

function singleLine(inbound: Inbound): Uint8Array {
  if (inbound.hasLineBreaks) onOneLine(inbound.message!);
  return inbound.message!;
}

function upstreamRequest(
  call: UpstreamCall,
  body: Uint8Array,
  options: StatelessCallsOptions,
): UpstreamRequest {
  const { method } = call.message;
  const isListen = method === "subscriptions/listen";
  const silenceMs = call.server.timeoutMs ?? options.toolMs;
  return {
    body,
    headers: mirrorHeaders(call),
    caller: callerOf(call.principal),
    clientHeaders: call.clientHeaders,
    idempotent: isIdempotent(method),
    firstMs: SLOW_TO_START.has(method) ? silenceMs : options.firstByteMs,
    // A subscription is silent until something changes; it ends with its client.
    silenceMs: isListen ? Infinity : silenceMs,
    totalMs: isListen ? Infinity : options.toolMsMax,
    abort: call.abort,
  };
}

function mirrorHeaders({ headers, message, route }: UpstreamCall): string {
  const own = nameHeaderOf(message);
  const name = own !== undefined && route?.edit !== undefined
    ? encodeHeaderValue(route.name)
    : own ?? headers.name;
  let lines = `MCP-Protocol-Version: ${headers.version}\r\nMcp-Method: ${headers.method}\r\n`;
  if (name !== undefined) lines += `Mcp-Name: ${name}\r\n`;
  for (const [param, value] of headers.params) lines += `${param}: ${value}\r\n`;
  return lines;
}
