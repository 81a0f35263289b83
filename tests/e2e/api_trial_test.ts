/**
 * `POST /api/upstreams/test`: says what would be found, keeps nothing, and leaves nothing behind at
 * the server.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ApiWorld, openApiWorld } from "../support/api_world.ts";
import { startEverything } from "../support/everything.ts";
import { freePort, openSilentPort } from "../support/free_port.ts";
import { openRawServer } from "../support/raw_server.ts";
import { aResource, aTemplate, aTool } from "../support/shelf_world.ts";
import { until } from "../support/until.ts";

const TRIAL = "/upstreams/test";

Deno.test("what would be found is told by name", async () => {
  await using world = await openApiWorld();
  const { url } = world.stand("shop", {
    tools: [aTool("buy"), aTool("sell")],
    prompts: [{ name: "greet" }],
    resources: [aResource("test://cellar")],
    templates: [aTemplate("test://room/{n}")],
    pageSize: 1,
  });
  const { status, json } = await trial(world, url);
  assertEquals([status, json.status, json.error], [200, "connected", undefined]);
  assertEquals([json.tools, json.prompts, json.resources, json.templates], [
    ["buy", "sell"],
    ["greet"],
    ["test://cellar"],
    ["test://room/{n}"],
  ]);
});

Deno.test("nothing is kept of it", async () => {
  await using world = await openApiWorld();
  const { url } = world.stand("shop", { tools: [aTool("buy")] });
  await trial(world, url);
  assertEquals([await world.api.all("/upstreams"), await world.api.all("/tools")], [[], []]);
  await world.restart();
  assertEquals([await world.api.all("/upstreams"), await world.api.all("/tools")], [[], []]);
});

Deno.test("the name may be that of a server that is there, which is not touched", async () => {
  await using world = await openApiWorld({ declared: { shop: { tools: [aTool("buy")] } } });
  const before = await world.api.all("/tools");
  const other = world.stand("other", { tools: [aTool("steal")] });
  const body = { name: "shop", url: other.url };
  const { json } = await world.api.must("POST", TRIAL, body);
  assertEquals(json.tools, ["steal"]);
  assertEquals(await world.api.all("/tools"), before);
});

for (const era of ["legacy", "modern", "both"] as const) {
  Deno.test(`at a server of the era ${era} no session and no stream is left`, async () => {
    await using upstream = await startEverything({ era });
    await using world = await openApiWorld();
    for (let i = 0; i < 5; i++) {
      const { json } = await trial(world, `${upstream.origin}/mcp`);
      assert(json.tools.includes("test_echo"));
    }
    await until("nothing to be left", async () => {
      const { sessions, openStreams } = (await upstream.stats()).own;
      return sessions === 0 && openStreams === 0;
    });
  });
}

Deno.test("a server that is away is told, in one sentence without its address", async () => {
  await using world = await openApiWorld();
  const port = freePort();
  const { status, json, text } = await trial(world, `http://127.0.0.1:${port}/mcp`);
  assertEquals([status, json.status, json.tools], [200, "unreachable", []]);
  assert(/^[A-Z][^.\n]+$/.test(json.error), json.error);
  assert(!text.includes(String(port)) && !text.includes("127.0.0.1"), text);
});

Deno.test("a server that hangs up at once is told", async () => {
  await using upstream = openRawServer(() => {});
  await using world = await openApiWorld();
  const { json } = await trial(world, `http://127.0.0.1:${upstream.port}/mcp`);
  assertEquals(json.status, "unreachable");
  assertEquals(json.error, "The connection to the upstream server was lost");
});

Deno.test("a server that never answers is given up, and others are tried meanwhile", async () => {
  using silent = await openSilentPort();
  await using world = await openApiWorld({ env: { FIRST_BYTE_TIMEOUT: "2s" } });
  const { url } = world.stand("shop", { tools: [aTool("buy")] });
  const order: string[] = [];
  await Promise.all([
    trial(world, `http://127.0.0.1:${silent.port}/mcp`).then(({ json }) => order.push(json.status)),
    trial(world, url).then(({ json }) => order.push(json.status)),
  ]);
  assertEquals(order, ["connected", "unreachable"]);
});

Deno.test("the same trial often at once leaves nothing open either", async () => {
  await using upstream = await startEverything({ era: "legacy" });
  await using world = await openApiWorld();
  await Promise.all(
    Array.from({ length: 20 }, () => trial(world, `${upstream.origin}/mcp`)),
  );
  await until("no session", async () => (await upstream.stats()).own.sessions === 0);
});

function trial(world: ApiWorld, url: string) {
  return world.api.must("POST", TRIAL, { name: "tried", url });
}
