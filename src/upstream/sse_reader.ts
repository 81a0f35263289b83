/**
 * Splits a stream of server-sent events into the messages they carry, as bytes.
 *
 * @module
 * @see HTML Living Standard, "Server-sent events", sections 9.2.5 and 9.2.6
 */
import { GatewayError } from "../domain/errors.ts";

export interface SseReader {
  /** Adds a piece of the body. The piece is copied. */
  readonly push: (piece: Uint8Array) => void;
  /** The data of the next complete event, a buffer of its own; `undefined` when more is needed. */
  readonly take: () => Uint8Array | undefined;
  /** Bytes of events that have arrived in part. */
  readonly heldBytes: () => number;
}

const LF = 0x0a;
const CR = 0x0d;
const START_BYTES = 4096;
const EVENT_LINE = /^event(?:: ?(.*))?$/;
const EVENT_LINE_CHARS = 64;

/**
 * @param maxBytes of one event's data and of one line
 * @throws {GatewayError} `upstream_protocol` from `push` and `take` when an event is larger
 */
export function createSseReader(maxBytes: number): SseReader {
  const lineBytesMax = maxBytes + "data: ".length;
  let buffer = new Uint8Array(START_BYTES);
  let start = 0;
  let end = 0;
  /** Where the search for a line end goes on: bytes before it are known to hold none. */
  let searched = 0;
  /** A CR ended the last line: an LF right behind it belongs to that end. */
  let afterCr = false;
  let atStreamStart = true;
  let data: Uint8Array[] = [];
  let dataBytes = 0;
  /** The event has a type of its own: nobody listens for it. */
  let isOther = false;

  function push(piece: Uint8Array): void {
    if (end + piece.length > buffer.length) makeRoom(piece.length);
    buffer.set(piece, end);
    end += piece.length;
  }

  function makeRoom(bytes: number): void {
    const held = end - start;
    let size = buffer.length;
    while (size < held + bytes) size *= 2;
    const target = size === buffer.length ? buffer : new Uint8Array(size);
    if (target === buffer) buffer.copyWithin(0, start, end);
    else target.set(buffer.subarray(start, end));
    buffer = target;
    searched -= start;
    start = 0;
    end = held;
  }

  function take(): Uint8Array | undefined {
    for (;;) {
      const stop = lineEnd();
      if (stop < 0) {
        if (end - start > lineBytesMax) throw tooLarge();
        return undefined;
      }
      const lineStart = atStreamStart && hasBom() ? start + 3 : start;
      atStreamStart = false;
      const event = line(lineStart, stop);
      afterCr = buffer[stop] === CR;
      start = searched = stop + 1;
      if (event !== undefined) return event;
    }
  }

  /** The index of the next CR or LF, or -1. */
  function lineEnd(): number {
    if (afterCr && start < end) {
      if (buffer[start] === LF) start++;
      afterCr = false;
      searched = Math.max(searched, start);
    }
    for (let i = searched; i < end; i++) {
      const byte = buffer[i]!;
      if (byte === LF || byte === CR) return i;
    }
    searched = end;
    return -1;
  }

  function hasBom(): boolean {
    return buffer[start] === 0xef && buffer[start + 1] === 0xbb && buffer[start + 2] === 0xbf;
  }

  /** Takes one line in; gives the event's data when the line is the empty one that ends it. */
  function line(from: number, to: number): Uint8Array | undefined {
    if (to - from > lineBytesMax) throw tooLarge();
    if (from === to) {
      const event = data.length === 0 ? undefined : data.length === 1 ? data[0] : joinLines(data);
      const isMessage = !isOther;
      data = [];
      dataBytes = 0;
      isOther = false;
      // An event without data is not dispatched (priming events have none).
      return isMessage && event !== undefined && event.length > 0 ? event : undefined;
    }
    if (!isDataLine(from, to)) {
      const type = EVENT_LINE.exec(ascii(from, Math.min(to, from + EVENT_LINE_CHARS)));
      if (type) isOther = !["", "message"].includes(type[1] ?? "");
      return undefined;
    }
    let valueStart = from + 4;
    if (valueStart < to) valueStart++;
    if (valueStart < to && buffer[valueStart] === 0x20) valueStart++;
    // Lines of one event are joined by a line feed each.
    dataBytes += to - valueStart + (data.length > 0 ? 1 : 0);
    if (dataBytes > maxBytes) throw tooLarge();
    data.push(buffer.slice(valueStart, to));
    return undefined;
  }

  /** `data` alone or `data:…`. */
  function isDataLine(from: number, to: number): boolean {
    return buffer[from] === 0x64 && buffer[from + 1] === 0x61 && buffer[from + 2] === 0x74 &&
      buffer[from + 3] === 0x61 && (from + 4 === to || buffer[from + 4] === 0x3a);
  }

  function ascii(from: number, to: number): string {
    return String.fromCharCode(...buffer.subarray(from, to));
  }

  return { push, take, heldBytes: () => end - start + dataBytes };
}

function joinLines(lines: readonly Uint8Array[]): Uint8Array {
  let length = lines.length - 1;
  for (const line of lines) length += line.length;
  const target = new Uint8Array(length);
  let at = 0;
  for (const line of lines) {
    target.set(line, at);
    at += line.length;
    if (at < length) target[at++] = LF;
  }
  return target;
}

function tooLarge(): GatewayError {
  return new GatewayError(
    "upstream_protocol",
    "The upstream server sent a message that is too large",
  );
}
