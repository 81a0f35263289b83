/**
 * What servers of the stateless era say, as servers of the session era would say it: ids and
 * progress tokens are those of the client's message again, and what only the other era has is taken
 * out. All other bytes stay.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Results"; Server Features
 */
import { GatewayError } from "../../../domain/errors.ts";
import { flawOfHeaders } from "../../../catalog/header_annotations.ts";
import { type Edit, edited, editedAround, inOrder, onOneLine } from "../../edit.ts";
import {
  type DeepMember,
  findMember,
  hasName,
  type Member,
  membersAt,
  nameOf,
  type Span,
} from "../../json_scan.ts";
import { INVALID_PARAMS } from "../../message.ts";
import { withUnknownId } from "../../relay.ts";
import { withoutMembers, withoutParts } from "../../removal.ts";
import { HEADER_MISMATCH, UNSUPPORTED_VERSION } from "../../revisions/stateless_era.ts";
import {
  broken,
  checkResponse,
  equal,
  type Found,
  isText,
  scanUpstreamDeep,
  sortMembers,
  within,
} from "../../upstream_message.ts";
import { RESOURCE_NOT_FOUND } from "../../view/routing.ts";
import { schemaEdits, toolsIn } from "../../view/session_lists.ts";
import { memberAt, type RoundIds, sliceOf, textAt, textOf } from "./request.ts";

/** What came on the reply to one request. */
export type Heard =
  /** Not this client's: it is dropped. */
  | { readonly kind: "nothing" }
  | { readonly kind: "notification"; readonly message: Uint8Array }
  /** @param isOfOtherEra whether a server of the stateless era would not say so */
  | {
    readonly kind: "answer";
    readonly message: Uint8Array;
    readonly isError: boolean;
    readonly isOfOtherEra: boolean;
  }
  /** The server did not read the request: headers and body do not agree. */
  | { readonly kind: "mismatch" }
  /** The server needs something from the client first: the result that says so. */
  | { readonly kind: "input required"; readonly bytes: Uint8Array; readonly result: Member };

export interface Round {
  readonly method: string;
  readonly ids: RoundIds;
  /** HTTP status of the reply. */
  readonly status: number;
  /** Whether a message's whole `ArrayBuffer` may be overwritten. */
  readonly isOwned: boolean;
}

/**
 * @throws {GatewayError} `upstream_protocol` when it is not one well-formed message that belongs
 *   here, or a result that no client of a session could understand
 */
export function heardOn(bytes: Uint8Array, round: Round): Heard {
  const { members, hasLineBreaks } = scanUpstreamDeep(bytes);
  const found = sortMembers(bytes, members);
  const { ids } = round;
  if (found.method !== undefined) {
    if (found.id !== undefined) throw broken("a request where only answers are allowed");
    return notification(bytes, found, ids);
  }
  if (found.id === undefined || !equal(bytes, found.id, ids.upstream)) {
    const refusal = round.status >= 400 ? withUnknownId(bytes, ids.client)?.message : undefined;
    if (refusal === undefined) throw broken("an answer to another request");
    return refused(refusal, sortMembers(refusal, scanUpstreamDeep(refusal).members), round);
  }
  checkResponse(bytes, found);
  const heard = found.error === undefined
    ? answered(bytes, found, round)
    : refused(bytes, found, round);
  if (hasLineBreaks && heard.kind === "answer") onOneLine(heard.message);
  return heard;
}

function notification(bytes: Uint8Array, found: Found, { upstream, token }: RoundIds): Heard {
  const method = found.method!;
  // Over HTTP only clients cancel, and by closing the stream.
  if (isText(bytes, method, CANCELLED)) return NOTHING;
  if (!isText(bytes, method, PROGRESS)) return { kind: "notification", message: bytes };
  const own = found.params && within(bytes, found.params, PROGRESS_TOKEN);
  if (own === undefined || token === undefined || !equal(bytes, own, upstream)) return NOTHING;
  const message = edited(bytes, [{ start: own.start, end: own.end, value: token }]);
  return { kind: "notification", message };
}

function answered(
  bytes: Uint8Array,
  found: Found<DeepMember>,
  { method, ids, isOwned }: Round,
): Heard {
  const result = found.result!;
  const type = findMember(bytes, result.parts, RESULT_TYPE);
  if (type !== undefined && !isText(bytes, type, COMPLETE)) {
    if (isText(bytes, type, INPUT_REQUIRED)) {
      return { kind: "input required", bytes: bytes.slice(), result };
    }
    if (isText(bytes, type, TASK)) throw taskAnswer();
    throw broken("a result of an unknown type");
  }
  const edits = withoutMembers(result.parts, (member) => isOfOtherEraOnly(bytes, member, method));
  if (method === "tools/list") edits.push(...toolEdits(bytes, result));
  edits.push({ ...spanOf(found.id!), value: ids.client });
  const message = (isOwned ? editedAround : edited)(bytes, inOrder(edits));
  return { kind: "answer", message, isError: false, isOfOtherEra: false };
}

/** Members of a result that only the stateless era has, or has so. */
function isOfOtherEraOnly(bytes: Uint8Array, member: Member, method: string): boolean {
  if (hasName(bytes, member, RESULT_TYPE)) return true;
  if (CACHED.has(method)) return CACHE_HINTS.some((name) => hasName(bytes, member, name));
  // Elsewhere it is an object only; the same stands in `content` as text.
  return method === "tools/call" && bytes[member.start] !== OPEN &&
    hasName(bytes, member, STRUCTURED_CONTENT);
}

