/**
 * Messages of clients of the transport of 2024-11-05: each is posted, and answered on the event stream.
 *
 * @module
 * @see MCP 2024-11-05, Base Protocol, "Transports", "HTTP with SSE"
 */
import { GatewayError, ProtocolError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { InsufficientScope } from "../mcp/dispatch.ts";
import { onOneLine } from "../mcp/edit.ts";
import {
  type Batch,
  type ClientMessage,
  decodeClientBody,
  InvalidMessage,
} from "../mcp/message.ts";
import type { Refusal } from "../mcp/refusal.ts";
import { isOfStatelessEra } from "../mcp/revisions/stateless_era.ts";
import { errorResponse } from "../mcp/rpc_error.ts";
import {
  BAD_REQUEST,
  type Pending,
  type SessionEndpoint,
  type Visitor,
} from "../mcp/session/endpoint.ts";
import { SessionNotFound } from "../mcp/session/session.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Timers } from "../platform/timers.ts";
import { readBody } from "./body.ts";
import { withId } from "./call_failed.ts";
import { jsonResponse } from "./json_body.ts";
import type { RateGate } from "./rate_gate.ts";
import type { RequestHead } from "./request_head.ts";
import { checkVersion, refuseStateless } from "./session_http.ts";
import type { Channel, SseChannels } from "./sse_channels.ts";
import type { ChannelsElsewhere, Deliver } from "./sse_elsewhere.ts";
import { checkContentType, type StreamableRequest } from "./streamable.ts";

export interface SseMessagesDeps {
  readonly endpoint: SessionEndpoint;
  readonly channels: SseChannels;
  readonly budget: ByteBudget;
  readonly timers: Timers;
  readonly rates: Pick<RateGate, "admit">;
  /** For messages to channels that another replica has. */
  readonly createElsewhere: (deliver: Deliver) => ChannelsElsewhere;
}

export interface SseMessagesOptions {
  readonly requestBytesMax: number;
  /** The setting `USE_STATEFUL_SESSIONS`: without sessions this transport cannot be. */
  readonly statefulSessions: boolean;
}

/** Gives what serves a POST to `…/message`. */
export function createSseMessages(
  { endpoint, channels, budget, timers, rates, createElsewhere }: SseMessagesDeps,
  options: SseMessagesOptions,
): (incoming: StreamableRequest) => Promise<Response> {
  const answer = createAnswering({ endpoint, channels, budget });
  const elsewhere = createElsewhere(deliver);
  const bodyLimits = { bytesMax: options.requestBytesMax, timeoutMs: LIMITS.requestBodyMs };

  async function post(incoming: StreamableRequest): Promise<Response> {
    const { request, head, correlationId } = incoming;
    checkSessions(options);
    checkContentType(head);
    checkVersion(head);
    const id = idIn(request.url);
    const visitor = visitorOf(incoming);
    const isElsewhere = elsewhere.hasChannel(id);
    if (!isElsewhere) channels.find(id, visitor);
    const body = await readBody(request, head.headers.get("content-length"), bodyLimits, timers);
    const message = await rates.admit(incoming, decodeClientBody(body));
    try {
      refuseOtherEra(message, head);
      if (budget.isSpent()) throw new GatewayError("unavailable", "The gateway is full");
      const refusal =
        await (isElsewhere ? elsewhere.post(id, visitor, body) : deliver(id, visitor, message));
      return refusal === undefined ? accepted() : jsonResponse(refusal, budget, incoming.delivered);
    } catch (error) {
      throw message.kind === "batch" ? error : withId(error, message, correlationId);
    }
  }

  /** Gives what the server has refused it with. */
  async function deliver(
    id: string,
    visitor: Visitor,
    message: ClientMessage | Batch,
  ): Promise<Refusal | undefined> {
    const channel = channels.find(id, visitor);
    const sessionId = channel === undefined ? id : channel.sessionId;
    if (message.kind === "request" && message.method === "initialize") {
      return await initialize(visitor, channel, sessionId, message);
    }
    if (sessionId === undefined) throw greetFirst();
    return await relay(visitor, channel, sessionId, message);
  }

  async function initialize(
    visitor: Visitor,
    channel: Channel | undefined,
    known: string | undefined,
    message: ClientMessage,
  ): Promise<undefined> {
    if (channel === undefined || known !== undefined || channel.isOpening) {
      return await refuseSecond(endpoint, visitor, known, message);
    }
    channel.isOpening = true;
    try {
      const { sessionId, body } = await endpoint.initialize(visitor, undefined, message);
      onOneLine(body);
      if (sessionId === undefined) channel.connection?.say(body);
      else await begin(visitor, channel, sessionId, body);
    } catch (error) {
      if (isOfTransport(error)) throw error;
      const { connection } = channel;
      connection?.say(errorResponse(message.id, error, visitor.correlationId));
      // What was opened cannot be used: there is nothing that reads it.
      if (channel.sessionId !== undefined) connection?.hangUp();
    } finally {
      channel.isOpening = false;
    }
  }

  /** The answer is kept before it is sent, like all that follows. */
  async function begin(
    visitor: Visitor,
    channel: Channel,
    sessionId: string,
    answer: Uint8Array,
  ): Promise<void> {
    const { connection } = channel;
    if (connection === undefined || channel.isOver) {
      // The client has left: it will never know what to come back with.
      return await endpoint.end(visitor, sessionId).catch(() => {});
    }
    channels.bind(channel, sessionId);
    await endpoint.say(visitor, sessionId, [answer]);
    const reader = await endpoint.listen(visitor, sessionId, undefined, connection);
    connection.attach(sessionId, reader);
  }

  async function relay(
    visitor: Visitor,
    channel: Channel | undefined,
    sessionId: string,
    message: ClientMessage | Batch,
  ): Promise<Refusal | undefined> {
    try {
      const posted = await endpoint.post(visitor, sessionId, message, true);
      if (posted.kind === "message") return posted;
      if (posted.kind === "pending") answer(visitor, channel, sessionId, posted);
    } catch (error) {
      if (message.kind !== "request" || isOfTransport(error)) throw error;
      const body = errorResponse(message.id, error, visitor.correlationId);
      await endpoint.say(visitor, sessionId, [body]);
    }
    return undefined;
  }

  return post;
}

/** Gives what says the answers once they are there: the POST is long over then. */
function createAnswering(
  { endpoint, channels, budget }: Pick<SseMessagesDeps, "endpoint" | "channels" | "budget">,
) {
  const waitFor = createWaitingRoom(channels);
  return (
    visitor: Visitor,
    channel: Channel | undefined,
    sessionId: string,
    { whole }: Pending,
  ): void => {
    const said = whole.then(async (answers) => {
      if (answers === undefined || answers.bodies.length === 0) return;
      const bytes = answers.bodies.reduce((sum, { length }) => sum + length, 0);
      budget.hold(bytes);
      try {
        if (channel !== undefined && bytes > KEPT_BYTES) await waitFor(channel, bytes);
        await endpoint.say(visitor, sessionId, answers.bodies);
      } finally {
        budget.release(bytes);
      }
    });
    // Of a session that is over nobody waits for answers.
    said.catch(() => {});
  };
}

/** What the stream cannot keep is only for a client that is there. */
function createWaitingRoom(channels: SseChannels) {
  let held = 0;
  return async (channel: Channel, bytes: number): Promise<void> => {
    // Where too much waits already it is said, and told as a gap if nobody hears it.
    if (held + bytes > LIMITS.sseWaitingBytes) return;
    held += bytes;
    await channels.ready(channel).finally(() => held -= bytes);
  };
}

const KEPT_BYTES = LIMITS.eventBytesPerStream / 4;

function accepted(): Response {
  return new Response(null, { status: 202 });
}

/** As whom the session knows whoever sends a request of this transport. */
export function visitorOf(
  { principal, endpoint, correlationId, address, head }: StreamableRequest,
): Visitor {
  // Clients of this transport do not understand events without data, whatever they speak.
  const version = OLDEST_REVISION;
  return { principal, endpoint, correlationId, address, version, clientHeaders: head.headers };
}

const OLDEST_REVISION = "2024-11-05";

/** @throws {ProtocolError} when there is not exactly one */
function idIn(url: string): string {
  const query = url.indexOf("?");
  const ids = new URLSearchParams(query < 0 ? "" : url.slice(query)).getAll("sessionId");
  if (ids.length === 1 && ids[0] !== "") return ids[0]!;
  throw new ProtocolError(BAD_REQUEST, 400, "The query parameter sessionId is needed, once");
}

/** @throws {GatewayError} `method_not_allowed` */
export function checkSessions({ statefulSessions }: SseMessagesOptions): void {
  if (statefulSessions) return;
  throw new GatewayError(
    "method_not_allowed",
    "Sessions are switched off, and this transport needs them: use Streamable HTTP at …/mcp",
  );
}

/** @throws {InvalidMessage} */
function refuseOtherEra(message: ClientMessage | Batch, { headers }: RequestHead): void {
  if (message.kind === "batch") return refuseStateless(message);
  if (!isOfStatelessEra(message, headers.get("mcp-protocol-version"))) return;
  throw new InvalidMessage(
    "This transport serves revisions up to 2025-11-25: use Streamable HTTP at …/mcp",
    message.id,
  );
}

/**
 * @throws {SessionNotFound} when the session is over
 * @throws {InvalidMessage} when it is not
 */
async function refuseSecond(
  endpoint: SessionEndpoint,
  visitor: Visitor,
  sessionId: string | undefined,
  { id }: ClientMessage,
): Promise<never> {
  // To say nothing finds out whether there is such a session.
  if (sessionId !== undefined) await endpoint.say(visitor, sessionId, []);
  throw new InvalidMessage("This session is initialized already", id);
}

function greetFirst(): ProtocolError {
  return new ProtocolError(BAD_REQUEST, 400, "The first message is initialize");
}

/** Whether it is the POST that fails, rather than the call that it carries. */
function isOfTransport(error: unknown): boolean {
  if (error instanceof SessionNotFound || error instanceof InsufficientScope) return true;
  // An error event with the id of a call that still runs would be taken for that call's answer.
  if (error instanceof InvalidMessage) return true;
  return error instanceof GatewayError && OF_TRANSPORT.includes(error.code);
}

const OF_TRANSPORT: readonly string[] = ["unavailable", "rate_limited"];
