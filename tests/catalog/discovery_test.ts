/**
 * Discovery: the catalog is what upstream servers offer, and nothing is lost on the way.
 *
 * @module
 */
import {
  deepStrictEqual as assertEquals,
  match as assertMatch,
  rejects as assertRejects,
} from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import type { ItemChanges } from "../../src/storage/catalog_tables.ts";
import { GRACE_MS, INTERVAL_MS, openDiscoveryWorld } from "../support/discovery_world.ts";
import {
  aPage,
  aPrompt,
  aResource,
  aTemplate,
  aTool,
  type FakeList,
  turnsPass,
} from "../support/fake_reader.ts";
import { anUpstream } from "../support/memory_catalog.ts";

const ALPHA = "id-of-alpha";

function failing(text = "The upstream server answered HTTP 500"): never {
  throw new GatewayError("upstream_unavailable", text);
}

Deno.test("everything that a server offers is in the catalog, in its order", async () => {
  const lists = {
    tool: [aTool("b"), aTool("a")],
    prompt: [aPrompt("p")],
    resource: [aResource("ui://x")],
    template: [aTemplate("a://{b}")],
  };
  const { discovery, shown, catalog } = await openDiscoveryWorld({ alpha: { lists } });
  const outcome = await discovery.discover(ALPHA);
  assertEquals(outcome, { status: "connected", hasChanged: true, problem: undefined });
  assertEquals(shown("alpha"), ["b", "a"]);
  assertEquals(shown("alpha", "prompt"), ["p"]);
  assertEquals(shown("alpha", "resource"), ["ui://x"]);
  assertEquals(shown("alpha", "template"), ["a://{b}"]);
  assertEquals(catalog.upstream("alpha")?.offer?.revision, "2025-11-25");
});

Deno.test("a list that is not announced is not asked for", async () => {
  const { discovery, reader } = await openDiscoveryWorld({
    alpha: { description: { capabilities: { tools: {} } } },
  });
  await discovery.discover(ALPHA);
  assertEquals(reader.asked, ["describe alpha", "tool alpha"]);
});

Deno.test("nothing is written when nothing has changed", async () => {
  const { discovery, catalog, pass } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a")] } },
  });
  await discovery.discover(ALPHA);
  const rows = catalog.tables.log.length;
  await pass(1000);
  const outcome = await discovery.discover(ALPHA);
  assertEquals([outcome.hasChanged, catalog.tables.log.length], [false, rows]);
});

Deno.test("a server that says other things about itself is written down", async () => {
  const { discovery, reader, catalog } = await openDiscoveryWorld({ alpha: {} });
  await discovery.discover(ALPHA);
  reader.offers.set("alpha", { description: { instructions: "Be kind" } });
  assertEquals((await discovery.discover(ALPHA)).hasChanged, true);
  assertEquals(catalog.upstream("alpha")?.offer?.instructions, "Be kind");
});

Deno.test("a failing second page takes nothing away, and other lists are taken over", async () => {
  const { discovery, reader, shown, catalog } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a"), aTool("b")], prompt: [aPrompt("p")] } },
  });
  await discovery.discover(ALPHA);
  const tool: FakeList = (cursor) =>
    cursor === undefined ? aPage([aTool("c")], { nextCursor: "2" }) : failing();
  reader.offers.set("alpha", { lists: { tool, prompt: [aPrompt("q")] } });
  const { status, problem } = await discovery.discover(ALPHA);
  assertEquals(status, "connected");
  assertMatch(problem ?? "", /^The list of tools cannot be read: .* HTTP 500$/);
  assertEquals(shown("alpha"), ["a", "b"]);
  assertEquals(shown("alpha", "prompt"), ["q"]);
  assertEquals(catalog.upstream("alpha")?.items.length, 4);
});

Deno.test("a list that failed is read again soon, and less and less often", async () => {
  const { discovery, reader, pass } = await openDiscoveryWorld({
    alpha: { lists: { tool: () => failing() } },
  });
  await discovery.discover(ALPHA);
  const runs = () => reader.asked.filter((what) => what === "describe alpha").length;
  await pass(1100);
  assertEquals(runs(), 2);
  await pass(1100);
  assertEquals(runs(), 2);
  await pass(1100);
  assertEquals(runs(), 3);
  await discovery.stop();
});

