/**
 * The config file edited while the gateway runs: what it says now counts within a few seconds, whole
 * or not at all, clients are told, and no call notices.
 *
 * @module
 * @see contract.md, section 3
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { callModern, type Message, modernBytes } from "../support/modern.ts";
import { openRaw } from "../support/open_reply.ts";
import {
  aResource,
  aTool,
  ERAS,
  inBothEras,
  namesOf,
  type OpenEra,
  openShelfWorld,
  sessionless,
  type ShelfConfig,
  type ShelfWorld,
} from "../support/shelf_world.ts";
import type { Stand } from "../support/shelf_server.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const INVALID_PARAMS = -32602;
const UPDATED = "notifications/resources/updated";

const OFFER = { tools: [aTool("t")], resources: [aResource("test://r")] };

interface World extends ShelfWorld {
  readonly a: Stand;
  readonly b: Stand;
}

/** A gateway that knows `a`; `b` is there for later. */
async function openWorld(
  config: Partial<ShelfConfig> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<World> {
  const world = await openShelfWorld();
  const a = world.stand("a", OFFER);
  const b = world.stand("b", { tools: [aTool("t")] });
  await world.write({ stands: [a], ...config });
  await world.start(env);
  return { ...world, a, b };
}

async function tools(world: ShelfWorld, open: OpenEra = ERAS.session): Promise<string[]> {
  await using client = await open(world);
  return await namesOf(client, "tools/list");
}

/** Waits until a client that comes now sees exactly these. */
async function sees(world: ShelfWorld, names: readonly string[]): Promise<void> {
  await until(names.join() || "nothing", async () => {
    return (await tools(world)).join() === names.join();
  });
}

// ── What is new, gone, or different ─────────────────────────────────────────────────────────────

Deno.test("a server that is added to the file is there, without a signal", async () => {
  await using world = await openWorld();
  await world.write({ stands: [world.a, world.b] });
  await sees(world, ["a-t", "b-t"]);
});

Deno.test("a client that listens is told of a server that is added", async () => {
  await using world = await openWorld();
  await using client = await ERAS.session(world);
  using own = await client.session!.listen();
  await world.write({ stands: [world.a, world.b] });
  await until("the news", () => own.text().includes("notifications/tools/list_changed"));
  assertEquals(await namesOf(client, "tools/list"), ["a-t", "b-t"]);
});

inBothEras("a server that is taken out of the file is gone for open clients, too", async (open) => {
  await using world = await openWorld();
  await world.write({ stands: [world.a, world.b] });
  await sees(world, ["a-t", "b-t"]);
  await using client = await open(world);
  await client.ask("tools/call", { name: "b-t", arguments: {} });
  await change(world, { stands: [world.a] }, ["a-t"]);
  const { error } = await client.ask("tools/call", { name: "b-t", arguments: {} });
  assertEquals([(error as Message).code, world.b.requestsOf("tools/call").length], [
    INVALID_PARAMS,
    1,
  ]);
});

const CLIENTS = { ...ERAS, sessionless };

for (const [kind, open] of Object.entries(CLIENTS)) {
  Deno.test(`a server that moves is called where it is now (${kind})`, async () => {
    const isStateful = kind !== "sessionless";
    await using world = await openWorld({}, { USE_STATEFUL_SESSIONS: String(isStateful) });
    await using client = await open(world);
    const call = () => client.ask("tools/call", { name: "a-t", arguments: {} });
    await call();
    await world.write({ stands: [[world.a, { url: world.b.url }]] });
    world.signal("SIGHUP");
    await until("the new place", async () => {
      await call();
      return calls(world.b) > 0;
    });
    const before = calls(world.a);
    await call();
    assertEquals(calls(world.a), before);
  });
}

inBothEras("a server that is disabled is not there, and comes back as it was", async (open) => {
  await using world = await openWorld();
  await using client = await open(world);
  await change(world, { stands: [[world.a, { disabled: true }]] }, []);
  const { error } = await client.ask("tools/call", { name: "a-t", arguments: {} });
  assertEquals((error as Message).code, INVALID_PARAMS);
  await change(world, { stands: [world.a] }, ["a-t"]);
  const { result } = await client.ask("tools/call", { name: "a-t", arguments: {} });
  assertEquals((result as Message).content, [{ type: "text", text: "a: t" }]);
});

Deno.test("a virtual server that is added to the file is there, and gone when it is taken out", async () => {
  await using world = await openWorld();
  const path = "/servers/some/mcp";
  const status = async () => {
    const token = await mintToken();
    return (await callModern(world.origin, { method: "tools/list", path, token })).status;
  };
  assertEquals(await status(), 404);
  await world.write({ stands: [world.a], servers: { some: { tools: ["*"] } } });
  await until("the server", async () => await status() === 200);
  await world.write({ stands: [world.a] });
  await until("its end", async () => await status() === 404);
});

Deno.test("a session of a virtual server that is taken out is not found", async () => {
  await using world = await openWorld({ servers: { some: { tools: ["*"] } } });
  await using client = await ERAS.session(world, { path: "/servers/some/mcp" });
  await world.write({ stands: [world.a] });
  await until("its end", async () => {
    return (await client.session!.send({ method: "ping" })).status === 404;
  });
});

Deno.test("a virtual server that takes the URL of a server serves no old session of it", async () => {
  await using world = await openWorld();
  await using client = await ERAS.session(world, { path: "/servers/a/mcp" });
  await client.ask("tools/call", { name: "t", arguments: {} });
  const moved = [["c", { type: "http", url: world.b.url }]] as const;
  await Deno.writeTextFile(
    world.configFile,
    JSON.stringify({ mcpServers: Object.fromEntries(moved), servers: { a: { tools: ["*"] } } }),
  );
  await sees(world, ["c-t"]);
  const reply = await client.session!.send({
    method: "tools/call",
    params: { name: "t", arguments: {} },
  });
  assertEquals([reply.status === 200 && "result" in reply.response, calls(world.a)], [false, 1]);
});

// ── Rights that change ──────────────────────────────────────────────────────────────────────────

const ONLY_RED = { visibility: "team", team: "red" };

inBothEras("a server that becomes another team's is gone for open clients", async (open) => {
  await using world = await openWorld();
  await using client = await open(world);
  await client.ask("tools/call", { name: "a-t", arguments: {} });
  await change(world, { stands: [[world.a, ONLY_RED]] }, []);
  const { error } = await client.ask("tools/call", { name: "a-t", arguments: {} });
  assertEquals([(error as Message).code, calls(world.a)], [INVALID_PARAMS, 1]);
});

Deno.test("what a server says that has become another team's is not heard any more", async () => {
  await using world = await openWorld();
  await using client = await ERAS.session(world);
  using own = await client.session!.listen();
  await client.ask("resources/subscribe", { uri: "test://r" });
  world.a.say(UPDATED, { uri: "test://r" });
  await until("the update", () => own.text().includes(UPDATED));
  await change(world, { stands: [[world.a, ONLY_RED], world.b] }, ["b-t"]);
  world.a.say(UPDATED, { uri: "test://secret" });
  await until("the news", () => own.text().includes("tools/list_changed"));
  await pass(500);
  assertEquals(own.text().includes("test://secret"), false);
});

Deno.test("updates of a server that has become another team's are not heard by listen", async () => {
  await using world = await openWorld();
  const notifications = { resourceSubscriptions: ["test://r"], toolsListChanged: true };
  using stream = await openRaw(
    world.origin,
    modernBytes(world.origin, {
      method: "subscriptions/listen",
      params: { notifications },
      token: await mintToken(),
    }),
  );
  await until("the acknowledgement", () => stream.text().includes("acknowledged"));
  await change(world, { stands: [[world.a, ONLY_RED], world.b] }, ["b-t"]);
  await until("the news", () => stream.text().includes("tools/list_changed"));
  await pass(2_000);
  world.a.say(UPDATED, { uri: "test://r" });
  await pass(500);
  assertEquals(stream.text().includes(UPDATED), false);
});

// ── What is refused ─────────────────────────────────────────────────────────────────────────────

const REFUSED: Readonly<Record<string, (world: World) => string>> = {
  "that is no JSON": () => '{"mcpServers":',
  "that is empty of sense": () => "[]",
  "with one bad server among good ones": ({ a, b }) =>
    JSON.stringify({
      mcpServers: {
        a: { type: "http", url: a.url, title: "New" },
        b: { type: "http", url: b.url },
        c: { type: "http", url: "not a URL" },
      },
    }),
  "with a bad virtual server": ({ b }) =>
    JSON.stringify({
      mcpServers: { b: { type: "http", url: b.url } },
      servers: { v: { tools: "all" } },
    }),
  "in which two servers have one URL": ({ b }) =>
    JSON.stringify({
      mcpServers: { b: { type: "http", url: b.url } },
      servers: { B: { tools: ["*"] } },
    }),
  "with a variable that is not set": ({ b }) =>
    JSON.stringify({
      mcpServers: { b: { type: "http", url: b.url, headers: { X: "${NOT_SET_ANYWHERE}" } } },
    }),
};

for (const [what, text] of Object.entries(REFUSED)) {
  Deno.test(`of a file ${what} nothing is taken over`, async () => {
    await using world = await openWorld();
    await Deno.writeTextFile(world.configFile, text(world));
    world.signal("SIGHUP");
    await until("the refusal", () => /"level":"(error|warning)"/i.test(world.log()));
    assertEquals(await tools(world), ["a-t"]);
  });
}

Deno.test("after a refused file the next good one counts", async () => {
  await using world = await openWorld();
  await Deno.writeTextFile(world.configFile, "{");
  world.signal("SIGHUP");
  await until("the refusal", () => /"level":"(error|warning)"/i.test(world.log()));
  await world.write({ stands: [world.a, world.b] });
  await sees(world, ["a-t", "b-t"]);
});

// ── Under load ──────────────────────────────────────────────────────────────────────────────────

Deno.test("20 reloads fail no call, on `/mcp` and on a server's own URL, in both eras", async () => {
  await using world = await openWorld({}, { SESSIONS_PER_PRINCIPAL: "1000" });
  const failed: unknown[] = [];
  let made = 0;
  let isOver = false;
  const clients = await Promise.all(
    (["session", "modern"] as const).flatMap((era) => [
      ERAS[era](world).then((client) => ({ client, name: "a-t" })),
      ERAS[era](world, { path: "/servers/a/mcp" }).then((client) => ({ client, name: "t" })),
    ]),
  );
  const running = clients.map(async ({ client, name }) => {
    while (!isOver) {
      const { result } = await client.ask("tools/call", { name, arguments: {} })
        .catch((error) => ({ result: undefined, error }));
      const { content } = (result ?? {}) as { content?: [{ text: string }] };
      if (content?.[0].text !== "a: t") failed.push(result);
      made++;
    }
  });
  for (let i = 0; i < 20; i++) {
    await world.write({
      stands: i % 2 === 0 ? [world.a, world.b] : [world.a],
      ...i % 2 === 0 && { servers: { v: { tools: ["*"] } } },
    });
    world.signal("SIGHUP");
    await sees(world, i % 2 === 0 ? ["a-t", "b-t"] : ["a-t"]);
  }
  isOver = true;
  await Promise.all(running);
  for (const { client } of clients) await client[Symbol.asyncDispose]();
  assertEquals([failed, made > 100], [[], true], `${made} calls`);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** Writes the file and waits until clients that come now see these. */
async function change(world: World, config: ShelfConfig, names: readonly string[]): Promise<void> {
  await world.write(config);
  world.signal("SIGHUP");
  await sees(world, names);
}

function calls(stand: Stand): number {
  return stand.requestsOf("tools/call").length;
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
