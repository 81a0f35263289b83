/**
 * Is this the answer to that request? Every answer gets the quick look, the first one on each connection
 * is read and compared in full.
 *
 * @module
 */

import type { Reply } from "./connection.ts";
import { SESSION_REVISION, textOf } from "./payload.ts";
import { recordResult } from "./record.ts";
import type { Expectation } from "./types.ts";

const PROGRESS = "notifications/progress";
const EDGE_BYTES = 512;
const TOOL_BYTES_MAX = 2_048;
const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Room that an answer of this kind can need on the wire, chunk sizes included. */
export function replyBytesMax(expect: Expectation): number {
  if (expect.kind === "progress") return expect.count * 1024 + 65_536;
  if (expect.kind === "tools") return expect.names.length * TOOL_BYTES_MAX + 65_536;
  return expect.bytes * 3 + 65_536;
}

/** Status, id, length and number of notifications; says what is wrong, or nothing. */
export function quickLook(reply: Reply, id: string, expect: Expectation): string | undefined {
  const { body } = reply;
  if (reply.status !== 200) return `status ${reply.status}: ${excerpt(body)}`;
  const head = latin1.decode(body.subarray(0, EDGE_BYTES));
  const tail = latin1.decode(body.subarray(-EDGE_BYTES));
  if (!hasId(head, id) && !hasId(tail, id)) return `no id ${id}: ${excerpt(body)}`;
  const [least, most] = lengthsOf(expect);
  if (body.length < least || body.length > most) {
    return `${body.length} bytes instead of ${least} to ${most}: ${excerpt(body)}`;
  }
  if (expect.kind === "progress") {
    const count = countOf(latin1.decode(body), PROGRESS);
    if (count !== expect.count) return `${count} notifications instead of ${expect.count}`;
  }
  return undefined;
}

/** Reads the whole answer and compares it with what the stub must have said. */
export function fullLook(reply: Reply, id: string, expect: Expectation): string | undefined {
  const messages = messagesOf(reply);
  const last = messages.at(-1);
  if (last?.id !== Number(id)) return `last message has id ${last?.id}, not ${id}`;
  const result = last.result;
  if (result === undefined) return `no result: ${excerpt(reply.body)}`;
  if (expect.kind === "text" && result.content?.[0]?.text !== textOf(expect.bytes)) {
    return "the text is not the stub's";
  }
  if (expect.kind === "record") {
    const { content, structuredContent } = result;
    const isSame = JSON.stringify({ content, structuredContent }) ===
      JSON.stringify(recordResult(expect.bytes));
    if (!isSame) return "the record is not the stub's";
  }
  if (expect.kind === "tools") {
    const names = result.tools?.map((tool) => tool.name).sort().join();
    if (names !== [...expect.names].sort().join()) return `the tools are ${names}`;
  }
  if (expect.kind === "progress") {
    const fault = expect.hasEventIds ? eventIdsFault(reply) : undefined;
    if (fault !== undefined) return fault;
    const inOrder = messages.slice(0, -1).every((message, index) =>
      message.method === PROGRESS && message.params?.progress === index + 1 &&
      message.params.progressToken === Number(id)
    );
    if (!inOrder || messages.length !== expect.count + 1) return "notifications out of order";
  }
  return undefined;
}

/** Whether a session was opened, and in the revision that was asked for. */
export function initializeFault(reply: Reply, id: string): string | undefined {
  if (reply.status !== 200) return `initialize: status ${reply.status}: ${excerpt(reply.body)}`;
  const answer = messagesOf(reply).at(-1);
  if (answer?.id !== Number(id)) return `initialize: no id ${id}: ${excerpt(reply.body)}`;
  const { protocolVersion, capabilities } = answer.result ?? {};
  if (protocolVersion !== SESSION_REVISION) return `initialize: revision ${protocolVersion}`;
  if (capabilities?.tools === undefined) return "initialize: no tools among the capabilities";
  // MCP 2025-11-25, Transports, "Session Management": visible ASCII.
  if (!/^[\x21-\x7e]+$/.test(reply.sessionId ?? "")) return "initialize: no session id";
  return undefined;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly progress?: number; readonly progressToken?: number };
  readonly result?: {
    readonly protocolVersion?: string;
    readonly capabilities?: { readonly tools?: object };
    readonly content?: readonly { readonly text?: string }[];
    readonly structuredContent?: unknown;
    readonly tools?: readonly { readonly name: string }[];
  };
}

/** The messages of a JSON body, or of all events of a stream. */
function messagesOf(reply: Reply): Message[] {
  const text = utf8.decode(reply.body);
  if (!reply.contentType.startsWith("text/event-stream")) return [JSON.parse(text)];
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(5).trim()).filter(Boolean).map((data) => JSON.parse(data));
}

/** Every event has an id, and no two the same. */
function eventIdsFault(reply: Reply): string | undefined {
  const events = utf8.decode(reply.body).split(/\r?\n\r?\n/).filter((it) => /^data:/m.test(it));
  const ids = events.map((event) => /^id: ?(.+)$/m.exec(event)?.[1]);
  const without = ids.filter((id) => id === undefined).length;
  if (without > 0) return `${without} of ${events.length} events without an id`;
  return new Set(ids).size === ids.length ? undefined : "two events with one id";
}

function lengthsOf(expect: Expectation): [least: number, most: number] {
  if (expect.kind === "text") return [expect.bytes, expect.bytes * 1.15 + 2048];
  // It is there twice, once with its quotes escaped.
  if (expect.kind === "record") return [expect.bytes * 2, expect.bytes * 2.3 + 2048];
  if (expect.kind === "tools") {
    return [expect.names.length * 100, expect.names.length * TOOL_BYTES_MAX];
  }
  return [expect.count * 80, expect.count * 512];
}

function hasId(text: string, id: string): boolean {
  return text.includes(`"id":${id}`) || text.includes(`"id": ${id}`);
}

function countOf(text: string, word: string): number {
  let count = 0;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) count++;
  return count;
}

function excerpt(body: Uint8Array): string {
  return latin1.decode(body.subarray(0, 200));
}