Deno.test("tools that vanish and return are the same ones", async () => {
  const { discovery, reader, shown, item, pass } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a"), aTool("b"), aTool("c")] } },
  });
  await discovery.discover(ALPHA);
  const before = item("alpha", "b");
  reader.offers.set("alpha", { lists: { tool: [aTool("c"), aTool("a")] } });
  await discovery.discover(ALPHA);
  assertEquals(shown("alpha"), ["a", "c"]);
  reader.offers.set("alpha", { lists: { tool: [aTool("c"), aTool("b"), aTool("a")] } });
  await pass(GRACE_MS / 2);
  await discovery.discover(ALPHA);
  assertEquals(shown("alpha"), ["a", "b", "c"]);
  assertEquals({ ...item("alpha", "b"), revision: 0 }, { ...before, revision: 0 });
  await discovery.stop();
});

Deno.test("tools that stay away are forgotten after the grace time", async () => {
  const { discovery, reader, catalog, pass } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a"), aTool("b")] } },
  });
  await discovery.discover(ALPHA);
  reader.offers.set("alpha", { lists: { tool: [aTool("a")] } });
  await discovery.discover(ALPHA);
  assertEquals(catalog.upstream("alpha")?.items.length, 2);
  for (let ms = 0; ms <= GRACE_MS + INTERVAL_MS; ms += INTERVAL_MS) await pass(INTERVAL_MS);
  assertEquals(catalog.upstream("alpha")?.items.length, 1);
  await discovery.stop();
});

Deno.test("a server that cannot be reached keeps all that it offered", async () => {
  const { discovery, reader, shown, problems } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a")] } },
  });
  await discovery.discover(ALPHA);
  reader.offers.set("alpha", { before: () => failing("The upstream server cannot be reached") });
  const outcome = await discovery.discover(ALPHA);
  assertEquals(outcome.status, "unreachable");
  assertEquals(shown("alpha"), ["a"]);
  assertEquals(discovery.statusOf(ALPHA).lastError, "The upstream server cannot be reached");
  assertEquals(problems, ["The upstream server cannot be reached"]);
});

Deno.test("what fails the same way again and again is noted once, and that it is well again", async () => {
  const { discovery, reader, problems } = await openDiscoveryWorld({
    alpha: { before: () => failing() },
  });
  for (let i = 0; i < 3; i++) await discovery.discover(ALPHA);
  reader.offers.set("alpha", {});
  for (let i = 0; i < 3; i++) await discovery.discover(ALPHA);
  assertEquals(problems, ["The upstream server answered HTTP 500", undefined]);
});

Deno.test("a failure that is the gateway's own is no story for others", async () => {
  const { discovery } = await openDiscoveryWorld({
    alpha: {
      before: () => {
        throw new TypeError("secret detail");
      },
    },
  });
  assertEquals((await discovery.discover(ALPHA)).problem, "The gateway failed");
});

Deno.test("names of two servers never collide", async () => {
  const servers = [
    anUpstream({ name: "a", slug: "a" }),
    anUpstream({ name: "a-b", slug: "a-b", seq: 2 }),
  ];
  const { discovery, item } = await openDiscoveryWorld({
    "a": { lists: { tool: [aTool("b-c")] } },
    "a-b": { lists: { tool: [aTool("c")] } },
  }, servers);
  await discovery.discover("id-of-a");
  await discovery.discover("id-of-a-b");
  assertEquals(item("a", "b-c").exposedName, "a-b-c");
  assertMatch(item("a-b", "c").exposedName, /^a-b-c-[0-9a-f]{8}$/);
});

Deno.test("tools and prompts of one name do not take it from each other", async () => {
  const { discovery, catalog } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("x")], prompt: [aPrompt("x")] } },
  });
  await discovery.discover(ALPHA);
  assertEquals(catalog.upstream("alpha")?.items.map(({ exposedName }) => exposedName), [
    "alpha-x",
    "alpha-x",
  ]);
});

