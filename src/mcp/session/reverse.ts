/**
 * Requests that run from an upstream server to the client (sampling, elicitation, roots): their ids
 * name the server, so that the answer finds its way back on any replica, and servers that count
 * alike do not clash.
 *
 * `"sallyport:files:1:7"` is request 7 of the server `files` in its first session; the last part is
 * the server's own id as JSON text. (A server that has lost its session counts anew: the answer to a
 * question of the old one must not be taken for that to a question of the new.) The same prefix marks requests of the gateway's own to a server,
 * which is why client ids that begin with it are escaped.
 *
 * @module
 * @see MCP 2025-11-25, Base Protocol, "Messages"
 */
import { type Edit, edited, inOrder } from "../edit.ts";
import { findMember, type Member, nameOf } from "../json_scan.ts";
import type { ClientMessage } from "../message.ts";
import { type Found, isText, within } from "../upstream_message.ts";

const PREFIX = "sallyport:";
const ESCAPED = `${PREFIX}~`;
const NAMED = /^([^:]+):(\d{1,9}):(.+)$/s;
const QUOTE = 0x22;
/** Fewer digits are always exact in floating point. */
const UNSAFE_DIGITS = 16;

/** The id of a request of the gateway's own, unlike any that a client may send. */
export function ownId(what: string): string {
  return `${PREFIX}${what}`;
}

/**
 * A client's id as it goes upstream: unchanged, but for those that look like our own, and integers
 * that a server which reads them as floating point would not give back.
 */
export function upstreamIdOf(id: Uint8Array): Uint8Array {
  const text = decoder.decode(id);
  if (text.charCodeAt(0) !== QUOTE) {
    if (text.length < UNSAFE_DIGITS && text !== "-0") return id;
    return Number.isSafeInteger(Number(text)) && text !== "-0" ? id : escapedId(text);
  }
  if (!text.startsWith(`"${PREFIX}`) && !text.includes("\\")) return id;
  const value: string = JSON.parse(text);
  return value.startsWith(PREFIX) ? escapedId(value) : id;
}

function escapedId(text: string): Uint8Array {
  return encoder.encode(JSON.stringify(ESCAPED + text));
}

/** What two spellings of one id have in common. */
export function idKey(id: Uint8Array): string {
  const text = decoder.decode(id);
  return text.includes("\\") ? JSON.stringify(JSON.parse(text)) : text;
}

/** What was asked, and where an answer to it belongs. */
export interface Question {
  /** Slug of the upstream server. */
  readonly server: string;
  /** Which of its sessions, see `UpstreamState`. */
  readonly epoch: number;
  /** The server's own id, as JSON text. */
  readonly id: string;
}

/** The question that an id of ours names; `undefined` for other ids. */
export function questionOf(id: unknown): Question | undefined {
  if (typeof id !== "string" || !id.startsWith(PREFIX)) return undefined;
  const [, server, epoch, own] = NAMED.exec(id.slice(PREFIX.length)) ?? [];
  if (own === undefined || !isIdText(own)) return undefined;
  return { server: server!, epoch: Number(epoch), id: own };
}

/** Exactly one JSON text or number: it becomes part of a message as it stands. */
export function isIdText(text: string): boolean {
  if (!/^["\d-]/.test(text) || !/["\d]$/.test(text)) return false;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" || Number.isFinite(value);
  } catch {
    return false;
  }
}

/** What an upstream server said, for the client: ids of its requests name the server. */
export function toClient(
  bytes: Uint8Array,
  found: Found,
  { server, epoch }: Omit<Question, "id">,
): Uint8Array {
  const edits: Edit[] = [];
  const name = (member: Member | undefined) => {
    if (member !== undefined) edits.push(named(bytes, member, `${PREFIX}${server}:${epoch}:`));
  };
  if (found.id !== undefined) {
    name(found.id);
    const meta = found.params && within(bytes, found.params, META);
    name(meta && within(bytes, meta, PROGRESS_TOKEN));
  } else if (found.params !== undefined && isText(bytes, found.method!, CANCELLED)) {
    name(within(bytes, found.params, REQUEST_ID));
  }
  if (edits.length === 0) return bytes;
  return edited(bytes, inOrder(edits));
}

function named(bytes: Uint8Array, member: Member, prefix: string): Edit {
  const own = decoder.decode(bytes.subarray(member.start, member.end));
  const value = encoder.encode(JSON.stringify(prefix + own));
  return { start: member.start, end: member.end, value };
}

/** The answer to a question, with the server's own id. */
export function answerFor(message: ClientMessage, question: Question): Uint8Array {
  return withId(message, encoder.encode(question.id));
}

/** A message with another id. */
export function withId(message: ClientMessage, id: Uint8Array): Uint8Array {
  const { start, end } = findMember(message.bytes, message.members, ID)!;
  return edited(message.bytes, [{ start, end, value: id }]);
}

/**
 * A client's notification for an upstream server: progress of a question gets the token back that
 * the server gave, a cancelled request the id that it has upstream.
 */
export function notificationFor(message: ClientMessage): {
  /** What it belongs to; `undefined` for what belongs to no question. */
  readonly question: Question | undefined;
  readonly body: Uint8Array;
} {
  const { bytes, members, method } = message;
  const params = findMember(bytes, members, PARAMS);
  if (params !== undefined && method === "notifications/progress") {
    const token = within(bytes, params, PROGRESS_TOKEN);
    const question = questionOf(message.params?.progressToken);
    if (token !== undefined && question !== undefined) {
      const value = encoder.encode(question.id);
      const body = edited(bytes, [{ start: token.start, end: token.end, value }]);
      return { question, body };
    }
  }
  if (params !== undefined && method === "notifications/cancelled") {
    const id = within(bytes, params, REQUEST_ID);
    if (id !== undefined) {
      const value = upstreamIdOf(bytes.subarray(id.start, id.end));
      const body = edited(bytes, [{ start: id.start, end: id.end, value }]);
      return { question: undefined, body };
    }
  }
  return { question: undefined, body: bytes };
}

/** The key of the request that a client cancels; `undefined` when it names none. */
export function cancelledKey(message: ClientMessage): string | undefined {
  const params = findMember(message.bytes, message.members, PARAMS);
  const id = params && within(message.bytes, params, REQUEST_ID);
  return id && idKey(message.bytes.subarray(id.start, id.end));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const ID = nameOf("id");
const PARAMS = nameOf("params");
const META = nameOf("_meta");
const PROGRESS_TOKEN = nameOf("progressToken");
const REQUEST_ID = nameOf("requestId");
const CANCELLED = nameOf("notifications/cancelled");
