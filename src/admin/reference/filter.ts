/**
 * What of a reply is given on, as tools of the reference system say it.
 *
 * @module
 * @see reference/behaviour.md, section 4.5
 */
import { LIMITS } from "../../domain/limits.ts";
import { compileFilter } from "../../upstream/rest/filter.ts";
import type { Entry } from "./entry.ts";
import { filterOfJq } from "./jq_path.ts";
import type { OwnNotes } from "./notes.ts";

export interface ToolFilter {
  readonly text: string | undefined;
  /** Without its filter the tool would give on more than before: it is to be off. */
  readonly isLacking: boolean;
}

/** @param isOne whether the output schema is that of one object, and not of a list */
export function filterOf(entry: Entry, isOne: boolean, { lost }: OwnNotes): ToolFilter {
  const given = entry.text("jsonpath_filter")?.trim();
  if (given === undefined || given === "") return { text: undefined, isLacking: false };
  // What looks like JSONPath was no filter at all there; but it is what whoever wrote it meant.
  const isShort = given.length <= LIMITS.filterChars;
  const text = !isShort ? undefined : given.startsWith("$") ? given : filterOfJq(given, isOne);
  if (text === "") return { text: undefined, isLacking: false };
  if (text !== undefined && isFilter(text)) return { text, isLacking: false };
  lost("Its filter is jq, of which only paths are the same here: it is off until it has another");
  return { text: undefined, isLacking: true };
}

function isFilter(text: string): boolean {
  try {
    compileFilter(text, () => undefined);
    return true;
  } catch {
    return false;
  }
}
