/**
 * The parts of a URI template, and where in a text each of them can begin: one pass over the text
 * for each part, from its end to its start.
 *
 * @module
 * @see RFC 6570
 */
export type Part = Literal | Run | Fragment | Pairs;

export interface Literal {
  readonly kind: "literal";
  readonly text: string;
  /** For each length of what fitted, how much of it still does where the next character does not. */
  readonly fallbacks: Uint16Array;
}

/** One variable of a path: at least one character. */
export interface Run {
  readonly kind: "run";
  readonly name: string;
  /** Whether `/`, `?` and `#` belong to it. */
  readonly isReserved: boolean;
  /** Between the items of an exploded variable. */
  readonly separator: string | undefined;
  /** Of `{name:3}`. */
  readonly charsMax: number;
}

/** `{#name}`: `#` and any text, or nothing. */
export interface Fragment {
  readonly kind: "fragment";
  readonly variables: readonly Variable[];
}

/** `{?a,b}`, `{&a,b}`, `{;a,b}`: any of them in any order, or nothing. */
export interface Pairs {
  readonly kind: "pairs";
  readonly first: string;
  readonly separator: string;
  readonly variables: readonly Variable[];
  readonly names: ReadonlySet<string>;
  /** Takes the names that are no variable's. */
  readonly rest: string | undefined;
}

export interface Variable {
  readonly name: string;
  readonly isExploded: boolean;
  readonly charsMax: number;
}

/** Where a part can begin so that it ends at one of these places. */
export function startsOf(part: Part, text: string, ends: Uint8Array): Uint8Array {
  switch (part.kind) {
    case "literal":
      return startsOfLiteral(part, text, ends);
    case "run":
      return part.charsMax === Infinity
        ? startsOfRun(part, text, ends)
        : startsOfShortRun(part, text, ends);
    case "fragment":
      return startsOfFragment(text, ends);
    case "pairs":
      return startsOfPairs(part, text, ends);
  }
}

/** Reads each character once, however much of the literal repeats itself (Knuth, Morris, Pratt). */
function startsOfLiteral(literal: Literal, text: string, ends: Uint8Array): Uint8Array {
  const starts = new Uint8Array(ends.length);
  const length = literal.text.length;
  for (let at = 0, fitted = 0; at < text.length; at++) {
    if (fitted === length) fitted = literal.fallbacks[fitted]!;
    fitted = continued(literal.text, literal.fallbacks, fitted, text[at]!);
    if (fitted === length && ends[at + 1] === 1) starts[at + 1 - length] = 1;
  }
  return starts;
}

/** @param text not empty */
export function literalOf(text: string): Literal {
  const fallbacks = new Uint16Array(text.length + 1);
  for (let at = 1, fitted = 0; at < text.length; at++) {
    fitted = continued(text, fallbacks, fitted, text[at]!);
    fallbacks[at + 1] = fitted;
  }
  return { kind: "literal", text, fallbacks };
}

function continued(text: string, fallbacks: Uint16Array, fitted: number, next: string): number {
  while (fitted > 0 && text[fitted] !== next) fitted = fallbacks[fitted]!;
  return text[fitted] === next ? fitted + 1 : fitted;
}

function startsOfRun(run: Run, text: string, ends: Uint8Array): Uint8Array {
  const starts = new Uint8Array(ends.length);
  const separator = run.separator;
  for (let at = text.length - 1; at >= 0; at--) {
    if (!isOf(run, text[at]!)) continue;
    const goesOn = starts[at + 1] === 1 || ends[at + 1] === 1;
    if (goesOn || (text[at + 1] === separator && starts[at + 2] === 1)) starts[at] = 1;
  }
  return starts;
}

function startsOfShortRun(run: Run, text: string, ends: Uint8Array): Uint8Array {
  const starts = new Uint8Array(ends.length);
  const before = charsBefore(text);
  let end = -1;
  for (let at = text.length - 1; at >= 0; at--) {
    if (ends[at + 1] === 1) end = at + 1;
    if (!isOf(run, text[at]!)) end = -1;
    else if (end > 0 && before[end]! - before[at]! <= run.charsMax) starts[at] = 1;
  }
  return starts;
}

function startsOfFragment(text: string, ends: Uint8Array): Uint8Array {
  const starts = ends.slice();
  const last = ends.lastIndexOf(1);
  for (let at = text.indexOf("#"); at >= 0 && at < last; at = text.indexOf("#", at + 1)) {
    starts[at] = 1;
  }
  return starts;
}

function startsOfPairs(pairs: Pairs, text: string, ends: Uint8Array): Uint8Array {
  const starts = ends.slice();
  /** Where the rest fits from inside a value, and from the start of a name. */
  const inValue = new Uint8Array(ends.length);
  const atName = new Uint8Array(ends.length);
  const mayEnd = (at: number) =>
    ends[at] === 1 || (text[at] === pairs.separator && atName[at + 1] === 1);
  for (let at = text.length; at >= 0; at--) {
    const goesOn = isOfPair(pairs, text[at]) && inValue[at + 1] === 1;
    if (goesOn || mayEnd(at)) inValue[at] = 1;
    if (text[at - 1] === pairs.first || text[at - 1] === pairs.separator) {
      const nameEnd = endOfName(pairs, text, at);
      const hasValue = text[nameEnd] === "=" && inValue[nameEnd + 1] === 1;
      if ((hasValue || mayEnd(nameEnd)) && takes(pairs, text.slice(at, nameEnd))) atName[at] = 1;
    }
    if (text[at] === pairs.first && atName[at + 1] === 1) starts[at] = 1;
  }
  return starts;
}

export function isOf(run: Run, char: string): boolean {
  if (char === run.separator) return false;
  return run.isReserved || (char !== "/" && char !== "?" && char !== "#");
}

/** Whether it can stand in a name or value; clients often leave `/` and `?` of a query as they are. */
export function isOfPair(pairs: Pairs, char: string | undefined): boolean {
  if (char === undefined || char === pairs.separator || char === "#") return false;
  return pairs.first !== ";" || (char !== "/" && char !== "?");
}

export function endOfName(pairs: Pairs, text: string, start: number): number {
  let at = start;
  // It ends where another could begin, so that no character is read for two names.
  while (isOfPair(pairs, text[at]) && text[at] !== "=" && text[at] !== pairs.first) at++;
  return at;
}

export function takes(pairs: Pairs, name: string): boolean {
  if (name === "") return false;
  return pairs.rest !== undefined || pairs.names.has(name);
}

/** How many characters stand before each place; one that is encoded counts once. ASCII only. */
export function charsBefore(text: string): Uint32Array {
  const before = new Uint32Array(text.length + 1);
  let count = 0;
  for (let at = 0; at < text.length;) {
    const escape = /^%[\da-f]{2}/i.exec(text.slice(at, at + 3))?.[0];
    const length = escape === undefined ? 1 : 3;
    // Bytes 80 to BF continue a character.
    if (escape === undefined || !/^%[89ab]/i.test(escape)) count++;
    before.fill(count, at + 1, at + length + 1);
    at += length;
  }
  return before;
}
