/**
 * Edits that add members to an object inside a message, or take some away.
 *
 * @module
 */
import type { Edit } from "../edit.ts";
import { hasName, type Member, membersAt, type Name } from "../json_scan.ts";

/**
 * Takes members away.
 * @param members all those of one object, in order
 */
export function removals(
  members: readonly Member[],
  isRemoved: (member: Member) => boolean,
): readonly Edit[] {
  const edits: Edit[] = [];
  for (let first = 0; first < members.length; first++) {
    if (!isRemoved(members[first]!)) continue;
    let last = first;
    while (last + 1 < members.length && isRemoved(members[last + 1]!)) last++;
    const next = members[last + 1];
    const before = members[first - 1];
    // One comma goes too: the one behind, or, at the end of the object, the one before.
    const isTail = next === undefined && before !== undefined;
    const start = isTail ? before.end : members[first]!.nameStart;
    edits.push({ start, end: next?.nameStart ?? members[last]!.end, value: NOTHING });
    first = last;
  }
  return edits;
}

/**
 * Puts members at the beginning of an object.
 * @param at where the object stands
 * @param text the members as JSON text, without braces
 * @param hasOthers whether members of the object remain behind them
 */
export function insertion(at: number, text: string, hasOthers: boolean): Edit {
  const value = encoder.encode(hasOthers ? `${text},` : text);
  return { start: at + 1, end: at + 1, value };
}

/**
 * Sets one member of the object `_meta` inside another object.
 * @param inHolder the members of that object
 * @param value as JSON text
 * @returns the edits, and what else has to be inserted into the holder, as JSON text
 */
export function metaEdits(
  bytes: Uint8Array,
  inHolder: readonly Member[],
  name: Name,
  value: string,
): { readonly edits: readonly Edit[]; readonly text: string; readonly isReplaced: boolean } {
  const meta = inHolder.find((member) => hasName(bytes, member, META));
  const own = `"${name.text}":${value}`;
  if (meta === undefined || bytes[meta.start] !== OPEN_BRACE) {
    return { edits: [], text: `"_meta":{${own}}`, isReplaced: meta !== undefined };
  }
  const members = membersAt(bytes, meta.start);
  const known = members.find((member) => hasName(bytes, member, name));
  const edit = known === undefined
    ? insertion(meta.start, own, members.length > 0)
    : { start: known.start, end: known.end, value: encoder.encode(value) };
  return { edits: [edit], text: "", isReplaced: false };
}

/** Ascending; what is inserted stands before what is taken away at the same place. */
export function inOrder(edits: readonly Edit[]): readonly Edit[] {
  return edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
}

const encoder = new TextEncoder();
const NOTHING = new Uint8Array();
const OPEN_BRACE = 0x7b;
const META: Name = { text: "_meta", bytes: encoder.encode("_meta") };
