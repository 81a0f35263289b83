/**
 * A server that is replaced by one of the other era while a client of the session era has a session.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { errorReply, openBridgeWorld, refusal, saidIn } from "../support/bridge_world.ts";
import type { Message } from "../support/modern.ts";
import { jsonReply, resultOf, saying, type Script } from "../support/scripted.ts";
import { toolCall } from "../support/session_client.ts";

/** Knows nothing of 2026-07-28. */
const withSessions: Script = (request) => {
  const { rpc } = request;
  const has = (wanted: string) => request.headers.some(([name]) => name.toLowerCase() === wanted);
  const result = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: {} };
  if (rpc.method === "initialize") {
    const { bytes } = jsonReply(resultOf(rpc, JSON.stringify(result)));
    return { bytes: String(bytes).replace("\r\n", "\r\nMcp-Session-Id: s1\r\n") };
  }
  if (has("mcp-session-id")) return jsonReply(resultOf(rpc, saying("in a session")));
  return errorReply("null", { code: -32000, message: "No session" }, "400 Bad Request");
};

/** Knows nothing else. */
const without: Script = (request) => {
  const { rpc } = request;
  if (!request.headers.some(([name]) => name.toLowerCase() === "mcp-method")) {
    return refusal(request);
  }
  // The usual answer says that it speaks 2026-07-28.
  if (rpc.method === "server/discover") return undefined;
  return jsonReply(resultOf(rpc, saying("without a session")));
};

Deno.test("a server that has no sessions any more is spoken to without", async () => {
  await using world = await openBridgeWorld();
  world.follow(withSessions);
  await using session = await world.open();
  const before = saidIn(await session.send(toolCall("any")));
  world.follow(without);
  const after = saidIn(await session.send(toolCall("any")));
  assertEquals([before, after], ["in a session", "without a session"]);
});

Deno.test("a server that has sessions from now on is given one", async () => {
  await using world = await openBridgeWorld();
  world.follow(without);
  await using session = await world.open();
  const before = saidIn(await session.send(toolCall("any")));
  world.follow(withSessions);
  const refused = await session.send(toolCall("any"));
  assertEquals((refused.response.error as Message).code, -32000);
  const after = saidIn(await session.send(toolCall("any")));
  assertEquals([before, after], ["without a session", "in a session"]);
});
