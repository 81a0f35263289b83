/**
 * Messages of upstream servers: proof that bytes are one well-formed JSON-RPC message, and where
 * its members stand. Nothing is built from them.
 *
 * @module
 * @see JSON-RPC 2.0, sections 4 and 5
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import {
  type DeepMember,
  deepMembersAt,
  findMember,
  hasName,
  type JsonBounds,
  type JsonScan,
  JsonScanError,
  type Member,
  membersAt,
  type Name,
  nameOf,
  scanDeep,
  scanJson,
} from "./json_scan.ts";

/** The members of a message, each at most once. */
export interface Found<M extends Member = Member> {
  id?: M;
  method?: M;
  params?: M;
  result?: M;
  error?: M;
  jsonrpc?: M;
}

const KNOWN = ["id", "method", "params", "result", "error", "jsonrpc"] as const;
const KNOWN_NAMES = KNOWN.map((name) => nameOf(name));

export function sortMembers<M extends Member>(bytes: Uint8Array, members: readonly M[]): Found<M> {
  const found: Found<M> = {};
  for (const member of members) {
    const index = KNOWN_NAMES.findIndex((name) => hasName(bytes, member, name));
    if (index < 0) continue;
    const name = KNOWN[index]!;
    if (found[name] !== undefined) throw broken("a member twice");
    found[name] = member;
  }
  if (found.jsonrpc === undefined || !isText(bytes, found.jsonrpc, JSONRPC)) {
    throw broken("something that is not JSON-RPC 2.0");
  }
  return found;
}

/** A response, and where its parts stand. */
export interface Answer {
  readonly bytes: Uint8Array;
  readonly id: Member;
  /** One of the two is there. */
  readonly result: DeepMember | undefined;
  readonly error: DeepMember | undefined;
}

/** @param bytes a response that was checked */
export function answerOf(bytes: Uint8Array): Answer {
  const { id, result, error } = sortMembers(bytes, deepMembersAt(bytes, bytes.indexOf(0x7b)));
  return { bytes, id: id!, result, error };
}

/**
 * Proves that a message without a method is a response.
 * @throws {GatewayError} `upstream_protocol`
 */
export function checkResponse(bytes: Uint8Array, found: Found): void {
  if ((found.result === undefined) === (found.error === undefined)) {
    throw broken("an answer without exactly one of result and error");
  }
  if (found.result !== undefined && bytes[found.result.start] !== 0x7b) {
    throw broken("a result that is not an object");
  }
  if (found.error !== undefined && !isRpcError(bytes, found.error)) {
    throw broken("an error without code and message");
  }
}

/** An object with an integer `code` and a text `message`. @see JSON-RPC 2.0, section 5.1 */
export function isRpcError(bytes: Uint8Array, error: Member): boolean {
  const members = membersAt(bytes, error.start);
  const code = findMember(bytes, members, CODE);
  const message = findMember(bytes, members, MESSAGE);
  return code !== undefined && message !== undefined && bytes[message.start] === 0x22 &&
    /^-?\d+$/.test(decoder.decode(bytes.subarray(code.start, code.end)));
}

/** @throws {GatewayError} `upstream_protocol` */
export function scanUpstream(bytes: Uint8Array): JsonScan {
  return scannedBy(scanJson, bytes);
}

/** The same, with the members of `result` and the like. */
export function scanUpstreamDeep(bytes: Uint8Array): JsonScan<DeepMember> {
  return scannedBy(scanDeep, bytes);
}

function scannedBy<M extends Member>(
  scanOf: (bytes: Uint8Array, bounds: JsonBounds) => JsonScan<M>,
  bytes: Uint8Array,
): JsonScan<M> {
  try {
    const scan = scanOf(bytes, UPSTREAM_BOUNDS);
    if (!scan.isObject) throw broken("something that is not one message");
    return scan;
  } catch (error) {
    if (error instanceof JsonScanError) throw broken("malformed JSON", error);
    throw error;
  }
}

/** Whether it is one JSON value within bounds, a message or not. */
export function isUpstreamJson(bytes: Uint8Array): boolean {
  try {
    scanJson(bytes, UPSTREAM_BOUNDS);
    return true;
  } catch (error) {
    if (error instanceof JsonScanError) return false;
    throw error;
  }
}

/** Size is bounded by `RESPONSE_BODY_MAX`; nothing is built from the members. */
const UPSTREAM_BOUNDS = {
  depth: LIMITS.jsonDepth,
  nodes: Infinity,
  keyBytes: Infinity,
  uniqueNames: false,
} as const;

const decoder = new TextDecoder();
const JSONRPC = nameOf("2.0");
const CODE = nameOf("code");
const MESSAGE = nameOf("message");

/** The member of an object inside a message, or `undefined`. */
export function within(bytes: Uint8Array, holder: Member, name: Name): Member | undefined {
  return findMember(bytes, membersAt(bytes, holder.start), name);
}

/** Whether the value is this text, whichever way it is spelled: `\/` is a way to write `/`. */
export function isText(bytes: Uint8Array, member: Member, expected: Name): boolean {
  if (bytes[member.start] !== 0x22) return false;
  return hasName(bytes, { ...member, nameStart: member.start, nameEnd: member.end }, expected);
}

export function equal(bytes: Uint8Array, member: Member, expected: Uint8Array): boolean {
  if (member.end - member.start !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) {
    if (bytes[member.start + i] !== expected[i]) return false;
  }
  return true;
}

export function broken(what: string, cause?: unknown): GatewayError {
  return new GatewayError("upstream_protocol", `The upstream server sent ${what}`, { cause });
}