/** Without what these clients cannot read, and tools that a client over HTTP must leave out. */
function toolEdits(bytes: Uint8Array, result: Member): readonly Edit[] {
  const tools = toolsIn(bytes, result);
  const flawed = new Set(tools.filter((tool) => isFlawed(bytes, tool)));
  return [
    ...withoutParts(tools, (tool) => flawed.has(tool)),
    ...schemaEdits(bytes, tools.filter((tool) => !flawed.has(tool))),
  ];
}

function isFlawed(bytes: Uint8Array, { start, end }: Span): boolean {
  const schema = within(bytes, { start, end, nameStart: start, nameEnd: start }, INPUT_SCHEMA);
  if (schema === undefined) return false;
  const text = textOf(bytes, schema);
  return text.includes("mcp-header") && flawOfHeaders(JSON.parse(text)) !== undefined;
}

function refused(
  bytes: Uint8Array,
  found: Found<DeepMember>,
  { method, ids, status }: Round,
): Heard {
  const error = found.error!;
  const code = findMember(bytes, error.parts, CODE)!;
  const value = Number(textOf(bytes, code));
  if (value === HEADER_MISMATCH) return { kind: "mismatch" };
  const edits: Edit[] = [{ ...spanOf(found.id!), value: ids.client }];
  if (value === INVALID_PARAMS && isMissingResource(bytes, error, method)) {
    edits.push({ ...spanOf(code), value: NOT_FOUND });
  }
  const isOfOtherEra = value === UNSUPPORTED_VERSION ||
    (status >= 400 && value > HEADER_MISMATCH && value <= -32000);
  return { kind: "answer", message: edited(bytes, inOrder(edits)), isError: true, isOfOtherEra };
}

/** One code says that there is no such resource, and that the parameters are wrong. */
function isMissingResource(bytes: Uint8Array, error: Member, method: string): boolean {
  if (method !== "resources/read") return false;
  if (textAt(bytes, error, [DATA, URI]) !== undefined) return true;
  return /not found|unknown resource|no such resource/i.test(textAt(bytes, error, [MESSAGE]) ?? "");
}

/** What a server asks for, by its own key. */
export interface Wanted {
  /** JSON text. */
  readonly key: Uint8Array;
  readonly method: string;
  /** JSON text; `undefined` for none. */
  readonly params: Uint8Array | undefined;
}

/** JSON texts of `inputRequests` and `requestState`. @throws {GatewayError} `upstream_protocol` */
export function inputOf(bytes: Uint8Array, result: Member): {
  readonly wanted: readonly Wanted[];
  readonly requestState: Uint8Array | undefined;
} {
  const requests = within(bytes, result, INPUT_REQUESTS);
  const state = within(bytes, result, REQUEST_STATE);
  if (requests === undefined && state === undefined) throw broken("a question without a question");
  if (state !== undefined && bytes[state.start] !== 0x22) throw broken("a state that is no text");
  if (requests !== undefined && bytes[requests.start] !== OPEN) throw broken("a broken question");
  const members = requests === undefined ? [] : membersAt(bytes, requests.start);
  const wanted = members.map((member) => {
    const method = textAt(bytes, member, [METHOD]);
    if (method === undefined || !QUESTIONS.includes(method)) throw broken("a broken question");
    const params = memberAt(bytes, member, [PARAMS]);
    if (params !== undefined && bytes[params.start] !== OPEN) throw broken("a broken question");
    return {
      key: bytes.slice(member.nameStart, member.nameEnd),
      method,
      params: params && sliceOf(bytes, params),
    };
  });
  return { wanted, requestState: state && sliceOf(bytes, state) };
}

function taskAnswer(): GatewayError {
  const text = "The upstream server made a task of it, which clients of sessions cannot follow";
  return new GatewayError("upstream_protocol", text);
}

function spanOf({ start, end }: Member): Omit<Edit, "value"> {
  return { start, end };
}

const NOTHING: Heard = { kind: "nothing" };
const OPEN = 0x7b;
const QUESTIONS = ["elicitation/create", "sampling/createMessage", "roots/list"];
/** Results that may be kept for a while. */
const CACHED: ReadonlySet<string> = new Set([
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
]);
const CACHE_HINTS = ["ttlMs", "cacheScope"].map((name) => nameOf(name));
const NOT_FOUND = new TextEncoder().encode(String(RESOURCE_NOT_FOUND));
const CANCELLED = nameOf("notifications/cancelled");
const PROGRESS = nameOf("notifications/progress");
const PROGRESS_TOKEN = nameOf("progressToken");
const RESULT_TYPE = nameOf("resultType");
const COMPLETE = nameOf("complete");
const INPUT_REQUIRED = nameOf("input_required");
const TASK = nameOf("task");
const STRUCTURED_CONTENT = nameOf("structuredContent");
const INPUT_SCHEMA = nameOf("inputSchema");
const CODE = nameOf("code");
const DATA = nameOf("data");
const URI = nameOf("uri");
const MESSAGE = nameOf("message");
const METHOD = nameOf("method");
const PARAMS = nameOf("params");
const INPUT_REQUESTS = nameOf("inputRequests");
const REQUEST_STATE = nameOf("requestState");
