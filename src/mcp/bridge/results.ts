/**
 * What a server of the session era says during a call, as a client of the stateless era is told it.
 *
 * Members are added, and those taken away that only a server of the client's era may set; all other
 * bytes stay.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Results"; Utilities, "Caching"
 */
import type { Renamed } from "../../catalog/view.ts";
import { type Edit, edited, inOrder } from "../edit.ts";
import { findMember, hasName, type Member, membersAt, nameOf } from "../json_scan.ts";
import { INVALID_PARAMS } from "../message.ts";
import { META_SERVER_INFO, META_SUBSCRIPTION_ID } from "../revisions/stateless_era.ts";
import { withRenamedUris } from "../view/uris.ts";
import { type Answer, within } from "../upstream_message.ts";
import { headerFlawEdits } from "../param_headers.ts";
import { withoutMembers } from "../removal.ts";
import { insertion, metaEdits } from "./splice.ts";

/** The request of the client that is being answered now. */
export interface Asker {
  readonly method: string;
  /** As the client wrote it. */
  readonly id: Uint8Array;
  /** As the client wrote it; `undefined` when it wants no progress. */
  readonly progressToken: Uint8Array | undefined;
  /** The least severe level that it wants; `undefined` for no log messages at all. */
  readonly logLevel: string | undefined;
  /** Set where URIs of the server have aliases. */
  readonly renamed: Renamed | undefined;
}

export const LOG_LEVELS = "debug info notice warning error critical alert emergency".split(" ");

/** Results of these say how long they may be kept. */
const CACHED: ReadonlySet<string> = new Set([
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
]);

/** Of the session, or of an era that is not the client's. */
const DROPPED: ReadonlySet<string> = new Set([
  "notifications/cancelled",
  "notifications/elicitation/complete",
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
  "notifications/tasks/status",
]);

/**
 * A notification on a call's stream; `undefined` for what is not for this client.
 * @param bytes a message that was checked
 */
export function notificationFor(bytes: Uint8Array, asker: Asker): Uint8Array | undefined {
  const members = membersAt(bytes, bytes.indexOf(OPEN_BRACE));
  const method = textOf(bytes, findMember(bytes, members, METHOD)!);
  if (DROPPED.has(method)) return undefined;
  const params = findMember(bytes, members, PARAMS);
  if (method === "notifications/message" && !isWanted(bytes, params, asker.logLevel)) {
    return undefined;
  }
  let message = bytes;
  if (method === "notifications/progress") {
    const token = params && within(bytes, params, PROGRESS_TOKEN);
    if (token === undefined || asker.progressToken === undefined) return undefined;
    message = edited(bytes, [{ start: token.start, end: token.end, value: asker.progressToken }]);
  }
  return asker.renamed === undefined ? message : withRenamedUris(message, asker.renamed);
}

function isWanted(
  bytes: Uint8Array,
  params: Member | undefined,
  wanted: string | undefined,
): boolean {
  const level = params && within(bytes, params, LEVEL);
  if (wanted === undefined || level === undefined) return false;
  return LOG_LEVELS.indexOf(textOf(bytes, level)) >= LOG_LEVELS.indexOf(wanted);
}

/**
 * A result with the client's id and what the client's era asks for.
 * @param serverInfo the server's own, as JSON text; `undefined` when it gave none
 */
export function resultFor(
  { bytes, id: idMember, result }: Answer,
  { method, id, renamed }: Asker,
  serverInfo: string | undefined,
): Uint8Array {
  const { start: at, parts: inResult } = result!;
  const texts = ['"resultType":"complete"'];
  if (CACHED.has(method)) texts.push('"ttlMs":0,"cacheScope":"private"');
  const meta = serverInfo === undefined
    ? undefined
    : metaEdits(bytes, inResult, SERVER_INFO, serverInfo);
  if (meta?.text) texts.push(meta.text);
  const isGone = (member: Member) =>
    OURS.some((name) => hasName(bytes, member, name)) ||
    (meta?.isReplaced === true && hasName(bytes, member, META));
  const edits: Edit[] = [
    replaced(idMember, id),
    insertion(at, texts.join(), !inResult.every(isGone)),
    ...withoutMembers(inResult, isGone),
    ...meta?.edits ?? [],
    ...(method === "tools/list" ? headerFlawEdits(bytes, inResult) : []),
  ];
  const message = edited(bytes, inOrder(edits));
  return renamed === undefined ? message : withRenamedUris(message, renamed);
}

