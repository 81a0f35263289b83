/**
 * A small HTTP/1.1 client for many requests to few servers: keep-alive connections per origin, one
 * write per request, bodies read without copies.
 *
 * It exists because the gateway's cost is mostly the cost of its HTTP client: see
 * `docs/decisions/0008-http-client.md` for the figures against `fetch`, `node:http` and undici.
 *
 * @module
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Clock } from "../clock.ts";
import { dial, type DialTarget, type Resolve } from "../dial.ts";
import { decoded } from "./content_coding.ts";
import { type Connection, ConnectionLost, createConnection } from "./connection.ts";
import type { ResponseHead } from "./head.ts";
import { roomy } from "./roomy.ts";

export interface HttpRequest {
  readonly target: DialTarget;
  /**
   * Request line and header lines, each ended by CRLF, ASCII, without `Content-Length` and the
   * empty line.
   */
  readonly head: string;
  /** `undefined` for a request that has none, as GET. */
  readonly body: Uint8Array | undefined;
  /**
   * The reply is a stream that is silent most of the time and open for long: it gets a connection
   * of its own with small buffers.
   */
  readonly isQuiet?: boolean | undefined;
  /** Whether it may be sent again when a reused connection dies before any byte of the reply. */
  readonly idempotent: boolean;
  readonly connectMs: number;
  readonly checkAddress: (address: string) => void;
  /**
   * Names the rule behind `checkAddress`: a kept connection, which is not checked again, serves
   * requests of the same rule only.
   */
  readonly rule?: string | undefined;
  /** Aborting closes the connection; the reason becomes the error of whatever waits on it. */
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** The next piece of the decoded body, valid until the next call; `undefined` at its end. */
  readonly next: () => Promise<Uint8Array | undefined>;
  /**
   * The whole body. A promise is for one with a buffer of its own, which may be overwritten; what
   * is given at once is valid until `release`.
   * @param arriving told of bytes before they are kept; what it throws ends the reading
   * @throws {GatewayError} `upstream_protocol` when it is over `max` bytes once decoded
   */
  readonly whole: (
    max: number,
    arriving: (bytes: number) => void,
  ) => Uint8Array | Promise<Uint8Array>;
  /** Gives the connection back, or closes it when the body was not read to its end. */
  readonly release: () => void;
}

export interface HttpClient {
  /**
   * @throws {ConnectionLost} when the reply broke off: the request may have been executed
   * @throws {GatewayError} as `dial`, and `upstream_protocol` for a malformed reply
   */
  readonly send: (request: HttpRequest) => Promise<HttpReply>;
  /** Connections open now, in use and idle. */
  readonly size: () => number;
  readonly close: () => void;
}

const NO_BODY = new Uint8Array();

interface Idle {
  readonly connection: Connection;
  readonly untilMs: number;
}

