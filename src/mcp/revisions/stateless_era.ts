/**
 * What revision 2026-07-28 asks of a request: an envelope in `_meta`, and headers that mirror the
 * body. The checks stand in the order in which the specification's servers make them.
 *
 * @module
 * @see MCP 2026-07-28, Transports, "Streamable HTTP", and Base Protocol, "Request metadata"
 */
import { Buffer } from "node:buffer";
import { ProtocolError } from "../../domain/errors.ts";
import { type ClientMessage, INVALID_PARAMS, isObject, METHOD_NOT_FOUND } from "../message.ts";
import { isStateless, STATELESS_REVISIONS } from "./revision.ts";

export const HEADER_MISMATCH = -32020;
export const UNSUPPORTED_VERSION = -32022;

export const META_VERSION = "io.modelcontextprotocol/protocolVersion";
export const META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
export const META_CLIENT_INFO = "io.modelcontextprotocol/clientInfo";
export const META_LOG_LEVEL = "io.modelcontextprotocol/logLevel";
export const META_SERVER_INFO = "io.modelcontextprotocol/serverInfo";
export const META_SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId";

/** The headers that mirror a message, as received. */
export interface MirrorHeaders {
  readonly version: string | undefined;
  readonly method: string | undefined;
  readonly name: string | undefined;
  /** `Mcp-Param-*` with their names as received, lower-cased. */
  readonly params: readonly (readonly [name: string, value: string])[];
}

/** The member of `params` that `Mcp-Name` mirrors, per method. */
const NAME_MEMBER: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

export const LOG_LEVELS = "debug info notice warning error critical alert emergency".split(" ");

/**
 * Proves that a message is a correct one of the stateless era.
 * @throws {ProtocolError} with the code and status that the specification prescribes
 */
export function checkStateless(message: ClientMessage, headers: MirrorHeaders): void {
  const meta = isObject(message.params?._meta) ? message.params._meta : {};
  const claim = meta[META_VERSION];
  if (claim === undefined) return checkUnclaimed(message, headers);
  if (typeof claim !== "string") {
    throw new ProtocolError(INVALID_PARAMS, 400, `_meta needs a correct "${META_VERSION}"`);
  }
  if (headers.version === undefined) throw mismatch("The MCP-Protocol-Version header is missing");
  if (headers.version !== claim) {
    throw mismatch("The MCP-Protocol-Version header and _meta name different revisions");
  }
  if (!isStateless(headers.version)) throw unsupportedVersion(headers.version);
  checkEnvelope(meta);
  checkMirrors(message, headers);
  if (message.method === "initialize") {
    throw new ProtocolError(METHOD_NOT_FOUND, 404, `Revision ${claim} has no "initialize"`);
  }
}

/** Only a notification may rest on its header alone. */
function checkUnclaimed(message: ClientMessage, headers: MirrorHeaders): void {
  if (message.kind !== "notification") {
    throw new ProtocolError(INVALID_PARAMS, 400, `_meta must hold "${META_VERSION}"`);
  }
  checkMirrors(message, headers);
}

/**
 * Whether a message is one of this era: it says so itself, or, when it says nothing, its header
 * does. `initialize` that claims nothing never is.
 * @see MCP 2026-07-28, Base Protocol, "Version negotiation"
 */
export function isOfStatelessEra(message: ClientMessage, version: string | undefined): boolean {
  const meta = message.params?._meta;
  if (isObject(meta) && META_VERSION in meta) return true;
  return message.method !== "initialize" && version !== undefined && isStateless(version);
}

function checkEnvelope(meta: Readonly<Record<string, unknown>>): void {
  const info = meta[META_CLIENT_INFO];
  const level = meta[META_LOG_LEVEL];
  const wrong = !isObject(meta[META_CAPABILITIES]) ? META_CAPABILITIES : info !== undefined &&
      !(isObject(info) && typeof info.name === "string" && typeof info.version === "string")
    ? META_CLIENT_INFO
    : level !== undefined && !LOG_LEVELS.includes(level as string)
    ? META_LOG_LEVEL
    : undefined;
  if (wrong) throw new ProtocolError(INVALID_PARAMS, 400, `_meta needs a correct "${wrong}"`);
}

function checkMirrors(message: ClientMessage, headers: MirrorHeaders): void {
  if (headers.method !== message.method) {
    throw mismatch("The Mcp-Method header must equal the method");
  }
  const member = NAME_MEMBER.get(message.method);
  if (member !== undefined) {
    const name = message.params?.[member];
    const mirrored = headers.name === undefined ? undefined : decodeHeaderValue(headers.name);
    if (mirrored !== name) throw mismatch(`The Mcp-Name header must equal "${member}"`);
  }
  // They are written into the request to the upstream server.
  const values = [headers.method, headers.name ?? "", ...headers.params.map(([, value]) => value)];
  if (!values.every((value) => PLAIN.test(value))) {
    throw mismatch("An Mcp header is not printable ASCII");
  }
}

const PLAIN = /^[\x20-\x7e]*$/;
const SENTINEL = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/;

/** @throws {ProtocolError} -32020 when the value looks encoded and is not */
export function decodeHeaderValue(value: string): string {
  if (!value.startsWith("=?base64?")) return value;
  const text = SENTINEL.exec(value)?.[1];
  if (text === undefined || text.length % 4 !== 0) throw mismatch("A header is badly encoded");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(text, "base64"));
  } catch {
    throw mismatch("A header is badly encoded");
  }
}

/** The value as it may stand in a header: plain where possible, else in the base64 form. */
export function encodeHeaderValue(value: string): string {
  const isPlain = PLAIN.test(value) && value === value.trim() && !value.startsWith("=?base64?");
  return isPlain ? value : `=?base64?${Buffer.from(value).toString("base64")}?=`;
}

/** The member of `params` that `Mcp-Name` mirrors; `undefined` where the method has none. */
export function nameMemberOf(method: string): string | undefined {
  return NAME_MEMBER.get(method);
}

/** The `Mcp-Name` for a message to an upstream; `undefined` where its method has none. */
export function nameHeaderOf(message: ClientMessage): string | undefined {
  const member = NAME_MEMBER.get(message.method);
  const name = member === undefined ? undefined : message.params?.[member];
  return typeof name === "string" ? encodeHeaderValue(name) : undefined;
}

function mismatch(text: string): ProtocolError {
  return new ProtocolError(HEADER_MISMATCH, 400, text);
}

export function unsupportedVersion(requested: string | undefined): ProtocolError {
  return new ProtocolError(
    UNSUPPORTED_VERSION,
    400,
    `This endpoint speaks revision ${STATELESS_REVISIONS.join(", ")}`,
    { supported: STATELESS_REVISIONS, ...(requested === undefined ? {} : { requested }) },
  );
}
