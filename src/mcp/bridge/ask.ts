/**
 * What a server of the session era asks its client during a call, and how a client of the stateless
 * era is asked the same: as input that the call requires.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Multi Round-Trip Requests"
 */
import { LIMITS } from "../../domain/limits.ts";
import { edited, inOrder } from "../edit.ts";
import { findMember, hasName, type Member, membersAt, nameOf } from "../json_scan.ts";
import { type ClientMessage, isObject, type JsonObject } from "../message.ts";
import { META_SERVER_INFO } from "../revisions/stateless_era.ts";
import { questionOf } from "../session/reverse.ts";
import { isText, within } from "../upstream_message.ts";
import { requiredFor } from "./capabilities.ts";
import { withoutMembers } from "../removal.ts";

/** One question. */
export interface Ask {
  /** Among the questions of its call. */
  readonly key: string;
  /** JSON text of the id that names server and session, see `reverse.ts`. */
  readonly id: string;
  /** The server's own id, as JSON text. */
  readonly own: string;
  readonly method: string;
  /** What a client has to declare for it; `undefined` for what no client can be asked. */
  readonly required: JsonObject | undefined;
  /** The question as one of `inputRequests`, JSON text. */
  readonly request: string;
}

/**
 * @param bytes a request of a server that was checked, under the id that names the server;
 *   `undefined` for what is no request
 */
export function askOf(bytes: Uint8Array, key: string): Ask | undefined {
  const members = membersAt(bytes, bytes.indexOf(OPEN_BRACE));
  const idMember = findMember(bytes, members, ID);
  if (idMember === undefined) return undefined;
  const id = decoder.decode(bytes.subarray(idMember.start, idMember.end));
  const own = questionOf(JSON.parse(id))!.id;
  const { start, end } = findMember(bytes, members, METHOD)!;
  const method = String(JSON.parse(decoder.decode(bytes.subarray(start, end))));
  const at = findMember(bytes, members, PARAMS);
  const params: unknown = at && JSON.parse(decoder.decode(bytes.subarray(at.start, at.end)));
  const known = isObject(params) ? params : {};
  const text = at === undefined ? "" : `,"params":${paramsText(bytes.subarray(at.start, at.end))}`;
  const request = `{"method":${JSON.stringify(method)}${text}}`;
  return { key, id, own, method, required: requiredFor(method, known), request };
}

/** The question that a notification takes back: the server's own id, as JSON text. */
export function withdrawnBy(bytes: Uint8Array): string | undefined {
  const members = membersAt(bytes, bytes.indexOf(OPEN_BRACE));
  const method = findMember(bytes, members, METHOD);
  const params = findMember(bytes, members, PARAMS);
  if (method === undefined || params === undefined) return undefined;
  if (!isText(bytes, method, CANCELLED)) return undefined;
  const id = within(bytes, params, REQUEST_ID);
  return id && decoder.decode(bytes.subarray(id.start, id.end));
}

/** Without what only sessions have. */
function paramsText(bytes: Uint8Array): string {
  const members = membersAt(bytes, 0);
  const meta = findMember(bytes, members, META);
  const inMeta = meta === undefined ? [] : membersAt(bytes, meta.start);
  const isToken = (member: Member) => hasName(bytes, member, PROGRESS_TOKEN);
  const isEmpty = inMeta.every(isToken);
  const edits = [
    ...withoutMembers(
      members,
      (member) =>
        (isEmpty && member === meta) || OF_SESSIONS.some((name) => hasName(bytes, member, name)),
    ),
    ...(isEmpty ? [] : withoutMembers(inMeta, isToken)),
  ];
  return decoder.decode(edited(bytes, inOrder(edits)));
}

/** The answer that the client gives in another round; `undefined` when it gives none. */
export function answerIn(message: ClientMessage, key: string): string | undefined {
  const params = findMember(message.bytes, message.members, PARAMS);
  const responses = params && within(message.bytes, params, INPUT_RESPONSES);
  const response = responses && within(message.bytes, responses, nameOf(key));
  return response && decoder.decode(message.bytes.subarray(response.start, response.end));
}

/** Whether what a client gives as answers can be such: an object of objects. */
export function areAnswers(responses: unknown): boolean {
  return responses === undefined ||
    (isObject(responses) && Object.values(responses).every(isObject));
}

/** The result with which a client is asked. */
export function inputRequired(
  id: Uint8Array,
  asks: readonly Pick<Ask, "key" | "request">[],
  requestState: string,
  serverInfo: string | undefined,
): Uint8Array<ArrayBuffer> {
  const requests = asks.map(({ key, request }) => `${JSON.stringify(key)}:${request}`).join();
  const meta = serverInfo === undefined ? "" : `,"_meta":{"${META_SERVER_INFO}":${serverInfo}}`;
  return encoder.encode(
    `{"jsonrpc":"2.0","id":${decoder.decode(id)},"result":{"resultType":"input_required",` +
      `"inputRequests":{${requests}},"requestState":"${requestState}"${meta}}}`,
  );
}

/**
 * The URLs that error -32042 wants opened, as questions; `undefined` for what is no such error.
 * @see MCP 2025-11-25, Client Features, "Elicitation", "URL Elicitation Required Error"
 */
export function urlAsks(bytes: Uint8Array): readonly Pick<Ask, "key" | "request">[] | undefined {
  const { error } = JSON.parse(decoder.decode(bytes));
  const wanted = isObject(error?.data) ? error.data.elicitations : undefined;
  if (!Array.isArray(wanted) || wanted.length === 0 || wanted.length > LIMITS.urlQuestions) {
    return undefined;
  }
  if (!wanted.every((one) => isObject(one) && typeof one.url === "string")) return undefined;
  return wanted.map(({ elicitationId: _, mode: _mode, ...params }: JsonObject, i) => ({
    key: `url-${i + 1}`,
    request: JSON.stringify({ method: "elicitation/create", params: { mode: "url", ...params } }),
  }));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const OPEN_BRACE = 0x7b;
const ID = nameOf("id");
const METHOD = nameOf("method");
const PARAMS = nameOf("params");
const META = nameOf("_meta");
const PROGRESS_TOKEN = nameOf("progressToken");
const INPUT_RESPONSES = nameOf("inputResponses");
const REQUEST_ID = nameOf("requestId");
const CANCELLED = nameOf("notifications/cancelled");
const OF_SESSIONS = ["elicitationId", "task"].map((name) => nameOf(name));