/** @param resolve gives all addresses of a name; the system's own way when absent */
export function createHttpClient(clock: Clock, resolve?: Resolve): HttpClient {
  const pools = new Map<string, Idle[]>();
  const open = new Set<Connection>();
  let sweeper: ReturnType<typeof setInterval> | undefined;

  function discard(connection: Connection, reason?: unknown): void {
    connection.close(reason);
    open.delete(connection);
  }

  function lease(key: string): Connection | undefined {
    const pool = pools.get(key);
    for (let entry = pool?.pop(); entry !== undefined; entry = pool?.pop()) {
      if (entry.untilMs > clock.monotonic()) return entry.connection;
      discard(entry.connection);
    }
    return undefined;
  }

  function giveBack(key: string, connection: Connection, head: ResponseHead): void {
    let pool = pools.get(key);
    if (pool === undefined) pools.set(key, pool = []);
    if (!connection.reusable() || pool.length >= LIMITS.idleConnectionsPerOrigin) {
      return discard(connection);
    }
    const entry = { connection, untilMs: clock.monotonic() + idleMs(head) };
    pool.push(entry);
    connection.rest(() => {
      const at = pool.indexOf(entry);
      if (at >= 0) pool.splice(at, 1);
      discard(connection);
    });
    sweeper ??= setInterval(sweep, LIMITS.idleConnectionMs);
  }

  /** Closes what has idled too long, and itself when nothing idles. */
  function sweep(): void {
    const now = clock.monotonic();
    for (const [key, pool] of pools) {
      // The oldest stand first: leases take from the end.
      while (pool.length > 0 && pool[0]!.untilMs <= now) discard(pool.shift()!.connection);
      if (pool.length === 0) pools.delete(key);
    }
    if (pools.size > 0) return;
    clearInterval(sweeper);
    sweeper = undefined;
  }

  async function connect(request: HttpRequest): Promise<Connection> {
    const socket = await dial(request.target, {
      timeoutMs: request.connectMs,
      checkAddress: request.checkAddress,
      resolve,
    });
    const connection = createConnection(socket, request.isQuiet);
    open.add(connection);
    return connection;
  }

  async function send(request: HttpRequest): Promise<HttpReply> {
    const { target, signal, rule = "" } = request;
    const key = `${target.secure ? "s" : ""}//${target.hostname}:${target.port} ${rule}`;
    const { body, isQuiet = false } = request;
    const length = body === undefined ? "" : `Content-Length: ${body.length}\r\n`;
    const wireHead = `${request.head}${length}\r\n`;
    // Before a connection is taken for it.
    signal.throwIfAborted();
    for (let reused = isQuiet ? undefined : lease(key);; reused = undefined) {
      const connection = reused ?? await connect(request);
      const exchange = beginExchange(connection, signal);
      try {
        const head = await connection.exchange(wireHead, body ?? NO_BODY);
        return reply(connection, head, () => {
          exchange.end();
          if (isQuiet) discard(connection);
          else giveBack(key, connection, head);
        });
      } catch (error) {
        exchange.end();
        discard(connection);
        const unanswered = error instanceof ConnectionLost && !error.answered;
        // Once, and only on a connection that may simply have been closed while it idled.
        if (!(reused && request.idempotent && unanswered)) throw error;
        signal.throwIfAborted();
      }
    }
  }

  /** Ties the connection to the signal until `end`: it may serve another request afterwards. */
  function beginExchange(connection: Connection, signal: AbortSignal): { end: () => void } {
    const abort = () => discard(connection, signal.reason);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    return { end: () => signal.removeEventListener("abort", abort) };
  }

  return {
    send,
    size: () => open.size,
    close() {
      clearInterval(sweeper);
      sweeper = undefined;
      pools.clear();
      for (const connection of open) discard(connection);
    },
  };
}

function reply(connection: Connection, head: ResponseHead, release: () => void): HttpReply {
  const coding = head.headers.get("content-encoding")?.toLowerCase() ?? "identity";
  const next = coding === "identity" ? connection.next : decoded(coding, connection.next);
  let released = false;
  return {
    status: head.status,
    headers: head.headers,
    next,
    whole(max, arriving) {
      const { framing } = head;
      if (framing.kind !== "length" || coding !== "identity") return collected(next, max, arriving);
      if (framing.bytes > max) throw tooLarge();
      arriving(framing.bytes);
      return connection.whole(framing.bytes);
    },
    release() {
      if (released) return;
      released = true;
      release();
    },
  };
}

async function collected(
  next: HttpReply["next"],
  max: number,
  arriving: (bytes: number) => void,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (let piece = await next(); piece !== undefined; piece = await next()) {
    bytes += piece.length;
    if (bytes > max) throw tooLarge();
    arriving(piece.length);
    pieces.push(piece.slice());
  }
  return joined(pieces, bytes);
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const target = roomy(bytes);
  let at = 0;
  for (const piece of pieces) {
    target.set(piece, at);
    at += piece.length;
  }
  return target;
}

/** How long the connection may idle: a little less than the server says, or the usual bound. */
function idleMs(head: ResponseHead): number {
  const hint = /(?:^|[\s,])timeout=(\d{1,6})/.exec(head.headers.get("keep-alive") ?? "");
  if (!hint) return LIMITS.idleConnectionMs;
  return Math.min(LIMITS.idleConnectionMs, Math.max(0, Number(hint[1]) * 1000 - 1000));
}

function tooLarge(): GatewayError {
  return new GatewayError("upstream_protocol", "The upstream server's reply is too large");
}
