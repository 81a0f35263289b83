/**
 * How a virtual server shows what was chosen: names, what is said differently, and what it says of
 * itself; and an upstream server's own endpoint while something of it is switched off.
 *
 * @module
 * @see contract.md, sections 3 and 4
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import {
  aResource,
  aTemplate,
  aTool,
  type EraClient,
  ERAS,
  inBothEras,
  namesOf,
  type OpenEra,
  serveShelf,
} from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const INVALID_PARAMS = -32602;
const ANNOTATIONS = { readOnlyHint: true, title: "Old" };

type World = Awaited<ReturnType<typeof serveShelf>>;
let world: World;

function offers() {
  return {
    a: {
      tools: [
        aTool("same", { description: "of a", annotations: ANNOTATIONS, "x-more": [1.5] }),
        aTool("own"),
        aTool("__proto__"),
      ],
      prompts: [{ name: "p", description: "old" }],
      resources: [aResource("test://r", { description: "old" })],
      templates: [aTemplate("test://of/{x}")],
      instructions: "Of a",
    },
    b: { tools: [aTool("same", { description: "of b" })] },
  };
}

Deno.test.beforeAll(async () => {
  world = await serveShelf(offers(), {
    servers: {
      prefixed: {
        title: "A Title",
        description: "What it is",
        instructions: "Be kind",
        tools: ["*"],
      },
      verbatim: { tools: ["a-own", "a-__proto__"], prompts: ["*"], naming: "verbatim" },
      twins: { tools: ["*"], naming: "verbatim" },
      changed: {
        tools: ["a-same", "b-same", "a-own"],
        prompts: ["a-p"],
        resources: ["*"],
        overrides: {
          tools: {
            "a-same": {
              name: "better",
              title: "Better",
              description: "new",
              annotations: { title: "New", idempotentHint: true },
            },
            "__proto__": { name: "polluted" },
            "a-own": { annotations: { "__proto__": { readOnlyHint: true } } },
          },
          prompts: { "a-p": { name: "q", description: "new" } },
          resources: {
            "test://r": { name: "R", title: "Res", description: "new" },
            "test://of/{x}": { title: "Template" },
          },
        },
      },
    },
    env: { SESSIONS_PER_PRINCIPAL: "1000" },
  });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

async function client(open: OpenEra, slug: string): Promise<EraClient> {
  const made = await open(world, { path: `/servers/${slug}/mcp` });
  for (const stand of Object.values(world.stands)) stand.reset();
  return made;
}

async function itemsOf(client: EraClient, method: string, member: string): Promise<Message[]> {
  return ((await client.ask(method)).result as Message)[member] as Message[];
}

// ── Names ───────────────────────────────────────────────────────────────────────────────────────

inBothEras("prefixed: items have their names of `/mcp`", async (open) => {
  await using prefixed = await client(open, "prefixed");
  assertEquals((await namesOf(prefixed, "tools/list")).sort(), [
    "a-__proto__",
    "a-own",
    "a-same",
    "b-same",
  ]);
});

inBothEras("verbatim: items have the names that their servers gave them", async (open) => {
  await using verbatim = await client(open, "verbatim");
  assertEquals(await namesOf(verbatim, "tools/list"), ["own", "__proto__"]);
});

inBothEras("verbatim: each is called by that name", async (open) => {
  await using verbatim = await client(open, "verbatim");
  for (const name of ["own", "__proto__"]) {
    await verbatim.ask("tools/call", { name, arguments: {} });
  }
  const called = world.stands.a!.requestsOf("tools/call").map(({ params }) => params.name);
  assertEquals(called, ["own", "__proto__"]);
});

inBothEras("verbatim: the name of `/mcp` is none here", async (open) => {
  await using verbatim = await client(open, "verbatim");
  const { error } = await verbatim.ask("tools/call", { name: "a-own", arguments: {} });
  assertEquals((error as Message).code, INVALID_PARAMS);
});

inBothEras("verbatim: of two with one name the first server's is there", async (open) => {
  await using twins = await client(open, "twins");
  const same = (await itemsOf(twins, "tools/list", "tools")).filter(({ name }) => name === "same");
  assertEquals(same.length, 1);
  const { result } = await twins.ask("tools/call", { name: "same", arguments: {} });
  const [{ text }] = (result as Message).content as [Message];
  assertEquals(`of ${String(text).slice(0, 1)}`, same[0]!.description);
});

inBothEras("a tool is called by the name that it has been given", async (open) => {
  await using changed = await client(open, "changed");
  const { result } = await changed.ask("tools/call", { name: "better", arguments: {} });
  assertEquals((result as Message).content, [{ type: "text", text: "a: same" }]);
});

inBothEras("a tool that has been given a name is not called by the one it had", async (open) => {
  await using changed = await client(open, "changed");
  const { error } = await changed.ask("tools/call", { name: "a-same", arguments: {} });
  assertEquals((error as Message).code, INVALID_PARAMS);
});

inBothEras("a prompt is got by the name that it has been given", async (open) => {
  await using changed = await client(open, "changed");
  await changed.ask("prompts/get", { name: "q" });
  assertEquals(world.stands.a!.requestsOf("prompts/get")[0]?.params.name, "p");
});

inBothEras("a completion of a prompt goes by the name that it has been given", async (open) => {
  await using changed = await client(open, "changed");
  const ref = { type: "ref/prompt", name: "q" };
  await changed.ask("completion/complete", { ref, argument: { name: "x", value: "" } });
  const [seen] = world.stands.a!.requestsOf("completion/complete");
  assertEquals(seen?.params.ref, { type: "ref/prompt", name: "p" });
});

// ── What is said differently ────────────────────────────────────────────────────────────────────

inBothEras("name, title, description and annotations are shown as they were set", async (open) => {
  await using changed = await client(open, "changed");
  const [tool] = await itemsOf(changed, "tools/list", "tools");
  assertEquals(tool, {
    name: "better",
    title: "Better",
    description: "new",
    inputSchema: { type: "object" },
    annotations: { readOnlyHint: true, title: "New", idempotentHint: true },
    "x-more": [1.5],
  });
});

inBothEras("nobody is given what stands under `__proto__`", async (open) => {
  await using changed = await client(open, "changed");
  const tools = await itemsOf(changed, "tools/list", "tools");
  assertEquals(tools.map(({ name }) => name), ["better", "a-own", "b-same"]);
  assertEquals(tools[1]!.readOnlyHint, undefined);
});

inBothEras("a prompt is shown as it was set", async (open) => {
  await using changed = await client(open, "changed");
  const prompts = await itemsOf(changed, "prompts/list", "prompts");
  assertEquals(prompts, [{ name: "q", description: "new" }]);
});

inBothEras("a resource is shown as it was set, under its own URI", async (open) => {
  await using changed = await client(open, "changed");
  const resources = await itemsOf(changed, "resources/list", "resources");
  assertEquals(resources, [{ uri: "test://r", name: "R", title: "Res", description: "new" }]);
});

inBothEras("a template is shown as it was set", async (open) => {
  await using changed = await client(open, "changed");
  const [template] = await itemsOf(changed, "resources/templates/list", "resourceTemplates");
  assertEquals(template!.title, "Template");
});

inBothEras("elsewhere nothing is said differently", async (open) => {
  await using prefixed = await client(open, "prefixed");
  const tools = await itemsOf(prefixed, "tools/list", "tools");
  const same = tools.find(({ name }) => name === "a-same")!;
  assertEquals([same.description, same.annotations], ["of a", ANNOTATIONS]);
});

// ── What it says of itself ──────────────────────────────────────────────────────────────────────

async function told(open: OpenEra, era: string, slug: string): Promise<Message> {
  await using one = await client(open, slug);
  if (era === "session") return one.session!.server;
  const result = (await one.ask("server/discover")).result as Message;
  const meta = result._meta as Message;
  return { ...result, serverInfo: meta["io.modelcontextprotocol/serverInfo"]! };
}

inBothEras("it has its own name, title and description", async (open, era) => {
  const { serverInfo } = await told(open, era, "prefixed");
  const { name, title, description } = serverInfo as Message;
  assertEquals([name, title, description], ["prefixed", "A Title", "What it is"]);
});

inBothEras("it has its own instructions", async (open, era) => {
  assertEquals((await told(open, era, "prefixed")).instructions, "Be kind");
});

inBothEras("without instructions of its own it has those of its server", async (open, era) => {
  assertEquals((await told(open, era, "verbatim")).instructions, "Of a");
});

// ── An upstream server of which something is switched off ───────────────────────────────────────

/** Switches one item off, and runs while it is. */
async function without(
  kind: "tools" | "prompts" | "resources",
  upstreamName: string,
  run: (world: World) => Promise<void>,
): Promise<void> {
  await using own = await serveShelf(offers());
  await switchOff(own, kind, upstreamName);
  await run(own);
}

