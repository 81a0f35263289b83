/**
 * Servers that are dead, hang or say nonsense, among others that are well: lists stay as they were,
 * and only calls to the ones that fail do.
 *
 * @module
 * @see contract.md, section 8, "Gateway failures"
 */
import { deepStrictEqual as assertEquals, match } from "node:assert/strict";
import { type Message } from "../support/modern.ts";
import { openSession, toolCall } from "../support/session_client.ts";
import {
  aResource,
  aTool,
  type EraClient,
  ERAS,
  inBothEras,
  namesOf,
  serveShelf,
} from "../support/shelf_world.ts";
import { freePort } from "../support/free_port.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const WELL = Array.from({ length: 18 }, (_, i) => `s${String(i).padStart(2, "0")}`);
/** Much shorter than any deadline of the gateway for one server. */
const SOON_MS = 10_000;

const OFFER = {
  tools: [aTool("t")],
  prompts: [{ name: "p" }],
  resources: [aResource("test://of/hung")],
};

/** Twenty servers that are well, of which one dies and one hangs from then on. */
async function openWorld(env: Readonly<Record<string, string>> = {}) {
  const world = await serveShelf({
    ...Object.fromEntries(WELL.map((name) => [name, { tools: [aTool("t")] }])),
    dead: { tools: [aTool("t")] },
    hung: OFFER,
  }, { env });
  const all = [...WELL, "dead", "hung"].map((name) => `${name}-t`);
  await until("all of them", async () => {
    await using client = await ERAS.session(world);
    return (await namesOf(client, "tools/list")).length === all.length;
  });
  const { dead, hung } = world.stands;
  return { ...world, all, dead: dead!, hung: hung! };
}

async function call(client: EraClient, name: string): Promise<Message> {
  return (await client.ask("tools/call", { name, arguments: {} })).result as Message;
}

inBothEras("what dead and hanging servers offer is listed as before", async (open) => {
  await using world = await openWorld();
  world.dead.mood = "down";
  world.hung.mood = "hang";
  await using client = await open(world);
  assertEquals((await namesOf(client, "tools/list")).sort(), [...world.all].sort());
});

inBothEras(
  "what they offer is listed after a restart in which they are not there",
  async (open) => {
    await using world = await openWorld();
    world.dead.mood = "down";
    world.hung.mood = "hang";
    await world.stop();
    await world.start();
    await using client = await open(world);
    assertEquals((await namesOf(client, "tools/list")).sort(), [...world.all].sort());
  },
);

inBothEras("a call to a dead server fails with one sentence", async (open) => {
  await using world = await serveDead();
  await using client = await open(world);
  const result = await call(client, "gone-t");
  const [{ text }] = result.content as [Message];
  assertEquals(result.isError, true);
  match(String(text), /^[A-Z][^.\n]+$/);
});

inBothEras("a call to a dead server fails while another hangs", async (open) => {
  await using world = await serveDead();
  world.stands.well!.on("tools/call", (_, line) => line.left.then(() => ({})));
  await using client = await open(world);
  const hanging = call(client, "well-t").catch(() => "ended");
  await world.stands.well!.arrival("tools/call");
  const first = await Promise.race([hanging, call(client, "gone-t")]);
  assertEquals((first as Message).isError, true);
});

inBothEras("nothing of an address stands in what the client is told", async (open) => {
  await using world = await serveDead();
  await using client = await open(world);
  const text = await client.text("tools/call", { name: "gone-t", arguments: {} });
  assertEquals([text.includes("127.0.0.1"), text.includes("http")], [false, false]);
});

inBothEras("prompts and resources of a dead server are refused with -31001", async (open) => {
  await using world = await serveDead();
  await using client = await open(world);
  const codes = [];
  for (
    const [method, params] of [
      ["prompts/get", { name: "gone-p" }],
      ["resources/read", { uri: "test://of/hung" }],
    ] as const
  ) {
    codes.push(((await client.ask(method, params)).error as Message).code);
  }
  assertEquals(codes, [-31001, -31001]);
});

inBothEras("calls to servers that are well succeed beside the others", async (open) => {
  await using world = await openWorld();
  world.dead.mood = "down";
  world.hung.mood = "hang";
  await using client = await open(world);
  const hanging = call(client, "hung-t").catch(() => undefined);
  const said = await Promise.all(WELL.map((name) => call(client, `${name}-t`)));
  assertEquals(
    said.map(({ content }) => (content as [Message])[0].text),
    WELL.map((name) => `${name}: t`),
  );
  world.hung.mood = "well";
  void hanging;
});

