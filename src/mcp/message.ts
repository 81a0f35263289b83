/**
 * JSON-RPC messages of clients: decoding, and the shape that every revision asks for.
 *
 * A decoded message keeps its bytes. The parsed value is for decisions, the bytes are what travels.
 *
 * @module
 * @see JSON-RPC 2.0, sections 4 and 5
 */
import { type GatewayError, ProtocolError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import {
  elementsOf,
  findMember,
  type JsonScan,
  JsonScanError,
  type Member,
  nameOf,
  scanJson,
} from "./json_scan.ts";

export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;

export type JsonObject = { readonly [name: string]: unknown };

export interface ClientMessage {
  readonly kind: "request" | "notification" | "response";
  readonly bytes: Uint8Array;
  /** The outermost members, each once. */
  readonly members: readonly Member[];
  /** Empty for responses. */
  readonly method: string;
  readonly params: JsonObject | undefined;
  /** The id exactly as the client wrote it; `null` for notifications. */
  readonly id: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const ID = nameOf("id");
const METHOD = nameOf("method");

export const NULL_ID: Uint8Array = encoder.encode("null");

const BOUNDS = {
  depth: LIMITS.jsonDepth,
  nodes: LIMITS.jsonNodes,
  keyBytes: LIMITS.jsonKeyBytes,
  uniqueNames: true,
} as const;

/** A message of the gateway's own, which may be text, as what travels. */
export function bytesOf(message: string | Uint8Array): Uint8Array {
  return typeof message === "string" ? encoder.encode(message) : message;
}

/** Several messages in one body: 2025-03-26 only. */
export interface Batch {
  readonly kind: "batch";
  readonly messages: readonly ClientMessage[];
  /** Those that are not to be carried out, and why. */
  readonly refused?: ReadonlyMap<ClientMessage, GatewayError> | undefined;
}

/**
 * Decodes the body of a POST.
 * @throws {ProtocolError} -32700 when it is not JSON, -32600 when it is out of bounds or is not
 *   a JSON-RPC message or a batch of them
 */
export function decodeClientBody(bytes: Uint8Array): ClientMessage | Batch {
  const scan = scanOrRefuse(bytes);
  return scan.isArray ? decodeBatch(bytes) : decodeClientMessage(bytes, scan);
}

function decodeBatch(bytes: Uint8Array): Batch {
  const elements = elementsOf(bytes);
  if (elements.length === 0 || elements.length > LIMITS.batchMembers) {
    throw invalid(`A batch has 1 to ${LIMITS.batchMembers} members`);
  }
  const messages = elements.map(({ start, end }) => {
    return decodeClientMessage(bytes.slice(start, end));
  });
  return { kind: "batch", messages };
}

/**
 * Decodes one message.
 * @throws {ProtocolError} as `decodeClientBody`
 */
export function decodeClientMessage(
  bytes: Uint8Array,
  scan: JsonScan = scanOrRefuse(bytes),
): ClientMessage {
  if (!scan.isObject) throw invalid("A JSON-RPC message is an object");
  const value = JSON.parse(decoder.decode(bytes)) as JsonObject;
  const id = idOf(bytes, scan.members);
  for (const name of Object.keys(value)) refuseInexact(name, ENVELOPE_NAMES, id);
  if (value.jsonrpc !== "2.0") throw invalid('"jsonrpc" must be "2.0"', id);
  return shaped(bytes, scan.members, value, id);
}

function shaped(
  bytes: Uint8Array,
  members: readonly Member[],
  value: JsonObject,
  id: Uint8Array,
): ClientMessage {
  const { method, params } = value;
  if (method === undefined && ("result" in value || "error" in value)) {
    if ("result" in value && "error" in value) throw invalid("Both result and error", id);
    if (!("id" in value)) throw invalid("A response needs an id");
    return { kind: "response", bytes, members, method: "", params: undefined, id };
  }
  if (typeof method !== "string" || method === "") throw invalid('"method" must be a string', id);
  if ("result" in value || "error" in value) throw invalid("Both method and result", id);
  if (params !== undefined && !isObject(params)) throw invalid('"params" must be an object', id);
  if (params !== undefined) {
    for (const name of Object.keys(params)) refuseInexact(name, PARAMS_NAMES, id);
    if (isObject(params._meta)) {
      for (const name of Object.keys(params._meta)) refuseInexact(name, META_NAMES, id);
    }
  }
  const kind = "id" in value ? "request" : "notification";
  return { kind, bytes, members, method, params: params as JsonObject | undefined, id };
}

/**
 * The id that an answer needs to a body that is not carried out: `null` where that cannot be told.
 * Nothing else of the body is looked at.
 * @returns `undefined` for a notification or response, which is not answered
 */
export function answerIdOf(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const { members } = scanJson(bytes, BOUNDS);
    const id = idOf(bytes, members);
    // Only one of them: a notification, or a response. Neither: no message at all.
    const hasMethod = findMember(bytes, members, METHOD) !== undefined;
    return hasMethod === (id !== NULL_ID) ? id : undefined;
  } catch {
    return NULL_ID;
  }
}

function scanOrRefuse(bytes: Uint8Array) {
  try {
    return scanJson(bytes, BOUNDS);
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    throw new ProtocolError(
      error.outOfBounds ? INVALID_REQUEST : PARSE_ERROR,
      400,
      error.message,
    );
  }
}

/**
 * The id as it was written, or the text `null` when there is none.
 *
 * Integers keep all their digits this way: JavaScript would round those beyond 2^53.
 */
function idOf(bytes: Uint8Array, members: readonly Member[]): Uint8Array {
  const member = findMember(bytes, members, ID);
  if (member === undefined) return NULL_ID;
  const text = bytes.slice(member.start, member.end);
  const isString = text[0] === 0x22;
  const isRequest = findMember(bytes, members, METHOD) !== undefined;
  const charsMax = isRequest ? LIMITS.requestIdChars : LIMITS.responseIdChars;
  const acceptable = isString
    ? (JSON.parse(decoder.decode(text)) as string).length <= charsMax
    : text.length <= LIMITS.requestIdChars && /^-?\d+$/.test(decoder.decode(text));
  if (!acceptable) throw invalid("The id must be an integer or a string of at most 256 characters");
  return text;
}

const ENVELOPE_NAMES = namesByLowerCase("jsonrpc id method params result error");
const PARAMS_NAMES = namesByLowerCase(
  "_meta name arguments uri cursor inputResponses requestState",
);
const META_NAMES = namesByLowerCase(
  "progressToken io.modelcontextprotocol/protocolVersion io.modelcontextprotocol/clientInfo " +
    "io.modelcontextprotocol/clientCapabilities io.modelcontextprotocol/logLevel",
);

function namesByLowerCase(names: string): ReadonlyMap<string, string> {
  return new Map(names.split(" ").map((name) => [name.toLowerCase(), name]));
}

/**
 * Refuses `Method` for `method`: a reader that ignores case would see another message than the
 * gateway's policy does.
 */
function refuseInexact(name: string, exact: ReadonlyMap<string, string>, id: Uint8Array): void {
  const wanted = exact.get(name.toLowerCase());
  if (wanted !== undefined && wanted !== name) {
    throw invalid(`The member "${wanted}" is spelled with other capitals`, id);
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An error that names the request it answers: `ProtocolError` with the id that was read. */
export class InvalidMessage extends ProtocolError {
  readonly id: Uint8Array;

  constructor(message: string, id: Uint8Array = NULL_ID) {
    super(INVALID_REQUEST, 400, message);
    this.id = id;
  }
}

function invalid(message: string, id?: Uint8Array): InvalidMessage {
  return new InvalidMessage(message, id);
}
