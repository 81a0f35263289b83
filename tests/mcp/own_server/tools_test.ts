/**
 * Calls of REST tools: so many at one API at once, and none at the cost of another API.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { GatewayError } from "../../../src/domain/errors.ts";
import type { OwnTool } from "../../../src/domain/own_item.ts";
import { createOwnLookup } from "../../../src/mcp/own_server/lookup.ts";
import { createOwnTools } from "../../../src/mcp/own_server/tools.ts";
import type { ItemRow } from "../../../src/storage/catalog_tables.ts";
import { UpstreamBusy } from "../../../src/upstream/concurrency.ts";
import { Told } from "../../../src/upstream/explained.ts";
import type { ToolResult } from "../../../src/upstream/rest/tool_result.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { anItem } from "../../support/catalog_rows.ts";
import { fakeClock, fakeTimers } from "../../support/fake_clock.ts";

const RESULT: ToolResult = { content: [] };

function row(name: string, url: string): ItemRow {
  const spec: OwnTool = {
    kind: "tool",
    name,
    method: "GET",
    url,
    inputSchema: { type: "object" },
    headers: {},
    auth: { type: "none" },
  };
  const own = { spec, enabled: true, unreadable: [], chars: 0, createdMs: 0, updatedMs: 0 };
  return { ...anItem(name, { upstreamName: name }), revision: 1, own };
}

const ITEMS = [
  row("slow", "https://slow.example/a"),
  row("slow_too", "https://slow.example/b/{x}"),
  row("quick", "https://quick.example/"),
];
const OWN = createOwnLookup(() => ITEMS);

function open(call: (tool: string) => Promise<ToolResult>) {
  const timers = fakeTimers(fakeClock());
  const callTool = createOwnTools({
    rest: { call: (tool) => call(tool.name) },
    timers,
    checkArguments: (_, args) => args === 1 ? "Wrong" : undefined,
  }, { upstreamConcurrency: 1 });
  return {
    timers,
    call: (name: string, args: unknown = {}) =>
      callTool(OWN, { name, arguments: args }, { abort: new AbortController(), caller: "a" }),
  };
}

Deno.test("a tool of an API that is busy waits, and one of another does not", async () => {
  const held = Promise.withResolvers<ToolResult>();
  const asked: string[] = [];
  const { call } = open((name) => {
    asked.push(name);
    return name === "slow" ? held.promise : Promise.resolve(RESULT);
  });
  const first = call("slow");
  const second = call("slow_too");
  assertEquals(await call("quick"), RESULT);
  assertEquals(asked, ["slow", "quick"]);
  held.resolve(RESULT);
  await Promise.all([first, second]);
  assertEquals(asked, ["slow", "quick", "slow_too"]);
});

Deno.test("whoever waits too long is told, and nothing is sent", async () => {
  const { call, timers } = open(() => new Promise(() => {}));
  void call("slow");
  const second = call("slow_too");
  const refused = assertRejects(() => second, UpstreamBusy);
  timers.advance(LIMITS.upstreamWaitMs);
  await refused;
});

Deno.test("a failure frees the place, and is told as the client of APIs has told it", async () => {
  const { call } = open(() => Promise.reject(new GatewayError("upstream_timeout", "Too late")));
  for (let i = 0; i < 3; i++) {
    await assertRejects(() => call("slow"), (error) => {
      assertEquals([error instanceof Told, (error as Told).code, (error as Told).message], [
        true,
        "upstream_timeout",
        "Too late",
      ]);
      return true;
    });
  }
});

Deno.test("arguments that do not fit, or cannot be sent, are for the model to see", async () => {
  const { call } = open(() => Promise.reject(new GatewayError("invalid_params", "No dots")));
  const wrong = await call("quick", 1);
  const unsendable = await call("quick");
  assertEquals([wrong, unsendable].map(({ isError, content }) => [isError, content[0]]), [
    [true, { type: "text", text: "Wrong" }],
    [true, { type: "text", text: "No dots" }],
  ]);
});

Deno.test("a tool that has gone meanwhile is -32602", async () => {
  const { call } = open(() => Promise.resolve(RESULT));
  await assertRejects(() => call("none"), { rpcCode: -32602 });
});
