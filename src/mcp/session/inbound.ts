/**
 * Messages of an upstream server for the client of a session: checked, and unchanged but for the
 * ids of its requests and, for the few that had to be replaced, of its answers.
 *
 * @module
 */
import type { Renamed } from "../../catalog/view.ts";
import { LIMITS } from "../../domain/limits.ts";
import { edited, editedInPlace, onOneLine } from "../edit.ts";
import { type Member, nameOf } from "../json_scan.ts";
import { withUnknownId } from "../relay.ts";
import {
  type Answer,
  broken,
  checkResponse,
  equal,
  type Found,
  isText,
  scanUpstream,
  scanUpstreamDeep,
  sortMembers,
  within,
} from "../upstream_message.ts";
import { withRenamedUris } from "../view/uris.ts";
import { isIdText, toClient } from "./reverse.ts";

export interface SessionInbound {
  /** On one line. */
  readonly message: Uint8Array;
  readonly kind: "answer" | "request" | "notification";
  /** Of an answer. */
  readonly isError: boolean;
  /** Of a request: the server's own id, as JSON text. */
  readonly question: string | undefined;
  /** Of a notification: the question that the server takes back. */
  readonly withdrawn: string | undefined;
}

/** The id of the client's request, as the client and as the upstream server know it. */
export interface CallIds {
  readonly client: Uint8Array;
  readonly upstream: Uint8Array;
  /**
   * Set where the upstream session is shared: the progress token of the client, if it gave one.
   * Upstream the id is the token.
   */
  readonly shared?: { readonly progressToken: Uint8Array | undefined };
}

/** What is different for the client of a view. */
export interface InboundEdits {
  /** Set where URIs of the server have aliases. */
  readonly renamed: Renamed | undefined;
  /** Whether an update of this resource of the server's is for the client: some tell everybody. */
  readonly isShown?: ((uri: string) => boolean) | undefined;
}

/** An answer that was proven to be one well-formed response on one line, with the id of `CallIds`. */
export interface Proven {
  readonly message: Uint8Array;
  readonly isError: boolean;
}

export interface Origin {
  /** Slug of the upstream server. */
  readonly server: string;
  /** Which of its sessions, see `UpstreamState`. */
  readonly epoch: number;
  /** Whether a message's whole `ArrayBuffer` may be overwritten. */
  readonly isOwned: boolean;
  /** HTTP status of the reply that it came on. */
  readonly status: number;
  /** Set for a view. */
  readonly edits?: InboundEdits | undefined;
  /** Needs no second look, if it is this message. */
  readonly proven?: Proven | undefined;
}

/**
 * @param ids of the request that is being answered; `undefined` on a stream of no request
 * @returns `undefined` for an answer on a stream of no request, and for progress of other calls on
 *   a shared session: nobody waits for those
 * @throws {GatewayError} `upstream_protocol` when it is not one well-formed JSON-RPC message, or
 *   answers another request
 */
export function sessionInbound(
  bytes: Uint8Array,
  ids: CallIds | undefined,
  origin: Origin,
): SessionInbound | undefined {
  const { proven, edits } = origin;
  if (proven?.message === bytes && ids?.client === ids?.upstream && !edits?.renamed) {
    const { message, isError } = proven;
    return { message, kind: "answer", isError, question: undefined, withdrawn: undefined };
  }
  const { members, hasLineBreaks } = scanUpstream(bytes);
  const found = sortMembers(bytes, members);
  const own = origin.isOwned ? bytes : bytes.slice();
  if (found.method !== undefined) {
    if (found.id !== undefined && !isQuestionId(bytes, found.id)) {
      throw broken("a request without a correct id");
    }
    // A view has lists of its own, and says itself when they have changed.
    if (origin.edits !== undefined && isListChange(bytes, found)) return undefined;
    if (origin.edits?.isShown !== undefined && isHidden(bytes, found, origin.edits.isShown)) {
      return undefined;
    }
    const relayed = ids?.shared !== undefined && found.id === undefined
      ? progressOf(own, found, ids)
      : toClient(own, found, origin);
    if (relayed === undefined) return undefined;
    const message = inView(relayed, origin);
    if (hasLineBreaks) onOneLine(message);
    const question = found.id && textOf(bytes, found.id);
    const kind = question === undefined ? "notification" : "request";
    const withdrawn = question === undefined ? withdrawnBy(bytes, found) : undefined;
    return { message, kind, isError: false, question, withdrawn };
  }
  if (ids === undefined) return undefined;
  const message = inView(answer(own, found, ids, origin), origin);
  if (hasLineBreaks) onOneLine(message);
  const isError = found.error !== undefined;
  return { message, kind: "answer", isError, question: undefined, withdrawn: undefined };
}