async function switchOff(world: World, kind: string, upstreamName: string): Promise<void> {
  const headers = {
    "Authorization": `Bearer ${await mintToken({ is_admin: true, teams: null })}`,
    "Content-Type": "application/json",
  };
  const api = `${world.origin}/api/${kind}`;
  const { items } = await (await fetch(api, { headers })).json() as { items: Message[] };
  const item = items.find((one) =>
    [one.upstreamName, one.uri, one.uriTemplate, one.name].includes(upstreamName)
  );
  const body = JSON.stringify({ enabled: false });
  const reply = await fetch(`${api}/${item?.id}`, { method: "PATCH", headers, body });
  assertEquals(reply.status, 200, await reply.text());
}

const OWN = { path: "/servers/a/mcp" };

inBothEras("a tool that is switched off is not listed by its server", async (open) => {
  await without("tools", "same", async (world) => {
    await using a = await open(world, OWN);
    await until("the change", async () => (await namesOf(a, "tools/list")).length === 2);
    assertEquals(await namesOf(a, "tools/list"), ["own", "__proto__"]);
  });
});

inBothEras("a tool that is switched off is not called at its server", async (open) => {
  await without("tools", "same", async (world) => {
    await using a = await open(world, OWN);
    const { error } = await a.ask("tools/call", { name: "same", arguments: {} });
    const calls = world.stands.a!.requestsOf("tools/call").length;
    assertEquals([(error as Message).code, calls], [INVALID_PARAMS, 0]);
  });
});