Deno.test("equal URIs of two servers have two aliases, `ui://` ones too", async () => {
  const servers = [anUpstream({ name: "a" }), anUpstream({ name: "b", seq: 2 })];
  const { discovery, item } = await openDiscoveryWorld({
    a: { lists: { resource: [aResource("ui://app"), aResource("ui://app#b")] } },
    b: { lists: { resource: [aResource("ui://app")] } },
  }, servers);
  await discovery.discover("id-of-a");
  await discovery.discover("id-of-b");
  assertEquals(item("a", "ui://app").exposedName, "ui://app#a");
  // "ui://app#b" is what the first server calls something.
  assertEquals(item("b", "ui://app").exposedName, "ui://app#b-2");
});

Deno.test("an alias is never what the same list calls something", async () => {
  const { discovery, item } = await openDiscoveryWorld({
    alpha: { lists: { resource: [aResource("a://b"), aResource("a://b#alpha")] } },
  });
  await discovery.discover(ALPHA);
  assertEquals(item("alpha", "a://b").exposedName, "a://b#alpha-2");
});

Deno.test("two replicas that discover the same at once agree", async () => {
  const world = await openDiscoveryWorld({ alpha: { lists: { tool: [aTool("a")] } } });
  const { items } = world.catalog.tables;
  const apply = items.apply;
  let isFirst = true;
  Object.assign(items, {
    apply: async (id: string, changes: ItemChanges) => {
      const other = changes.inserted.map((item) => ({ ...item, id: "of-the-other" }));
      if (isFirst) await apply(id, { ...changes, inserted: other });
      isFirst = false;
      await apply(id, changes);
    },
  });
  const outcome = await world.discovery.discover(ALPHA);
  assertEquals([outcome.status, outcome.problem], ["connected", undefined]);
  assertEquals(world.catalog.upstream("alpha")?.items.map(({ id }) => id), ["of-the-other"]);
});

Deno.test("a database that always refuses fails the discovery, and ends", async () => {
  const world = await openDiscoveryWorld({ alpha: { lists: { tool: [aTool("a")] } } });
  let attempts = 0;
  Object.assign(world.catalog.tables.items, {
    apply: () => {
      attempts++;
      return Promise.reject(new GatewayError("conflict", "The name is taken"));
    },
  });
  const outcome = await world.discovery.discover(ALPHA);
  assertEquals([outcome.status, outcome.problem, attempts], [
    "unreachable",
    "The name is taken",
    5,
  ]);
  await world.discovery.stop();
});

Deno.test("an administrator's change that comes in between is not lost", async () => {
  const { discovery, reader, catalog, item } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a")] } },
  });
  await discovery.discover(ALPHA);
  const { id } = item("alpha", "a");
  reader.offers.set("alpha", {
    lists: {
      tool: async () => {
        // Written by another replica: this one has not heard of it.
        await catalog.tables.items.update(id, undefined, { enabled: false, title: "Mine" });
        return aPage([aTool("a", { description: "new" })]);
      },
    },
  });
  await discovery.discover(ALPHA);
  const { enabled, title, definition } = item("alpha", "a");
  assertEquals([enabled, title, definition], [
    false,
    "Mine",
    aTool("a", { description: "new" }),
  ]);
});

Deno.test("an administrator's change at the last moment is not lost either", async () => {
  const { discovery, reader, catalog, item } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a")] } },
  });
  await discovery.discover(ALPHA);
  const { id } = item("alpha", "a");
  const { items } = catalog.tables;
  const apply = items.apply;
  let isFirst = true;
  Object.assign(items, {
    apply: async (upstreamId: string, changes: ItemChanges) => {
      if (isFirst) await items.update(id, undefined, { enabled: false });
      isFirst = false;
      await apply(upstreamId, changes);
    },
  });
  reader.offers.set("alpha", { lists: { tool: [aTool("a", { description: "new" })] } });
  await discovery.discover(ALPHA);
  const { enabled, definition } = item("alpha", "a");
  assertEquals([enabled, definition], [false, aTool("a", { description: "new" })]);
});

Deno.test("a server that is removed while it is read leaves nothing behind", async () => {
  const world = await openDiscoveryWorld({ alpha: {} });
  world.reader.offers.set("alpha", {
    lists: { tool: [aTool("a")] },
    before: (what) => what === "tool alpha" ? world.catalog.drop(ALPHA) : undefined,
  });
  assertEquals((await world.discovery.discover(ALPHA)).status, "gone");
  assertEquals(world.catalog.tables.applied.length, 0);
});

