/**
 * Lists as answers: every page is JSON of the right length, whatever is written in it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createView, EVERYTHING } from "../../../src/catalog/view.ts";
import { createViews } from "../../../src/catalog/views.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { ANONYMOUS } from "../../../src/domain/principal.ts";
import { bytesOf, decodeClientMessage } from "../../../src/mcp/message.ts";
import { createLists } from "../../../src/mcp/view/lists.ts";
import { createSecretBox } from "../../../src/platform/secret_box.ts";
import { anItem } from "../../support/catalog_rows.ts";
import { anUpstream, createMemoryCatalog } from "../../support/memory_catalog.ts";

/** Tools of one server, each with its description, and a way to list them. */
async function openLists(descriptions: readonly string[]) {
  const server = anUpstream();
  const catalog = await createMemoryCatalog([server]);
  const items = descriptions.map((description, seq) => ({
    ...anItem(`tool_${seq}`, {
      upstreamId: server.id,
      seq,
      exposedName: `alpha-tool_${seq}`,
      definition: JSON.stringify({ name: `tool_${seq}`, description, inputSchema: {} }),
    }),
    revision: 1,
  }));
  const view = createView(EVERYTHING, [{ ...catalog.upstream(server.id)!, items }]);
  const pace = () => Promise.resolve();
  const lists = createLists({ box: createSecretBox("x".repeat(32), "cursors"), pace });
  const caller = createViews({ catalog, pace, collided() {} }).seenBy(ANONYMOUS, view);
  return async (id: string, cursor?: string, more = "") => {
    const request = { jsonrpc: "2.0", id, method: "tools/list", params: { cursor } };
    const message = decodeClientMessage(new TextEncoder().encode(JSON.stringify(request)));
    return await lists.answer(caller, ANONYMOUS, message, more);
  };
}

const parsed = (answer: string | Uint8Array) => {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytesOf(answer)));
};

Deno.test("a list in ASCII is text", async () => {
  const list = await openLists(["plain", 'with "quotes" and \\'.repeat(10)]);
  const answer = await list("one");
  assertEquals(typeof answer, "string");
  assertEquals(parsed(answer).result.tools.length, 2);
});

for (const description of ["naïve", "“quoted” – so", "日本語", "👩‍👩‍👧"]) {
  Deno.test(`a list with ${description} in it is bytes, and as it was`, async () => {
    const list = await openLists(["plain", description]);
    const answer = await list("one");
    assertEquals(typeof answer, "object");
    assertEquals(parsed(answer).result.tools[1].description, description);
  });
}

Deno.test("the id and what stands before a list may be in any script", async () => {
  const list = await openLists(["plain"]);
  const answer = await list("номер один", undefined, '"title":"名",');
  assertEquals(typeof answer, "object");
  const { id, result } = parsed(answer);
  assertEquals([id, result.title, result.tools.length], ["номер один", "名", 1]);
});

Deno.test("a list of nothing is one", async () => {
  const list = await openLists([]);
  assertEquals(parsed(await list("one")), { jsonrpc: "2.0", id: "one", result: { tools: [] } });
});

Deno.test("pages are bounded in bytes, whatever script they are in, and lose nothing", async () => {
  const description = "語".repeat(LIMITS.listPageBytes / 8);
  const list = await openLists(Array(7).fill(description));
  const names: string[] = [];
  let cursor: string | undefined;
  let largest = 0;
  do {
    const answer = await list("one", cursor);
    largest = Math.max(largest, bytesOf(answer).length);
    const { result } = parsed(answer);
    for (const { name } of result.tools) names.push(name);
    cursor = result.nextCursor;
  } while (cursor !== undefined);
  assertEquals(names, Array.from({ length: 7 }, (_, i) => `alpha-tool_${i}`));
  assertEquals(largest < LIMITS.listPageBytes + 1_000, true);
});