/**
 * The answer to this request, where what came is that and goes on as it is.
 * @returns `undefined` for everything else
 * @throws as `sessionInbound`
 */
export function plainAnswer(bytes: Uint8Array, ids: CallIds): Answer | undefined {
  const { members, hasLineBreaks } = scanUpstreamDeep(bytes);
  const found = sortMembers(bytes, members);
  const { method, id, result, error } = found;
  if (method !== undefined || id === undefined || hasLineBreaks) return undefined;
  if (!equal(bytes, id, ids.upstream) || !equal(bytes, id, ids.client)) return undefined;
  checkResponse(bytes, found);
  return { bytes, id, result, error };
}

function inView(message: Uint8Array, { edits }: Origin): Uint8Array {
  return edits?.renamed === undefined ? message : withRenamedUris(message, edits.renamed);
}

function isListChange(bytes: Uint8Array, { method }: Found): boolean {
  return LIST_CHANGES.some((name) => isText(bytes, method!, name));
}

function isHidden(
  bytes: Uint8Array,
  { method, params }: Found,
  isShown: (uri: string) => boolean,
): boolean {
  if (params === undefined || !isText(bytes, method!, UPDATED)) return false;
  const uri = within(bytes, params, URI);
  return uri !== undefined && bytes[uri.start] === QUOTE &&
    !isShown(JSON.parse(textOf(bytes, uri)));
}

const UPDATED = nameOf("notifications/resources/updated");
const URI = nameOf("uri");
const LIST_CHANGES = ["tools", "prompts", "resources"]
  .map((list) => nameOf(`notifications/${list}/list_changed`));

function isQuestionId(bytes: Uint8Array, id: Member): boolean {
  return id.end - id.start <= LIMITS.questionIdBytes && isIdText(textOf(bytes, id));
}

/** The id in a cancellation, as JSON text. */
function withdrawnBy(bytes: Uint8Array, found: Found): string | undefined {
  if (found.params === undefined || !isText(bytes, found.method!, CANCELLED)) return undefined;
  const id = within(bytes, found.params, REQUEST_ID);
  return id && textOf(bytes, id);
}

/** Progress with the client's token; other notifications as they are. */
function progressOf(bytes: Uint8Array, found: Found, ids: CallIds): Uint8Array | undefined {
  if (found.params === undefined || !isText(bytes, found.method!, PROGRESS)) return bytes;
  const token = within(bytes, found.params, PROGRESS_TOKEN);
  const value = ids.shared?.progressToken;
  if (token === undefined || value === undefined || !equal(bytes, token, ids.upstream)) {
    return undefined;
  }
  return edited(bytes, [{ start: token.start, end: token.end, value }]);
}

function answer(bytes: Uint8Array, found: Found, ids: CallIds, origin: Origin): Uint8Array {
  if (found.id === undefined || !isSame(bytes, found.id, ids.upstream)) {
    // The status says that the error can only mean this request.
    const refusal = origin.status >= 400 ? withUnknownId(bytes, ids.client) : undefined;
    if (refusal?.message === undefined) throw broken("an answer to another request");
    return refusal.message;
  }
  checkResponse(bytes, found);
  if (equal(bytes, found.id, ids.client)) return bytes;
  const edit = { start: found.id.start, end: found.id.end, value: ids.client };
  return bytes.byteLength < bytes.buffer.byteLength
    ? editedInPlace(bytes, edit)
    : edited(bytes, [edit]);
}

/** Texts may be spelled in several ways. */
function isSame(bytes: Uint8Array, id: Member, expected: Uint8Array): boolean {
  if (equal(bytes, id, expected)) return true;
  if (bytes[id.start] !== QUOTE || expected[0] !== QUOTE) return false;
  return JSON.parse(textOf(bytes, id)) === JSON.parse(decoder.decode(expected));
}

const CANCELLED = nameOf("notifications/cancelled");
const REQUEST_ID = nameOf("requestId");
const PROGRESS = nameOf("notifications/progress");
const PROGRESS_TOKEN = nameOf("progressToken");
const QUOTE = 0x22;
const decoder = new TextDecoder();

function textOf(bytes: Uint8Array, { start, end }: Member): string {
  return decoder.decode(bytes.subarray(start, end));
}
