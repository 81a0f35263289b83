/**
 * Names of `/mcp`: given once and kept, unique whatever servers call their tools, and listed page by
 * page.
 *
 * @module
 * @see contract.md, section 4
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { aTool, ERAS, inBothEras, namesOf, serveShelf } from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const INVALID_PARAMS = -32602;

// ── Kept ────────────────────────────────────────────────────────────────────────────────────────

Deno.test("names stay over a restart in which the servers stand in another order", async () => {
  // Both would be `a-b-c`: whoever was there first has it.
  await using world = await serveShelf({ "a": { tools: [aTool("b-c")] } });
  const second = world.stand("a-b", { tools: [aTool("c")] });
  await world.write({ stands: [world.stands.a!, second] });
  const before = await until("both tools", async () => {
    const names = await toolNames(world);
    return names.length === 2 && names;
  });
  await world.stop();
  await world.write({ stands: [second, world.stands.a!] });
  await world.start();
  assertEquals(await toolNames(world), before);
});

Deno.test("two names that would be one are told apart, and both tools are called", async () => {
  await using world = await serveShelf({
    "a": { tools: [aTool("b-c")] },
    "a-b": { tools: [aTool("c")] },
  });
  await using client = await ERAS.session(world);
  const names = await namesOf(client, "tools/list");
  const said = await Promise.all(names.map(async (name) => textIn(await call(client, name))));
  assertEquals(said, ["a: b-c", "a-b: c"]);
});

Deno.test("a tool that vanishes and comes back has its name again", async () => {
  await using world = await serveShelf({
    "a": { tools: [aTool("b-c"), aTool("stays")] },
    "a-b": { tools: [aTool("c")] },
  });
  const { a } = world.stands;
  const before = await toolNames(world);
  const tools = a!.offer.tools;
  a!.offer.tools = [aTool("stays")];
  a!.say("notifications/tools/list_changed");
  await until("one less", async () => (await toolNames(world)).length === 2);
  a!.offer.tools = tools;
  a!.say("notifications/tools/list_changed");
  await until("as before", async () => (await toolNames(world)).length === 3);
  assertEquals((await toolNames(world)).sort(), [...before].sort());
});

inBothEras("a tool that has vanished cannot be called", async (open) => {
  await using world = await serveShelf({ a: { tools: [aTool("goes"), aTool("stays")] } });
  const { a } = world.stands;
  await using client = await open(world);
  a!.offer.tools = [aTool("stays")];
  a!.say("notifications/tools/list_changed");
  await until("its end", async () => (await namesOf(client, "tools/list")).length === 1);
  assertEquals(codeOf(await call(client, "a-goes")), INVALID_PARAMS);
  assertEquals(a!.requestsOf("tools/call").length, 0);
});

// ── Whatever servers call their tools ───────────────────────────────────────────────────────────

const ODD = [
  "x y",
  "é",
  "emoji 🚪",
  "a\tb",
  '"quoted"',
  "back\\slash",
  "{}",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "n".repeat(200),
  "n".repeat(199) + "m",
  ".",
  "/",
];

inBothEras("every odd name becomes one of the characters that are allowed", async (open) => {
  await using world = await serveShelf({ a: { tools: ODD.map((name) => aTool(name)) } });
  await using client = await open(world);
  const names = await namesOf(client, "tools/list");
  assertEquals(names.filter((name) => !/^[\w./-]{1,64}$/.test(name)), []);
});

inBothEras("every odd name is called at its server as it is called there", async (open) => {
  await using world = await serveShelf({ a: { tools: ODD.map((name) => aTool(name)) } });
  await using client = await open(world);
  for (const name of await namesOf(client, "tools/list")) await call(client, name);
  assertEquals(world.stands.a!.requestsOf("tools/call").map(({ params }) => params.name), ODD);
});

for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"]) {
  inBothEras(`no item is called "${name}" where no server has one`, async (open) => {
    await using world = await serveShelf({
      a: {
        tools: [aTool("t")],
        prompts: [{ name: "p" }],
        resources: [{ uri: "test://r", name: "r" }],
      },
    });
    await using client = await open(world);
    const codes = [
      codeOf(await call(client, name)),
      codeOf(await client.ask("prompts/get", { name })),
      codeOf(
        await client.ask("completion/complete", {
          ref: { type: "ref/prompt", name },
          argument: { name: "a", value: "" },
        }),
      ),
    ];
    assertEquals(codes, [INVALID_PARAMS, INVALID_PARAMS, INVALID_PARAMS]);
  });
}

Deno.test("what is no tool is left out, and what stands twice is there once", async () => {
  const tools = [
    aTool("good"),
    aTool("good", { description: "again" }),
    { name: 7 },
    { inputSchema: {} },
    { name: "" },
    aTool("also good"),
  ] as unknown as Message[];
  await using world = await serveShelf({ a: { tools }, b: { tools: [aTool("t")] } });
  const names = await toolNames(world);
  assertEquals(names.length, 3, names.join());
});

// ── Pages ───────────────────────────────────────────────────────────────────────────────────────

const MANY = Array.from({ length: 1_500 }, (_, i) => aTool(`t${i}`));

inBothEras("1,500 tools of a server with pages of 100 come in order, each once", async (open) => {
  await using world = await serveShelf({ a: { tools: MANY, pageSize: 100 } });
  await using client = await open(world);
  assertEquals(await namesOf(client, "tools/list"), MANY.map(({ name }) => `a-${name}`));
});

inBothEras("the first page of 1,500 tools has a cursor", async (open) => {
  await using world = await serveShelf({ a: { tools: MANY } });
  await using client = await open(world);
  assertEquals(typeof await cursorOf(client, "tools/list"), "string");
});

inBothEras("a cursor is good for its caller only", async (open) => {
  await using world = await serveShelf({ a: { tools: MANY } });
  await using alice = await open(world);
  await using bob = await open(world, { token: await mintToken({ sub: "bob@example.com" }) });
  const cursor = await cursorOf(alice, "tools/list");
  assertEquals(codeOf(await bob.ask("tools/list", { cursor })), INVALID_PARAMS);
});

inBothEras("a cursor is good for its list only", async (open) => {
  const prompts = MANY.map(({ name }) => ({ name: name! }));
  await using world = await serveShelf({ a: { tools: MANY, prompts } });
  await using client = await open(world);
  const cursor = await cursorOf(client, "tools/list");
  assertEquals(codeOf(await client.ask("prompts/list", { cursor })), INVALID_PARAMS);
});

inBothEras("a cursor is good for its endpoint only", async (open) => {
  await using world = await serveShelf({ a: { tools: MANY } }, {
    servers: { all: { tools: ["*"] } },
  });
  await using client = await open(world);
  await using other = await open(world, { path: "/servers/all/mcp" });
  const cursor = await cursorOf(client, "tools/list");
  assertEquals(codeOf(await other.ask("tools/list", { cursor })), INVALID_PARAMS);
});

Deno.test("a cursor is good in the other session of its caller, and over a restart", async () => {
  await using world = await serveShelf({ a: { tools: MANY } });
  const first = await ERAS.session(world);
  const cursor = await cursorOf(first, "tools/list");
  await world.stop();
  await world.start();
  await using second = await ERAS.session(world);
  const { result } = await second.ask("tools/list", { cursor });
  assertEquals(((result as Message).tools as Message[])[0]!.name, "a-t1000");
});

inBothEras("what is no cursor is refused", async (open) => {
  await using world = await serveShelf({ a: { tools: MANY } });
  await using client = await open(world);
  const cursor = await cursorOf(client, "tools/list");
  const bad = [
    "",
    "0",
    "1000",
    "../..",
    "\u0000",
    "é".repeat(50),
    "A".repeat(100_000),
    cursor.slice(1),
    cursor.slice(0, -2),
    `${cursor.slice(0, 8)}${cursor[8] === "A" ? "B" : "A"}${cursor.slice(9)}`,
    7,
    {},
    [cursor],
    true,
  ];
  const codes = [];
  for (const cursor of bad) codes.push(codeOf(await client.ask("tools/list", { cursor })));
  assertEquals(codes, bad.map(() => INVALID_PARAMS));
});

Deno.test("a list that changes between two pages loses and doubles nothing that stays", async () => {
  await using world = await serveShelf({ a: { tools: MANY }, b: { tools: [aTool("last")] } });
  const { a } = world.stands;
  await using client = await ERAS.session(world);
  const { result } = await client.ask("tools/list");
  const { tools, nextCursor } = result as { tools: Message[]; nextCursor: string };
  a!.offer.tools = MANY.slice(200);
  a!.say("notifications/tools/list_changed");
  await until("the change", async () => {
    return (await namesOf(client, "tools/list")).length === 1_301;
  });
  const rest = await client.ask("tools/list", { cursor: nextCursor });
  const names = [...tools, ...(rest.result as { tools: Message[] }).tools].map(({ name }) => name);
  assertEquals(names, [...MANY.map(({ name }) => `a-${name}`), "b-last"]);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

type Client = Awaited<ReturnType<typeof ERAS.session>>;

function call(client: Client, name: string): Promise<Message> {
  return client.ask("tools/call", { name, arguments: {} });
}

async function toolNames(world: Parameters<typeof ERAS.session>[0]): Promise<string[]> {
  await using client = await ERAS.session(world);
  return await namesOf(client, "tools/list");
}

async function cursorOf(client: Client, method: string): Promise<string> {
  const { result } = await client.ask(method);
  const { nextCursor } = result as { nextCursor?: string };
  assert(nextCursor !== undefined);
  return nextCursor;
}

function textIn({ result }: Message): unknown {
  return ((result as Message).content as Message[])[0]!.text;
}

function codeOf({ error }: Message): unknown {
  return (error as Message | undefined)?.code;
}
