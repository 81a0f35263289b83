/**
 * Discovery of real servers, in both eras, over HTTP: what the fixture offers is in the catalog, and
 * follows its changes.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { createDiscovery } from "../../../src/catalog/discovery.ts";
import type { ItemKind } from "../../../src/domain/item.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { createPace } from "../../../src/platform/pace.ts";
import { createTimers } from "../../../src/platform/timers.ts";
import { randomText } from "../../../src/platform/random.ts";
import { startEverything } from "../../support/everything.ts";
import { anUpstream, createMemoryCatalog } from "../../support/memory_catalog.ts";
import { callModern } from "../../support/modern.ts";
import { openOwnWorld } from "../../support/own_world.ts";
import { result, slotPath, startScriptedSessions } from "../../support/scripted_session_server.ts";
import { openSession } from "../../support/session_client.ts";
import { until } from "../../support/until.ts";

async function openWorld(url: string) {
  const stack = new AsyncDisposableStack();
  const world = stack.use(openOwnWorld());
  const server = anUpstream({ url: new URL(url) });
  const catalog = await createMemoryCatalog([server]);
  const unexplained: (readonly ItemKind[])[] = [];
  const discovery = createDiscovery({
    reader: world.reader,
    catalog,
    tables: catalog.tables,
    clock: systemClock,
    timers: createTimers(systemClock.monotonic),
    pace: createPace(systemClock.monotonic),
    random: Math.random,
    newId: () => randomText(12),
    noted: () => {},
    unexplained: (_id, kinds) => void unexplained.push(kinds),
  }, { separator: "-", intervalMs: 300_000, graceMs: 3_600_000, totalMs: 60_000 });
  stack.defer(() => discovery.stop());
  return {
    catalog,
    discovery,
    server,
    unexplained,
    names: (kind: ItemKind) =>
      (catalog.upstream(server.id)?.items ?? [])
        .filter((item) => item.kind === kind && item.missingSinceMs === undefined)
        .map(({ upstreamName }) => upstreamName),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const TRIGGER = { name: "test_trigger_tool_change", arguments: {} };

for (const [era, revision] of [["modern", "2026-07-28"], ["legacy", "2025-11-25"]] as const) {
  Deno.test(`everything of a ${era} server is found, and nothing is left out`, async () => {
    await using everything = await startEverything({ era });
    await using world = await openWorld(`${everything.origin}/mcp`);
    const outcome = await world.discovery.discover(world.server.id);
    assertEquals(outcome, { status: "connected", hasChanged: true, problem: undefined });
    const { offer } = world.catalog.upstream(world.server.id)!;
    assertEquals([offer?.revision, offer?.dropped], [revision, []]);
    assert(world.names("tool").includes("test_simple_text"));
    assert(world.names("prompt").includes("test_simple_prompt"));
    assert(world.names("resource").includes("test://static-text"));
    assert(world.names("template").includes("test://template/{id}/data"));
    assertEquals((await world.discovery.discover(world.server.id)).hasChanged, false);
  });

  Deno.test(`a ${era} server has at most one session of the gateway's, and none at the end`, async () => {
    await using everything = await startEverything({ era });
    await using world = await openWorld(`${everything.origin}/mcp`);
    for (let i = 0; i < 3; i++) await world.discovery.discover(world.server.id);
    assertEquals((await everything.stats()).own.sessions, era === "modern" ? 0 : 1);
    await world.discovery.stop();
    assertEquals((await everything.stats()).own.sessions, 0);
  });
}

Deno.test("a tool that a modern server adds or removes is noticed when it says so", async () => {
  await using everything = await startEverything({ era: "modern" });
  await using world = await openWorld(`${everything.origin}/mcp`);
  await world.discovery.discover(world.server.id);
  const has = () => world.names("tool").includes("test_dynamic_tool");
  const before = has();
  await callModern(everything.origin, { path: "/mcp", params: TRIGGER });
  await until("the change", () => has() !== before);
});

Deno.test("a tool that a legacy server adds or removes is noticed when it says so", async () => {
  await using everything = await startEverything({ era: "legacy" });
  await using world = await openWorld(`${everything.origin}/mcp`);
  await world.discovery.discover(world.server.id);
  const has = () => world.names("tool").includes("test_dynamic_tool");
  const before = has();
  await using session = await openSession(everything.origin, { path: "/mcp" });
  await session.send({ method: "tools/call", params: TRIGGER });
  await until("the change", () => has() !== before);
});

Deno.test("a server that is tested keeps no session and no stream", async () => {
  await using everything = await startEverything({ era: "legacy" });
  await using world = await openWorld(`${everything.origin}/mcp`);
  const other = anUpstream({ name: "other", url: new URL(`${everything.origin}/mcp`) });
  const found = await world.discovery.test(other);
  assert(found.items.some(({ upstreamName }) => upstreamName === "test_simple_text"));
  const { sessions, openStreams } = (await everything.stats()).own;
  assertEquals([sessions, openStreams, world.catalog.tables.applied.length], [0, 0, 0]);
});

Deno.test("a server that is started again is read again, and keeps its items", async () => {
  await using everything = await startEverything({ era: "legacy" });
  await using world = await openWorld(`${everything.origin}/mcp`);
  await world.discovery.discover(world.server.id);
  const ids = world.catalog.upstream(world.server.id)!.items.map(({ id }) => id);
  await everything.kill();
  assertEquals((await world.discovery.discover(world.server.id)).status, "unreachable");
  const port = Number(new URL(everything.origin).port);
  await using _again = await startEverything({ era: "legacy", port });
  assertEquals((await world.discovery.discover(world.server.id)).status, "connected");
  assertEquals(world.catalog.upstream(world.server.id)!.items.map(({ id }) => id), ids);
});

Deno.test("a tool whose arguments no header can carry is left out where headers matter", async () => {
  const inputSchema = {
    type: "object",
    properties: { a: { type: "number", "x-mcp-header": "A" } },
  };
  const discovered = {
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {} },
  };
  await using servers = await startScriptedSessions();
  const slot = servers.play(() => ({
    "server/discover": (request, reply) => reply.json(result(request, discovered)),
    "tools/list": (request, reply) =>
      reply.json(result(request, {
        resultType: "complete",
        tools: [
          { name: "bad", inputSchema },
          { name: "good", inputSchema: { type: "object" } },
        ],
      })),
  }));
  await using world = await openWorld(`${servers.origin}${slotPath(slot.number)}`);
  await world.discovery.discover(world.server.id);
  assertEquals(world.names("tool"), ["good"]);
  assertEquals(world.discovery.statusOf(world.server.id).dropped.map(({ name }) => name), ["bad"]);
});

Deno.test("an upstream that never answers is unreachable, and others are found meanwhile", async () => {
  await using servers = await startScriptedSessions();
  const slot = servers.play(() => ({ "server/discover": () => {} }));
  await using everything = await startEverything();
  await using world = await openWorld(`${everything.origin}/mcp`);
  const hanging = anUpstream({
    name: "hanging",
    url: new URL(`${servers.origin}${slotPath(slot.number)}`),
    seq: 2,
  });
  await world.catalog.put(hanging);
  world.discovery.start();
  await until("the other", () => world.names("tool").length > 0);
  assertEquals(world.discovery.statusOf(hanging.id).status, "unknown");
  await until("the end", () => world.discovery.statusOf(hanging.id).status === "unreachable");
  assertEquals(
    world.discovery.statusOf(hanging.id).lastError,
    "The upstream server did not answer within 2 s",
  );
});
