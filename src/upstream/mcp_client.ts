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
import { LIMITS } from "../domain/limits.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Clock } from "../platform/clock.ts";
import type { HttpClient, HttpReply } from "../platform/http1/client.ts";
import type { Timers } from "../platform/timers.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import { createSseReader } from "./sse_reader.ts";

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

export interface UpstreamReply {
  readonly status: number;
  /** True for an event stream, false for a single JSON body, `undefined` for no content. */
  readonly isStream: boolean | undefined;
  /** Whether a message's whole `ArrayBuffer` is the receiver's, to keep and to overwrite. */
  readonly isOwned: boolean;
  /**
   * `Mcp-Session-Id`, which the answer to `initialize` may carry.
   * @throws {GatewayError} when it is malformed
   */
  readonly sessionId: () => string | undefined;
  /** Of a stream: see `SseReader`. */
  readonly lastEventId: () => string | undefined;
  readonly retryMs: () => number | undefined;
  /** The next message; `undefined` at the end. One of a stream is a buffer of its own. */
  readonly next: () => Promise<Uint8Array | undefined>;
  /** A message that has arrived already, or `undefined`. A single body is valid until `close`. */
  readonly take: () => Uint8Array | undefined;
  /** The answer is known: nothing more is wanted. Keeps the connection when that is possible. */
  readonly close: () => void;
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

/** The server answered with an HTTP error that carries no message. */
export class UpstreamStatusError extends GatewayError {
  readonly status: number;

  constructor(status: number) {
    super("upstream_unavailable", `The upstream server answered HTTP ${status}`);
    this.status = status;
  }
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
        isQuiet,
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

interface Exchange {
  readonly max: number;
  readonly deadline: Deadline;
  readonly budget: ByteBudget;
  readonly primed: UpstreamRequest["primed"];
  readonly isQuiet: UpstreamRequest["isQuiet"];
}

/** @throws {GatewayError} when status and content type promise no messages */
function opened(reply: HttpReply, exchange: Exchange): UpstreamReply | Promise<UpstreamReply> {
  const type = mediaType(reply.headers.get("content-type"));
  if (reply.status === 401 || reply.status === 407) throw refusedCredentials();
  if (type === "text/event-stream" && reply.status === 200) return stream(reply, exchange);
  if (type === "application/json" && (reply.status < 300 || reply.status >= 400)) {
    return single(reply, exchange);
  }
  const hasNone = type === undefined && reply.headers.get("content-length") === "0";
  if (reply.status === 202 || reply.status === 204 || (reply.status === 200 && hasNone)) {
    return empty(reply, exchange);
  }
  throw unusable(reply.status, type);
}

function mediaType(contentType: string | undefined): string | undefined {
  if (contentType === undefined || contentType === "application/json") return contentType;
  return contentType.split(";", 1)[0]!.trim().toLowerCase();
}

function empty(reply: HttpReply, { deadline }: Exchange): UpstreamReply {
  deadline.end();
  reply.release();
  return {
    ...NO_EVENTS,
    status: reply.status,
    isStream: undefined,
    isOwned: true,
    sessionId: () => sessionIdOf(reply),
    next: () => Promise.resolve(undefined),
    take: nothing,
    close: nothing,
  };
}

const nothing = () => undefined;
const NO_EVENTS = { lastEventId: nothing, retryMs: nothing };

/** @throws {GatewayError} when it could not be sent back in a header */
function sessionIdOf({ headers }: HttpReply): string | undefined {
  const id = headers.get("mcp-session-id");
  if (id === undefined) return undefined;
  if (id.length <= LIMITS.upstreamSessionIdChars && /^[\x21-\x7e]+$/.test(id)) return id;
  throw new GatewayError("upstream_protocol", "The upstream server sent a malformed session id");
}

function single(reply: HttpReply, exchange: Exchange): UpstreamReply | Promise<UpstreamReply> {
  const { budget } = exchange;
  let charged = 0;
  const body = reply.whole(exchange.max, (bytes) => {
    if (bytes > 0 && budget.isSpent()) {
      throw new GatewayError("unavailable", "The gateway has no memory left for the answer");
    }
    budget.hold(bytes);
    charged += bytes;
  });
  const release = () => budget.release(charged);
  if (body instanceof Promise) {
    return body.then((bytes) => arrived(reply, exchange, bytes, true)).finally(release);
  }
  release();
  return arrived(reply, exchange, body, false);
}

function arrived(
  reply: HttpReply,
  { deadline }: Exchange,
  body: Uint8Array,
  isOwned: boolean,
): UpstreamReply {
  deadline.end();
  let left: Uint8Array | undefined = body.length === 0 ? undefined : body;
  const take = () => {
    const message = left;
    left = undefined;
    return message;
  };
  return {
    ...NO_EVENTS,
    status: reply.status,
    isStream: false,
    isOwned,
    sessionId: () => sessionIdOf(reply),
    next: () => Promise.resolve(take()),
    take,
    close: reply.release,
  };
}

function stream(reply: HttpReply, exchange: Exchange): UpstreamReply {
  const { max, deadline, budget, primed, isQuiet } = exchange;
  // One message too large must not keep a client from all the others, for ever.
  const reader = createSseReader(max, isQuiet);
  let knownId: string | undefined;
  let charged = 0;
  let ended = false;

  function charge(bytes: number): void {
    budget.hold(bytes - charged);
    charged = bytes;
  }

  async function next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = reader.take();
      if (message !== undefined) return message;
      charge(reader.heldBytes());
      if (primed !== undefined) tell(primed);
      if (ended) return undefined;
      const piece = await reply.next();
      if (piece === undefined) {
        ended = true;
        continue;
      }
      // A whole line is a sign of life, a comment too: it is how a server says that it still
      // works on a call. Single bytes are not, or a trickle would hold a call for ever.
      if (piece.includes(0x0a) || piece.includes(0x0d)) deadline.touch();
      reader.push(piece);
    }
  }

