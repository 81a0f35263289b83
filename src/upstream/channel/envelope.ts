/**
 * What the gateway has to know of a message to bring it to whom it belongs: nothing of its result
 * is read, and whether it is a correct message is for others to say.
 *
 * @module
 * @see JSON-RPC 2.0, sections 4 and 5
 */
import { GatewayError } from "../../domain/errors.ts";

export interface Envelope {
  /** As it is written; `undefined` when there is none. */
  readonly id: string | undefined;
  /** What all spellings of the id have in common; `undefined` for none, and for `null`. */
  readonly key: string | undefined;
  /** `undefined` of a response. */
  readonly method: string | undefined;
  /** Of a notification or request, only the members that say where it belongs. */
  readonly params: Address;
  readonly isResult: boolean;
  /** Code of the error, in a response that is one. */
  readonly errorCode: number | undefined;
}

/** Ids and tokens are keys as of `keyOf`. */
export interface Address {
  readonly requestId?: string | undefined;
  /** Of progress. */
  readonly progressToken?: string | undefined;
  /** Which progress on a request is to name, in its `_meta`. */
  readonly wantedToken?: string | undefined;
  readonly subscriptionId?: string | undefined;
  /** Whether a request of revision 2026-07-28 asks for log messages. */
  readonly wantsLog?: boolean;
}

const META_SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId";
const META_LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const NO_ADDRESS: Address = {};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** `undefined` for what cannot be a message. */
export function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  try {
    const members = membersOf(bytes, OUTER);
    const { id, error } = members;
    const method = members.method && parsed(members.method);
    if (method !== undefined && typeof method !== "string") return undefined;
    const isResponse = members.result !== undefined || error !== undefined;
    if (method === undefined && (id === undefined || !isResponse)) return undefined;
    return {
      id: id && decoder.decode(id),
      key: keyOf(parsed(id)),
      method,
      params: method !== undefined && members.params ? addressIn(members.params) : NO_ADDRESS,
      isResult: method === undefined && members.result !== undefined,
      errorCode: method === undefined && error !== undefined ? codeIn(error) : undefined,
    };
  } catch {
    return undefined;
  }
}

/** Of a message of ours. @throws {GatewayError} `internal` when it is none */
export function envelopeOf(bytes: Uint8Array): Envelope {
  const envelope = readEnvelope(bytes);
  if (envelope === undefined) {
    throw new GatewayError("internal", "What was to be sent to the upstream server is no message");
  }
  return envelope;
}

export function isRequest({ method, key }: Envelope): boolean {
  return method !== undefined && key !== undefined;
}

const OUTER = ["id", "method", "params", "result", "error"] as const;
const IN_PARAMS = ["requestId", "progressToken", "_meta"] as const;
const IN_META = ["progressToken", META_SUBSCRIPTION_ID, META_LOG_LEVEL] as const;

function parsed(value: Uint8Array | undefined): unknown {
  return value && JSON.parse(decoder.decode(value));
}

/** What all spellings of an id, or of a progress token, have in common. */
export function keyOf(value: unknown): string | undefined {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "number" ? String(value) : undefined;
}

function addressIn(params: Uint8Array): Address {
  if (params[0] !== OPEN_BRACE) return NO_ADDRESS;
  const { requestId, progressToken, _meta } = membersOf(params, IN_PARAMS);
  const meta = _meta?.[0] === OPEN_BRACE ? membersOf(_meta, IN_META) : {};
  return {
    requestId: keyOf(parsed(requestId)),
    progressToken: keyOf(parsed(progressToken)),
    wantedToken: keyOf(parsed(meta.progressToken)),
    subscriptionId: keyOf(parsed(meta[META_SUBSCRIPTION_ID])),
    wantsLog: meta[META_LOG_LEVEL] !== undefined,
  };
}

function codeIn(error: Uint8Array): number | undefined {
  if (error[0] !== OPEN_BRACE) return undefined;
  const code = parsed(membersOf(error, ["code"]).code);
  return typeof code === "number" ? code : undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The values of those members of an object. Everything else is only skipped over.
 * @throws {Error} when it is no object, or has one of them twice
 */
function membersOf<Name extends string>(
  bytes: Uint8Array,
  wanted: readonly Name[],
): { [name in Name]?: Uint8Array } {
  const members: { [name in Name]?: Uint8Array } = {};
  let at = space(bytes, 0);
  if (bytes[at] !== OPEN_BRACE) throw new Error("No object");
  at = space(bytes, at + 1);
  while (bytes[at] !== CLOSE_BRACE) {
    const nameEnd = text(bytes, at);
    const written = decoder.decode(bytes.subarray(at, nameEnd));
    at = space(bytes, nameEnd);
    if (bytes[at] !== COLON) throw new Error("No colon");
    const start = space(bytes, at + 1);
    at = valueEnd(bytes, start);
    const plain: unknown = JSON.parse(written);
    const name = wanted.find((one) => one === plain);
    if (name !== undefined) {
      if (members[name] !== undefined) throw new Error("A member twice");
      members[name] = bytes.subarray(start, at);
    }
    at = space(bytes, at);
    if (bytes[at] === CLOSE_BRACE) break;
    if (bytes[at] !== COMMA) throw new Error("No comma");
    at = space(bytes, at + 1);
    if (bytes[at] === CLOSE_BRACE) throw new Error("A comma too many");
  }
  if (space(bytes, at + 1) !== bytes.length) throw new Error("More behind the object");
  return members;
}

function space(bytes: Uint8Array, at: number): number {
  while (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0d || bytes[at] === 0x0a) at++;
  return at;
}

function valueEnd(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return text(bytes, start);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return nestEnd(bytes, start);
  let at = start;
  while (at < bytes.length && !isEnd(bytes[at]!)) at++;
  if (at === start) throw new Error("No value");
  return at;
}

function isEnd(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte <= 0x20;
}

/** Behind the bracket that closes the one at `start`, of whichever kind. */
function nestEnd(bytes: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) at = text(bytes, at) - 1;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1;
  }
  throw new Error("No end");
}

/** From the opening quote to behind the closing one. */
function text(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== QUOTE) throw new Error("No text");
  for (let at = start + 1;; at++) {
    at = bytes.indexOf(QUOTE, at);
    if (at < 0) throw new Error("No end");
    let escapes = 0;
    while (bytes[at - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
}
