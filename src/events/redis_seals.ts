/**
 * Values as they lie in Redis: sealed, each for its place. What does not open was written by
 * somebody else, or is damaged: it is dropped, and counted.
 *
 * @module
 * @see security.md, EVT-09, F28
 */
import { Buffer } from "node:buffer";
import type { Reply } from "../platform/redis.ts";
import type { SecretBox } from "../platform/secret_box.ts";

export interface Seals {
  readonly seal: (plain: Uint8Array, place: string) => Buffer;
  readonly sealText: (plain: string, place: string) => Buffer;
  readonly open: (sealed: Reply | undefined, place: string) => Uint8Array | undefined;
  readonly openText: (sealed: Reply | undefined, place: string) => string | undefined;
}

/** @param forged told of each value that does not open */
export function createSeals(box: SecretBox, forged: () => void): Seals {
  function seal(plain: Uint8Array, place: string): Buffer {
    const { buffer, byteOffset, length } = box.seal(plain, place);
    return Buffer.from(buffer, byteOffset, length);
  }

  function open(sealed: Reply | undefined, place: string): Uint8Array | undefined {
    const plain = Buffer.isBuffer(sealed) ? box.open(sealed, place) : undefined;
    if (plain === undefined) forged();
    return plain;
  }

  return {
    seal,
    sealText: (plain, place) => seal(encoder.encode(plain), place),
    open,
    openText(sealed, place) {
      const plain = open(sealed, place);
      return plain && decoder.decode(plain);
    },
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
