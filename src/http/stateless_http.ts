/**
 * A message of the stateless era over Streamable HTTP: its reply as one JSON body or an event
 * stream, and its end when the client leaves.
 *
 * @module
 * @see MCP 2026-07-28, Transports, "Streamable HTTP"
 */
import { GatewayError } from "../domain/errors.ts";
import type { CallContext, Dispatch, Reply } from "../mcp/dispatch.ts";
import { ClientLeft, Draining } from "../mcp/failure.ts";
import { onOneLine } from "../mcp/edit.ts";
import { bytesOf, type ClientMessage } from "../mcp/message.ts";
import type { MirrorHeaders } from "../mcp/revisions/stateless_era.ts";
import { type Bagged, createBag } from "../platform/bag.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Timers } from "../platform/timers.ts";
import { CallFailed, withId } from "./call_failed.ts";
import { createHold, jsonResponse, lateJsonResponse } from "./json_body.ts";
import { rpcProblem } from "./problem.ts";
import type { RequestHead } from "./request_head.ts";
import { SSE_HEADERS, type SseWriter } from "./sse_writer.ts";
import type { StreamPlaces } from "./stream_places.ts";
import type { JsonResponses, StreamableRequest } from "./streamable.ts";

export interface StatelessDeps {
  readonly dispatch: Dispatch;
  readonly budget: ByteBudget;
  readonly sse: SseWriter;
  readonly timers: Timers;
  readonly places: StreamPlaces;
}

export interface StatelessHttp {
  readonly post: (posted: PostedMessage) => Promise<Response>;
  /** Ends subscriptions; calls go on until they are done or `abandon` is called. */
  readonly drain: () => void;
  /** Ends everything that still runs. */
  readonly abandon: () => void;
}

/** A message and the request that it came with. */
export interface PostedMessage {
  readonly incoming: StreamableRequest;
  readonly message: ClientMessage;
  readonly bodyBytes: number;
}

type SingleReply = Exclude<Reply, { kind: "stream" }>;

/** A call and the request that it came with. */
interface Call extends CallContext, Bagged {
  readonly request: Request;
  /** See `leavingIsNoticed()`. */
  readonly leavingIsNoticed: boolean;
  readonly delivered: Promise<void>;
  /** Of a subscription: gives its place back. */
  giveBack: (() => void) | undefined;
}

/** In `auto`, how long the answer may take and still be plain JSON. */
const JSON_WINDOW_MS = 1_000;

/**
 * The same where the runtime would not notice that the client has left. Leaving is a cancellation
 * and must act within 500 ms; once a stream is open it is always noticed.
 */
const BLIND_JSON_WINDOW_MS = 350;

/** Answers faster than this cost no watching. */
const WATCH_AFTER_MS = 50;

export function createStatelessHttp(
  deps: StatelessDeps,
  options: { readonly jsonResponses: JsonResponses },
): StatelessHttp {
  const running = createBag<Call>();

  function over(call: Call): void {
    running.remove(call);
    call.giveBack?.();
  }

  async function post({ incoming, message, bodyBytes }: PostedMessage): Promise<Response> {
    const { request, head, correlationId } = incoming;
    const form = replyForm(head, options.jsonResponses);
    const call: Call = {
      slot: -1,
      request,
      delivered: incoming.delivered,
      leavingIsNoticed: leavingIsNoticed(head.wireBytes, bodyBytes, incoming.isFirst),
      principal: incoming.principal,
      endpoint: incoming.endpoint,
      correlationId,
      address: incoming.address,
      message,
      headers: mirrorHeaders(head),
      clientHeaders: head.headers,
      abort: new AbortController(),
      giveBack: undefined,
    };
    running.add(call);
    if (isSubscription(message)) endWithRights(call, incoming);
    try {
      if (isSubscription(message)) {
        call.giveBack = deps.places.take(call.principal, call.delivered);
      }
      const pending = deps.dispatch(call);
      if (form === "json" && !isSubscription(message)) {
        const last = pending.then(lastOf);
        const settled = await settledWithin(deps.timers, last, call);
        // Status and type can wait for the answer where leaving is noticed without a stream.
        if (settled === undefined && !call.leavingIsNoticed) return lateWhole(call, last);
        return whole(call, settled ?? await last);
      }
      const reply = await settledWithin(deps.timers, pending, call);
      if (reply === undefined) return stream(call, lateBatches(call, pending));
      if (reply.kind === "stream") return stream(call, reply.next);
      const isPlain = reply.kind !== "message" || reply.status !== 200 || form === "auto";
      return isPlain ? whole(call, reply) : stream(call, batchesOf(reply));
    } catch (error) {
      over(call);
      throw withId(error, message, correlationId);
    }
  }

  function whole(call: Call, reply: SingleReply): Response {
    over(call);
    if (reply.kind === "accepted") return new Response(null, { status: 202 });
    return jsonResponse(reply, deps.budget, call.delivered);
  }

  /** A JSON answer that is still to come, with its status given away: its client is watched. */
  function lateWhole(call: Call, last: Promise<SingleReply>): Response {
    const body = async () => {
      const reply = await last.catch((error) => withId(error, call.message, call.correlationId));
      over(call);
      if (reply instanceof CallFailed) return new Uint8Array(await reply.response.arrayBuffer());
      return reply.kind === "message" ? bytesOf(reply.body) : undefined;
    };
    return lateJsonResponse(body, deps.budget, call.delivered, () => {
      over(call);
      call.abort.abort(new ClientLeft());
    });
  }

  function stream(
    call: Call,
    next: () => Promise<readonly Uint8Array[] | undefined>,
  ): Response {
    const held = createHold(deps.budget, call.delivered);
    const pull = async () => {
      const batch = await next();
      if (batch === undefined) over(call);
      else held.next(batch.reduce((bytes, message) => bytes + message.length, 0));
      return batch?.map((data) => ({ data }));
    };
    const body = deps.sse.body(pull, () => {
      over(call);
      call.abort.abort(new ClientLeft());
    });
    return new Response(body, { status: 200, headers: SSE_HEADERS });
  }

  return {
    post,
    drain() {
      for (const call of running.list()) {
        if (isSubscription(call.message)) call.abort.abort(new Draining());
      }
    },
    abandon() {
      for (const call of running.list()) call.abort.abort(new Draining());
    },
  };
}

