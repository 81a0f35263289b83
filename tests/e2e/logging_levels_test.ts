/**
 * What servers log: to clients at the level that each has asked for, and to the gateway itself as
 * lines of its log.
 *
 * @module
 * @see MCP 2025-11-25 and 2026-07-28, Utilities, "Logging"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { aTool, ERAS, serveShelf } from "../support/shelf_world.ts";
import { until } from "../support/until.ts";

const LEVEL = "io.modelcontextprotocol/logLevel";
const MESSAGE = "notifications/message";

Deno.test("each session has the level that its client has set", async () => {
  await using world = await serveShelf({ a: { tools: [aTool("t")], era: "modern" } });
  const levels: unknown[] = [];
  for (const level of ["debug", "emergency"]) {
    await using client = await ERAS.session(world);
    await client.ask("logging/setLevel", { level });
    await client.ask("tools/call", { name: "a-t", arguments: {} });
  }
  for (const { params } of world.stands.a!.requestsOf("tools/call")) {
    levels.push((params._meta as Message)[LEVEL]);
  }
  assertEquals(levels, ["debug", "emergency"]);
});

Deno.test("a level that there is not is refused, and the one before stays", async () => {
  await using world = await serveShelf({ a: { tools: [aTool("t")], era: "modern" } });
  await using client = await ERAS.session(world);
  await client.ask("logging/setLevel", { level: "error" });
  const { error } = await client.ask("logging/setLevel", { level: "loud" });
  assertEquals((error as Message).code, -32602);
  await client.ask("tools/call", { name: "a-t", arguments: {} });
  const [call] = world.stands.a!.requestsOf("tools/call");
  assertEquals((call!.params._meta as Message)[LEVEL], "error");
});

Deno.test("what a server says to the gateway is a line of its log, at its level", async () => {
  await using world = await serveShelf({ a: { tools: [aTool("t")], era: "session" } });
  const lines = () =>
    world.log().split("\n").filter((line) => line.includes("An upstream server says"))
      .map((line) => JSON.parse(line));
  await until("a line", () => {
    if (lines().length > 0) return true;
    const data = { text: "disk\nfull", authorization: "Bearer CANARY" };
    world.stands.a!.say(MESSAGE, { level: "critical", logger: "disk", data });
    return false;
  });
  const [{ level, mcpLevel, server, logger, text }] = lines() as [Message];
  assertEquals([level, mcpLevel, server, logger], ["ERROR", "critical", "a", "disk"]);
  assertEquals([(text as string).includes("full"), world.log().includes("CANARY")], [true, false]);
});
