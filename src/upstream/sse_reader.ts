/**
 * Splits a stream of server-sent events into the messages they carry, as bytes.
 *
 * @module
 * @see HTML Living Standard, "Server-sent events", sections 9.2.5 and 9.2.6
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

export interface SseReader {
  /** Adds a piece of the body. The piece is copied. */
  readonly push: (piece: Uint8Array) => void;
  /** The data of the next complete event, a buffer of its own; `undefined` when more is needed. */
  readonly take: () => Uint8Array | undefined;
  /** Bytes of events that have arrived in part. */
  readonly heldBytes: () => number;
  /**
   * The id of the newest event that was taken or had no data; `undefined` before the first, and
   * after one that cannot be sent back in a header.
   */
  readonly lastEventId: () => string | undefined;
  /** How long the server wants a client to wait before it reconnects; `undefined` if it said nothing. */
  readonly retryMs: () => number | undefined;
}

type Others = (type: string, data: Uint8Array) => void;

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const START_BYTES = 4096;
const encoder = new TextEncoder();
const ID = encoder.encode("id");
const EVENT = encoder.encode("event");
const RETRY = encoder.encode("retry");
/** Of the fields that are looked at as text; a longer one is none that is known. */
const VALUE_CHARS = 64;
/** Printable ASCII: what may stand in the header `Last-Event-ID`. */
const SENDABLE_ID = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * @param maxBytes of one event's data and of one line
 * @param dropsLarge whether an event that is larger is left out; otherwise the stream ends with it
 * @param others told of events that have a type of their own; nobody listens for them unless given
 * @throws {GatewayError} `upstream_protocol` from `push` and `take` when an event is larger
 */
export function createSseReader(maxBytes: number, dropsLarge = false, others?: Others): SseReader {
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
  /** Of an event that is no message. */
  let otherType = "";
  const ids = createLastId();
  /** What is left out of an event, or of the stream: its data, or the rest of a line too. */
  let dropping: "nothing" | "event" | "line" = "nothing";
  let retryMs: number | undefined;

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
        if (dropping === "line") start = searched = end;
        else if (end - start > lineBytesMax) drop("line");
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

  /** @throws {GatewayError} when nothing may be left out */
  function drop(what: "event" | "line"): void {
    if (!dropsLarge) throw tooLarge();
    dropping = what;
    data = [];
    dataBytes = 0;
    if (what === "line") start = searched = end;
  }

  /** Takes one line in; gives the event's data when the line is the empty one that ends it. */
  function line(from: number, to: number): Uint8Array | undefined {
    if (dropping === "line") {
      dropping = "event";
      return undefined;
    }
    if (to - from > lineBytesMax) drop("event");
    if (from === to) {
      const event = data.length === 0 ? undefined : data.length === 1 ? data[0] : joinLines(data);
      const type = otherType;
      data = [];
      dataBytes = 0;
      otherType = "";
      dropping = "nothing";
      ids.commit();
      // An event without data is not dispatched (priming events have none).
      if (event === undefined || event.length === 0) return undefined;
      if (type === "") return event;
      others?.(type, event);
      return undefined;
    }
    if (!isDataLine(buffer, from, to)) {
      if (buffer[from] !== COLON) otherLine(from, to);
      return undefined;
    }
    let valueStart = from + 4;
    if (valueStart < to) valueStart++;
    if (valueStart < to && buffer[valueStart] === 0x20) valueStart++;
    // Lines of one event are joined by a line feed each.
    dataBytes += to - valueStart + (data.length > 0 ? 1 : 0);
    if (dataBytes > maxBytes) drop("event");
    if (dropping === "nothing") data.push(buffer.slice(valueStart, to));
    return undefined;
  }

  function otherLine(from: number, to: number): void {
    if (isField(buffer, from, to, ID)) {
      ids.read(buffer, valueStart(buffer, from + ID.length), to);
    } else if (isField(buffer, from, to, EVENT)) {
      const type = textOf(buffer, from + EVENT.length, to);
      otherType = type === "message" ? "" : type;
    } else if (isField(buffer, from, to, RETRY)) {
      const text = textOf(buffer, from + RETRY.length, to);
      if (/^\d{1,9}$/.test(text)) retryMs = Number(text);
    }
  }

  return {
    push,
    take,
    heldBytes: () => end - start + dataBytes,
    lastEventId: ids.text,
    retryMs: () => retryMs,
  };
}

/** `data` alone or `data:…`. */
function isDataLine(buffer: Uint8Array, from: number, to: number): boolean {
  return buffer[from] === 0x64 && buffer[from + 1] === 0x61 && buffer[from + 2] === 0x74 &&
    buffer[from + 3] === 0x61 && (from + 4 === to || buffer[from + 4] === COLON);
}

/** `name` alone or `name:…`. */
function isField(buffer: Uint8Array, from: number, to: number, name: Uint8Array): boolean {
  const end = from + name.length;
  if (end > to || (end < to && buffer[end] !== COLON)) return false;
  for (let i = 0; i < name.length; i++) if (buffer[from + i] !== name[i]) return false;
  return true;
}

/** Behind the name, the colon and one space. */
function valueStart(buffer: Uint8Array, nameEnd: number): number {
  return nameEnd + (buffer[nameEnd + 1] === 0x20 ? 2 : 1);
}

/** The value of a field with a short one. */
function textOf(buffer: Uint8Array, nameEnd: number, to: number): string {
  let text = "";
  const end = Math.min(to, nameEnd + VALUE_CHARS);
  for (let i = valueStart(buffer, nameEnd); i < end; i++) text += String.fromCharCode(buffer[i]!);
  return text;
}

/**
 * The id of the newest event. It is read for every event and asked for now and then, so it stays
 * bytes in memory that is used again.
 */
function createLastId() {
  let last = new Uint8Array();
  let next = new Uint8Array();
  /** -1 for none, or for one that is too long to be sent back. */
  let lastLength = -1;
  let nextLength: number | undefined;
  return {
    read(buffer: Uint8Array, from: number, to: number): void {
      const length = Math.max(0, to - from);
      nextLength = length > LIMITS.upstreamEventIdChars ? -1 : length;
      if (nextLength > next.length) next = new Uint8Array(2 * nextLength);
      for (let i = 0; i < nextLength; i++) next[i] = buffer[from + i]!;
    },
    /** The event that it belongs to is complete. */
    commit(): void {
      if (nextLength === undefined) return;
      lastLength = nextLength;
      nextLength = undefined;
      const free = last;
      last = next;
      next = free;
    },
    text(): string | undefined {
      if (lastLength <= 0) return undefined;
      const text = String.fromCharCode(...last.subarray(0, lastLength));
      return SENDABLE_ID.test(text) ? text : undefined;
    },
  };
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
