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
import type { HttpUpstream } from "../domain/server.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Clock } from "../platform/clock.ts";
import { type DialTarget, targetOf } from "../platform/dial.ts";
import type { HttpClient, HttpReply } from "../platform/http1/client.ts";
import type { Timers } from "../platform/timers.ts";
import { createAccessTokens } from "./access_token.ts";
import type { SessionMark, UpstreamRequest } from "./client.ts";
import { fixedHeaders, sendAuthorized } from "./credentials.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import { passableNames, passedLines } from "./passthrough.ts";
import { empty, opened, type Reading, type UpstreamReply } from "./reply.ts";
import { requestToken } from "./token_request.ts";

/** `UpstreamClient` for servers over HTTP. */
export interface HttpMcpClient {
  /** @param url another one of the same origin; the server's own unless given */
  readonly send: (
    server: HttpUpstream,
    request: UpstreamRequest,
    url?: URL,
  ) => Promise<UpstreamReply>;
  readonly remove: (server: HttpUpstream, session: SessionMark, totalMs: number) => Promise<number>;
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
  /**
   * Refuses an address of the server's host, or of its token endpoint's, by throwing. Connections
   * are shared among servers that the config file declares, and among the others.
   */
  readonly checkAddress: (server: HttpUpstream, target: DialTarget, address: string) => void;
}

/** What is the same in all requests to a server. */
interface Prepared {
  readonly target: DialTarget;
  readonly checkAddress: (address: string) => void;
  readonly rule: string;
  /** Request line and fixed header lines, for the server's own URL. */
  readonly heads: Readonly<Record<Verb, string>>;
  readonly fixed: string;
  readonly passable: readonly string[];
}

export function createMcpClient(
  deps: McpClientDeps,
  options: McpClientOptions,
): HttpMcpClient {
  const prepared = new WeakMap<HttpUpstream, Prepared>();
  const tokens = createAccessTokens<HttpUpstream>({
    clock: deps.clock,
    timers: deps.timers,
    request: (server, auth, by, signal) =>
      requestToken(deps.http, { ...options, ruleOf }, server, auth, by, signal),
  });

  function prepare(server: HttpUpstream): Prepared {
    const { lines, names } = fixedHeaders(server);
    const target = targetOf(server.url);
    const fixed = `Host: ${server.url.host}\r\nAccept-Encoding: identity\r\n` +
      (names.has("user-agent") ? "" : `User-Agent: ${options.userAgent}\r\n`) + lines;
    return {
      target,
      checkAddress: (address) => options.checkAddress(server, target, address),
      rule: ruleOf(server),
      heads: {
        POST: headOf("POST", server.url, fixed),
        GET: headOf("GET", server.url, fixed),
        DELETE: headOf("DELETE", server.url, fixed),
      },
      fixed,
      passable: passableNames(server.passthroughHeaders, names),
    };
  }

  /** One request, with an access token where the server wants one. */
  function ask(server: HttpUpstream, verb: Verb, url: URL, asked: Asked): Promise<HttpReply> {
    let known = prepared.get(server);
    if (known === undefined) prepared.set(server, known = prepare(server));
    const { target, checkAddress, rule, heads, fixed, passable } = known;
    let { headers } = asked;
    const { clientHeaders, body, idempotent, isQuiet, signal } = asked;
    if (passable.length > 0 && clientHeaders !== undefined) {
      headers += passedLines(passable, clientHeaders);
    }
    const start = url === server.url ? heads[verb] : headOf(verb, url, fixed);
    const request = {
      target,
      head: start + headers,
      body,
      idempotent,
      isQuiet,
      connectMs: options.connectMs,
      checkAddress,
      rule,
      signal,
    };
    const { auth } = server;
    if (auth.type !== "oauth_client_credentials") return deps.http.send(request);
    const send = (line: string) => deps.http.send({ ...request, head: request.head + line });
    return sendAuthorized(tokens, server, auth, signal, send);
  }

  const send: HttpMcpClient["send"] = async (server, request, url = server.url) => {
    const deadline = startDeadline({ timers: deps.timers, now: deps.clock.monotonic }, {
      firstMs: request.firstMs,
      silenceMs: request.silenceMs,
      totalMs: request.totalMs,
      pausedAtMs: request.pausedAtMs,
      expired: (spanMs) => request.abort.abort(timedOut(spanMs)),
    });
    let reply: HttpReply | undefined;
    try {
      reply = await exchange(server, request, url);
      if (reply.status === 307 || reply.status === 308) {
        const location = redirectTarget(url, reply);
        reply.release();
        if (location !== undefined) reply = await exchange(server, request, location);
      }
      deadline.touch();
      const reading = readingOf(request, deadline);
      if (request.isOneWay && reply.status < 300) {
        await readSmall(reply);
        return empty(reply, reading);
      }
      const answer = opened(reply, reading);
      return answer instanceof Promise ? await answer : answer;
    } catch (error) {
      deadline.end();
      reply?.release();
      throw request.abort.signal.aborted ? request.abort.signal.reason : error;
    }
  };

  function readingOf({ primed, others, isQuiet }: UpstreamRequest, deadline: Deadline): Reading {
    const { messageBytesMax: max } = options;
    // One message too large must not keep a listening client from all the others, for ever.
    return { max, deadline, budget: deps.budget, primed, others, dropsLarge: isQuiet };
  }

  function exchange(server: HttpUpstream, request: UpstreamRequest, url: URL) {
    const { body, idempotent, isQuiet, headers, clientHeaders, abort: { signal } } = request;
    const verb = body === undefined ? "GET" : "POST";
    return ask(server, verb, url, { body, idempotent, isQuiet, headers, clientHeaders, signal });
  }

  async function remove(server: HttpUpstream, { headers }: SessionMark, totalMs: number) {
    const abort = new AbortController();
    const timer = deps.timers.after(totalMs, () => abort.abort(timedOut(totalMs)));
    try {
      const { signal } = abort;
      const common = { body: undefined, idempotent: true, headers, signal };
      const reply = await ask(server, "DELETE", server.url, common);
      reply.release();
      return reply.status;
    } finally {
      timer.cancel();
    }
  }

  return { send, remove };
}

/** Many servers say a word that nobody needs; one that is left unread costs the connection. */
async function readSmall({ headers, whole }: HttpReply): Promise<void> {
  const bytes = Number(headers.get("content-length") ?? 0);
  if (bytes > 0 && bytes <= SMALL_BYTES) await whole(SMALL_BYTES, () => {});
}

const SMALL_BYTES = 1024;

type Verb = "POST" | "GET" | "DELETE";

/** What differs from one request to the next. */
interface Asked extends Pick<UpstreamRequest, "body" | "headers" | "clientHeaders" | "isQuiet"> {
  readonly idempotent: boolean;
  readonly signal: AbortSignal;
}

/** Who checks the addresses of the connections to the server: see `HttpRequest`. */
function ruleOf(server: HttpUpstream): string {
  return server.declared ? "" : "egress";
}

function headOf(verb: Verb, url: URL, fixed: string): string {
  return `${verb} ${url.pathname}${url.search} HTTP/1.1\r\n${fixed}${VERB_HEADERS[verb]}`;
}

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
