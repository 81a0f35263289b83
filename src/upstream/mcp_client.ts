/**
 * MCP over Streamable HTTP, client side: one request, and the messages that come back.
 *
 * Knows framing, deadlines and status codes; nothing of what the messages mean. Whether a message
 * answers the request is decided by `mcp/relay.ts`.
 *
 * @module
 * @see MCP 2026-07-28, Transports, "Streamable HTTP"
 */
import { GatewayError } from "../domain/errors.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Clock } from "../platform/clock.ts";
import type { HttpClient, HttpReply } from "../platform/http1/client.ts";
import type { Timers } from "../platform/timers.ts";
import { startDeadline } from "./deadline.ts";
import { empty, opened, type UpstreamReply } from "./reply.ts";

export interface UpstreamRequest {
  /** One JSON-RPC message to POST; `undefined` for a GET, which opens or resumes a stream. */
  readonly body: Uint8Array | undefined;
  /** Header lines of the protocol, each ended by CRLF; values proven printable ASCII. */
  readonly headers: string;
  /** Whether it may be sent a second time when a kept connection died before it answered. */
  readonly idempotent: boolean;
  readonly firstMs: number;
  readonly silenceMs: number;
  readonly totalMs: number;
  /** See `DeadlineOptions`. */
  readonly pausedAtMs?: (() => number) | undefined;
  /** Told of an event id that came without a message: from there the stream can be resumed. */
  readonly primed?: ((eventId: string) => void) | undefined;
  /** Nothing comes back: what a 2xx contains is not looked at. */
  readonly isOneWay?: boolean | undefined;
  /** A GET that is silent most of the time. */
  readonly isQuiet?: boolean | undefined;
  /** Aborted by the caller to cancel, and by this module when a deadline runs out. */
  readonly abort: AbortController;
}

export interface McpClient {
  /**
   * @throws {GatewayError} `upstream_unavailable`, `upstream_timeout`, `upstream_protocol`
   * @throws {ConnectionLost} when the reply broke off
   */
  readonly send: (server: UpstreamServer, request: UpstreamRequest) => Promise<UpstreamReply>;
  /**
   * Ends a session of the session era; gives the status of the reply.
   * @throws as `send`
   */
  readonly remove: (server: UpstreamServer, headers: string, totalMs: number) => Promise<number>;
}

export interface McpClientDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Charged with what has arrived from upstream and was not taken yet. */
  readonly budget: ByteBudget;
}

export interface McpClientOptions {
  readonly connectMs: number;
  /** One JSON body or one SSE event, after decompression. */
  readonly messageBytesMax: number;
  readonly userAgent: string;
  readonly checkAddress: (server: UpstreamServer, address: string) => void;
}

export function createMcpClient(
  deps: McpClientDeps,
  options: McpClientOptions,
): McpClient {
  const fixedHeads = new WeakMap<UpstreamServer, string>();

  function fixedHead(server: UpstreamServer): string {
    let head = fixedHeads.get(server);
    if (head === undefined) {
      head = `Host: ${server.url.host}\r\nUser-Agent: ${options.userAgent}\r\n` +
        "Accept-Encoding: identity\r\n";
      for (const [name, value] of Object.entries(server.headers)) head += `${name}: ${value}\r\n`;
      fixedHeads.set(server, head);
    }
    return head;
  }

  function httpRequest(verb: Verb, server: UpstreamServer, url: URL, headers: string) {
    const secure = url.protocol === "https:";
    return {
      target: { secure, hostname: url.hostname, port: Number(url.port) || (secure ? 443 : 80) },
      head: `${verb} ${url.pathname}${url.search} HTTP/1.1\r\n${fixedHead(server)}` +
        VERB_HEADERS[verb] + headers,
      connectMs: options.connectMs,
      checkAddress: (address: string) => options.checkAddress(server, address),
    };
  }

  async function send(server: UpstreamServer, request: UpstreamRequest): Promise<UpstreamReply> {
    const deadline = startDeadline({ timers: deps.timers, now: deps.clock.monotonic }, {
      firstMs: request.firstMs,
      silenceMs: request.silenceMs,
      totalMs: request.totalMs,
      pausedAtMs: request.pausedAtMs,
      expired: (spanMs) => request.abort.abort(timedOut(spanMs)),
    });
    let reply: HttpReply | undefined;
    try {
      reply = await exchange(server, request, server.url);
      if (reply.status === 307 || reply.status === 308) {
        const location = redirectTarget(server.url, reply);
        reply.release();
        if (location !== undefined) reply = await exchange(server, request, location);
      }
      deadline.touch();
      const { primed, isQuiet } = request;
      const reading = {
        max: options.messageBytesMax,
        deadline,
        budget: deps.budget,
        primed,
        // One message too large must not keep a listening client from all the others, for ever.
        dropsLarge: isQuiet,
      };
      if (request.isOneWay && reply.status < 300) return empty(reply, reading);
      const answer = opened(reply, reading);
      return answer instanceof Promise ? await answer : answer;
    } catch (error) {
      deadline.end();
      reply?.release();
      throw request.abort.signal.aborted ? request.abort.signal.reason : error;
    }
  }

  function exchange(server: UpstreamServer, request: UpstreamRequest, url: URL) {
    const { body, idempotent, isQuiet, headers, abort } = request;
    const common = httpRequest(body === undefined ? "GET" : "POST", server, url, headers);
    return deps.http.send({ ...common, body, idempotent, isQuiet, signal: abort.signal });
  }

  async function remove(server: UpstreamServer, headers: string, totalMs: number) {
    const abort = new AbortController();
    const timer = deps.timers.after(totalMs, () => abort.abort(timedOut(totalMs)));
    try {
      const common = httpRequest("DELETE", server, server.url, headers);
      const reply = await deps.http.send({
        ...common,
        body: undefined,
        idempotent: true,
        signal: abort.signal,
      });
      reply.release();
      return reply.status;
    } finally {
      timer.cancel();
    }
  }

  return { send, remove };
}

type Verb = "POST" | "GET" | "DELETE";

const VERB_HEADERS: Readonly<Record<Verb, string>> = {
  POST: "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n",
  GET: "Accept: text/event-stream\r\n",
  DELETE: "Accept: application/json\r\n",
};

/** Where a redirect may be followed to: only the same scheme, host and port. */
function redirectTarget(from: URL, reply: HttpReply): URL | undefined {
  const location = reply.headers.get("location");
  if (location === undefined || !URL.canParse(location, from)) return undefined;
  const to = new URL(location, from);
  return to.origin === from.origin && to.username === "" && to.password === "" ? to : undefined;
}

function timedOut(spanMs: number): GatewayError {
  return new GatewayError(
    "upstream_timeout",
    `The upstream server did not answer within ${spanMs / 1000} s`,
  );
}
