/**
 * What entries of the reference system's document say of themselves: as much of it as there may be
 * here.
 *
 * @module
 */
import type { Entry, Json } from "./entry.ts";
import type { OwnNotes } from "./notes.ts";

const TITLE_CHARS_MAX = 256;
const DESCRIPTION_CHARS_MAX = 8192;

/** What it is displayed as, unless that is its name. */
export function titleOf(entry: Entry, name: string): string | undefined {
  const title = cleaned(entry.text("display_name") ?? entry.text("title"), /\p{Cc}+/gu);
  return title === name ? undefined : cut(title, TITLE_CHARS_MAX);
}

export function descriptionOf(entry: Entry, { lost }: OwnNotes): string | undefined {
  const text = cleaned(entry.text("description"), /[^\P{Cc}\n\r\t]+/gu);
  if (text === undefined || text.length <= DESCRIPTION_CHARS_MAX) return text;
  lost(`Its description is cut to ${DESCRIPTION_CHARS_MAX} characters`);
  return cut(text, DESCRIPTION_CHARS_MAX);
}

/** Not for people; shown with what it belongs to. */
export function metaOf(entry: Entry): Json | undefined {
  const meta = entry.object("_meta");
  return meta === undefined || Object.keys(meta).length === 0 ? undefined : meta;
}

/** `undefined` where nothing is left. */
function cleaned(text: string | undefined, unwanted: RegExp): string | undefined {
  return text?.toWellFormed().replace(unwanted, " ").trim() || undefined;
}

function cut(text: string | undefined, charsMax: number): string | undefined {
  // What is cut in the middle of a character is not well-formed.
  return text?.slice(0, charsMax).replace(/[\ud800-\udbff]$/, "");
}
