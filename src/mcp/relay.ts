/**
 * Passes one message of a stateless client on to a stateless upstream server, and the answer back.
 *
 * Bytes are changed in four places only: the request id and the progress token, which would
 * otherwise clash between clients that share an upstream server, the subscription id, which is a
 * request id, and the list of revisions in `server/discover`, which are the gateway's.
 *
 * @module
 * @see design.md, "The road of a message, and its cost"
 */
import { type Edit, edited, editedInPlace } from "./edit.ts";
import { findMember, type Member, nameOf } from "./json_scan.ts";
import { type ClientMessage, isObject } from "./message.ts";
import { STATELESS_REVISIONS } from "./revisions/revision.ts";
import { META_SUBSCRIPTION_ID } from "./revisions/stateless_era.ts";
import {
  broken,
  checkResponse,
  equal,
  type Found,
  isRpcError,
  isText,
  scanUpstream,
  sortMembers,
  within,
} from "./upstream_message.ts";

/** What a relayed request needs to recognise what belongs to it. */
export interface RelayIds {
  /** The id and progress token upstream: JSON text of an integer that no other open call has. */
  readonly upstream: Uint8Array;
  /** The id that the client chose, as it wrote it. */
  readonly client: Uint8Array;
  /** The progress token that the client chose, as it wrote it; `undefined` for none. */
  readonly progressToken: Uint8Array | undefined;
}

export interface Outbound {
  readonly body: Uint8Array;
  readonly ids: RelayIds;
}

/** What came from the upstream server, ready for the client. */
export interface Inbound {
  /** `undefined` for a message that is not this client's and is dropped. */
  readonly message: Uint8Array | undefined;
  /** Whether it is the response: the last message of the exchange. */
  readonly isFinal: boolean;
  /** Whether the response is an error; false for everything else. */
  readonly isError: boolean;
  readonly hasLineBreaks: boolean;
}

/**
 * Prepares a request for an upstream server.
 * @param other an edit besides those of id and token
 */
export function outbound(message: ClientMessage, upstreamId: number, other?: Edit): Outbound {
  const upstream = encoder.encode(String(upstreamId));
  const id = at(findMember(message.bytes, message.members, ID)!, upstream);
  const token = progressTokenOf(message);
  return {
    body: edited(message.bytes, inOrder(id, token && at(token, upstream), other)),
    ids: {
      upstream,
      client: message.id,
      progressToken: token && message.bytes.slice(token.start, token.end),
    },
  };
}

function progressTokenOf(message: ClientMessage): Member | undefined {
  const params = findMember(message.bytes, message.members, PARAMS);
  if (params === undefined || !hasProgressToken(message.params?._meta)) return undefined;
  const meta = within(message.bytes, params, META);
  return meta && within(message.bytes, meta, PROGRESS_TOKEN);
}

/**
 * Checks one message from the upstream server and gives it the client's ids.
 * @param isOwned whether the message's memory may be overwritten
 * @throws {GatewayError} `upstream_protocol` when it is not one well-formed JSON-RPC message, or
 *   does not belong on the reply to this request
 */
export function inbound(
  bytes: Uint8Array,
  request: ClientMessage,
  ids: RelayIds,
  isOwned = false,
): Inbound {
  const scan = scanUpstream(bytes);
  const found = sortMembers(bytes, scan.members);
  const { hasLineBreaks } = scan;
  if (found.method !== undefined) {
    // Revision 2026-07-28 has no requests from server to client.
    if (found.id !== undefined) throw broken("a request where only answers are allowed");
    const message = notification(bytes, found, request, ids);
    return { message, isFinal: false, isError: false, hasLineBreaks };
  }
  if (found.id === undefined || !equal(bytes, found.id, ids.upstream)) {
    throw broken("an answer to another request");
  }
  checkResponse(bytes, found);
  const idEdit = at(found.id, ids.client);
  const other = found.result && resultEdit(bytes, found.result, request, ids);
  const isError = found.error !== undefined;
  const message = isOwned && other === undefined
    ? editedInPlace(bytes, idEdit)
    : edited(bytes, inOrder(idEdit, other));
  return { message, isFinal: true, isError, hasLineBreaks };
}

