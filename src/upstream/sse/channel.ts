/**
 * One event stream of 2024-11-05 at an upstream server: what is said to it is posted, what comes over
 * it is brought to whom it belongs, and when it ends everybody is told why.
 *
 * @module
 * @see MCP 2024-11-05, Base Protocol, "Transports", "HTTP with SSE"
 */
import { LIMITS } from "../../domain/limits.ts";
import type { HttpUpstream } from "../../domain/server.ts";
import type { ByteBudget } from "../../platform/byte_budget.ts";
import { ConnectionLost } from "../../platform/http1/connection.ts";
import type { Timers } from "../../platform/timers.ts";
import type { Channel } from "../channel/channel.ts";
import { createDelivery } from "../channel/delivery.ts";
import { createGate, createInbox } from "../channel/inbox.ts";
import { createOwnStream } from "../channel/own_stream.ts";
import { createRouter } from "../channel/router.ts";
import type { UpstreamRequest } from "../client.ts";
import type { HttpMcpClient } from "../mcp_client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../reply.ts";

export interface SseChannel extends Channel {
  readonly server: HttpUpstream;
  /**
   * Posts a message on behalf of a request.
   * @throws as `UpstreamClient.send`; a 404 ends the channel
   */
  readonly post: (request: UpstreamRequest, body: Uint8Array) => Promise<UpstreamReply>;
  /** Closes the stream, and with it the session. */
  readonly end: () => void;
  /** The stream is gone, and all that came over it has been passed on. Never rejects. */
  readonly ended: Promise<void>;
}

export interface SseChannelDeps {
  readonly http: HttpMcpClient;
  readonly timers: Timers;
  readonly now: () => number;
  /** Charged with what has arrived and nobody has taken yet. */
  readonly budget: ByteBudget;
  /** Told once of each stream that carried what is no message. */
  readonly garbage: (server: HttpUpstream, text: string) => void;
}

export interface SseStream {
  readonly server: HttpUpstream;
  readonly reply: UpstreamReply;
  /** Closes the connection of `reply`. */
  readonly abort: AbortController;
  /** Where messages are posted. */
  readonly endpoint: Promise<URL>;
}

/** For what is said while nobody waits: that an answer is not wanted any more. */
const ASIDE_MS = 5_000;

export function createSseChannel(deps: SseChannelDeps, stream: SseStream): SseChannel {
  const { http, now, budget } = deps;
  const { server, reply, abort } = stream;
  let pausedAtMs = -Infinity;
  let isOver = false;
  const gate = createGate(() => pausedAtMs = now());
  const router = createRouter(() => false);
  const own = createOwnStream();
  const { heard } = createDelivery({
    router,
    own,
    write,
    garbage: (text) => deps.garbage(server, text),
  });

  async function read(): Promise<void> {
    for (let one = await reply.next(); one !== undefined; one = await reply.next()) {
      for (let at: Uint8Array | undefined = one; at !== undefined; at = reply.take()) {
        heard(at);
        if (gate.isShut()) await gate.opened();
      }
    }
    throw new ConnectionLost(true);
  }

  function finish(reason: unknown): void {
    isOver = true;
    // What was ended from here is as lost to whoever waits as what the server has ended.
    const told = abort.signal.aborted ? new ConnectionLost(true) : reason;
    for (const request of router.requests()) {
      router.close(request);
      request.inbox.fail(told);
    }
    own.end();
    end();
    reply.close();
  }

  function end(): void {
    isOver = true;
    gate.release();
    if (!abort.signal.aborted) abort.abort(new ConnectionLost(true));
  }

  async function post(request: UpstreamRequest, body: Uint8Array): Promise<UpstreamReply> {
    const { headers, session: _, primed: __, ...rest } = request;
    const url = await stream.endpoint;
    try {
      const posted = { ...rest, headers: withoutSession(headers), body, isOneWay: true };
      return await http.send(server, posted, url);
    } catch (error) {
      if (error instanceof UpstreamStatusError && error.status === 404) end();
      throw error;
    }
  }

  function write(message: Uint8Array): void {
    const ms = { firstMs: ASIDE_MS, silenceMs: ASIDE_MS, totalMs: ASIDE_MS };
    const request = { body: message, headers: "", idempotent: false, ...ms };
    // One that does not listen will not miss it.
    post({ ...request, abort: new AbortController() }, message).then(
      (reply) => reply.close(),
      () => {},
    );
  }

  return {
    server,
    router,
    own,
    newInbox: () => createInbox(gate, budget, LIMITS.streamBufferBytes),
    write,
    post,
    isLive: () => !isOver,
    isStateless: () => false,
    pausedAtMs: () => gate.isShut() ? now() : pausedAtMs,
    abandon: end,
    end,
    ended: read().catch(finish),
  };
}

/** The session's id is the gateway's own affair: this server knows none. */
function withoutSession(headers: string): string {
  return headers.replace(/^Mcp-Session-Id: [^\r]*\r\n/m, "");
}
