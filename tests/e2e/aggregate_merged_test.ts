/**
 * What `/mcp` says of itself is what its servers say together: capabilities, instructions, and how
 * long their lists are good for.
 *
 * @module
 * @see contract.md, section 4
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import {
  aResource,
  aTool,
  ERAS,
  inBothEras,
  type OpenEra,
  serveShelf,
  type ShelfWorld,
} from "../support/shelf_world.ts";
import type { Offer } from "../support/shelf_server.ts";
import { mintToken } from "../support/tokens.ts";

const ODD: Message = { "x/two": {}, "toString": {} };

const TOOL = { tools: [aTool("t")] };

/** What a client is told when it comes. */
async function told(world: ShelfWorld, open: OpenEra, era: string): Promise<Message> {
  await using client = await open(world);
  if (era === "session") return client.session!.server;
  return (await client.ask("server/discover")).result as Message;
}

inBothEras("capabilities are those of all servers together", async (open, era) => {
  await using world = await serveShelf({
    a: { ...TOOL, capabilities: { tools: {} } },
    b: { prompts: [{ name: "p" }], capabilities: { prompts: {}, completions: {} } },
    c: { resources: [aResource("test://r")], capabilities: { resources: { subscribe: true } } },
  });
  assertEquals((await told(world, open, era)).capabilities, {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    completions: {},
  });
});

inBothEras("what no server has is not announced", async (open, era) => {
  await using world = await serveShelf({
    a: { ...TOOL, capabilities: { tools: {} } },
    c: { resources: [aResource("test://r")], capabilities: { resources: {} } },
  });
  assertEquals((await told(world, open, era)).capabilities, {
    tools: { listChanged: true },
    resources: { listChanged: true },
  });
});

inBothEras("capabilities of servers that the caller does not see are not announced", async (
  open,
  era,
) => {
  await using world = await serveShelf({
    a: { ...TOOL, capabilities: { tools: {} } },
    red: { ...TOOL, capabilities: { tools: {}, logging: {}, completions: {}, prompts: {} } },
  }, { entries: { red: { visibility: "team", team: "red" } } });
  assertEquals((await told(world, open, era)).capabilities, { tools: { listChanged: true } });
});

inBothEras("extensions are merged, tasks are not announced", async (open, era) => {
  const extensions = { "x/one": { a: 1 }, "io.modelcontextprotocol/tasks": {} };
  await using world = await serveShelf({
    a: { ...TOOL, capabilities: { tools: {}, extensions, tasks: {} } },
    b: { ...TOOL, capabilities: { tools: {}, extensions: ODD } },
  });
  const capabilities = (await told(world, open, era)).capabilities as Message;
  assertEquals(Object.keys(capabilities).sort(), ["extensions", "tools"]);
  assertEquals(
    JSON.stringify(capabilities.extensions),
    '{"x/one":{"a":1},"x/two":{},"toString":{}}',
  );
});

inBothEras("instructions stand under the names of their servers, in their order", async (
  open,
  era,
) => {
  await using world = await serveShelf({
    a: { ...TOOL, instructions: "Do a." },
    b: TOOL,
    c: { ...TOOL, instructions: "Do c." },
  }, { entries: { c: { title: "Sea" } } });
  assertEquals((await told(world, open, era)).instructions, "# a\n\nDo a.\n\n# Sea\n\nDo c.");
});

inBothEras("instructions without end have one", async (open, era) => {
  const instructions = "é".repeat(25_000);
  await using world = await serveShelf({
    a: { ...TOOL, instructions },
    b: { ...TOOL, instructions },
  });
  const text = String((await told(world, open, era)).instructions);
  assertEquals(text.length <= 33 * 1024 && text.isWellFormed(), true);
});

inBothEras("instructions are cut between characters", async (open, era) => {
  const odd = { ...TOOL, instructions: "🚪".repeat(12_000) };
  await using world = await serveShelf({ a: odd, bb: odd }, { entries: { a: { title: "abc" } } });
  const text = String((await told(world, open, era)).instructions);
  assertEquals(text.isWellFormed(), true);
});

// ── How long lists are good for ─────────────────────────────────────────────────────────────────

async function freshness(
  offers: Readonly<Record<string, Partial<Offer>>>,
  entries: Readonly<Record<string, Message>> = {},
  method = "tools/list",
): Promise<unknown[]> {
  await using world = await serveShelf(offers, { entries });
  await using client = await ERAS.modern(world, { token: await mintToken() });
  const { ttlMs, cacheScope } = (await client.ask(method)).result as Message;
  return [ttlMs, cacheScope];
}

const PUBLIC = { ...TOOL, cacheScope: "public" } as const;

Deno.test("a list is good for as long as its shortest part", async () => {
  const offers = { a: { ...PUBLIC, ttlMs: 70_000 }, b: { ...PUBLIC, ttlMs: 50_000 } };
  assertEquals(await freshness(offers), [50_000, "public"]);
});

Deno.test("a list is for its caller alone when one part is", async () => {
  const offers = { a: { ...PUBLIC, ttlMs: 70_000 }, b: { ...TOOL, ttlMs: 70_000 } };
  assertEquals(await freshness(offers), [70_000, "private"]);
});

Deno.test("a list that others see differently is for its caller alone", async () => {
  const offers = { a: { ...PUBLIC, ttlMs: 70_000 }, b: { ...PUBLIC, ttlMs: 70_000 } };
  const entries = { b: { visibility: "team", team: "red" } };
  assertEquals(await freshness(offers, entries), [70_000, "private"]);
});

Deno.test("what is said of the view is good for as long as its shortest part", async () => {
  const offers = { a: { ...PUBLIC, ttlMs: 70_000 }, b: { ...PUBLIC, ttlMs: 50_000 } };
  assertEquals(await freshness(offers, {}, "server/discover"), [50_000, "public"]);
});

// ── Large ───────────────────────────────────────────────────────────────────────────────────────

inBothEras(
  "a virtual server of 10,000 globs over 2,000 tools shows what it should",
  async (open) => {
    const tools = Array.from({ length: 2_000 }, (_, i) => aTool(`t${i}`));
    const globs = Array.from({ length: 10_000 }, (_, i) => `a-*t${i}5`);
    await using world = await serveShelf({ a: { tools } }, { servers: { v: { tools: globs } } });
    await using client = await open(world, { path: "/servers/v/mcp" });
    const { result } = await client.ask("tools/list");
    const names = ((result as Message).tools as Message[]).map(({ name }) => name);
    assertEquals([names.length, names[0]], [199, "a-t15"]);
  },
);
