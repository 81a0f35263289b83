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

/** One member of an object: its name, and the first and one-past-last byte of its value. */
export interface Member {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export interface JsonScan {
  /** Members of the outermost object in order, duplicates included; empty for other values. */
  readonly members: readonly Member[];
  readonly isObject: boolean;
  readonly isArray: boolean;
  /** All object members at every depth, duplicates counted each time. */
  readonly memberCount: number;
  /** Whether raw CR or LF stand between tokens: such a message cannot be one SSE data line. */
  readonly hasLineBreaks: boolean;
}

export interface JsonBounds {
  readonly depth: number;
  /** Members plus elements, at every depth. */
  readonly nodes: number;
  /** Encoded length of one member name. */
  readonly keyBytes: number;
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
  members: number;
  lineBreaks: boolean;
  nonAscii: boolean;
}

/**
 * @throws {JsonScanError} when `bytes` is not exactly one JSON value in UTF-8 within `bounds`
 */
export function scanJson(bytes: Uint8Array, bounds: JsonBounds): JsonScan {
  const state = stateOf(bytes, bounds);
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
    memberCount: state.members,
    hasLineBreaks: state.lineBreaks,
  };
}

/** The members of an object inside bytes that `scanJson` has accepted; empty for other values. */
export function membersAt(bytes: Uint8Array, start: number): readonly Member[] {
  const members: Member[] = [];
  if (bytes[start] === OPEN_BRACE) skipObject(stateOf(bytes, UNBOUNDED), start, 1, members);
  return members;
}

const UNBOUNDED: JsonBounds = { depth: Infinity, nodes: Infinity, keyBytes: Infinity };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

function stateOf(bytes: Uint8Array, bounds: JsonBounds): State {
  const aligned = bytes.byteOffset % 4 === 0 && bytes.length >= 64;
  return {
    bytes,
    words: aligned
      ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
      : undefined,
    bounds,
    nodes: 0,
    members: 0,
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
  for (;;) {
    if (bytes[at] !== QUOTE) throw malformed("object member without a name");
    const keyStart = at;
    at = skipString(state, at);
    if (at - keyStart - 2 > state.bounds.keyBytes) {
      throw new JsonScanError("A member name is too long", true);
    }
    const keyEnd = at;
    at = skipSpace(state, at);
    if (bytes[at] !== COLON) throw malformed("member without a colon");
    const start = at = skipSpace(state, at + 1);
    at = skipValue(state, at, depth);
    if (++state.nodes > state.bounds.nodes) throw tooMany(state);
    state.members++;
    if (into !== undefined) into.push({ name: nameOf(bytes, keyStart, keyEnd), start, end: at });
    at = skipSpace(state, at);
    if (bytes[at] === CLOSE_BRACE) return at + 1;
    if (bytes[at] !== COMMA) throw malformed("object that does not end");
    at = skipSpace(state, at + 1);
  }
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

function nameOf(bytes: Uint8Array, start: number, end: number): string {
  let name = "";
  for (let i = start + 1; i < end - 1; i++) {
    const byte = bytes[i]!;
    if (byte === BACKSLASH || byte >= 0x80) {
      return JSON.parse(decodeUtf8(bytes.subarray(start, end)));
    }
    name += String.fromCharCode(byte);
  }
  return name;
}

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