Deno.test("all enabled servers are read at the start, others are not", async () => {
  const servers = ["a", "b", "c"].map((name, i) =>
    anUpstream({ name, seq: i + 1, enabled: name !== "b" })
  );
  const { discovery, reader } = await openDiscoveryWorld({ a: {}, b: {}, c: {} }, servers);
  discovery.start();
  await turnsPass();
  const described = reader.asked.filter((what) => what.startsWith("describe"));
  assertEquals(described, ["describe a", "describe c"]);
  assertEquals(discovery.statusOf("id-of-b").status, "disabled");
  await discovery.stop();
});

Deno.test("at most eight are read at once, and hanging ones do not stop the others", async () => {
  const names = Array.from({ length: 20 }, (_, i) => `s${i}`);
  const hanging = { before: () => new Promise(() => {}) };
  const offers = Object.fromEntries(names.map((name, i) => [name, i < 10 ? hanging : {}]));
  const { discovery, reader, pass } = await openDiscoveryWorld(offers);
  const described = () => reader.asked.filter((what) => what.startsWith("describe")).length;
  discovery.start();
  await turnsPass();
  assertEquals(described(), 8);
  await pass(2000);
  assertEquals(described(), 20);
  assertEquals(discovery.statusOf("id-of-s19").status, "connected");
  assertEquals(discovery.statusOf("id-of-s0").status, "unknown");
});

Deno.test("a server that is added is read, one that is removed is let go", async () => {
  const { discovery, catalog, reader, timers } = await openDiscoveryWorld({});
  discovery.start();
  reader.offers.set("beta", { lists: { tool: [aTool("a")] } });
  await catalog.put(anUpstream({ name: "beta" }));
  await turnsPass();
  assertEquals(catalog.upstream("beta")?.items.length, 1);
  assertEquals(reader.watched(), ["beta"]);
  await catalog.drop("id-of-beta");
  await turnsPass();
  assertEquals([reader.watched(), reader.forgotten.includes("beta"), timers.open()], [[], true, 0]);
});

Deno.test("a server that is disabled is let go, and read again when it is enabled", async () => {
  const { discovery, catalog, reader } = await openDiscoveryWorld({ alpha: {} });
  discovery.start();
  await turnsPass();
  await catalog.put(anUpstream({ enabled: false }));
  await turnsPass();
  assertEquals([reader.watched(), discovery.statusOf(ALPHA).status], [[], "disabled"]);
  assertEquals((await discovery.discover(ALPHA)).status, "disabled");
  await catalog.put(anUpstream({ enabled: true }));
  await turnsPass();
  assertEquals([reader.watched(), discovery.statusOf(ALPHA).status], [["alpha"], "connected"]);
  await discovery.stop();
});

Deno.test("the items that discovery writes do not make it read again", async () => {
  const { discovery, reader } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a")] } },
  });
  discovery.start();
  await turnsPass(50);
  assertEquals(reader.asked.filter((what) => what === "describe alpha").length, 1);
  await discovery.stop();
});

Deno.test("a change that is announced is read at once", async () => {
  const { discovery, reader, shown, pass } = await openDiscoveryWorld({ alpha: {} });
  discovery.start();
  await pass(1000);
  reader.offers.set("alpha", { lists: { tool: [aTool("new")] } });
  reader.say("alpha", ["tool"]);
  await turnsPass();
  assertEquals(shown("alpha"), ["new"]);
  await discovery.stop();
});

Deno.test("a storm of announcements is read four times a second", async () => {
  const { discovery, reader, pass } = await openDiscoveryWorld({ alpha: {} });
  discovery.start();
  await pass(1000);
  const before = reader.asked.filter((what) => what === "describe alpha").length;
  for (let ms = 0; ms < 975; ms += 25) {
    for (let i = 0; i < 200; i++) reader.say("alpha", ["tool", "resource", "template"]);
    await pass(25);
  }
  const after = reader.asked.filter((what) => what === "describe alpha").length;
  assertEquals(after - before, 4);
  await discovery.stop();
});