inBothEras("the others of a server are called as before", async (open) => {
  await without("tools", "same", async (world) => {
    await using a = await open(world, OWN);
    const { result } = await a.ask("tools/call", { name: "own", arguments: {} });
    assertEquals((result as Message).content, [{ type: "text", text: "a: own" }]);
  });
});

inBothEras("a tool that is switched off is in no list and no call of `/mcp`", async (open) => {
  await without("tools", "same", async (world) => {
    await using all = await open(world);
    const { error } = await all.ask("tools/call", { name: "a-same", arguments: {} });
    const names = await namesOf(all, "tools/list");
    assertEquals([names.includes("a-same"), (error as Message).code], [false, INVALID_PARAMS]);
  });
});

inBothEras("a prompt that is switched off is not completed at its server", async (open) => {
  await without("prompts", "p", async (world) => {
    await using a = await open(world, OWN);
    const ref = { type: "ref/prompt", name: "p" };
    await a.ask("completion/complete", { ref, argument: { name: "x", value: "" } });
    assertEquals(world.stands.a!.requestsOf("completion/complete").length, 0);
  });
});

for (const path of ["/servers/a/mcp", "/mcp"]) {
  inBothEras(
    `a resource that is switched off is not read through a template on ${path}`,
    async (open) => {
      const offer = { resources: [aResource("test://x")], templates: [aTemplate("test://{name}")] };
      await using world = await serveShelf({ a: offer });
      await switchOff(world, "resources", "test://x");
      await using client = await open(world, { path });
      await client.ask("resources/read", { uri: "test://x" });
      await client.ask("resources/read", { uri: "test://%78" });
      await client.ask("resources/read", { uri: "test://y" });
      const read = world.stands.a!.requestsOf("resources/read").map(({ params }) => params.uri);
      assertEquals(read, ["test://y"]);
    },
  );
}

Deno.test("a session that is open when a tool is switched off cannot call it any more", async () => {
  await using world = await serveShelf(offers());
  await using a = await ERAS.session(world, OWN);
  await a.ask("tools/call", { name: "same", arguments: {} });
  await switchOff(world, "tools", "same");
  const { error } = await a.ask("tools/call", { name: "same", arguments: {} });
  assertEquals((error as Message | undefined)?.code, INVALID_PARAMS);
});
