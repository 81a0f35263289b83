/**
 * The benchmark's own eyes: an answer that is not the stub's must never count as one.
 *
 * @module
 */

import { strictEqual as assertEquals } from "node:assert/strict";

import { fullLook, initializeFault, quickLook } from "./check.ts";
import type { Reply } from "./connection.ts";
import { textOf, TOOL_NAMES } from "./payload.ts";
import { recordOf, recordResult } from "./record.ts";
import type { Expectation } from "./types.ts";

const ID = "1000000007";
const TEXT: Expectation = { kind: "text", bytes: 1024 };
const RECORD: Expectation = { kind: "record", bytes: 1024 };
const PROGRESS: Expectation = { kind: "progress", count: 20, hasEventIds: false };

function reply(body: string, over: Partial<Reply> = {}): Reply {
  return {
    status: 200,
    contentType: "application/json",
    sessionId: undefined,
    body: new TextEncoder().encode(body),
    ...over,
  };
}

function textReply(text: string, id = ID): Reply {
  const result = { resultType: "complete", content: [{ type: "text", text }] };
  return reply(JSON.stringify({ jsonrpc: "2.0", result, id: Number(id) }));
}

function progressReply(steps: readonly number[], eventIds: readonly string[] = []): Reply {
  const notes = steps.map((progress) => ({
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { progressToken: Number(ID), progress, total: steps.length },
  }));
  const last = { jsonrpc: "2.0", id: Number(ID), result: { content: [] } };
  const idLine = (id: string | undefined) => id === undefined ? "" : `id: ${id}\n`;
  const events = [...notes, last].map((message, index) => {
    return `${idLine(eventIds[index])}data: ${JSON.stringify(message)}\n\n`;
  });
  const priming = eventIds.length === 0 ? "" : "id: first\nretry: 1000\ndata: \n\n";
  return reply(priming + events.join(""), { contentType: "text/event-stream" });
}

const UP_TO_20 = Array.from({ length: 20 }, (_, index) => index + 1);

Deno.test("quickLook() and fullLook() accept the stub's text", () => {
  assertEquals(quickLook(textReply(textOf(1024)), ID, TEXT), undefined);
  assertEquals(fullLook(textReply(textOf(1024)), ID, TEXT), undefined);
});

Deno.test("fullLook() refuses a record that is not the stub's, in either form", () => {
  const recordReply = (result: object) =>
    reply(JSON.stringify({ jsonrpc: "2.0", id: Number(ID), result }));
  const right = recordResult(1024);
  assertEquals(quickLook(recordReply(right), ID, RECORD), undefined);
  assertEquals(fullLook(recordReply({ resultType: "complete", ...right }), ID, RECORD), undefined);
  const otherText = { ...right, content: [{ type: "text", text: recordOf(1023) }] };
  for (const wrong of [otherText, { ...right, structuredContent: {} }]) {
    assertEquals(fullLook(recordReply(wrong), ID, RECORD), "the record is not the stub's");
  }
});

Deno.test("recordOf() gives JSON of the size that was asked for", () => {
  assertEquals(recordOf(1024).length, 1024);
  assertEquals(JSON.stringify(JSON.parse(recordOf(1024))), recordOf(1024));
});

Deno.test("quickLook() refuses another status", () => {
  const fault = quickLook({ ...textReply(textOf(1024)), status: 503 }, ID, TEXT);
  assertEquals(fault?.startsWith("status 503"), true);
});

Deno.test("quickLook() refuses the answer to another request", () => {
  const fault = quickLook(textReply(textOf(1024), "1000000008"), ID, TEXT);
  assertEquals(fault?.startsWith(`no id ${ID}`), true);
});

Deno.test("quickLook() refuses an error with the right id", () => {
  const error = { code: -32603, message: "no" };
  const fault = quickLook(
    reply(JSON.stringify({ jsonrpc: "2.0", id: Number(ID), error })),
    ID,
    TEXT,
  );
  assertEquals(fault?.includes("bytes instead of"), true);
});

Deno.test("quickLook() refuses a missing notification", () => {
  const fault = quickLook(progressReply(UP_TO_20.slice(1)), ID, PROGRESS);
  assertEquals(fault, "19 notifications instead of 20");
});

Deno.test("fullLook() refuses text of the right length that is not the stub's", () => {
  assertEquals(fullLook(textReply("x".repeat(1024)), ID, TEXT), "the text is not the stub's");
});

Deno.test("fullLook() refuses a list without one of the tools", () => {
  const tools = TOOL_NAMES.slice(1).map((name) => ({ name }));
  const list = reply(JSON.stringify({ jsonrpc: "2.0", id: Number(ID), result: { tools } }));
  const fault = fullLook(list, ID, { kind: "tools", names: TOOL_NAMES });
  assertEquals(fault?.startsWith("the tools are"), true);
});

Deno.test("fullLook() accepts notifications in order and refuses them out of order", () => {
  assertEquals(fullLook(progressReply(UP_TO_20), ID, PROGRESS), undefined);
  const swapped = [2, 1, ...UP_TO_20.slice(2)];
  assertEquals(fullLook(progressReply(swapped), ID, PROGRESS), "notifications out of order");
});

Deno.test("fullLook() accepts event ids after a priming event, and wants one for each event", () => {
  const expect: Expectation = { ...PROGRESS, hasEventIds: true };
  const ids = Array.from({ length: 21 }, (_, index) => `call-${index}`);
  assertEquals(fullLook(progressReply(UP_TO_20, ids), ID, expect), undefined);
  const missing = fullLook(progressReply(UP_TO_20, ids.slice(1)), ID, expect);
  assertEquals(missing, "1 of 22 events without an id");
  const twice = fullLook(progressReply(UP_TO_20, ids.with(3, "call-2")), ID, expect);
  assertEquals(twice, "two events with one id");
});

Deno.test("initializeFault() accepts a session of the revision asked for, and nothing else", () => {
  const fault = (protocolVersion: string, sessionId: string | undefined, status = 200) => {
    const result = { protocolVersion, capabilities: { tools: {} } };
    const body = JSON.stringify({ jsonrpc: "2.0", id: Number(ID), result });
    return initializeFault(reply(body, { sessionId, status }), ID);
  };
  assertEquals(fault("2025-11-25", "a-session"), undefined);
  assertEquals(fault("2025-06-18", "a-session"), "initialize: revision 2025-06-18");
  assertEquals(fault("2025-11-25", undefined), "initialize: no session id");
  assertEquals(fault("2025-11-25", "two words"), "initialize: no session id");
  assertEquals(fault("2025-11-25", "a-session", 405)?.startsWith("initialize: status 405"), true);
});
