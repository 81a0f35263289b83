/**
 * The values of a URI template's variables, read from a URI that is known to fit.
 *
 * @module
 * @see RFC 6570
 */
import {
  charsBefore,
  endOfName,
  type Fragment,
  isOf,
  isOfPair,
  type Pairs,
  type Part,
  type Run,
  takes,
} from "./uri_parts.ts";

/** The last place at which a part that begins here can end. */
export function longest(part: Part, text: string, start: number, ends: Uint8Array): number {
  switch (part.kind) {
    case "literal":
      return start + part.text.length;
    case "run":
      return longestRun(part, text, start, ends);
    case "fragment":
      return text[start] === "#" ? ends.lastIndexOf(1) : start;
    case "pairs":
      return longestPairs(part, text, start, ends);
  }
}

function longestRun(run: Run, text: string, start: number, ends: Uint8Array): number {
  let end = start;
  const before = run.charsMax === Infinity ? undefined : charsBefore(text);
  for (let at = start; at < text.length; at++) {
    const isItem = isOf(run, text[at]!);
    if (before !== undefined && before[at + 1]! - before[start]! > run.charsMax) break;
    if (!isItem && (text[at] !== run.separator || text[at - 1] === run.separator)) break;
    if (isItem && ends[at + 1] === 1) end = at + 1;
  }
  return end;
}

function longestPairs(pairs: Pairs, text: string, start: number, ends: Uint8Array): number {
  let end = start;
  for (let at = start; at === start || text[at] === pairs.separator;) {
    if (at === start && text[at] !== pairs.first) break;
    const nameEnd = endOfName(pairs, text, at + 1);
    if (!takes(pairs, text.slice(at + 1, nameEnd))) break;
    at = nameEnd;
    if (ends[at] === 1) end = at;
    if (text[at] !== "=") continue;
    for (at++; isOfPair(pairs, text[at]); at++) if (ends[at] === 1) end = at;
    if (ends[at] === 1) end = at;
  }
  return end;
}

export type Values = Map<string, string | string[]>;

export function readValues(part: Part, text: string, values: Values): void {
  if (part.kind === "run") {
    const { name, separator } = part;
    const value = separator === undefined ? decoded(text) : text.split(separator).map(decoded);
    if (!values.has(name)) values.set(name, value);
  } else if (part.kind === "fragment" && text !== "") {
    readFragment(part, text.slice(1), values);
  } else if (part.kind === "pairs" && text !== "") {
    readPairs(part, text.slice(1), values);
  }
}

function readFragment({ variables }: Fragment, text: string, values: Values): void {
  const items = variables.length === 1 && !variables[0]!.isExploded ? [text] : text.split(",");
  for (const { name, isExploded } of variables) {
    const own = name === variables.at(-1)!.name ? items.splice(0) : items.splice(0, 1);
    if (own.length === 0 || values.has(name)) continue;
    values.set(name, isExploded ? own.map(decoded) : decoded(own.join(",")));
  }
}

function readPairs(pairs: Pairs, text: string, values: Values): void {
  const found = new Map<string, string[]>();
  for (const pair of text.split(pairs.separator)) {
    const [name, value] = [pair.split("=", 1)[0]!, pair.slice(pair.indexOf("=") + 1)];
    const own = pair === name ? "" : decoded(value);
    const isNamed = pairs.names.has(name);
    const key = isNamed ? name : pairs.rest!;
    const list = found.get(key) ?? [];
    list.push(isNamed ? own : `${decoded(name)}=${own}`);
    found.set(key, list);
  }
  for (const { name, isExploded } of pairs.variables) {
    const list = found.get(name);
    if (list === undefined || values.has(name)) continue;
    values.set(name, isExploded || list.length > 1 ? list : list[0]!);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