/** An error with the client's id and the codes of its era. */
export function errorFor(
  { bytes, id: idMember, error }: Answer,
  { id }: Pick<Asker, "id">,
): { readonly message: Uint8Array; readonly code: number } {
  const member = findMember(bytes, error!.parts, CODE)!;
  const code = Number(decoder.decode(bytes.subarray(member.start, member.end)));
  const edits = [replaced(idMember, id)];
  if (code === RESOURCE_NOT_FOUND) {
    edits.push(replaced(member, encoder.encode(String(INVALID_PARAMS))));
  }
  return { message: edited(bytes, inOrder(edits)), code };
}

/** A notification as one of a subscription. */
export function stamped(bytes: Uint8Array, listenId: Uint8Array): Uint8Array {
  const id = decoder.decode(listenId);
  const at = bytes.indexOf(OPEN_BRACE);
  const members = membersAt(bytes, at);
  const params = findMember(bytes, members, PARAMS);
  if (params === undefined || bytes[params.start] !== OPEN_BRACE) {
    const text = `"params":{"_meta":{"${META_SUBSCRIPTION_ID}":${id}}}`;
    const isParams = (member: Member) => member === params;
    return edited(
      bytes,
      inOrder([insertion(at, text, true), ...withoutMembers(members, isParams)]),
    );
  }
  const inParams = membersAt(bytes, params.start);
  const { edits, text, isReplaced } = metaEdits(bytes, inParams, SUBSCRIPTION_ID, id);
  const isGone = (member: Member) => isReplaced && hasName(bytes, member, META);
  const added = text === "" ? [] : [insertion(params.start, text, !inParams.every(isGone))];
  return edited(bytes, inOrder([...added, ...withoutMembers(inParams, isGone), ...edits]));
}

/** Whether a response is an error, or its result says that the tool has failed. */
export function failureOf({ bytes, result }: Answer): "error" | "failed tool" | undefined {
  if (result === undefined) return "error";
  const isError = findMember(bytes, result.parts, IS_ERROR);
  return isError !== undefined && bytes[isError.start] === LETTER_T ? "failed tool" : undefined;
}

/** Whether a failure is the gateway's own: nothing that the server has decided. */
export function isOfGateway({ bytes }: Answer): boolean {
  const { error, result } = JSON.parse(decoder.decode(bytes));
  if (error !== undefined) return error.code <= -31_000 && error.code > -31_100;
  return result?._meta?.["dev.sallyport/failure"] !== undefined;
}

function replaced({ start, end }: Member, value: Uint8Array): Edit {
  return { start, end, value };
}

function textOf(bytes: Uint8Array, { start, end }: Member): string {
  return String(JSON.parse(decoder.decode(bytes.subarray(start, end))));
}

/** @see MCP 2025-11-25, Server Features, "Resources", "Error Handling" */
const RESOURCE_NOT_FOUND = -32002;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const OPEN_BRACE = 0x7b;
const LETTER_T = 0x74;
const METHOD = nameOf("method");
const PARAMS = nameOf("params");
const CODE = nameOf("code");
const META = nameOf("_meta");
const SERVER_INFO = nameOf(META_SERVER_INFO);
const SUBSCRIPTION_ID = nameOf(META_SUBSCRIPTION_ID);
const LEVEL = nameOf("level");
const IS_ERROR = nameOf("isError");
const PROGRESS_TOKEN = nameOf("progressToken");
/** A server of the session era means something else by them, or nothing. */
const OURS = ["resultType", "ttlMs", "cacheScope", "inputRequests", "requestState"]
  .map((name) => nameOf(name));