/**
 * The error that an upstream server answered with a 4xx before it knew the id. Elsewhere an answer
 * without our id is refused; here the status says that it can only mean this request.
 */
export function withUnknownId(bytes: Uint8Array, clientId: Uint8Array): Inbound | undefined {
  const scan = scanUpstream(bytes);
  const found = sortMembers(bytes, scan.members);
  if (found.error === undefined || found.result !== undefined) return undefined;
  if (!isRpcError(bytes, found.error)) return undefined;
  if (found.id !== undefined && !equal(bytes, found.id, NULL)) return undefined;
  const first = bytes.indexOf(0x7b) + 1;
  const edit = found.id === undefined
    ? { start: first, end: first, value: encoder.encode(`"id":${decoder.decode(clientId)},`) }
    : at(found.id, clientId);
  const { hasLineBreaks } = scan;
  return { message: edited(bytes, [edit]), isFinal: true, isError: true, hasLineBreaks };
}

function notification(
  bytes: Uint8Array,
  found: Found,
  request: ClientMessage,
  ids: RelayIds,
): Uint8Array | undefined {
  // Over HTTP only clients cancel, and by closing the stream.
  if (isText(bytes, found.method!, CANCELLED)) return undefined;
  if (found.params === undefined) return bytes;
  if (isText(bytes, found.method!, PROGRESS)) {
    const token = within(bytes, found.params, PROGRESS_TOKEN);
    const isOurs = token !== undefined && equal(bytes, token, ids.upstream);
    if (!isOurs || ids.progressToken === undefined) return undefined;
    return edited(bytes, [at(token, ids.progressToken)]);
  }
  if (request.method !== "subscriptions/listen") return bytes;
  const edit = subscriptionEdit(bytes, found.params, ids);
  return edit === undefined ? bytes : edited(bytes, [edit]);
}

function resultEdit(
  bytes: Uint8Array,
  result: Member,
  request: ClientMessage,
  ids: RelayIds,
): Edit | undefined {
  if (request.method === "subscriptions/listen") return subscriptionEdit(bytes, result, ids);
  if (request.method !== "server/discover") return undefined;
  const versions = within(bytes, result, SUPPORTED_VERSIONS);
  return versions && at(versions, SERVED);
}

/** Every message of a subscription names it by the id of the request that opened it. */
function subscriptionEdit(bytes: Uint8Array, holder: Member, ids: RelayIds): Edit | undefined {
  const meta = within(bytes, holder, META);
  const id = meta && within(bytes, meta, SUBSCRIPTION_ID);
  const isOurs = id !== undefined && equal(bytes, id, ids.upstream);
  return isOurs ? at(id, ids.client) : undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NULL = encoder.encode("null");
const PROGRESS = nameOf("notifications/progress");
const ID = nameOf("id");
const PARAMS = nameOf("params");
const META = nameOf("_meta");
const PROGRESS_TOKEN = nameOf("progressToken");
const SUPPORTED_VERSIONS = nameOf("supportedVersions");
const SUBSCRIPTION_ID = nameOf(META_SUBSCRIPTION_ID);
const CANCELLED = nameOf("notifications/cancelled");
const SERVED = encoder.encode(JSON.stringify(STATELESS_REVISIONS));

/** Whether there is one that is correct; a wrong one is for the upstream server to refuse. */
function hasProgressToken(meta: unknown): boolean {
  const token = isObject(meta) ? meta.progressToken : undefined;
  return typeof token === "string" || Number.isInteger(token);
}

function inOrder(...edits: readonly (Edit | undefined)[]): readonly Edit[] {
  const some = edits.filter((edit) => edit !== undefined);
  return some.length === 1 ? some : some.sort((a, b) => a.start - b.start);
}

function at(member: Member, value: Uint8Array): Edit {
  return { start: member.start, end: member.end, value };
}

/**
 * The end of a subscription that no client asked for: an ordinary result.
 * @see MCP 2026-07-28, Utilities, "Subscriptions"
 */
export function subscriptionEnd(id: Uint8Array): Uint8Array {
  const text = decoder.decode(id);
  const _meta = `"_meta":{"${META_SUBSCRIPTION_ID}":${text}}`;
  return encoder.encode(
    `{"jsonrpc":"2.0","id":${text},"result":{"resultType":"complete",${_meta}}}`,
  );
}
