/**
 * Shows a discovered item with members changed, and every other byte of its definition as its
 * server sent it: unknown members, their order, and the spelling of numbers (`1.0`, `1e400`).
 *
 * @module
 */
import { GatewayError } from "./errors.ts";

/** What is shown differently; `undefined` leaves the definition's own. */
export interface DefinitionChange {
  readonly name?: string | undefined;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly uri?: string | undefined;
  readonly uriTemplate?: string | undefined;
  /** JSON values laid over the definition's own annotations, member by member. */
  readonly annotations?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The definition with these members replaced where they stand, or added at the end.
 *
 * @param definition JSON text of one object, already proven to be well-formed
 * @throws {GatewayError} `internal` when it is not
 */
export function shownDefinition(definition: string, change: DefinitionChange): string {
  const { annotations, ...plain } = change;
  const edits: Edit[] = editsOf(plain);
  const overlay = annotations === undefined ? [] : editsOf(annotations);
  if (overlay.length > 0) {
    const json = (own: string | undefined) => edited(own?.startsWith("{") ? own : "{}", overlay);
    edits.push({ name: "annotations", json });
  }
  return edits.length === 0 ? definition : edited(definition, edits);
}

interface Edit {
  readonly name: string;
  /** Gives the JSON text that replaces a member's. */
  readonly json: (own: string | undefined) => string;
}

/** For each member that has a value. They are few, and this is done for every item of a list. */
function editsOf(values: Readonly<Record<string, unknown>>): Edit[] {
  const edits: Edit[] = [];
  for (const name of Object.keys(values)) {
    const json: string | undefined = JSON.stringify(values[name]);
    if (json !== undefined) edits.push({ name, json: () => json });
  }
  return edits;
}

function edited(object: string, edits: readonly Edit[]): string {
  const { members, last } = scan(object);
  const missing = [...edits];
  let text = "";
  let at = 0;
  for (const { name, start, end } of members) {
    const edit = edits.find((one) => one.name === name);
    if (edit === undefined) continue;
    // A name that stands there twice is replaced twice: readers differ in which one they take.
    text += object.slice(at, start) + edit.json(object.slice(start, end));
    at = end;
    if (missing.includes(edit)) missing.splice(missing.indexOf(edit), 1);
  }
  text += object.slice(at, last);
  const added = missing.map(({ name, json }) => `${JSON.stringify(name)}:${json(undefined)}`);
  if (added.length > 0) text += (members.length > 0 ? "," : "") + added.join(",");
  return text + object.slice(last);
}

interface Member {
  readonly name: string;
  /** Of the value. */
  readonly start: number;
  readonly end: number;
}

/** The members of the outermost object, and where it has room for another. */
function scan(text: string): { readonly members: readonly Member[]; readonly last: number } {
  const members: Member[] = [];
  let at = skipSpace(text, 0);
  if (text[at] !== "{") throw malformed();
  let last = ++at;
  for (at = skipSpace(text, at); text[at] !== "}"; at = skipSpace(text, at)) {
    if (members.length > 0) at = skipSpace(text, expect(text, at, ","));
    const nameStart = expect(text, at, '"') - 1;
    const nameEnd = skipString(text, nameStart);
    const start = skipSpace(text, expect(text, skipSpace(text, nameEnd), ":"));
    const end = last = at = skipValue(text, start);
    members.push({ name: nameOf(text.slice(nameStart, nameEnd)), start, end });
  }
  return { members, last };
}

function nameOf(quoted: string): string {
  return quoted.includes("\\") ? JSON.parse(quoted) : quoted.slice(1, -1);
}

/** Counts brackets instead of calling itself: no text can exhaust the stack. */
function skipValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return skipString(text, start);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return skipWord(text, start);
  let depth = 0;
  for (let at = start; at < text.length;) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = skipString(text, at);
      continue;
    }
    at++;
    if (char === OPEN_BRACE || char === OPEN_BRACKET) depth++;
    else if ((char === CLOSE_BRACE || char === CLOSE_BRACKET) && --depth === 0) return at;
  }
  throw malformed();
}

const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** A number, `true`, `false` or `null`. */
function skipWord(text: string, start: number): number {
  let at = start;
  while (at < text.length && !' \t\r\n,:{}[]"'.includes(text[at]!)) at++;
  if (at === start) throw malformed();
  return at;
}

function skipString(text: string, at: number): number {
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) throw malformed();
    let before = at;
    while (text[before - 1] === "\\") before--;
    if ((at - before) % 2 === 0) return at + 1;
  }
}

function skipSpace(text: string, at: number): number {
  while (text[at] === " " || text[at] === "\t" || text[at] === "\n" || text[at] === "\r") at++;
  return at;
}

function expect(text: string, at: number, char: string): number {
  if (text[at] !== char) throw malformed();
  return at + 1;
}

function malformed(): GatewayError {
  return new GatewayError("internal", "The definition of an item is not a JSON object");
}