Deno.test("an announced change that no list shows is reported, with its kinds", async () => {
  const { discovery, reader, unexplained, pass } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a")], resource: [aResource("a://b")] } },
  });
  discovery.start();
  await pass(1000);
  reader.say("alpha", ["tool"]);
  reader.say("alpha", ["resource", "template"]);
  await pass(1000);
  assertEquals(unexplained.map(({ id, kinds }) => [id, kinds]), [
    [ALPHA, ["tool"]],
    [ALPHA, ["resource", "template"]],
  ]);
  await discovery.stop();
});

Deno.test("an announced change that a list shows is not reported", async () => {
  const { discovery, reader, unexplained, pass, shown } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a")] } },
  });
  discovery.start();
  await pass(1000);
  reader.offers.set("alpha", { lists: { template: [aTemplate("a://{b}")] } });
  reader.say("alpha", ["resource", "template"]);
  await pass(1000);
  assertEquals(shown("alpha", "template"), ["a://{b}"]);
  assertEquals(unexplained, []);
  await discovery.stop();
});

Deno.test("what may have been missed is read again, and is no announcement", async () => {
  const { discovery, reader, unexplained, pass, shown } = await openDiscoveryWorld({ alpha: {} });
  discovery.start();
  await pass(1000);
  reader.say("alpha", ["tool"], "missed");
  await pass(1000);
  reader.offers.set("alpha", { lists: { tool: [aTool("a")] } });
  reader.say("alpha", ["tool"], "missed");
  await pass(1000);
  assertEquals([shown("alpha"), unexplained], [["a"], []]);
  await discovery.stop();
});

Deno.test("an announcement counts until its list could be read", async () => {
  const { discovery, reader, unexplained, pass } = await openDiscoveryWorld({ alpha: {} });
  discovery.start();
  await pass(1000);
  reader.offers.set("alpha", { lists: { tool: () => failing() } });
  reader.say("alpha", ["tool"]);
  await pass(0);
  assertEquals(unexplained, []);
  reader.offers.set("alpha", {});
  await pass(1100);
  assertEquals(unexplained, [{ id: ALPHA, kinds: ["tool"] }]);
  await discovery.stop();
});

Deno.test("a server that announces nothing is not listened to", async () => {
  const { discovery, reader, pass } = await openDiscoveryWorld({
    alpha: { description: { capabilities: { tools: {} } } },
  });
  discovery.start();
  await pass(1000);
  assertEquals(reader.watched(), []);
  reader.offers.set("alpha", {});
  await pass(INTERVAL_MS);
  assertEquals(reader.watched(), ["alpha"]);
  await discovery.stop();
});

Deno.test("a quiet server is read again after the interval, give or take a tenth", async () => {
  const { discovery, reader, pass } = await openDiscoveryWorld({ alpha: {} });
  discovery.start();
  await pass(INTERVAL_MS * 0.89);
  assertEquals(reader.asked.filter((what) => what === "describe alpha").length, 1);
  await pass(INTERVAL_MS * 0.21);
  assertEquals(reader.asked.filter((what) => what === "describe alpha").length, 2);
  await discovery.stop();
});

for (const [ttlMs, againMs] of [[5000, 5000], [10, 1000], [0, INTERVAL_MS]] as const) {
  Deno.test(`lists that are fresh for ${ttlMs} ms are read again after ${againMs} ms`, async () => {
    const { discovery, reader, pass } = await openDiscoveryWorld({
      alpha: { lists: { tool: () => aPage([], { ttlMs }) } },
    });
    discovery.start();
    await turnsPass();
    await pass(againMs - 1);
    assertEquals(reader.asked.filter((what) => what === "describe alpha").length, 1);
    await pass(1);
    assertEquals(reader.asked.filter((what) => what === "describe alpha").length, 2);
    await discovery.stop();
  });
}

Deno.test("lists' hints are kept: the shortest time and the strictest scope", async () => {
  const { discovery, catalog } = await openDiscoveryWorld({
    alpha: {
      lists: {
        tool: () => aPage([], { ttlMs: 5000, cacheScope: "public" }),
        prompt: () => aPage([], { ttlMs: 9000, cacheScope: "private" }),
      },
    },
  });
  await discovery.discover(ALPHA);
  const { ttlMs, cacheScope } = catalog.upstream("alpha")!.offer!;
  assertEquals([ttlMs, cacheScope], [5000, "private"]);
  await discovery.stop();
});

