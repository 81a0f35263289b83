/**
 * Reads JSON without building it: proves that bytes are one well-formed value within bounds, and
 * says where the members of its outermost object stand.
 *
 * A gateway looks at three or four members of a message and passes the rest on. Parsing a result
 * of 1 MiB to do that costs more than relaying it, and printing it again changes it (`1.0` becomes
 * `1`, large integers lose digits). So messages stay bytes: they are checked here, and edited by
 * replacing the bytes of one member.
 *
 * @module
 * @see RFC 8259
 */

/** One member of an object: where its name stands, quotes included, and where its value. */
export interface Member {
  readonly nameStart: number;
  readonly nameEnd: number;
  /** First byte of the value. */
  readonly start: number;
  /** One past the last byte of the value. */
  readonly end: number;
}

/** A member with those of the object that is its value; none for other values. */
export interface DeepMember extends Member {
  readonly parts: readonly Member[];
}

export interface JsonScan<M extends Member = Member> {
  /** Members of the outermost object in order, duplicates included; empty for other values. */
  readonly members: readonly M[];
  readonly isObject: boolean;
  readonly isArray: boolean;
  /** Whether raw CR or LF stand between tokens: such a message cannot be one SSE data line. */
  readonly hasLineBreaks: boolean;
}

export interface JsonBounds {
  readonly depth: number;
  /** Members plus elements, at every depth. */
  readonly nodes: number;
  /** Encoded length of one member name. */
  readonly keyBytes: number;
  /** Whether an object with the same name twice is refused, at every depth. */
  readonly uniqueNames: boolean;
}

/** Malformed or out of bounds; the message says which and is safe to show. */
export class JsonScanError extends Error {
  override readonly name = "JsonScanError";
  readonly outOfBounds: boolean;

  constructor(message: string, outOfBounds = false) {
    super(message);
    this.outOfBounds = outOfBounds;
  }
}

interface State {
  readonly bytes: Uint8Array;
  /** The same memory four bytes at a time, or `undefined` where it does not start on a word. */
  readonly words: Uint32Array | undefined;
  readonly bounds: JsonBounds;
  nodes: number;
  /** Start and end of the names of all objects that are open, innermost last. */
  readonly names: number[];
  /** Whether the members of objects in the outermost one are wanted too. */
  readonly isDeep: boolean;
  lineBreaks: boolean;
  nonAscii: boolean;
}

/**
 * @throws {JsonScanError} when `bytes` is not exactly one JSON value in UTF-8 within `bounds`
 */
export function scanJson(bytes: Uint8Array, bounds: JsonBounds): JsonScan {
  return scanned(stateOf(bytes, bounds));
}

/** The same, one level deeper: a large value is passed over once. */
export function scanDeep(bytes: Uint8Array, bounds: JsonBounds): JsonScan<DeepMember> {
  return scanned(stateOf(bytes, bounds, true)) as JsonScan<DeepMember>;
}

function scanned(state: State): JsonScan {
  const { bytes } = state;
  const start = skipSpace(state, 0);
  const first = bytes[start];
  const members: Member[] = [];
  const end = first === OPEN_BRACE
    ? skipObject(state, start, 1, members)
    : skipValue(state, start, 0);
  if (skipSpace(state, end) !== bytes.length) throw malformed("text after the value");
  if (state.nonAscii) checkUtf8(bytes);
  return {
    members,
    isObject: first === OPEN_BRACE,
    isArray: first === OPEN_BRACKET,
    hasLineBreaks: state.lineBreaks,
  };
}

/** The members of an object inside bytes that `scanJson` has accepted; empty for other values. */
export function membersAt(bytes: Uint8Array, start: number): readonly Member[] {
  const members: Member[] = [];
  if (bytes[start] === OPEN_BRACE) skipObject(stateOf(bytes, UNBOUNDED), start, 1, members);
  return members;
}

/** The same, one level deeper. */
export function deepMembersAt(bytes: Uint8Array, start: number): readonly DeepMember[] {
  const members: Member[] = [];
  skipObject(stateOf(bytes, UNBOUNDED, true), start, 1, members);
  return members as DeepMember[];
}

/** Where a value stands. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The elements of an array inside bytes that `scanJson` has accepted, or of the outermost one.
 * @param max how many of them are looked for
 */
export function elementsOf(bytes: Uint8Array, arrayStart = 0, max = Infinity): readonly Span[] {
  const state = stateOf(bytes, UNBOUNDED);
  const elements: Span[] = [];
  let at = skipSpace(state, skipSpace(state, arrayStart) + 1);
  while (bytes[at] !== CLOSE_BRACKET && elements.length < max) {
    const start = at;
    const end = skipValue(state, start, 1);
    elements.push({ start, end });
    at = skipSpace(state, end);
    if (bytes[at] === COMMA) at = skipSpace(state, at + 1);
  }
  return elements;
}

