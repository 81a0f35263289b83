/**
 * One HTTP/1.1 client connection: writes a request, reads its reply, and notices when the other
 * side closes while the connection is idle.
 *
 * A read is always under way while the connection waits in the pool. If it ends there, the peer
 * has closed (or spoken out of turn) and the connection is dropped before a request is lost on it.
 *
 * @module
 * @see RFC 9112, sections 6, 7.1 and 9
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { headEnd, parseHead, type ResponseHead } from "./head.ts";
import { roomy } from "./roomy.ts";

/** The connection ended before the reply did. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
  /** Whether any byte of the reply had arrived. */
  readonly answered: boolean;

  constructor(answered: boolean, options?: ErrorOptions) {
    super("The connection to the upstream server was lost", options);
    this.answered = answered;
  }
}

export interface Connection {
  /**
   * Writes a request and resolves with the head of its final reply.
   * @param head request line and header lines, the empty line included; ASCII
   * @throws {ConnectionLost} when the peer closes first
   * @throws {GatewayError} `upstream_protocol` on a malformed head
   */
  readonly exchange: (head: string, body: Uint8Array) => Promise<ResponseHead>;
  /** The next piece of the body, valid until the next call; `undefined` at its end. */
  readonly next: () => Promise<Uint8Array | undefined>;
  /**
   * A body with a known length; at once when it has arrived, and then valid until `rest` or
   * `close`. One that has still to arrive has a buffer of its own, with some room around it.
   * @param bytes what the head announced
   */
  readonly whole: (bytes: number) => Uint8Array | Promise<Uint8Array>;
  /** Begins to wait for the next request. `lost` is called once if the peer closes meanwhile. */
  readonly rest: (lost: () => void) => void;
  /** Ends the connection; what is waiting on it fails with `reason`. */
  readonly close: (reason?: unknown) => void;
  /** True when the body has been read to its end and the peer keeps the connection open. */
  readonly reusable: () => boolean;
}

const READ_BYTES = 64 * 1024;
const WRITE_BYTES = 8 * 1024;
/** Of a quiet connection, to begin with. A thousand of them are open at once. */
const QUIET_BYTES = 1024;

const encoder = new TextEncoder();

