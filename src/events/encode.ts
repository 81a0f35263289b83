/**
 * Short texts as bytes, many times a second.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const SHORT_CHARS = 16 * 1024;
const BYTES_PER_CHAR_MAX = 3;

/**
 * Into one buffer again and again, where most of the cost is that of making one.
 * @param before stands before every text
 * @returns bytes that are good until the next call
 */
export function createEncode(before: Uint8Array = new Uint8Array()): (text: string) => Uint8Array {
  const buffer = new Uint8Array(before.length + SHORT_CHARS * BYTES_PER_CHAR_MAX);
  buffer.set(before);
  const rest = buffer.subarray(before.length);
  return (text) => {
    if (text.length > SHORT_CHARS) return Buffer.concat([before, encoder.encode(text)]);
    return buffer.subarray(0, before.length + encoder.encodeInto(text, rest).written);
  };
}

const encoder = new TextEncoder();
