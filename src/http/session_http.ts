/**
 * The session era over Streamable HTTP: what its messages, streams and errors are as requests and
 * responses.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Streamable HTTP"
 */
import { GatewayError, ProtocolError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { onOneLine } from "../mcp/edit.ts";
import { type Batch, type ClientMessage, InvalidMessage } from "../mcp/message.ts";
import { isOfSessionEra } from "../mcp/revisions/revision.ts";
import { isOfStatelessEra } from "../mcp/revisions/stateless_era.ts";
import {
  BAD_REQUEST,
  type Pending,
  type SessionEndpoint,
  type Visitor,
} from "../mcp/session/endpoint.ts";
import type { WholeAnswer } from "../mcp/session/outlet.ts";
import { type Reader, RETRY_MS } from "../mcp/session/reader.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Timers } from "../platform/timers.ts";
import { withId } from "./call_failed.ts";
import { createHold, jsonResponse, lateJsonResponse, untilNoticed } from "./json_body.ts";
import type { RequestHead } from "./request_head.ts";
import { SSE_HEADERS, type SseWriter } from "./sse_writer.ts";
import type { StreamPlaces } from "./stream_places.ts";
import { leavingIsNoticed } from "./stateless_http.ts";
import type { JsonResponses, StreamableRequest } from "./streamable.ts";

export interface SessionHttp {
  readonly post: (
    incoming: StreamableRequest,
    message: ClientMessage | Batch,
  ) => Promise<Response>;
  readonly get: (incoming: StreamableRequest) => Promise<Response>;
  readonly remove: (incoming: StreamableRequest) => Promise<Response>;
}

export interface SessionHttpDeps {
  readonly endpoint: SessionEndpoint;
  readonly budget: ByteBudget;
  readonly sse: SseWriter;
  readonly timers: Timers;
  readonly places: StreamPlaces;
  /** Whether the gateway is about to stop: nobody begins to listen any more. */
  readonly isFinishing: () => boolean;
}

/** In `auto`, how long the answer may take and still be plain JSON. */
const JSON_WINDOW_MS = 1_000;

export function createSessionHttp(
  deps: SessionHttpDeps,
  options: { readonly jsonResponses: JsonResponses },
): SessionHttp {
  const { endpoint, budget, timers } = deps;

  async function post(
    incoming: StreamableRequest,
    message: ClientMessage | Batch,
  ): Promise<Response> {
    const { head, correlationId } = incoming;
    try {
      checkAccept(head, ["application/json", "text/event-stream"]);
      if (message.kind === "batch") refuseStateless(message);
      checkVersion(head);
      if (budget.isSpent()) throw new GatewayError("unavailable", "The gateway is full");
      const sessionId = head.headers.get("mcp-session-id");
      if (message.kind !== "batch" && isInitialize(message)) {
        return await initialize(incoming, sessionId, message);
      }
      const isWhole = options.jsonResponses === "true";
      const posted = await endpoint.post(visitor(incoming), sessionId, message, isWhole);
      if (posted.kind === "accepted") return new Response(null, { status: 202 });
      if (posted.kind === "message") return jsonResponse(posted, budget, incoming.delivered);
      return await answer(incoming, posted);
    } catch (error) {
      if (message.kind === "batch") throw error;
      throw withId(error, message, correlationId);
    }
  }

  async function initialize(
    incoming: StreamableRequest,
    sessionId: string | undefined,
    message: ClientMessage,
  ): Promise<Response> {
    const { signal } = incoming.request;
    const greeting = await endpoint.initialize(visitor(incoming), sessionId, message);
    const { sessionId: id, status, body } = greeting;
    // A client that has left will never know the id: its session is ended again.
    const gone = () => id && endpoint.end(visitor(incoming), id).catch(() => {});
    if (signal.aborted) gone();
    const { head, isFirst } = incoming;
    const isNoticed = leavingIsNoticed(head.wireBytes, message.bytes.length, isFirst);
    const response = options.jsonResponses === "false" && status === 200
      ? stream(incoming, oneEvent(body, gone))
      : id === undefined || isNoticed
      ? jsonResponse(greeting, budget, incoming.delivered)
      : lateJsonResponse(() => untilNoticed().then(() => body), budget, incoming.delivered, gone);
    if (id !== undefined) response.headers.set("Mcp-Session-Id", id);
    return response;
  }

  async function answer(incoming: StreamableRequest, pending: Pending): Promise<Response> {
    const form = options.jsonResponses;
    const isStream = form === "false" || (form === "auto" && prefersStream(incoming.head));
    const whole = isStream
      ? undefined
      : form === "true"
      ? await pending.whole
      : await within(timers, pending.whole, JSON_WINDOW_MS);
    if (whole !== undefined) return wholeResponse(incoming, whole, pending.isBatch);
    return await readerStream(incoming, (cut) => pending.read(cut));
  }

  function wholeResponse(
    incoming: StreamableRequest,
    { status, bodies }: WholeAnswer,
    isBatch: boolean,
  ): Response {
    if (bodies.length === 0) return new Response(null, { status: 202 });
    const body = isBatch ? array(bodies) : bodies[0]!;
    return jsonResponse({ status: isBatch ? 200 : status, body }, budget, incoming.delivered);
  }

  async function readerStream(
    incoming: StreamableRequest,
    open: (cut: () => void) => Promise<Reader>,
  ): Promise<Response> {
    let cut = () => {};
    const reader = await open(() => cut());
    return stream(incoming, watched(reader, incoming), (breakOff) => cut = breakOff);
  }

  function stream(
    incoming: StreamableRequest,
    { next, stop }: Pick<Reader, "next" | "stop">,
    takeCut?: (cut: () => void) => void,
  ): Response {
    const held = createHold(budget, incoming.delivered);
    const pull = async () => {
      const events = await next();
      held.next(events?.reduce((bytes, { data }) => bytes + (data?.length ?? 0), 0) ?? 0);
      return events;
    };
    return new Response(deps.sse.body(pull, stop, takeCut), { status: 200, headers: SSE_HEADERS });
  }

  return {
    post,
    async get(incoming) {
      const { head } = incoming;
      checkAccept(head, ["text/event-stream"]);
      checkVersion(head);
      const sessionId = head.headers.get("mcp-session-id");
      const lastEventId = checkedEventId(head.headers.get("last-event-id"));
      if (deps.isFinishing()) throw new GatewayError("unavailable", "The gateway is stopping");
      const open = (cut: () => void) => listen(deps, incoming, sessionId, lastEventId, cut);
      return await readerStream(incoming, open);
    },
    async remove(incoming) {
      const { head } = incoming;
      checkVersion(head);
      await endpoint.end(visitor(incoming), head.headers.get("mcp-session-id"));
      return new Response(null, { status: 204 });
    },
  };
}

/** @throws {GatewayError} `rate_limited` when there is no place for one more stream */
async function listen(
  { endpoint, places }: SessionHttpDeps,
  incoming: StreamableRequest,
  sessionId: string | undefined,
  lastEventId: string | undefined,
  cut: () => void,
): Promise<Reader> {
  let giveBack = () => {};
  let isStopped = false;
  const stopped = () => {
    isStopped = true;
    giveBack();
  };
  const at = visitor(incoming);
  const reader = await endpoint.listen(at, sessionId, lastEventId, { cut, stopped });
  // What is left of a call was no stream to listen on when the call was made, and is none now. And
  // another connection may have taken over from this one already.
  if (reader.isOfCall || isStopped) return reader;
  try {
    // Not before: who comes back may take over from a connection that is dead and not known to be,
    // whose place is free only now.
    giveBack = places.take(incoming.principal, incoming.delivered);
    return reader;
  } catch (error) {
    reader.stop();
    throw error;
  }
}

function visitor(incoming: StreamableRequest): Visitor {
  const { principal, endpoint, correlationId, address, head: { headers } } = incoming;
  const version = headers.get("mcp-protocol-version");
  return { principal, endpoint, correlationId, address, version, clientHeaders: headers };
}

function isInitialize(message: ClientMessage): boolean {
  return message.kind === "request" && message.method === "initialize";
}

/** @throws {GatewayError} `not_acceptable` when one of the types is not named */
function checkAccept(head: RequestHead, types: readonly string[]): void {
  const accepted = (head.headers.get("accept") ?? "").toLowerCase().split(",")
    .map((range) => range.split(";", 1)[0]!.trim());
  if (types.every((type) => accepted.includes(type))) return;
  throw new GatewayError("not_acceptable", `Accept must name ${types.join(" and ")}`);
}

/** Clients have to name both types; one that names the stream first wants it. */
function prefersStream({ headers }: RequestHead): boolean {
  return headers.get("accept")!.trimStart().toLowerCase().startsWith("text/event-stream");
}

/** @throws {ProtocolError} for a revision that nobody knows; one that is missing is the session's */
export function checkVersion(head: RequestHead): void {
  const version = head.headers.get("mcp-protocol-version");
  if (version === undefined || isOfSessionEra(version)) return;
  throw new ProtocolError(
    BAD_REQUEST,
    400,
    "MCP-Protocol-Version names no revision that is served",
  );
}

/** @throws {InvalidMessage} when a message in it is one of the stateless era */
export function refuseStateless({ messages }: Batch): void {
  if (!messages.some((message) => isOfStatelessEra(message, undefined))) return;
  throw new InvalidMessage("A body is one message; revision 2026-07-28 has no batches");
}

const EVENT_ID = /^[A-Za-z0-9._~-]+$/;

/** @throws {GatewayError} `invalid_request` for what no event id of ours looks like */
export function checkedEventId(id: string | undefined): string | undefined {
  if (id === undefined) return undefined;
  if (id.length <= LIMITS.lastEventIdChars && EVENT_ID.test(id)) return id;
  throw new GatewayError("invalid_request", "Last-Event-ID is malformed");
}

/** What settles within this time, or `undefined`. */
function within<T>(timers: Timers, pending: Promise<T>, ms: number): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = timers.after(ms, () => resolve(undefined));
    pending.then((value) => {
      timer.cancel();
      resolve(value);
    });
  });
}

/** A stream does not outlive the rights that it was opened with: the client comes back. */
function watched(reader: Reader, incoming: StreamableRequest): Pick<Reader, "next" | "stop"> {
  const unwatch = incoming.watch(() => reader.hangUp(RETRY_MS));
  return {
    async next() {
      const events = await reader.next();
      if (events === undefined) unwatch();
      return events;
    },
    stop() {
      unwatch();
      reader.stop();
    },
  };
}

/** @param gone called when the client leaves before it has it */
function oneEvent(data: Uint8Array, gone: () => void): Pick<Reader, "next" | "stop"> {
  onOneLine(data);
  let left = [{ id: undefined, data }];
  return {
    async next() {
      const events = left;
      left = [];
      if (events.length === 0) return undefined;
      await untilNoticed();
      return events;
    },
    stop: gone,
  };
}

function array(bodies: readonly Uint8Array[]): Uint8Array {
  const decoder = new TextDecoder();
  return new TextEncoder().encode(`[${bodies.map((body) => decoder.decode(body)).join(",")}]`);
}
