/**
 * MCP over the transport of 2024-11-05, client side, with the semantics of Streamable HTTP: a session is
 * an event stream, and a session whose stream has ended is one that the server has lost.
 *
 * @module
 * @see MCP 2024-11-05, Base Protocol, "Transports", "HTTP with SSE"
 */
import type { HttpUpstream, UpstreamServer } from "../domain/server.ts";
import { DialError } from "../platform/dial.ts";
import { LIMITS } from "../domain/limits.ts";
import { randomText } from "../platform/random.ts";
import { accepted, listen } from "./channel/asking.ts";
import { envelopeOf, isRequest } from "./channel/envelope.ts";
import { openingAnswer } from "./channel/first_answer.ts";
import { within } from "./channel/waiting.ts";
import type { SessionMark, UpstreamRequest } from "./client.ts";
import { OF_SSE, ownedSessionId } from "./owned_session.ts";
import { type UpstreamReply, UpstreamStatusError } from "./reply.ts";
import { askOver } from "./sse/asking.ts";
import type { SseChannel, SseChannelDeps } from "./sse/channel.ts";
import { openSseChannel } from "./sse/opening.ts";

export interface SseMcpClient {
  readonly send: (server: HttpUpstream, request: UpstreamRequest) => Promise<UpstreamReply>;
  readonly remove: (server: HttpUpstream, session: SessionMark, totalMs: number) => Promise<number>;
  /**
   * Opens a session with `initialize`, the body of `request`.
   * @param withinMs until the server has said where it takes messages
   * @param found called once it has
   * @throws as `openSseChannel`, and as `UpstreamClient.send`
   */
  readonly open: (
    server: HttpUpstream,
    request: UpstreamRequest,
    withinMs: number,
    found?: () => void,
  ) => Promise<UpstreamReply>;
  /** Whether a session with this id would be one of this client's. */
  readonly isOurs: (session: string | undefined) => boolean;
  /**
   * Ends the streams of a server that is gone or has changed, as far as they are about what it was.
   * @param now what it is; `undefined` when it is gone
   */
  readonly forget: (serverId: string, now: UpstreamServer | undefined) => void;
  /** Streams that are open. */
  readonly channels: () => number;
  readonly close: () => void;
}

/** 192 random bits. */
const SESSION_BYTES = 24;

/** @param replica sessions are named after this replica, which alone has their streams */
export function createSseClient(
  deps: SseChannelDeps,
  { replica }: { readonly replica: string },
): SseMcpClient {
  const { timers } = deps;
  const sessions = new Map<string, SseChannel>();
  const open = new Set<SseChannel>();
  let opening = 0;

  async function send(server: HttpUpstream, request: UpstreamRequest): Promise<UpstreamReply> {
    const { body, session, abort, firstMs } = request;
    abort.signal.throwIfAborted();
    if (session !== undefined) return await toSession(channelOf(server, session), request);
    const envelope = body && envelopeOf(body);
    // Nothing but the beginning of a session can be said outside of one.
    if (envelope?.method !== "initialize") throw new UpstreamStatusError(400);
    return await openSession(server, request, firstMs);
  }

  async function toSession(channel: SseChannel, request: UpstreamRequest): Promise<UpstreamReply> {
    const { body, isOneWay } = request;
    if (body === undefined) return listen(deps, channel, request);
    const envelope = envelopeOf(body);
    if (isRequest(envelope) && !isOneWay) {
      return await askOver(deps, channel, request, body, envelope);
    }
    const reply = await channel.post(request, body);
    if (reply.status >= 400) return reply;
    reply.close();
    if (envelope.method === undefined) channel.router.answered(envelope);
    return accepted();
  }

  /** @throws {DialError} when there are too many */
  async function openSession(
    server: HttpUpstream,
    request: UpstreamRequest,
    withinMs: number,
    found = () => {},
  ): Promise<UpstreamReply> {
    if (open.size + opening >= LIMITS.sseChannels) throw tooMany();
    opening++;
    const channel = await openSseChannel(deps, server, request, withinMs)
      .finally(() => opening--);
    found();
    open.add(channel);
    channel.ended.then(() => open.delete(channel));
    const body = request.body!;
    try {
      const answer = await openingAnswer(
        await askOver(deps, channel, request, body, envelopeOf(body)),
      );
      if (!answer.isResult) channel.end();
      const id = OF_SSE + ownedSessionId(replica, randomText(SESSION_BYTES));
      sessions.set(id, channel);
      channel.ended.then(() => sessions.delete(id));
      return { ...answer.reply, sessionId: () => id };
    } catch (error) {
      channel.end();
      throw error;
    }
  }

  /** @throws {UpstreamStatusError} 404 as a server that has lost the session would answer */
  function channelOf(server: HttpUpstream, session: string): SseChannel {
    const channel = sessions.get(session);
    if (channel?.server.id !== server.id || !channel.isLive()) throw new UpstreamStatusError(404);
    if (isSame(channel.server, server)) return channel;
    channel.end();
    throw new UpstreamStatusError(404);
  }

  return {
    send,
    open: openSession,
    async remove(server, { session }, totalMs) {
      const channel = session === undefined ? undefined : sessions.get(session);
      if (channel?.server.id !== server.id) return 404;
      channel.end();
      await within(timers, totalMs, channel.ended);
      return 200;
    },
    isOurs: (session) => session?.startsWith(OF_SSE) ?? false,
    forget(serverId, now) {
      for (const channel of open) {
        if (channel.server.id !== serverId) continue;
        if (now === undefined || !now.enabled || !isSame(channel.server, now)) channel.end();
      }
    },
    channels: () => open.size,
    close() {
      for (const channel of open) channel.end();
    },
  };
}

/** Whether it is where it was, and is presented what it was. */
function isSame(one: HttpUpstream, other: UpstreamServer): boolean {
  return one === other ||
    ("url" in other && settingsOf(one) === settingsOf(other));
}

function settingsOf({ url, headers, auth, passthroughHeaders, declared }: HttpUpstream): string {
  return JSON.stringify([url.href, headers, auth, passthroughHeaders, declared]);
}

function tooMany(): DialError {
  return new DialError(
    "upstream_unavailable",
    "The gateway has too many event streams open at upstream servers",
  );
}
