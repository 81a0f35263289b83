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
