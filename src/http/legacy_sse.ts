/**
 * The deprecated transport of 2024-11-05: a GET opens an event stream that says where messages are to
 * be posted, and everything that the server says comes on that stream.
 *
 * Sessions are those of Streamable HTTP. What is said in one, answers included, is kept on the
 * session's own stream before it leaves, so that one event id is enough to resume.
 *
 * @module
 * @see MCP 2024-11-05, Base Protocol, "Transports", "HTTP with SSE"; `docs/old-transport.md`
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { SessionEndpoint, Visitor } from "../mcp/session/endpoint.ts";
import type { Reader } from "../mcp/session/reader.ts";
import { SessionNotFound } from "../mcp/session/session.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Timers } from "../platform/timers.ts";
import { createHold } from "./json_body.ts";
import type { RateGate } from "./rate_gate.ts";
import type { RequestHead } from "./request_head.ts";
import { checkedEventId, checkVersion } from "./session_http.ts";
import { type Channel, createSseChannels } from "./sse_channels.ts";
import { createSseConnection, placeOf, type SseConnection } from "./sse_connection.ts";
import { type ChannelsElsewhereDeps, createChannelsElsewhere } from "./sse_elsewhere.ts";
import {
  checkSessions,
  createSseMessages,
  type SseMessagesOptions,
  visitorOf,
} from "./sse_messages.ts";
import { SSE_HEADERS, type SseWriter } from "./sse_writer.ts";
import type { StreamPlaces } from "./stream_places.ts";
import type { StreamableRequest } from "./streamable.ts";

export interface LegacySse {
  /** GET of `…/sse`. */
  readonly open: (incoming: StreamableRequest) => Promise<Response>;
  /** POST to `…/message`. */
  readonly post: (incoming: StreamableRequest) => Promise<Response>;
  /** Has all clients reconnect, elsewhere. Their sessions are kept. */
  readonly drain: () => void;
}

export interface LegacySseDeps extends ChannelsElsewhereDeps {
  readonly endpoint: SessionEndpoint;
  readonly budget: ByteBudget;
  readonly sse: SseWriter;
  readonly timers: Timers;
  readonly places: StreamPlaces;
  readonly rates: Pick<RateGate, "admit">;
  /** Whether the gateway is about to stop: nobody begins to listen any more. */
  readonly isFinishing: () => boolean;
}

export interface LegacySseOptions extends SseMessagesOptions {
  readonly sessionsPerPrincipal: number;
}

export function createLegacySse(deps: LegacySseDeps, options: LegacySseOptions): LegacySse {
  const { endpoint, budget, timers } = deps;
  const channels = createSseChannels({ timers, ended }, {
    perPrincipal: options.sessionsPerPrincipal,
    graceMs: LIMITS.sseAwayMs,
    replica: deps.remote.self,
  });

  function ended({ sessionId, visitor }: Channel): void {
    // It may have ended before.
    if (sessionId !== undefined) endpoint.end(visitor, sessionId).catch(() => {});
  }

  async function open(incoming: StreamableRequest): Promise<Response> {
    const { head } = incoming;
    checkSessions(options);
    checkAccept(head);
    checkVersion(head);
    const lastEventId = checkedEventId(head.headers.get("last-event-id"));
    if (deps.isFinishing()) throw new GatewayError("unavailable", "The gateway is stopping");
    const visitor = visitorOf(incoming);
    if (lastEventId !== undefined) {
      const place = placeOf(lastEventId);
      if (place === undefined) throw new SessionNotFound();
      return await resume(incoming, place.sessionId, place.eventId);
    }
    const left = hasSpoken(head) ? channels.leftBy(visitor)?.sessionId : undefined;
    if (left !== undefined) return await resume(incoming, left, undefined);
    const giveBack = deps.places.take(incoming.principal, incoming.delivered);
    const channel = channels.open(visitor);
    const connection = createSseConnection(messagePath(head, channel.id), giveBack);
    channels.joined(channel, connection);
    return stream(incoming, channel, connection);
  }

  /** @param eventId where to go on; from what was sent last unless given */
  async function resume(
    incoming: StreamableRequest,
    sessionId: string,
    eventId: string | undefined,
  ): Promise<Response> {
    const visitor = visitorOf(incoming);
    let giveBack = () => {};
    const path = messagePath(incoming.head, sessionId);
    const connection = createSseConnection(path, () => giveBack());
    const known = channels.find(sessionId, visitor);
    if (known !== undefined) channels.hold(known);
    let reader: Reader | undefined;
    try {
      reader = await listen(visitor, sessionId, eventId, connection);
      // Its stream has been taken over, and its client may have left without a word.
      known?.connection?.stop();
      giveBack = deps.places.take(incoming.principal, incoming.delivered);
    } catch (error) {
      reader?.stop();
      if (known !== undefined) channels.letGo(known);
      throw error;
    }
    const channel = channels.ofSession(sessionId, visitor);
    channels.joined(channel, connection);
    connection.attach(sessionId, reader);
    return stream(incoming, channel, connection);
  }

  async function listen(
    visitor: Visitor,
    sessionId: string,
    eventId: string | undefined,
    { cut }: SseConnection,
  ): Promise<Reader> {
    const reader = await endpoint.listen(visitor, sessionId, eventId, { cut });
    if (!reader.isOfCall) return reader;
    reader.stop();
    throw new SessionNotFound();
  }

  function stream(
    incoming: StreamableRequest,
    channel: Channel,
    connection: SseConnection,
  ): Response {
    const held = createHold(budget, incoming.delivered);
    // A stream does not outlive the rights that it was opened with: the client comes back.
    const unwatch = incoming.watch(connection.hangUp);
    // A place among those of its principal is not for who says nothing.
    const silence = timers.after(
      LIMITS.sseGreetingMs,
      () => channel.sessionId ?? connection.hangUp(),
    );
    const over = () => {
      unwatch();
      silence.cancel();
      connection.stop();
      channels.left(channel, connection);
    };
    const next = async () => {
      const events = await connection.next();
      if (events === undefined) over();
      held.next(events?.reduce((bytes, { data }) => bytes + (data?.length ?? 0), 0) ?? 0);
      return events;
    };
    const body = deps.sse.body(next, over, connection.takeCut);
    return new Response(body, { status: 200, headers: SSE_HEADERS });
  }

  return {
    open,
    post: createSseMessages({
      ...deps,
      channels,
      createElsewhere: (deliver) => createChannelsElsewhere(deps, deliver),
    }, options),
    drain() {
      channels.close();
      for (const connection of channels.connections()) connection.hangUp();
    },
  };
}

/**
 * Whether this client has had a session: before its `initialize` there is no revision to name. The
 * official SDK's client (1.x) comes back so, and leaves `Last-Event-ID` out.
 */
function hasSpoken({ headers }: RequestHead): boolean {
  return headers.has("mcp-protocol-version");
}

/** Beside the URL of the stream, under the same name of the server. */
function messagePath({ path }: RequestHead, id: string): string {
  return `${path.slice(0, -"sse".length)}message?sessionId=${id}`;
}

/** @throws {GatewayError} `not_acceptable` when it names other types only */
function checkAccept({ headers }: RequestHead): void {
  const accept = headers.get("accept");
  if (accept === undefined || /(?:^|,)\s*(?:text\/event-stream|text\/\*|\*\/\*)/i.test(accept)) {
    return;
  }
  throw new GatewayError("not_acceptable", "Accept must name text/event-stream");
}