Deno.test("a server that comes back is called again", async () => {
  await using world = await openWorld();
  await using client = await ERAS.session(world);
  world.dead.mood = "down";
  assertEquals((await call(client, "dead-t")).isError, true);
  world.dead.mood = "well";
  await until("its answer", async () => (await call(client, "dead-t")).isError !== true);
});

Deno.test("a log level is set although a server hangs", async () => {
  await using world = await openWorld();
  await using session = await openSession(world.origin, { token: await mintToken() });
  await session.send(toolCall("hung-t"));
  world.hung.mood = "hang";
  const params = { level: "info" };
  const { response } = await session.send({
    method: "logging/setLevel",
    params,
    options: { deadlineMs: SOON_MS },
  });
  assertEquals(response.result, {});
});

Deno.test("a session ends although a server hangs", async () => {
  await using world = await openWorld();
  const session = await openSession(world.origin, { token: await mintToken() });
  await session.send(toolCall("hung-t"));
  world.hung.mood = "hang";
  assertEquals((await session.end()).status, 204);
});

// ── Nonsense ────────────────────────────────────────────────────────────────────────────────────

const NONSENSE: Readonly<Record<string, unknown>> = {
  "null": null,
  "no list": {},
  "a list of nothing": { tools: [null, 1, "x", [], {}] },
  "a list that is none": { tools: "all" },
  "a cursor for ever": { tools: [aTool("t")], nextCursor: "again" },
  "the same tool 1,000 times": { tools: Array(1_000).fill(aTool("t")) },
  "a name of 1 MiB": { tools: [aTool("t"), aTool("n".repeat(1024 * 1024))] },
  "a schema of 2 MiB": { tools: [aTool("t"), aTool("u", { description: "d".repeat(2 ** 21) })] },
};

for (const [what, result] of Object.entries(NONSENSE)) {
  Deno.test(`a server that lists ${what} takes nothing from the others`, async () => {
    await using world = await serveShelf({ good: { tools: [aTool("t")] }, bad: OFFER });
    await using client = await ERAS.session(world);
    const { bad } = world.stands;
    bad!.on("tools/list", () => JSON.stringify(result));
    bad!.say("notifications/tools/list_changed");
    await bad!.arrivalOwn("tools/list", 1);
    await pass(300);
    assertEquals((await namesOf(client, "tools/list")).includes("good-t"), true);
  });
}

Deno.test("a page that fails takes away nothing that is known", async () => {
  await using world = await serveShelf({
    a: { tools: [aTool("one"), aTool("two"), aTool("three")], pageSize: 1 },
  });
  await using client = await ERAS.session(world);
  const { a } = world.stands;
  a!.on("tools/list", (seen) => {
    if (seen.params.cursor !== undefined) throw new Error("No");
    return { tools: [aTool("one")], nextCursor: "1" };
  });
  a!.say("notifications/tools/list_changed");
  await a!.arrivalOwn("tools/list", 4);
  await pass(300);
  assertEquals(await namesOf(client, "tools/list"), ["a-one", "a-two", "a-three"]);
});

inBothEras("10,000 tools are listed, each once, and the last one is called", async (open) => {
  const tools = Array.from({ length: 10_000 }, (_, i) => aTool(`t${i}`));
  await using world = await serveShelf({ a: { tools }, b: { tools: [aTool("t")] } });
  await using client = await open(world);
  await until("the tools", async () => (await namesOf(client, "tools/list")).length > 1, 30_000);
  const names = await namesOf(client, "tools/list");
  const result = await call(client, "a-t9999");
  assertEquals([names.length, new Set(names).size], [10_001, 10_001]);
  assertEquals(result.content, [{ type: "text", text: "a: t9999" }]);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** `gone` was there once, and nothing listens where it was. */
async function serveDead(): Promise<Awaited<ReturnType<typeof serveShelf>>> {
  const world = await serveShelf({ well: { tools: [aTool("t")] }, gone: OFFER });
  const { well, gone } = world.stands;
  const url = `http://127.0.0.1:${freePort()}/mcp`;
  await world.stop();
  await world.write({ stands: [well!, [gone!, { url }]] });
  await world.start();
  return world;
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
