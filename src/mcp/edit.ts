/**
 * Changes a message by replacing the bytes of some of its values; every other byte stays.
 *
 * @module
 */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly value: Uint8Array;
}

/** @param edits in ascending order, not overlapping */
export function edited(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array<ArrayBuffer> {
  let length = bytes.length;
  for (const edit of edits) length += edit.value.length - (edit.end - edit.start);
  const target = new Uint8Array(length);
  let from = 0;
  let to = 0;
  for (const edit of edits) {
    target.set(bytes.subarray(from, edit.start), to);
    to += edit.start - from;
    target.set(edit.value, to);
    to += edit.value.length;
    from = edit.end;
  }
  target.set(bytes.subarray(from), to);
  return target;
}

/**
 * Puts a message on one line, in place. Raw CR and LF can only stand between tokens (inside a
 * string they are not JSON), so a space says the same; an SSE data line must not contain them.
 *
 * @see HTML Living Standard, "Server-sent events", section 9.2.6
 */
export function onOneLine(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 0x0a || bytes[i] === 0x0d) bytes[i] = 0x20;
  }
}
