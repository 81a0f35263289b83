/**
 * Lists of tools as clients of the session era can read them.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { CallerView } from "../../../src/catalog/views.ts";
import { ANONYMOUS } from "../../../src/domain/principal.ts";
import { decodeClientMessage } from "../../../src/mcp/message.ts";
import { forSessions } from "../../../src/mcp/view/session_lists.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const INPUT = '"inputSchema":{"type":"object"}';

/** The tools of a list that consists of these, as text. */
async function listed(tools: readonly string[], method = "tools/list"): Promise<string> {
  const text = `{"jsonrpc":"2.0","id":1,"result":{"tools":[${tools.join(",")}]}}`;
  const lists = forSessions({ answer: () => encoder.encode(text) }, () => Promise.resolve());
  const items = tools.map((definition) => ({ item: { definition } }));
  const caller = { lists: { tool: [items] } } as unknown as CallerView;
  const message = decodeClientMessage(
    encoder.encode(`{"jsonrpc":"2.0","id":1,"method":"${method}"}`),
  );
  const made = decoder.decode(await (lists.answer(caller, ANONYMOUS, message)));
  return made.slice(text.indexOf("["), -"}}".length);
}

for (
  const [what, tool, shown] of [
    ["of an object", `{"outputSchema":{"type":"object"},${INPUT}}`, undefined],
    ["of a list", `{"outputSchema":{"type":"array"},${INPUT}}`, `{${INPUT}}`],
    ["of anything", `{${INPUT}, "outputSchema":{"anyOf":[]}, "x":1.0}`, `{${INPUT}, "x":1.0}`],
    ["that is none", `{${INPUT},"outputSchema":true}`, `{${INPUT}}`],
    ["of several types", `{${INPUT},"outputSchema":{"type":["object"]}}`, `{${INPUT}}`],
    ["that stands elsewhere", `{${INPUT},"x":{"outputSchema":{"type":"array"}}}`, undefined],
  ] as const
) {
  Deno.test(`a tool with a schema ${what} is shown as ${shown ?? "it is"}`, async () => {
    const other = '{"outputSchema":{"type":"array"}}';
    assertEquals(await listed([other, tool, other]), `[{},${shown ?? tool},{}]`);
  });
}

Deno.test("a list without such a schema is the same, byte for byte", async () => {
  const tool = `{ "outputSchema" : {"type":"object"},${INPUT} }`;
  assertEquals(await listed([tool]), `[${tool}]`);
});

Deno.test("only lists of tools are looked at", async () => {
  const odd = '{"outputSchema":{"type":"array"}}';
  assertEquals(await listed([odd], "prompts/list"), `[${odd}]`);
});