/** A member name in the form in which it is compared with bytes. */
export interface Name {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** @param text printable ASCII without quotes and backslashes */
export function nameOf(text: string): Name {
  return { text, bytes: new TextEncoder().encode(text) };
}

/** The first member of this name, or `undefined`. */
export function findMember<M extends Member>(
  bytes: Uint8Array,
  members: readonly M[],
  name: Name,
): M | undefined {
  for (const member of members) if (hasName(bytes, member, name)) return member;
  return undefined;
}

/** Compares bytes: building a string for every name would cost more than scanning the message. */
export function hasName(bytes: Uint8Array, member: Member, name: Name): boolean {
  const start = member.nameStart + 1;
  const end = member.nameEnd - 1;
  const expected = name.bytes;
  if (end - start === expected.length) {
    for (let i = 0; i < expected.length; i++) {
      if (bytes[start + i] !== expected[i]) return false;
    }
    return true;
  }
  // An escape makes a name longer than what it says.
  if (end - start < expected.length || !bytes.subarray(start, end).includes(BACKSLASH)) {
    return false;
  }
  return JSON.parse(decodeUtf8(bytes.subarray(start - 1, end + 1))) === name.text;
}

const UNBOUNDED: JsonBounds = {
  depth: Infinity,
  nodes: Infinity,
  keyBytes: Infinity,
  uniqueNames: false,
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

function stateOf(bytes: Uint8Array, bounds: JsonBounds, isDeep = false): State {
  const aligned = bytes.byteOffset % 4 === 0 && bytes.length >= 64;
  return {
    bytes,
    words: aligned
      ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
      : undefined,
    bounds,
    nodes: 0,
    names: [],
    isDeep,
    lineBreaks: false,
    nonAscii: false,
  };
}

function skipSpace(state: State, at: number): number {
  const bytes = state.bytes;
  for (;; at++) {
    const byte = bytes[at];
    if (byte === 0x0a || byte === 0x0d) state.lineBreaks = true;
    else if (byte !== 0x20 && byte !== 0x09) return at;
  }
}

function skipValue(state: State, at: number, depth: number): number {
  switch (state.bytes[at]) {
    case QUOTE:
      return skipString(state, at);
    case OPEN_BRACE:
      return skipObject(state, at, depth + 1, undefined);
    case OPEN_BRACKET:
      return skipArray(state, at, depth + 1);
    case 0x74:
      return skipWord(state, at, "true");
    case 0x66:
      return skipWord(state, at, "false");
    case 0x6e:
      return skipWord(state, at, "null");
    default:
      return skipNumber(state, at);
  }
}

function skipObject(state: State, at: number, depth: number, into: Member[] | undefined): number {
  const bytes = state.bytes;
  if (depth > state.bounds.depth) throw tooDeep(state);
  at = skipSpace(state, at + 1);
  if (bytes[at] === CLOSE_BRACE) return at + 1;
  const firstName = state.names.length;
  for (;;) {
    if (bytes[at] !== QUOTE) throw malformed("object member without a name");
    const keyStart = at;
    at = skipString(state, at);
    if (at - keyStart - 2 > state.bounds.keyBytes) {
      throw new JsonScanError("A member name is too long", true);
    }
    const keyEnd = at;
    if (state.bounds.uniqueNames) state.names.push(keyStart + 1, keyEnd - 1);
    at = skipSpace(state, at);
    if (bytes[at] !== COLON) throw malformed("member without a colon");
    const start = at = skipSpace(state, at + 1);
    const parts: Member[] | undefined = state.isDeep && depth === 1 ? [] : undefined;
    at = parts !== undefined && bytes[at] === OPEN_BRACE
      ? skipObject(state, at, depth + 1, parts)
      : skipValue(state, at, depth);
    if (++state.nodes > state.bounds.nodes) throw tooMany(state);
    if (into !== undefined) into.push(memberOf(keyStart, keyEnd, start, at, parts));
    at = skipSpace(state, at);
    if (bytes[at] === CLOSE_BRACE) {
      if (state.names.length > firstName + 2) refuseDoubledNames(state, firstName);
      state.names.length = firstName;
      return at + 1;
    }
    if (bytes[at] !== COMMA) throw malformed("object that does not end");
    at = skipSpace(state, at + 1);
  }
}

function memberOf(
  nameStart: number,
  nameEnd: number,
  start: number,
  end: number,
  parts: readonly Member[] | undefined,
): Member | DeepMember {
  return parts === undefined
    ? { nameStart, nameEnd, start, end }
    : { nameStart, nameEnd, start, end, parts };
}

/** Few names are compared with each other, many go through a set. */
function refuseDoubledNames({ bytes, names }: State, first: number): void {
  const isSmall = names.length - first <= 2 * SMALL_OBJECT;
  if (!isSmall || hasEscape(bytes, names, first)) return refuseDoubledTexts(bytes, names, first);
  for (let i = first + 2; i < names.length; i += 2) {
    for (let j = first; j < i; j += 2) {
      if (sameBytes(bytes, names[i]!, names[i + 1]!, names[j]!, names[j + 1]!)) throw doubled();
    }
  }
}

const SMALL_OBJECT = 12;

function hasEscape(bytes: Uint8Array, names: readonly number[], first: number): boolean {
  for (let i = first; i < names.length; i += 2) {
    for (let at = names[i]!; at < names[i + 1]!; at++) if (bytes[at] === BACKSLASH) return true;
  }
  return false;
}

function refuseDoubledTexts(bytes: Uint8Array, names: readonly number[], first: number): void {
  const seen = new Set<string>();
  for (let i = first; i < names.length; i += 2) {
    const name: string = JSON.parse(decodeUtf8(bytes.subarray(names[i]! - 1, names[i + 1]! + 1)));
    if (seen.has(name)) throw doubled();
    seen.add(name);
  }
}

function sameBytes(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  if (aEnd - a !== bEnd - b) return false;
  for (; a < aEnd; a++, b++) if (bytes[a] !== bytes[b]) return false;
  return true;
}

function doubled(): JsonScanError {
  return new JsonScanError("A member name is doubled", true);
}

function skipArray(state: State, at: number, depth: number): number {
  const bytes = state.bytes;
  if (depth > state.bounds.depth) throw tooDeep(state);
  at = skipSpace(state, at + 1);
  if (bytes[at] === CLOSE_BRACKET) return at + 1;
  for (;;) {
    at = skipSpace(state, skipValue(state, at, depth));
    if (++state.nodes > state.bounds.nodes) throw tooMany(state);
    if (bytes[at] === CLOSE_BRACKET) return at + 1;
    if (bytes[at] !== COMMA) throw malformed("array that does not end");
    at = skipSpace(state, at + 1);
  }
}

/** From the opening quote to the byte after the closing one. */
function skipString(state: State, at: number): number {
  const { bytes, words } = state;
  for (at++;;) {
    if (words !== undefined && (at & 3) === 0) at = skipPlainWords(words, at);
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at = skipEscape(bytes, at);
    else if (byte === undefined) throw malformed("string that does not end");
    else if (byte < 0x20) throw malformed("control character in a string");
    else {
      if (byte >= 0x80) state.nonAscii = true;
      at++;
    }
  }
}

/**
 * Skips four bytes at a time while none of them is a quote, a backslash, a control character or
 * outside ASCII. Results are mostly long strings: this is where the time goes.
 */
function skipPlainWords(words: Uint32Array, at: number): number {
  let index = at >>> 2;
  for (; index < words.length; index++) {
    const word = words[index]!;
    const quote = word ^ 0x22222222;
    const backslash = word ^ 0x5c5c5c5c;
    // A byte that is zero (or below 0x20) borrows into its high bit; false alarms are harmless.
    const found = (word - 0x20202020) | (quote - 0x01010101) | (backslash - 0x01010101) | word;
    if ((found & 0x80808080) !== 0) break;
  }
  return index << 2;
}

function skipEscape(bytes: Uint8Array, at: number): number {
  const kind = bytes[at + 1];
  if (kind !== 0x75) {
    if (kind === undefined || !ESCAPES.includes(kind)) throw malformed("escape in a string");
    return at + 2;
  }
  for (let i = at + 2; i < at + 6; i++) {
    const digit = (bytes[i] ?? 0) | 0x20;
    const isHex = (digit >= 0x30 && digit <= 0x39) || (digit >= 0x61 && digit <= 0x66);
    // Setting bit 5 turns 0x10–0x19 into digits: those are control characters, not hex.
    if (!isHex || (bytes[i] ?? 0) < 0x30) throw malformed("escape in a string");
  }
  return at + 6;
}

const ESCAPES = [QUOTE, BACKSLASH, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74];

function skipNumber(state: State, at: number): number {
  const bytes = state.bytes;
  if (bytes[at] === MINUS) at++;
  if (bytes[at] === 0x30) at++;
  else at = skipDigits(bytes, at);
  if (bytes[at] === 0x2e) at = skipDigits(bytes, at + 1);
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    const sign = bytes[at + 1];
    at = skipDigits(bytes, sign === 0x2b || sign === MINUS ? at + 2 : at + 1);
  }
  return at;
}

function skipDigits(bytes: Uint8Array, at: number): number {
  const start = at;
  while (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
  if (at === start) throw malformed("value");
  return at;
}

function skipWord(state: State, at: number, word: string): number {
  for (let i = 0; i < word.length; i++) {
    if (state.bytes[at + i] !== word.charCodeAt(i)) throw malformed("value");
  }
  return at + word.length;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function checkUtf8(bytes: Uint8Array): void {
  decodeUtf8(bytes);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw malformed("UTF-8");
  }
}

function malformed(what: string): JsonScanError {
  return new JsonScanError(`The text is not JSON: malformed ${what}`);
}

function tooDeep(state: State): JsonScanError {
  return new JsonScanError(`The JSON nests deeper than ${state.bounds.depth} levels`, true);
}

function tooMany(state: State): JsonScanError {
  return new JsonScanError(
    `The JSON has more than ${state.bounds.nodes} members and elements`,
    true,
  );
}
