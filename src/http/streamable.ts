/**
 * Streamable HTTP: POST on an MCP endpoint, checks in reading order, then one JSON body or an
 * event stream.
 *
 * @module
 * @see MCP 2026-07-28, Transports, "Streamable HTTP"
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { type CallContext, type Dispatch, Draining, type Reply } from "../mcp/dispatch.ts";
import { onOneLine } from "../mcp/edit.ts";
import { type ClientMessage, decodeClientMessage } from "../mcp/message.ts";
import type { MirrorHeaders } from "../mcp/revisions/stateless_era.ts";
import { readBody } from "./body.ts";
import { rpcProblem } from "./problem.ts";
import type { RequestHead } from "./request_head.ts";
import { SSE_HEADERS, type SseWriter } from "./sse_writer.ts";

export interface StreamableRequest {
  readonly request: Request;
  readonly head: RequestHead;
  readonly principal: Principal;
  readonly server: UpstreamServer;
  readonly correlationId: string;
}

export interface StreamableDeps {
  readonly dispatch: Dispatch;
  readonly sse: SseWriter;
}

export interface StreamableOptions {
  readonly jsonResponses: "auto" | "true" | "false";
  readonly requestBytesMax: number;
}

export interface Streamable {
  readonly post: (request: StreamableRequest) => Promise<Response>;
  /** Ends subscriptions; calls go on until they are done or `abandon` is called. */
  readonly drain: () => void;
  /** Ends everything that still runs. */
  readonly abandon: () => void;
}

/** In `auto`, how long the answer may take and still be plain JSON. */
const JSON_WINDOW_MS = 1_000;

export function createStreamable(deps: StreamableDeps, options: StreamableOptions): Streamable {
  const running = new Set<CallContext>();

  async function post(incoming: StreamableRequest): Promise<Response> {
    const { request, head, correlationId } = incoming;
    checkContentType(head);
    const form = replyForm(head, options.jsonResponses);
    const body = await readBody(request, head.headers.get("content-length"), {
      bytesMax: options.requestBytesMax,
      timeoutMs: LIMITS.requestBodyMs,
    });
    const message = decodeClientMessage(body);
    const call = {
      ...incoming,
      message,
      headers: mirrorHeaders(head),
      abort: new AbortController(),
    };
    request.signal.addEventListener("abort", () => call.abort.abort(clientLeft()));
    running.add(call);
    const reply = deps.dispatch(call);
    try {
      return await respond(call, reply, form);
    } catch (error) {
      running.delete(call);
      throw withId(error, message, correlationId);
    }
  }

  async function respond(
    call: CallContext,
    pending: Promise<Reply>,
    form: ReplyForm,
  ): Promise<Response> {
    if (form === "json" && call.message.method !== "subscriptions/listen") {
      return whole(call, await lastOf(await pending));
    }
    const reply = await within(pending, JSON_WINDOW_MS);
    if (reply === undefined) return stream(call, lateBatches(call, pending));
    if (reply.kind === "stream") return stream(call, reply.next);
    const isPlain = reply.kind !== "message" || reply.status !== 200 || form === "auto";
    return isPlain ? whole(call, reply) : stream(call, batchesOf(reply));
  }

  function whole(call: CallContext, reply: Exclude<Reply, { kind: "stream" }>): Response {
    running.delete(call);
    if (reply.kind === "accepted") return new Response(null, { status: 202 });
    return new Response(reply.body as Uint8Array<ArrayBuffer>, {
      status: reply.status,
      headers: JSON_HEADERS,
    });
  }

  function stream(
    call: CallContext,
    next: () => Promise<readonly Uint8Array[] | undefined>,
  ): Response {
    const pull = async () => {
      const batch = await next();
      if (batch === undefined) running.delete(call);
      return batch;
    };
    const body = deps.sse.body(pull, () => {
      running.delete(call);
      call.abort.abort(clientLeft());
    });
    return new Response(body, { status: 200, headers: SSE_HEADERS });
  }

  return {
    post,
    drain() {
      for (const call of running) {
        if (call.message.method === "subscriptions/listen") call.abort.abort(new Draining());
      }
    },
    abandon() {
      for (const call of running) call.abort.abort(new Draining());
    },
  };
}

const JSON_HEADERS = {
  "Content-Type": "application/json",
  "Cache-Control": "no-store, no-transform",
  "X-Content-Type-Options": "nosniff",
} as const;

/** `json`: only ever one body. `sse`: an event stream even for one message. */
type ReplyForm = "json" | "sse" | "auto";

/** @throws {GatewayError} `not_acceptable` when neither form is accepted */
function replyForm(head: RequestHead, setting: StreamableOptions["jsonResponses"]): ReplyForm {
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

/** @throws {GatewayError} `unsupported_media_type` */
function checkContentType(head: RequestHead): void {
  const type = head.headers.get("content-type");
  const isJson = type === "application/json" ||
    /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type ?? "");
  if (!isJson) {
    throw new GatewayError("unsupported_media_type", "The body must be application/json in UTF-8");
  }
  if (head.headers.has("content-encoding")) {
    throw new GatewayError("unsupported_media_type", "The body must not be compressed");
  }
}

function mirrorHeaders(head: RequestHead): MirrorHeaders {
  const params: [string, string][] = [];
  for (const [name, value] of head.headers) {
    if (name.startsWith("mcp-param-")) params.push([name, value]);
  }
  return {
    version: head.headers.get("mcp-protocol-version"),
    method: head.headers.get("mcp-method"),
    name: head.headers.get("mcp-name"),
    params,
  };
}

/** The value, or `undefined` when it takes longer. */
async function within<T>(pending: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** For a client that takes one body only: the answer, without what was said before it. */
async function lastOf(reply: Reply): Promise<Exclude<Reply, { kind: "stream" }>> {
  if (reply.kind !== "stream") return reply;
  let last: Uint8Array | undefined;
  for (let batch = await reply.next(); batch !== undefined; batch = await reply.next()) {
    last = batch.at(-1) ?? last;
  }
  return { kind: "message", status: 200, body: last! };
}

function batchesOf(reply: Reply): () => Promise<readonly Uint8Array[] | undefined> {
  if (reply.kind === "stream") return reply.next;
  let left = reply.kind === "message" ? [onlyLine(reply.body)] : [];
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

/** Every error answer carries the id of the request that it answers. */
export class CallFailed extends Error {
  override readonly name = "CallFailed";
  readonly response: Response;

  constructor(cause: unknown, response: Response) {
    super("A call failed before it was relayed", { cause });
    this.response = response;
  }
}

function withId(error: unknown, message: ClientMessage, correlationId: string): CallFailed {
  return new CallFailed(error, rpcProblem(error, correlationId, message.id));
}

function clientLeft(): GatewayError {
  return new GatewayError("outcome_unknown", "The client closed the connection");
}
