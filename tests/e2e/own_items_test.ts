/**
 * Prompts and resources that the gateway has itself: made through the API, and served on `/mcp` in
 * both eras as if a server stood behind them.
 *
 * @module
 * @see contract.md, sections 4, 6 and 8, "Prompts, resources, completion"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ApiWorld, openApiWorld } from "../support/api_world.ts";
import type { Message } from "../support/modern.ts";
import {
  aResource,
  aTool,
  type EraClient,
  ERAS,
  inBothEras,
  namesOf,
} from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";

const INVALID_PARAMS = -32602;

const GREETING = {
  name: "greet",
  title: "Greeting",
  arguments: [
    { name: "who", required: true, values: ["Ada", "Alan", "Bob"] },
    { name: "tone" },
  ],
  messages: [
    {
      role: "user",
      content: { type: "text", text: "Say hello to {{who}}{{#tone}}, {{tone}}{{/tone}}" },
    },
    {
      role: "assistant",
      content: { type: "resource", resource: { uri: "note://1", text: "About {{{who}}}" } },
    },
    {
      role: "user",
      content: {
        type: "image",
        data: "aGk=",
        mimeType: "image/png",
        annotations: { audience: ["user"], priority: 0.5 },
        _meta: { k: 1 },
      },
    },
  ],
};

function open(options = {}): Promise<ApiWorld> {
  return openApiWorld(options);
}

inBothEras("a prompt is listed under its own name, without its values", async (client) => {
  await using world = await open();
  await world.api.must("POST", "/prompts", GREETING);
  await using era = await client(world);
  const { prompts } = await result(era, "prompts/list");
  assertEquals(prompts, [{
    name: "greet",
    title: "Greeting",
    arguments: [{ name: "who", required: true }, { name: "tone" }],
  }]);
});

inBothEras("a prompt's texts are filled, and nothing in them is escaped", async (client) => {
  await using world = await open();
  await world.api.must("POST", "/prompts", GREETING);
  await using era = await client(world);
  const args = { who: `<A & "B">`, tone: "{{who}}" };
  const { messages } = await result(era, "prompts/get", { name: "greet", arguments: args });
  assertEquals(messages, [
    { role: "user", content: { type: "text", text: `Say hello to <A & "B">, {{who}}` } },
    {
      role: "assistant",
      content: { type: "resource", resource: { uri: "note://1", text: `About <A & "B">` } },
    },
    GREETING.messages[2],
  ]);
});

inBothEras("an optional argument that is missing is empty", async (client) => {
  await using world = await open();
  await world.api.must("POST", "/prompts", GREETING);
  await using era = await client(world);
  const { messages } = await result(era, "prompts/get", { name: "greet", arguments: { who: "A" } });
  assertEquals(textOf(messages), "Say hello to A");
});

for (
  const [what, args] of [
    ["without a required argument", { tone: "x" }],
    ["without arguments", undefined],
    ["with an argument that is no string", { who: "A", tone: 1 }],
    ["with an undeclared argument that is no string", { who: "A", other: {} }],
  ] as const
) {
  inBothEras(`a prompt ${what} is -32602`, async (client) => {
    await using world = await open();
    await world.api.must("POST", "/prompts", GREETING);
    await using era = await client(world);
    const reply = await era.ask("prompts/get", { name: "greet", ...args && { arguments: args } });
    assertEquals(codeOf(reply), INVALID_PARAMS);
  });
}

inBothEras("values are completed by what they begin with", async (client) => {
  await using world = await open();
  await world.api.must("POST", "/prompts", GREETING);
  await using era = await client(world);
  const { completion } = await result(era, "completion/complete", {
    ref: { type: "ref/prompt", name: "greet" },
    argument: { name: "who", value: "A" },
  });
  assertEquals(completion, { values: ["Ada", "Alan"], total: 2, hasMore: false });
});

inBothEras("a hundred completions are given, and how many there are", async (client) => {
  await using world = await open();
  const values = Array.from({ length: 150 }, (_, i) => `v${i}`);
  const prompt = { ...GREETING, arguments: [{ name: "who", values }, { name: "tone" }] };
  await world.api.must("POST", "/prompts", prompt);
  await using era = await client(world);
  const { completion } = await result(era, "completion/complete", {
    ref: { type: "ref/prompt", name: "greet" },
    argument: { name: "who", value: "" },
  });
  const { values: given, ...rest } = completion as Message;
  assertEquals([(given as string[]).length, rest], [100, { total: 150, hasMore: true }]);
});

inBothEras("a resource is listed with its size, and read as it was written", async (client) => {
  await using world = await open();
  await world.api.must("POST", "/resources", {
    uri: "note://a",
    name: "A",
    mimeType: "text/plain",
    text: "Grüße {{x}}",
    annotations: { priority: 1 },
  });
  await using era = await client(world);
  const { resources } = await result(era, "resources/list");
  const annotations = { priority: 1 };
  const shown = { uri: "note://a", name: "A", mimeType: "text/plain", annotations, size: 13 };
  assertEquals(sorted((resources as Message[])[0]!), sorted(shown));
  const { contents } = await result(era, "resources/read", { uri: "note://a" });
  assertEquals(contents, [{ uri: "note://a", mimeType: "text/plain", text: "Grüße {{x}}" }]);
});

inBothEras("a resource of several parts is read with all of them", async (client) => {
  await using world = await open();
  const contents = [
    { uri: "note://a/1", mimeType: "text/plain", text: "one", _meta: { n: 1 } },
    { mimeType: "image/png", blob: "aGk=" },
  ];
  await world.api.must("POST", "/resources", { uri: "note://a", name: "A", contents });
  await using era = await client(world);
  const read = await result(era, "resources/read", { uri: "note://a" });
  assertEquals(read.contents, [contents[0], { uri: "note://a", ...contents[1] }]);
});

inBothEras("a template is filled with what stands in the URI, decoded", async (client) => {
  await using world = await open();
  await addTemplate(world);
  await using era = await client(world);
  const uri = "note://people/Ada%20%26%20Co?lang=de";
  const { contents } = await result(era, "resources/read", { uri });
  assertEquals(contents, [{ uri, mimeType: "text/plain", text: "Ada & Co (de)" }]);
});

inBothEras("an empty variable of the path does not match", async (client) => {
  await using world = await open();
  await addTemplate(world);
  await using era = await client(world);
  const expected = era.session === undefined ? INVALID_PARAMS : -32002;
  assertEquals(codeOf(await era.ask("resources/read", { uri: "note://people/" })), expected);
});

inBothEras("a resource wins over a template that fits its URI", async (client) => {
  await using world = await open();
  await addTemplate(world);
  await world.api.must("POST", "/resources", { uri: "note://people/me", name: "Me", text: "I" });
  await using era = await client(world);
  const { contents } = await result(era, "resources/read", { uri: "note://people/me" });
  assertEquals(textIn(contents), "I");
});

inBothEras("a template's variables are completed", async (client) => {
  await using world = await open();
  await addTemplate(world);
  await using era = await client(world);
  const { completion } = await result(era, "completion/complete", {
    ref: { type: "ref/resource", uri: "note://people/{name}{?lang}" },
    argument: { name: "lang", value: "d" },
  });
  assertEquals(completion, { values: ["da", "de"], total: 2, hasMore: false });
});

inBothEras("own items stand before those of upstream servers", async (client) => {
  await using world = await open({ declared: { shop: { prompts: [{ name: "p" }] } } });
  await world.api.must("POST", "/prompts", GREETING);
  await using era = await client(world);
  assertEquals(await namesOf(era, "prompts/list"), ["greet", "shop-p"]);
});

inBothEras("a virtual server shows the own items that it names", async (client) => {
  await using world = await open();
  await world.api.must("POST", "/prompts", GREETING);
  await world.api.must("POST", "/prompts", { ...GREETING, name: "other" });
  await world.api.must("POST", "/servers", {
    name: "v",
    tools: [],
    prompts: ["gr*"],
    resources: [],
    overrides: { prompts: { greet: { name: "hello" } } },
  });
  await using era = await client(world, { path: "/servers/v/mcp" });
  assertEquals(await namesOf(era, "prompts/list"), ["hello"]);
  const args = { who: "A" };
  const { messages } = await result(era, "prompts/get", { name: "hello", arguments: args });
  assertEquals(textOf(messages), "Say hello to A");
});

Deno.test("a name that a discovered prompt has is refused", async () => {
  await using world = await open({ declared: { shop: { prompts: [{ name: "p" }] } } });
  const body = { ...GREETING, name: "shop-p" };
  const { status, json } = await world.api.call("POST", "/prompts", { body });
  assertEquals([status, json.code, json.errors[0].path], [409, "conflict", "name"]);
});

Deno.test("a URI that a discovered resource has is refused", async () => {
  await using world = await open({ declared: { shop: { resources: [aResource("test://r")] } } });
  const body = { uri: "test://r", name: "R", text: "" };
  const { status, json } = await world.api.call("POST", "/resources", { body });
  assertEquals([status, json.errors[0].path], [409, "uri"]);
});

Deno.test("what is discovered later gets another name, and a URI an alias", async () => {
  await using world = await open();
  await world.api.must("POST", "/prompts", { ...GREETING, name: "late-p" });
  await world.api.must("POST", "/resources", { uri: "test://r", name: "R", text: "mine" });
  const stand = world.stand("late", {
    prompts: [{ name: "p" }],
    resources: [aResource("test://r")],
  });
  await world.api.must("POST", "/upstreams", { name: "late", url: stand.url });
  await using era = await ERAS.modern(world);
  const [own, found] = await namesOf(era, "prompts/list");
  assertEquals([own, /^late-p-[0-9a-f]{8}$/.test(found!)], ["late-p", true]);
  assertEquals(await namesOf(era, "resources/list"), ["test://r", "test://r#late"]);
  const { contents } = await result(era, "resources/read", { uri: "test://r" });
  assertEquals(textIn(contents), "mine");
});

Deno.test("no URL leads to the server that stands behind own items", async () => {
  await using world = await open();
  await world.api.must("POST", "/prompts", GREETING);
  const token = await mintToken();
  for (const path of ["/servers/.own/mcp", "/servers/own/mcp"]) {
    const headers = { Authorization: `Bearer ${token}`, Accept: "application/json" };
    const { status, body } = await fetch(`${world.origin}${path}`, { method: "GET", headers });
    await body?.cancel();
    assertEquals(status, 404);
  }
  assertEquals((await world.api.all("/upstreams")).length, 0);
  assertEquals((await world.api.call("GET", "/upstreams/.own")).status, 404);
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`own items are there after a restart by ${signal}`, async () => {
    await using world = await open();
    await world.api.must("POST", "/prompts", GREETING);
    await world.restart(signal);
    await using era = await ERAS.modern(world);
    assertEquals(await namesOf(era, "prompts/list"), ["greet"]);
  });
}

Deno.test("a tool of an upstream server is called as before, with own items beside it", async () => {
  await using world = await open({ declared: { shop: { tools: [aTool("buy")] } } });
  await world.api.must("POST", "/prompts", GREETING);
  await using era = await ERAS.modern(world);
  const { content } = await result(era, "tools/call", { name: "shop-buy", arguments: {} });
  assertEquals((content as Message[])[0]!.text, "shop: buy");
});

async function addTemplate({ api }: ApiWorld) {
  await api.must("POST", "/resources", {
    uriTemplate: "note://people/{name}{?lang}",
    name: "People",
    mimeType: "text/plain",
    text: "{{name}} ({{lang}})",
    arguments: [{ name: "lang", values: ["da", "de", "en"] }],
  });
}

async function result(client: EraClient, method: string, params?: Message): Promise<Message> {
  const reply = await client.ask(method, params);
  if (reply.result === undefined) throw new Error(JSON.stringify(reply));
  return reply.result as Message;
}

function codeOf({ error }: Message): unknown {
  return (error as Message | undefined)?.code;
}

function textOf(messages: unknown): unknown {
  return (messages as Message[]).map(({ content }) => (content as Message).text)[0];
}

function textIn(contents: unknown): unknown {
  return (contents as Message[])[0]!.text;
}

function sorted(value: Message): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
}