Deno.test("a server is the same by its slug and by its id", async () => {
  const { discovery, reader } = await openDiscoveryWorld({ alpha: {} });
  const [first, second] = [discovery.discover("alpha"), discovery.discover(ALPHA)];
  await Promise.all([first, second, discovery.discover("alpha")]);
  assertEquals(reader.asked.filter((what) => what === "describe alpha").length, 2);
  assertEquals(discovery.statusOf("alpha").status, "connected");
  await discovery.stop();
});

Deno.test("what was left out is told in the status, and stays while its list fails", async () => {
  const { discovery, reader } = await openDiscoveryWorld({
    alpha: { lists: { tool: [aTool("a"), "7"] } },
  });
  await discovery.discover(ALPHA);
  const dropped = [{ kind: "tool", name: "", reason: "It is not an object" }];
  assertEquals(discovery.statusOf(ALPHA).dropped, dropped);
  reader.offers.set("alpha", { lists: { tool: () => failing() } });
  await discovery.discover(ALPHA);
  assertEquals(discovery.statusOf(ALPHA).dropped, dropped);
});

Deno.test("a list that never ends is shown as far as it goes, and told in the status", async () => {
  let page = 0;
  const tool = () => aPage([aTool(`t${page++}`)], { nextCursor: "again" });
  const { discovery, shown } = await openDiscoveryWorld({ alpha: { lists: { tool } } });
  await discovery.discover(ALPHA);
  const { status, lastError } = discovery.statusOf(ALPHA);
  assertEquals([status, shown("alpha")], ["connected", ["t0", "t1"]]);
  assertMatch(lastError ?? "", /^The list of tools was not read to its end: .*repeated$/);
});

Deno.test("the status of a server says when it was seen last", async () => {
  const { discovery, clock, pass, reader } = await openDiscoveryWorld({ alpha: {} });
  assertEquals(discovery.statusOf(ALPHA).status, "unknown");
  await discovery.discover(ALPHA);
  const seenMs = clock.now();
  await pass(500);
  reader.offers.set("alpha", { before: () => failing() });
  await discovery.discover(ALPHA);
  const { status, lastSeenMs, protocolRevision } = discovery.statusOf(ALPHA);
  assertEquals([status, lastSeenMs, protocolRevision], ["unreachable", seenMs, "2025-11-25"]);
});

Deno.test("a test tells what would be found, keeps nothing and leaves nothing open", async () => {
  const { discovery, catalog, reader, timers } = await openDiscoveryWorld({});
  reader.offers.set("other", { lists: { tool: [aTool("a"), "7"] } });
  const { offer, items, problem } = await discovery.test(anUpstream({ name: "other" }));
  assertEquals(items, [{ kind: "tool", upstreamName: "a", definition: aTool("a") }]);
  assertEquals([offer.dropped.length, problem], [1, undefined]);
  assertEquals([catalog.tables.log.length, reader.watched(), reader.forgotten, timers.open()], [
    0,
    [],
    ["other"],
    0,
  ]);
});

Deno.test("a test that fails leaves nothing open either", async () => {
  const { discovery, reader } = await openDiscoveryWorld({});
  reader.offers.set("other", { before: () => failing() });
  await assertRejects(discovery.test(anUpstream({ name: "other" })), {
    code: "upstream_unavailable",
  });
  assertEquals(reader.forgotten, ["other"]);
});

Deno.test("nothing is written, and no timer left, once it is stopped", async () => {
  const world = await openDiscoveryWorld({ alpha: {} });
  const open = Promise.withResolvers<void>();
  world.reader.offers.set("alpha", { lists: { tool: [aTool("a")] }, before: () => open.promise });
  world.discovery.start();
  await turnsPass();
  const stopped = world.discovery.stop();
  open.resolve();
  await stopped;
  assertEquals([world.catalog.tables.applied.length, world.timers.open()], [0, 0]);
  assertEquals((await world.discovery.discover(ALPHA)).status, "gone");
});
