/**
 * What comes back over Streamable HTTP: no content, one JSON body, or an event stream, as messages.
 *
 * @module
 * @see MCP 2026-07-28 and 2025-11-25, Transports, "Streamable HTTP"
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { HttpReply } from "../platform/http1/client.ts";
import type { Deadline } from "./deadline.ts";
import { createSseReader } from "./sse_reader.ts";

export interface UpstreamReply {
  readonly status: number;
  /** `Retry-After` of a 429 or 503, as it was sent. */
  readonly retryAfter?: string | undefined;
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

/** The server answered with an HTTP error that carries no message. */
export class UpstreamStatusError extends GatewayError {
  readonly status: number;
  /** See `UpstreamReply`. */
  readonly retryAfter: string | undefined;

  constructor(status: number, retryAfter?: string) {
    super("upstream_unavailable", `The upstream server answered HTTP ${status}`);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** The server is there, and does not take what the gateway presents. */
export class CredentialsRefused extends GatewayError {
  constructor() {
    super("upstream_unavailable", "The upstream server refused the gateway's credentials");
  }
}

export interface Reading {
  readonly max: number;
  readonly deadline: Deadline;
  readonly budget: ByteBudget;
  /** See `UpstreamRequest`. */
  readonly primed: ((eventId: string) => void) | undefined;
  /** See `UpstreamRequest`. */
  readonly others?: ((type: string, data: Uint8Array) => void) | undefined;
  /** Whether a message that is too large is left out, instead of ending the stream. */
  readonly dropsLarge: boolean | undefined;
}

/** @throws {GatewayError} when status and content type promise no messages */
export function opened(reply: HttpReply, reading: Reading): UpstreamReply | Promise<UpstreamReply> {
  const type = mediaType(reply.headers.get("content-type"));
  if (reply.status === 401 || reply.status === 407) throw new CredentialsRefused();
  if (type === "text/event-stream" && reply.status === 200) return stream(reply, reading);
  if (type === "application/json" && (reply.status < 300 || reply.status >= 400)) {
    return single(reply, reading);
  }
  const hasNone = type === undefined && reply.headers.get("content-length") === "0";
  if (reply.status === 202 || reply.status === 204 || (reply.status === 200 && hasNone)) {
    return empty(reply, reading);
  }
  throw unusable(reply, type);
}

function mediaType(contentType: string | undefined): string | undefined {
  if (contentType === undefined || contentType === "application/json") return contentType;
  return contentType.split(";", 1)[0]!.trim().toLowerCase();
}

export function empty(reply: HttpReply, { deadline }: Reading): UpstreamReply {
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

function single(reply: HttpReply, reading: Reading): UpstreamReply | Promise<UpstreamReply> {
  const body = readWhole(reply, reading.max, reading.budget);
  return body instanceof Promise
    ? body.then((bytes) => arrived(reply, reading, bytes, true))
    : arrived(reply, reading, body, false);
}

/**
 * A whole body, as `HttpReply.whole` gives it, held against the budget while it arrives.
 * @throws {GatewayError} `unavailable` when nothing is left of that
 */
export function readWhole(
  reply: HttpReply,
  max: number,
  budget: ByteBudget,
): Uint8Array | Promise<Uint8Array> {
  let charged = 0;
  const body = reply.whole(max, (bytes) => {
    if (bytes > 0 && budget.isSpent()) {
      throw new GatewayError("unavailable", "The gateway has no memory left for the answer");
    }
    budget.hold(bytes);
    charged += bytes;
  });
  const release = () => budget.release(charged);
  if (body instanceof Promise) return body.finally(release);
  release();
  return body;
}

function arrived(
  reply: HttpReply,
  { deadline }: Reading,
  body: Uint8Array,
  isOwned: boolean,
): UpstreamReply {
  deadline.end();
  // Proxies put their usual type on refusals that say nothing.
  if (body.length === 0 && reply.status >= 400) throw unusable(reply, undefined);
  let left: Uint8Array | undefined = body.length === 0 ? undefined : body;
  const take = () => {
    const message = left;
    left = undefined;
    return message;
  };
  return {
    ...NO_EVENTS,
    status: reply.status,
    retryAfter: retryAfterOf(reply),
    isStream: false,
    isOwned,
    sessionId: () => sessionIdOf(reply),
    next: () => Promise.resolve(take()),
    take,
    close: reply.release,
  };
}

function stream(reply: HttpReply, reading: Reading): UpstreamReply {
  const { max, deadline, budget, primed, others, dropsLarge } = reading;
  const reader = createSseReader(max, dropsLarge, others);
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

function retryAfterOf({ status, headers }: HttpReply): string | undefined {
  return status === 429 || status === 503 ? headers.get("retry-after") : undefined;
}

function unusable(reply: HttpReply, type: string | undefined): GatewayError {
  const { status } = reply;
  if (status >= 400) return new UpstreamStatusError(status, retryAfterOf(reply));
  const what = status >= 300
    ? "a redirect, which is not followed"
    : status === 200
    ? "content that is not MCP"
    : `HTTP ${status}`;
  return new GatewayError("upstream_protocol", `The upstream server answered with ${what}`, {
    cause: new Error(`Status ${status}, content type ${type}`),
  });
}
