/**
 * What a second import changes.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { diffTools } from "../../../src/catalog/openapi/diff.ts";
import type { RestTool } from "../../../src/domain/rest_tool.ts";
import { imported, textOf } from "./fixtures.ts";

const now = () => Promise.resolve();

function aTool(name: string, more: Partial<RestTool> = {}): RestTool {
  const inputSchema = { type: "object", properties: { a: {}, b: {} } };
  return { name, method: "GET", url: "https://a.example/", inputSchema, ...more };
}

Deno.test("tools are known by their names", async () => {
  const before = [aTool("same"), aTool("other", { title: "Old" }), aTool("gone")];
  const after = [aTool("same"), aTool("other", { title: "New", method: "POST" }), aTool("made")];
  assertEquals(await diffTools(before, after, now), {
    created: [after[2]],
    changed: [{ tool: after[1], members: ["title", "method"] }],
    unchanged: ["same"],
    removed: ["gone"],
  });
});

Deno.test("the order of members is no change", async () => {
  const turned = { properties: { b: {}, a: {} }, type: "object" };
  const { unchanged } = await diffTools([aTool("a")], [aTool("a", { inputSchema: turned })], now);
  assertEquals(unchanged, ["a"]);
});

Deno.test("what no document says is no change", async () => {
  const kept = { auth: { type: "bearer", token: "t" }, filter: "$", timeoutMs: 1 } as const;
  const { unchanged } = await diffTools([aTool("a", kept)], [aTool("a")], now);
  assertEquals(unchanged, ["a"]);
});

Deno.test("the same document changes nothing, also after it was kept", async () => {
  const { tools } = await imported(await textOf("quirks_30.json"));
  const kept: RestTool[] = JSON.parse(JSON.stringify(tools));
  const { created, changed, removed } = await diffTools(kept, tools, now);
  assertEquals([created, changed, removed], [[], [], []]);
});
