/**
 * Text to bytes and back, in short words: most tests of the message path need nothing else.
 *
 * @module
 */

const encoder = new TextEncoder();

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** Fails on what is not UTF-8. */
export function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
