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

/** Ascending; what is inserted stands before what is taken away at the same place. */
export function inOrder(edits: Edit[]): readonly Edit[] {
  return edits.length < 2 ? edits : edits.sort((a, b) => a.start - b.start || a.end - b.end);
}

/**
 * The message with its edits, as a copy.
 * @param edits in ascending order, not overlapping
 */
export function edited(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array<ArrayBuffer> {
  let length = bytes.length;
  for (const edit of edits) length += growth(edit);
  const target = new Uint8Array(length);
  let from = 0;
  let to = 0;
  for (const { start, end, value } of edits) {
    to = copy(bytes, from, start, target, to);
    to = copy(value, 0, value.length, target, to);
    from = end;
  }
  copy(bytes, from, bytes.length, target, to);
  return target;
}

/** A view costs more than copying a few bytes does. */
const FEW_BYTES = 48;

/** Gives the place behind the copy. */
function copy(
  source: Uint8Array,
  from: number,
  end: number,
  target: Uint8Array,
  to: number,
): number {
  if (end - from > FEW_BYTES) {
    target.set(source.subarray(from, end), to);
    return to + end - from;
  }
  while (from < end) target[to++] = source[from++]!;
  return to;
}

/**
 * The message with one edit, in the memory it already has: what stands before the edit, or behind
 * it, moves a little into the free space around. Copying a result of 1 MiB for the sake of its id
 * is what this saves.
 *
 * @param bytes a view whose whole `ArrayBuffer` may be overwritten
 */
export function editedInPlace(bytes: Uint8Array, edit: Edit): Uint8Array {
  const all = new Uint8Array(bytes.buffer);
  const start = bytes.byteOffset;
  const end = start + bytes.length;
  const by = growth(edit);
  if (edit.start <= bytes.length - edit.end && by <= start) {
    all.copyWithin(start - by, start, start + edit.start);
    all.set(edit.value, start - by + edit.start);
    return all.subarray(start - by, end);
  }
  if (end + by > all.length) return edited(bytes, [edit]);
  all.copyWithin(start + edit.end + by, start + edit.end, end);
  all.set(edit.value, start + edit.start);
  return all.subarray(start, end + by);
}

/**
 * The message with its edits, in the memory it already has: the largest part between two edits stays
 * where it is, and what stands before and behind it moves towards it.
 *
 * @param bytes a view whose whole `ArrayBuffer` may be overwritten
 * @param edits in ascending order, not overlapping
 */
export function editedAround(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let split = 0;
  let size = -1;
  for (let i = 0; i <= edits.length; i++) {
    const gap = gapAt(bytes, edits, i);
    if (gap.end - gap.start <= size) continue;
    size = gap.end - gap.start;
    split = i;
  }
  const { start, end } = gapAt(bytes, edits, split);
  const before = edited(bytes.subarray(0, start), edits.slice(0, split));
  const moved = edits.slice(split).map((edit) => ({
    start: edit.start - end,
    end: edit.end - end,
    value: edit.value,
  }));
  const behind = edited(bytes.subarray(end), moved);
  const all = new Uint8Array(bytes.buffer);
  const from = bytes.byteOffset + start - before.length;
  const to = bytes.byteOffset + end + behind.length;
  if (from < 0 || to > all.length) return edited(bytes, edits);
  all.set(before, from);
  all.set(behind, to - behind.length);
  return all.subarray(from, to);
}

/** What stands between two edits, before the first, or behind the last. */
function gapAt(bytes: Uint8Array, edits: readonly Edit[], i: number) {
  return { start: edits[i - 1]?.end ?? 0, end: edits[i]?.start ?? bytes.length };
}

function growth(edit: Edit): number {
  return edit.value.length - (edit.end - edit.start);
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
