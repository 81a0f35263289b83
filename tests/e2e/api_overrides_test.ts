/**
 * Tools, prompts and resources that an administrator shows differently, or not at all: seen at once
 * on `/mcp`, and narrowed on the server's own URL, where nothing else is changed.
 *
 * @module
 * @see contract.md, sections 4 and 6
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ApiWorld, openApiWorld } from "../support/api_world.ts";
import type { Message } from "../support/modern.ts";
import type { Offer } from "../support/shelf_server.ts";
import {
  aResource,
  aTemplate,
  aTool,
  type EraClient,
  ERAS,
  inBothEras,
  namesOf,
} from "../support/shelf_world.ts";

const OWN_PATH = "/servers/shop/mcp";
const INVALID_PARAMS = -32602;
const UNKNOWN_RESOURCE = -32002;

const OFFER: Partial<Offer> = {
  tools: [aTool("buy", { description: "Buys", title: "Buy" }), aTool("sell")],
  prompts: [{ name: "greet", description: "Greets" }, { name: "part" }],
  resources: [aResource("test://cellar"), aResource("test://attic")],
  templates: [aTemplate("test://room/{n}")],
};

inBothEras("a tool's new name is the one that is listed and called", async (open) => {
  await using world = await openShop();
  await using client = await open(world);
  await world.api.must("PATCH", await pathOf(world, "tools", "buy"), { name: "purchase" });
  assertEquals(await namesOf(client, "tools/list"), ["purchase", "shop-sell"]);
  const { result } = await client.ask("tools/call", { name: "purchase", arguments: {} });
  assertEquals(textIn(result), "shop: buy");
});

inBothEras("a tool's old name leads nowhere", async (open) => {
  await using world = await openShop();
  await using client = await open(world);
  await world.api.must("PATCH", await pathOf(world, "tools", "buy"), { name: "purchase" });
  const reply = await client.ask("tools/call", { name: "shop-buy", arguments: {} });
  assertEquals(codeOf(reply), INVALID_PARAMS);
  assertEquals(world.stands.shop!.requestsOf("tools/call").length, 0);
});

Deno.test("a name taken back is the name that it was", async () => {
  await using world = await openShop();
  await using client = await ERAS.modern(world);
  const path = await pathOf(world, "tools", "buy");
  await world.api.must("PATCH", path, { name: "purchase" });
  await world.api.must("PATCH", path, { name: null });
  assertEquals(await namesOf(client, "tools/list"), ["shop-buy", "shop-sell"]);
});

Deno.test("a name that another tool has is refused, and nothing changes", async () => {
  await using world = await openShop();
  await using client = await ERAS.modern(world);
  const path = await pathOf(world, "tools", "buy");
  const { status, json } = await world.api.call("PATCH", path, { body: { name: "shop-sell" } });
  assertEquals([status, json.code], [409, "conflict"]);
  assertEquals(await namesOf(client, "tools/list"), ["shop-buy", "shop-sell"]);
});

Deno.test("title and description are shown as they were set, all else as it was", async () => {
  await using world = await openShop();
  await using client = await ERAS.modern(world);
  const [before] = await listed(client, "tools/list", "tools");
  await world.api.must("PATCH", await pathOf(world, "tools", "buy"), {
    title: "Kaufen",
    description: "Kauft",
  });
  const [after] = await listed(client, "tools/list", "tools");
  assertEquals(after, { ...before, title: "Kaufen", description: "Kauft" });
});

for (
  const [noun, upstreamName, method, rest] of [
    ["tools", "buy", "tools/list", ["shop-sell"]],
    ["prompts", "greet", "prompts/list", ["shop-part"]],
    ["resources", "test://cellar", "resources/list", ["test://attic"]],
    ["resources", "test://room/{n}", "resources/templates/list", []],
  ] as const
) {
  inBothEras(`${upstreamName} that is disabled is not in ${method} of /mcp`, async (open) => {
    await using world = await openShop();
    await using client = await open(world);
    await disable(world, noun, upstreamName);
    assertEquals(await namesOf(client, method), rest);
  });

  inBothEras(`${upstreamName} that is disabled is not in ${method} of its server`, async (open) => {
    await using world = await openShop();
    await using client = await open(world, { path: OWN_PATH });
    const before = await namesOf(client, method);
    await disable(world, noun, upstreamName);
    assertEquals(await namesOf(client, method), before.filter((one) => one !== upstreamName));
  });
}

for (const path of ["/mcp", OWN_PATH]) {
  inBothEras(`what is disabled cannot be used on ${path} by any method`, async (open, era) => {
    await using world = await openShop();
    for (
      const [noun, name] of [
        ["tools", "buy"],
        ["prompts", "greet"],
        ["resources", "test://cellar"],
        ["resources", "test://room/{n}"],
      ]
    ) await disable(world, noun!, name!);
    await using client = await open(world, { path });
    const prefix = path === "/mcp" ? "shop-" : "";
    const ref = { type: "ref/prompt", name: `${prefix}greet` };
    const template = { type: "ref/resource", uri: "test://room/{n}" };
    const argument = { name: "n", value: "1" };
    const answers = [
      await client.ask("tools/call", { name: `${prefix}buy`, arguments: {} }),
      await client.ask("prompts/get", { name: `${prefix}greet` }),
      await client.ask("resources/read", { uri: "test://cellar" }),
      await client.ask("resources/read", { uri: "test://room/1" }),
      await client.ask("completion/complete", { ref, argument }),
      await client.ask("completion/complete", { ref: template, argument }),
    ];
    const unknown = era === "session" ? UNKNOWN_RESOURCE : INVALID_PARAMS;
    assertEquals(answers.map(codeOf), [
      INVALID_PARAMS,
      INVALID_PARAMS,
      unknown,
      unknown,
      INVALID_PARAMS,
      INVALID_PARAMS,
    ]);
    const used = ["tools/call", "prompts/get", "resources/read", "completion/complete"];
    assertEquals(used.flatMap((method) => world.stands.shop!.requestsOf(method)), []);
  });
}

Deno.test("on its own URL a renamed tool keeps its name, title and description", async () => {
  await using world = await openShop();
  await using client = await ERAS.modern(world, { path: OWN_PATH });
  const before = await listed(client, "tools/list", "tools");
  const change = { name: "purchase", title: "Kaufen", description: "Kauft" };
  await world.api.must("PATCH", await pathOf(world, "tools", "buy"), change);
  assertEquals(await listed(client, "tools/list", "tools"), before);
});

Deno.test("what was set stays when the server is read again", async () => {
  await using world = await openShop();
  await using client = await ERAS.modern(world);
  await world.api.must("PATCH", await pathOf(world, "tools", "buy"), { name: "purchase" });
  await disable(world, "tools", "sell");
  world.stands.shop!.offer.tools[0]!.description = "Buys more";
  await world.api.must("POST", "/upstreams/shop/refresh");
  const [only, ...more] = await listed(client, "tools/list", "tools");
  assertEquals([only!.name, only!.description, more], ["purchase", "Buys more", []]);
});

Deno.test("what a server offers cannot be deleted, only disabled", async () => {
  await using world = await openShop();
  const path = await pathOf(world, "tools", "buy");
  const { status, json } = await world.api.call("DELETE", path);
  assertEquals([status, json.code], [409, "discovered"]);
});

function openShop(): Promise<ApiWorld> {
  return openApiWorld({ declared: { shop: structuredClone(OFFER) } });
}

/** Path of the record of an item, by the name that its server gave it. */
async function pathOf({ api }: ApiWorld, noun: string, upstreamName: string): Promise<string> {
  const records = await api.all(`/${noun}`);
  const { id } = records.find((record) => record.upstreamName === upstreamName);
  return `/${noun}/${id}`;
}

async function disable(world: ApiWorld, noun: string, upstreamName: string): Promise<void> {
  await world.api.must("PATCH", await pathOf(world, noun, upstreamName), { enabled: false });
}

async function listed(client: EraClient, method: string, member: string): Promise<Message[]> {
  const { result } = await client.ask(method);
  return (result as Record<string, Message[]>)[member]!;
}

function codeOf({ error }: Message): number | undefined {
  return (error as { code: number } | undefined)?.code;
}

function textIn(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