/** A subscription does not outlive the rights that it was made with. */
function endWithRights(call: Call, { watch, delivered }: StreamableRequest): void {
  const unwatch = watch(() => call.abort.abort(new Draining()));
  delivered.then(unwatch, unwatch);
}

function isSubscription({ kind, method }: ClientMessage): boolean {
  return method === "subscriptions/listen" && kind === "request";
}

/** `json`: only ever one body. `sse`: an event stream even for one message. */
type ReplyForm = "json" | "sse" | "auto";

/** @throws {GatewayError} `not_acceptable` when neither form is accepted */
function replyForm(head: RequestHead, setting: JsonResponses): ReplyForm {
  const accept = head.headers.get("accept")?.toLowerCase();
  const json = accept === undefined || /(?:application\/(?:json|\*)|\*\/\*)/.test(accept);
  const sse = accept === undefined || /(?:text\/(?:event-stream|\*)|\*\/\*)/.test(accept);
  if (!json && !sse) {
    throw new GatewayError(
      "not_acceptable",
      "Accept must name application/json and text/event-stream",
    );
  }
  if (!sse) return "json";
  if (!json) return "sse";
  return setting === "true" ? "json" : setting === "false" ? "sse" : "auto";
}

function mirrorHeaders({ headers, mcpParams }: RequestHead): MirrorHeaders {
  return {
    version: headers.get("mcp-protocol-version"),
    method: headers.get("mcp-method"),
    name: headers.get("mcp-name"),
    params: mcpParams,
  };
}

/**
 * Whether the runtime tells a pending handler that the client has closed the connection.
 *
 * Deno 2.9 does so only for requests that fit into the buffer in which their head was completed:
 * 512 bytes, then 1024 more at a time; and what is left of that buffer by requests that came before
 * over the same connection may be 1024 bytes (measured; `tests/http/leaving_test.ts` holds it to
 * that). Taken wrongly, a cancellation acts up to a second late.
 *
 * @see docs/decisions/0009-noticing-that-a-client-left.md
 */
export function leavingIsNoticed(
  headBytes: number,
  bodyBytes: number,
  isFirst: boolean,
): boolean {
  const growths = Math.max(0, Math.ceil((headBytes - FIRST_READ_BYTES) / NEXT_READ_BYTES));
  const bufferBytes = FIRST_READ_BYTES + growths * NEXT_READ_BYTES;
  const sureBytes = isFirst || bodyBytes === 0
    ? bufferBytes
    : Math.min(bufferBytes, NEXT_READ_BYTES);
  return headBytes + bodyBytes <= sureBytes - HEAD_BYTES_MARGIN;
}

const FIRST_READ_BYTES = 512;
const NEXT_READ_BYTES = 1024;
/** White space and repeated names of headers are not seen: the head may be a little larger. */
const HEAD_BYTES_MARGIN = 16;

function watchClient(call: Call): void {
  const { signal } = call.request;
  const left = () => call.abort.abort(new ClientLeft());
  // It may have gone before anybody watched.
  if (signal.aborted) left();
  else signal.addEventListener("abort", left);
}

/** The reply, or `undefined` when it does not come while it may still be plain JSON. */
function settledWithin<T extends Reply>(
  timers: Timers,
  pending: Promise<T>,
  call: Call,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let timer = timers.after(WATCH_AFTER_MS, () => {
      watchClient(call);
      const windowMs = call.leavingIsNoticed ? JSON_WINDOW_MS : BLIND_JSON_WINDOW_MS;
      timer = timers.after(windowMs - WATCH_AFTER_MS, () => resolve(undefined));
    });
    pending.then((reply) => {
      timer.cancel();
      resolve(reply);
    }, (error) => {
      timer.cancel();
      reject(error);
    });
  });
}

/** For a client that takes one body only: the answer, without what was said before it. */
async function lastOf(reply: Reply): Promise<SingleReply> {
  if (reply.kind !== "stream") return reply;
  let last: Uint8Array | undefined;
  for (let batch = await reply.next(); batch !== undefined; batch = await reply.next()) {
    last = batch.at(-1) ?? last;
  }
  return { kind: "message", status: 200, body: last! };
}

function batchesOf(reply: Reply): () => Promise<readonly Uint8Array[] | undefined> {
  if (reply.kind === "stream") return reply.next;
  let left = reply.kind === "message" ? [onlyLine(bytesOf(reply.body))] : [];
  return () => {
    const batch = left.length > 0 ? left : undefined;
    left = [];
    return Promise.resolve(batch);
  };
}

/** The stream was opened before the answer was known: a failure now is a message on it. */
function lateBatches(
  call: CallContext,
  pending: Promise<Reply>,
): () => Promise<readonly Uint8Array[] | undefined> {
  let next: (() => Promise<readonly Uint8Array[] | undefined>) | undefined;
  return async () => {
    try {
      next ??= batchesOf(await pending);
      return await next();
    } catch (error) {
      const problem = rpcProblem(error, call.correlationId, call.message.id);
      next = () => Promise.resolve(undefined);
      return [new Uint8Array(await problem.arrayBuffer())];
    }
  };
}

function onlyLine(body: Uint8Array): Uint8Array {
  onOneLine(body);
  return body;
}