/** @param isQuiet whether it carries one long reply with little on it */
export function createConnection(socket: Deno.Conn, isQuiet = false): Connection {
  let buffer = new Uint8Array(isQuiet ? QUIET_BYTES : READ_BYTES);
  const output = new Uint8Array(isQuiet ? 0 : WRITE_BYTES);
  let start = 0;
  let end = 0;
  let pending: Promise<number | null> | undefined;
  let closed = false;
  let reason: unknown;
  let answered = false;
  let keepAlive = false;
  let idle = false;
  let body: BodyState = DONE;

  const lost = (cause?: unknown) => reason ?? new ConnectionLost(answered, { cause });

  /** Reads more bytes behind `end`; false at the end of the connection. */
  async function fill(): Promise<boolean> {
    try {
      return took(await read());
    } catch (cause) {
      pending = undefined;
      throw cause instanceof GatewayError || cause === reason ? cause : lost(cause);
    }
  }

  function read(): Promise<number | null> {
    if (start === end) start = end = 0;
    if (end === buffer.length) makeRoom();
    return pending ?? socket.read(end === 0 ? buffer : buffer.subarray(end));
  }

  function makeRoom(): void {
    if (start === 0 && end >= READ_BYTES) throw new GatewayError("upstream_protocol", TOO_LONG);
    const target = start === 0 ? new Uint8Array(2 * buffer.length) : buffer;
    target.set(buffer.subarray(start, end));
    buffer = target;
    end -= start;
    start = 0;
  }

  function took(count: number | null): boolean {
    pending = undefined;
    if (closed) throw lost();
    if (count === null) return false;
    end += count;
    answered = true;
    return true;
  }

  async function exchange(head: string, requestBody: Uint8Array): Promise<ResponseHead> {
    idle = false;
    answered = false;
    keepAlive = false;
    const request = onWire(head, requestBody);
    try {
      for (let sent = 0; sent < request.length;) {
        sent += await socket.write(sent === 0 ? request : request.subarray(sent));
      }
    } catch (cause) {
      throw lost(cause);
    }
    for (let interim = 0; interim < MAX_INTERIM; interim++) {
      const reply = await readHead();
      // Interim replies (100, 103) precede the one that counts; 101 was never asked for.
      if (reply.status >= 200) {
        keepAlive = reply.keepAlive;
        // What the answer to HEAD says of its body is about another one (RFC 9112, section 6.3).
        body = head.startsWith("HEAD ") ? DONE : bodyOf(reply);
        return reply;
      }
      if (reply.status === 101) break;
    }
    throw new GatewayError("upstream_protocol", MALFORMED);
  }

  /** Head and body as one piece, so that they leave in one packet where they fit. */
  function onWire(head: string, requestBody: Uint8Array): Uint8Array {
    const length = head.length + requestBody.length;
    const target = length <= output.length ? output : new Uint8Array(length);
    // Were a character more than a byte, the head would be cut and the body read as its end.
    if (encoder.encodeInto(head, target).written !== head.length) {
      throw new GatewayError("internal", "The request to the upstream server could not be made");
    }
    target.set(requestBody, head.length);
    return target.subarray(0, length);
  }

  async function readHead(): Promise<ResponseHead> {
    let stop = headEnd(buffer, start, end);
    while (stop < 0) {
      if (end - start >= LIMITS.upstreamHeaderBytes) {
        throw new GatewayError("upstream_protocol", TOO_LONG);
      }
      if (!await fill()) {
        if (start === end) throw lost();
        throw new GatewayError("upstream_protocol", MALFORMED);
      }
      stop = headEnd(buffer, start, end);
    }
    const head = parseHead(buffer.subarray(start, stop));
    start = stop;
    return head;
  }

  async function next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = body.kind === "chunked" ? takeChunks(body) : takePlain(body);
      if (piece !== undefined) return piece;
      if (body.kind === "length" && body.left === 0) return undefined;
      if (await fill()) continue;
      if (body.kind !== "close") throw lost();
      body = DONE;
      return undefined;
    }
  }

  function takePlain(state: PlainBody): Uint8Array | undefined {
    const take = Math.min(state.left, end - start);
    if (take === 0) return undefined;
    state.left -= take;
    start += take;
    return buffer.subarray(start - take, start);
  }

  /**
   * The data of all chunks that have arrived, pushed together over the lines between them: a
   * stream of small messages comes as one chunk each, and one step for all is what makes it cheap.
   */
  function takeChunks(state: ChunkedBody): Uint8Array | undefined {
    let from = start;
    let to = start;
    while (start < end) {
      if (state.left === 0) {
        const line = takeLine();
        if (line === undefined) break;
        if (!nextChunk(state, line)) continue;
        body = { kind: "length", left: 0 };
        break;
      }
      const take = Math.min(state.left, end - start);
      if (to === from) from = to = start;
      else buffer.copyWithin(to, start, start + take);
      to += take;
      start += take;
      state.left -= take;
    }
    return to > from ? buffer.subarray(from, to) : undefined;
  }

  /** The line at `start` without its end, or `undefined` when it has not arrived whole. */
  function takeLine(): string | undefined {
    const lf = buffer.indexOf(10, start);
    if (lf < 0 || lf >= end) {
      if (end - start > MAX_LINE) throw new GatewayError("upstream_protocol", TOO_LONG);
      return undefined;
    }
    const stop = lf > start && buffer[lf - 1] === 13 ? lf - 1 : lf;
    const line = String.fromCharCode(...buffer.subarray(start, stop));
    start = lf + 1;
    return line;
  }

  function whole(bytes: number): Uint8Array | Promise<Uint8Array> {
    body = DONE;
    const arrived = Math.min(bytes, end - start);
    start += arrived;
    if (arrived === bytes) return buffer.subarray(start - arrived, start);
    const target = roomy(bytes);
    target.set(buffer.subarray(start - arrived, start));
    return readInto(target, arrived);
  }

  async function readInto(target: Uint8Array, filled: number): Promise<Uint8Array> {
    try {
      while (filled < target.length) {
        const count = await socket.read(target.subarray(filled));
        if (closed || count === null) throw lost();
        filled += count;
      }
      return target;
    } catch (cause) {
      // Not to be used again, whatever the head said.
      keepAlive = false;
      throw cause instanceof ConnectionLost ? cause : lost(cause);
    }
  }

  function rest(onLost: () => void): void {
    start = end = 0;
    const waiting = socket.read(buffer);
    pending = waiting;
    idle = true;
    // While a request is out, `fill` takes the same read over and finds the end itself.
    const onEnd = () => {
      if (idle) onLost();
    };
    waiting.then(onEnd, onEnd);
  }

  return {
    exchange,
    next,
    whole,
    rest,
    close(cause?: unknown) {
      if (closed) return;
      closed = true;
      reason = cause;
      socket.close();
    },
    reusable: () =>
      !closed && keepAlive && body.kind === "length" && body.left === 0 && start === end,
  };
}

/** A body whose length is known, or that ends with the connection (`left` is then infinite). */
interface PlainBody {
  kind: "length" | "close";
  left: number;
}

interface ChunkedBody {
  kind: "chunked";
  /** Bytes of the open chunk that are still to come. */
  left: number;
  /** What the next line is. */
  expects: "size" | "data end" | "trailer";
  trailers: number;
}

type BodyState = PlainBody | ChunkedBody;

const DONE: BodyState = { kind: "length", left: 0 };
const MAX_LINE = 4096;
const MAX_INTERIM = 8;
const TOO_LONG = "The upstream server sent an HTTP head or line that is too long";
const MALFORMED = "The upstream server sent a malformed HTTP reply";

function bodyOf({ framing }: ResponseHead): BodyState {
  if (framing.kind === "length") return { kind: "length", left: framing.bytes };
  if (framing.kind === "close") return { kind: "close", left: Infinity };
  return { kind: "chunked", left: 0, expects: "size", trailers: 0 };
}

/**
 * Takes one line of chunk framing in; true when it was the last.
 * @see RFC 9112, section 7.1
 */
function nextChunk(state: ChunkedBody, line: string): boolean {
  if (state.expects === "data end") {
    if (line !== "") throw new GatewayError("upstream_protocol", MALFORMED);
    state.expects = "size";
    return false;
  }
  if (state.expects === "trailer") {
    if (++state.trailers > LIMITS.upstreamHeaderLines) {
      throw new GatewayError("upstream_protocol", TOO_LONG);
    }
    return line === "";
  }
  const size = CHUNK_SIZE.exec(line)?.[1];
  if (size === undefined) throw new GatewayError("upstream_protocol", MALFORMED);
  state.left = parseInt(size, 16);
  state.expects = state.left === 0 ? "trailer" : "data end";
  return false;
}

const CHUNK_SIZE = /^([0-9a-fA-F]{1,8})(?:[ \t]*;.*)?$/;
