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
import { type Edit, edited, inOrder } from "../../edit.ts";
import { hasName, type Member, membersAt, type Name, nameOf } from "../../json_scan.ts";
import { type ClientMessage, INVALID_PARAMS, isObject, type JsonObject } from "../../message.ts";
import { withoutMembers } from "../../removal.ts";
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
  readonly params: JsonObject | undefined;
}

/**
 * @param bytes one message, proven to be one
 * @param message the same, where it has been read before
 */
export function sentOf(bytes: Uint8Array, message?: ClientMessage): Sent {
  const members = message?.members ?? membersAt(bytes, bytes.indexOf(OPEN));
  const found = sortMembers(bytes, members);
  if (message !== undefined) {
    return { bytes, found, method: message.method, params: message.params };
  }
  const method = found.method === undefined ? "" : stringAt(bytes, found.method);
  const params: unknown = found.params && JSON.parse(textOf(bytes, found.params));
  return { bytes, found, method, params: isObject(params) ? params : undefined };
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
  const upstream = encoder.encode(`"${id}"`);
  const edits: Edit[] = [{ ...spanOf(found.id!), value: upstream }];
  const isPlain = retry === undefined && found.params !== undefined && isWithoutOwn(sent.params);
  const metas = isPlain ? [] : metasOf(sent);
  const token = metas.find((member) => hasName(bytes, member, PROGRESS_TOKEN));
  if (isPlain) edits.push(insertedAt(found.params!.start + 1, identity.meta(logLevel)));
  else {
    const meta = [
      META_START,
      identity.envelope(logLevel),
      ...(token === undefined ? [] : [TOKEN, upstream]),
      ...kept(bytes, metas),
      META_END,
      ...(retry?.inputResponses === undefined ? [] : [INPUT_RESPONSES, retry.inputResponses]),
      ...(retry?.requestState === undefined ? [] : [REQUEST_STATE, retry.requestState]),
    ];
    edits.push(...paramsEdits(sent, meta));
  }
  const client = sliceOf(bytes, found.id!);
  const ids = { upstream, client, token: token && sliceOf(bytes, token) };
  return { body: edited(bytes, inOrder(edits)), ids };
}

/** Whether there are parameters, and all of them go upstream as they are. */
function isWithoutOwn(params: JsonObject | undefined): boolean {
  if (params === undefined || OWN_PARAMS.some(({ text }) => params[text] !== undefined)) {
    return false;
  }
  for (const _ in params) return true;
  return false;
}

function metasOf({ bytes, found }: Sent): readonly Member[] {
  const meta = found.params && within(bytes, found.params, META);
  return meta === undefined ? [] : membersAt(bytes, meta.start);
}

/** @param own what the parameters begin with, in place of what the gateway alone says in them */
function paramsEdits({ bytes, found }: Sent, own: readonly Uint8Array[]): readonly Edit[] {
  if (found.params === undefined) {
    const params = joined([PARAMS_START, ...own, PARAMS_END]);
    return [insertedAt(bytes.indexOf(OPEN) + 1, params)];
  }
  const { start } = found.params;
  const members = membersAt(bytes, start);
  const isOwn = (member: Member) => OWN_PARAMS.some((name) => hasName(bytes, member, name));
  const value = joined(members.every(isOwn) ? own : [...own, COMMA]);
  return [insertedAt(start + 1, value), ...withoutMembers(members, isOwn)];
}

function insertedAt(at: number, value: Uint8Array): Edit {
  return { start: at, end: at, value };
}

function spanOf({ start, end }: Member): Omit<Edit, "value"> {
  return { start, end };
}

/** Members of `_meta` that are passed on, each behind a comma. */
function kept(bytes: Uint8Array, metas: readonly Member[]): Uint8Array[] {
  return metas.filter((member) => !ENVELOPE.some((name) => hasName(bytes, member, name)))
    .flatMap(({ nameStart, end }) => [COMMA, bytes.subarray(nameStart, end)]);
}

/**
 * Header lines that repeat what stands in the body.
 * @throws {ProtocolError} -32602 when they would be too long
 */
export function mirrorLines(
  { method, params }: Sent,
  paramHeaders: readonly (readonly [name: string, value: string])[],
): string {
  const member = nameMemberOf(method);
  const name = member === undefined ? undefined : params?.[member];
  let lines = `MCP-Protocol-Version: ${REVISION}\r\nMcp-Method: ${encodeHeaderValue(method)}\r\n`;
  if (typeof name === "string") lines += `Mcp-Name: ${encodeHeaderValue(name)}\r\n`;
  for (const [header, value] of paramHeaders) lines += `${header}: ${encodeHeaderValue(value)}\r\n`;
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
const PARAMS_START = encoder.encode('"params":{');
const PARAMS_END = encoder.encode("},");
const META_START = encoder.encode('"_meta":{');
const TOKEN = encoder.encode(',"progressToken":');
const META_END = encoder.encode("}");
const INPUT_RESPONSES = encoder.encode(',"inputResponses":');
const REQUEST_STATE = encoder.encode(',"requestState":');
const META = nameOf("_meta");
const PROGRESS_TOKEN = nameOf("progressToken");
/** What the gateway says in `_meta`, whatever the client does. */
const ENVELOPE = [META_VERSION, META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL]
  .map((name) => nameOf(name)).concat(PROGRESS_TOKEN);
/** Only the gateway answers what this server asks. */
const OWN_PARAMS = ["_meta", "inputResponses", "requestState"].map((name) => nameOf(name));