  function tell(primed: (eventId: string) => void): void {
    const id = reader.lastEventId();
    if (id === undefined || id === knownId) return;
    primed(knownId = id);
  }

  return {
    status: reply.status,
    isStream: true,
    isOwned: true,
    sessionId: () => sessionIdOf(reply),
    lastEventId: reader.lastEventId,
    retryMs: reader.retryMs,
    next,
    take: reader.take,
    close() {
      deadline.end();
      charge(0);
      // The answer has been read; only the end of the body is missing. Waiting for it briefly
      // saves the connection.
      if (ended) reply.release();
      else drain(reply);
    },
  };
}

const DRAIN_MS = 1_000;
const DRAIN_PIECES = 16;

function drain(reply: HttpReply): void {
  const timer = setTimeout(reply.release, DRAIN_MS);
  const finish = () => {
    clearTimeout(timer);
    reply.release();
  };
  const read = async () => {
    for (let i = 0; i < DRAIN_PIECES && await reply.next() !== undefined; i++);
  };
  read().then(finish, finish);
}

/** Where a redirect may be followed to: only the same scheme, host and port. */
function redirectTarget(from: URL, reply: HttpReply): URL | undefined {
  const location = reply.headers.get("location");
  if (location === undefined || !URL.canParse(location, from)) return undefined;
  const to = new URL(location, from);
  return to.origin === from.origin && to.username === "" && to.password === "" ? to : undefined;
}

function refusedCredentials(): GatewayError {
  return new GatewayError(
    "upstream_unavailable",
    "The upstream server refused the gateway's credentials",
  );
}

function unusable(status: number, type: string | undefined): GatewayError {
  if (status >= 400) return new UpstreamStatusError(status);
  const what = status >= 300
    ? "a redirect, which is not followed"
    : status === 200
    ? "content that is not MCP"
    : `HTTP ${status}`;
  return new GatewayError("upstream_protocol", `The upstream server answered with ${what}`, {
    cause: new Error(`Status ${status}, content type ${type}`),
  });
}

function timedOut(spanMs: number): GatewayError {
  return new GatewayError(
    "upstream_timeout",
    `The upstream server did not answer within ${spanMs / 1000} s`,
  );
}
