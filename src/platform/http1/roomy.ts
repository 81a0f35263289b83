/**
 * Buffers for large bodies, with some free space before and behind: whoever changes a few bytes of
 * a message can move its shorter side instead of copying all of it.
 *
 * @module
 */
const ROOM_BYTES = 512;

/** A view of so many zero bytes in the middle of a larger buffer of its own. */
export function roomy(bytes: number): Uint8Array {
  return new Uint8Array(bytes + 2 * ROOM_BYTES).subarray(ROOM_BYTES, -ROOM_BYTES);
}
