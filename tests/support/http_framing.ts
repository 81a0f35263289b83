/**
 * Where HTTP/1.1 messages end: as much as somebody between two ends has to know of them.
 *
 * @module
 * @see RFC 9112, section 6
 */
import type { Wire } from "./wire.ts";

export interface Head {
  /** Request line or status line, and all header lines, the last line end included. */
  readonly text: string;
  readonly isLast: boolean;
}

/** How much of these bytes belongs to the body, and whether that is the end of it. */
export type Body = (bytes: Uint8Array) => { readonly count: number; readonly isOver: boolean };

const HEAD_BYTES_MAX = 256 * 1024;
const latin1 = new TextDecoder("latin1");

/** Takes a head off the wire; `undefined` when the connection ends before it is whole. */
export async function readHead(wire: Wire): Promise<Head | undefined> {
  for (let from = 0;;) {
    const held = wire.held();
    const at = endOfHead(held, from);
    if (at >= 0) {
      const text = latin1.decode(held.subarray(0, at - 2));
      wire.take(at);
      return { text, isLast: /^connection:[^\r]*\bclose\b/im.test(text) };
    }
    if (held.length > HEAD_BYTES_MAX) return undefined;
    from = Math.max(0, held.length - 3);
    if (!await wire.more()) return undefined;
  }
}

/** The index behind the empty line; -1 when that is not there yet. */
function endOfHead(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(13, from); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

/** The head for the next connection: what is about this one is taken out. */
export function headBytes({ text }: Head, ...more: readonly string[]): Uint8Array {
  const kept = text.replace(/^(?:connection|keep-alive):[^\r]*\r\n/gim, "");
  const whole = `${kept}${more.map((line) => `${line}\r\n`).join("")}\r\n`;
  return Uint8Array.from(whole, (one) => one.charCodeAt(0));
}

export function bodyOfRequest(head: Head): Body {
  return framedBody(head) ?? lengthBody(0);
}

/** @param verb of the request that it answers */
export function bodyOfReply(head: Head, verb: string): Body {
  const status = statusOf(head);
  if (verb === "HEAD" || status === 204 || status === 304) return lengthBody(0);
  // Without either, it is as long as the connection.
  return framedBody(head) ?? lengthBody(Infinity);
}

export function statusOf({ text }: Head): number {
  return Number(text.split(" ", 2)[1]);
}

export function verbOf({ text }: Head): string {
  return text.slice(0, text.indexOf(" "));
}

/** Passes a body on. @returns whether it was whole */
export async function passBody(
  from: Wire,
  to: Wire,
  body: Body,
  head: Uint8Array = new Uint8Array(0),
): Promise<boolean> {
  for (let ahead = head;; ahead = new Uint8Array(0)) {
    const held = from.held();
    const { count, isOver } = body(held);
    // What was taken is not overwritten before the next read.
    from.take(count);
    const piece = held.subarray(0, count);
    const whole = ahead.length === 0 ? piece : new Uint8Array([...ahead, ...piece]);
    if (whole.length > 0) await to.write(whole);
    if (isOver) return true;
    if (!await from.more()) return false;
  }
}

function framedBody({ text }: Head): Body | undefined {
  if (/^transfer-encoding:[^\r]*\bchunked\b/im.test(text)) return chunkedBody();
  const length = /^content-length:[ \t]*(\d+)/im.exec(text);
  return length === null ? undefined : lengthBody(Number(length[1]));
}

function lengthBody(length: number): Body {
  let left = length;
  return (bytes) => {
    const count = Math.min(left, bytes.length);
    left -= count;
    return { count, isOver: left === 0 };
  };
}

function chunkedBody(): Body {
  let line = "";
  /** Of the chunk, its line end included. */
  let left = 0;
  let isTrailer = false;
  return (bytes) => {
    let at = 0;
    while (at < bytes.length) {
      if (left > 0) {
        const count = Math.min(left, bytes.length - at);
        left -= count;
        at += count;
        continue;
      }
      const lineEnd = bytes.indexOf(10, at);
      const next = lineEnd < 0 ? bytes.length : lineEnd + 1;
      line += latin1.decode(bytes.subarray(at, next));
      at = next;
      if (lineEnd < 0) break;
      const isEmpty = line.trim() === "";
      if (isTrailer && isEmpty) return { count: at, isOver: true };
      if (!isTrailer) left = parseInt(line, 16) + 2;
      isTrailer ||= left === 2;
      if (isTrailer) left = 0;
      line = "";
    }
    return { count: at, isOver: false };
  };
}
