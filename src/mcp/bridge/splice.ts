/**
 * Edits that add members to an object inside a message.
 *
 * @module
 */
import type { Edit } from "../edit.ts";
import { hasName, type Member, membersAt, type Name } from "../json_scan.ts";

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

const encoder = new TextEncoder();
const OPEN_BRACE = 0x7b;
const META: Name = { text: "_meta", bytes: encoder.encode("_meta") };
