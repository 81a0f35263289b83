/**
 * A request of a session's client as servers of the stateless era get it: with the envelope in
 * `_meta`, an id and a progress token of the gateway's, and mirror headers. Everything else in it
 * stays byte for byte.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Request metadata"; Transports, "Streamable HTTP"
 */
import { ProtocolError } from "../../../domain/errors.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { hasName, type Member, membersAt, type Name, nameOf } from "../../json_scan.ts";
import { INVALID_PARAMS } from "../../message.ts";
import {
  encodeHeaderValue,
  META_CAPABILITIES,
  META_CLIENT_INFO,
  META_LOG_LEVEL,
  META_VERSION,
  nameMemberOf,
} from "../../revisions/stateless_era.ts";
import { type Found, sortMembers, within } from "../../upstream_message.ts";
import { type Identity, REVISION } from "./identity.ts";

/** A message of the client, as a session of the session era would get it. */
export interface Sent {
  readonly bytes: Uint8Array;
  readonly found: Found;
  /** Empty for an answer. */
  readonly method: string;
}

/** @param bytes one message, proven to be one */
export function sentOf(bytes: Uint8Array): Sent {
  const found = sortMembers(bytes, membersAt(bytes, bytes.indexOf(OPEN)));
  return { bytes, found, method: found.method === undefined ? "" : stringAt(bytes, found.method) };
}

/** What a request needs to recognise what belongs to it. */
export interface RoundIds {
  /** Id and progress token upstream, JSON text. */
  readonly upstream: Uint8Array;
  /** The id in the client's message. */
  readonly client: Uint8Array;
  /** The progress token in it; `undefined` for none. */
  readonly token: Uint8Array | undefined;
}

/** What a request that is sent once more says besides. JSON texts. */
export interface Retry {
  readonly inputResponses: Uint8Array | undefined;
  /** As the server gave it. */
  readonly requestState: Uint8Array | undefined;
}

export interface RoundRequest {
  readonly body: Uint8Array;
  readonly ids: RoundIds;
}

/** @param id unlike that of any open request to the server; it needs no escapes */
export function roundRequest(
  sent: Sent,
  id: string,
  identity: Identity,
  logLevel: string | undefined,
  retry: Retry | undefined,
): RoundRequest {
  const { bytes, found } = sent;
  const params = found.params === undefined ? [] : membersAt(bytes, found.params.start);
  const meta = params.find((member) => hasName(bytes, member, META));
  const metas = meta === undefined ? [] : membersAt(bytes, meta.start);
  const token = metas.find((member) => hasName(bytes, member, PROGRESS_TOKEN));
  const upstream = encoder.encode(`"${id}"`);
  const body = joined([
    HEAD,
    upstream,
    METHOD,
    bytes.subarray(found.method!.start, found.method!.end),
    PARAMS,
    identity.envelope(logLevel),
    ...(token === undefined ? [] : [TOKEN, upstream]),
    ...kept(bytes, metas, ENVELOPE),
    META_END,
    ...kept(bytes, params, OWN_PARAMS),
    ...(retry?.inputResponses === undefined ? [] : [INPUT_RESPONSES, retry.inputResponses]),
    ...(retry?.requestState === undefined ? [] : [REQUEST_STATE, retry.requestState]),
    END,
  ]);
  const client = sliceOf(bytes, found.id!);
  return { body, ids: { upstream, client, token: token && sliceOf(bytes, token) } };
}

/** Members that are passed on, each behind a comma. */
function kept(
  bytes: Uint8Array,
  members: readonly Member[],
  not: readonly Name[],
): Uint8Array[] {
  return members.filter((member) => !not.some((name) => hasName(bytes, member, name)))
    .flatMap(({ nameStart, end }) => [COMMA, bytes.subarray(nameStart, end)]);
}

/**
 * Header lines that repeat what stands in the body.
 * @throws {ProtocolError} -32602 when they would be too long
 */
export function mirrorLines(
  { bytes, found, method }: Sent,
  params: readonly (readonly [name: string, value: string])[],
): string {
  const member = nameMemberOf(method);
  const name = member === undefined ? undefined : textAt(bytes, found.params, [nameOf(member)]);
  let lines = `MCP-Protocol-Version: ${REVISION}\r\nMcp-Method: ${encodeHeaderValue(method)}\r\n`;
  if (typeof name === "string") lines += `Mcp-Name: ${encodeHeaderValue(name)}\r\n`;
  for (const [header, value] of params) lines += `${header}: ${encodeHeaderValue(value)}\r\n`;
  if (lines.length <= LIMITS.mirrorLinesBytes) return lines;
  const text = "The upstream server wants it in headers, for which it is too long";
  throw new ProtocolError(INVALID_PARAMS, 200, text);
}

/** The text at the end of a path of member names; `undefined` when there is none. */
export function textAt(
  bytes: Uint8Array,
  from: Member | undefined,
  path: readonly Name[],
): string | undefined {
  const member = memberAt(bytes, from, path);
  if (member === undefined || bytes[member.start] !== QUOTE) return undefined;
  return stringAt(bytes, member);
}

/** A string, most of which are written as they are. */
function stringAt(bytes: Uint8Array, { start, end }: Member): string {
  const text = decoder.decode(bytes.subarray(start, end));
  return text.includes("\\") ? JSON.parse(text) : text.slice(1, -1);
}

export function memberAt(
  bytes: Uint8Array,
  from: Member | undefined,
  path: readonly Name[],
): Member | undefined {
  let member = from;
  for (const name of path) member = member && within(bytes, member, name);
  return member;
}

export function joined(parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const pieces = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const all = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

export function textOf(bytes: Uint8Array, { start, end }: Pick<Member, "start" | "end">): string {
  return decoder.decode(bytes.subarray(start, end));
}

export function sliceOf(bytes: Uint8Array, { start, end }: Pick<Member, "start" | "end">) {
  return bytes.slice(start, end);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const OPEN = 0x7b;
const QUOTE = 0x22;
const COMMA = encoder.encode(",");
const HEAD = encoder.encode('{"jsonrpc":"2.0","id":');
const METHOD = encoder.encode(',"method":');
const PARAMS = encoder.encode(',"params":{"_meta":{');
const TOKEN = encoder.encode(',"progressToken":');
const META_END = encoder.encode("}");
const INPUT_RESPONSES = encoder.encode(',"inputResponses":');
const REQUEST_STATE = encoder.encode(',"requestState":');
const END = encoder.encode("}}");
const META = nameOf("_meta");
const PROGRESS_TOKEN = nameOf("progressToken");
/** What the gateway says in `_meta`, whatever the client does. */
const ENVELOPE = [META_VERSION, META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL]
  .map((name) => nameOf(name)).concat(PROGRESS_TOKEN);
/** Only the gateway answers what this server asks. */
const OWN_PARAMS = ["_meta", "inputResponses", "requestState"].map((name) => nameOf(name));
