/**
 * Ids and secrets from the system's generator.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** `bytes` random bytes as base64url text. 16 bytes are 128 bits. */
export function randomText(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("base64url");
}

/** Up to a fifth more, so that many who wait equally long do not come back at once. */
export function jittered(ms: number): number {
  return ms * (1 + Math.random() / 5);
}
