/**
 * Upstream and virtual servers: created, found, changed under a revision, removed.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  anItem,
  aRow,
  aServerRow,
  itemChanges,
  manyItems,
  someServerSettings,
  someSettings,
} from "../../support/catalog_rows.ts";
import { codeOf, HARD_TEXTS, type Suite } from "./case.ts";

/** More than one page. */
const MANY = 200;

const FULL_SETTINGS = someSettings({
  transport: "sse",
  url: "https://user.example/mcp?a=1",
  title: "A title",
  timeoutMs: 90_000,
  passthroughHeaders: ["x-request-id"],
  enabled: false,
  expose: false,
  tags: ["one", "two"],
  visibility: "team",
  team: "red",
  owner: "ann",
  headers: { Authorization: "Bearer abc", "X-Empty": "", __proto__x: "1" },
  auth: { type: "basic", username: "ann", password: "wörd \0" },
});

export function serverCases(suite: Suite): void {
  createCases(suite);
  slugCases(suite);
  updateCases(suite);
  removeCases(suite);
}

function createCases(suite: Suite): void {
  suite("gives an upstream server back as it was created", async ({ upstreams, clock }) => {
    const created = await upstreams.create({ ...aRow("a"), settings: FULL_SETTINGS });
    const times = { createdMs: clock.now(), updatedMs: clock.now() };
    const row = { ...aRow("a"), settings: FULL_SETTINGS, offer: undefined, revision: 1, ...times };
    assertEquals(created, { ...row, seq: created.seq });
    assertEquals(await upstreams.find("a"), created);
    assertEquals(await upstreams.list(), [created]);
  });

  suite("gives a virtual server back as it was created", async ({ servers, clock }) => {
    const overrides = {
      tools: { "a-b": { name: "b", annotations: { readOnlyHint: true } } },
      prompts: {},
      resources: {},
    };
    const settings = someServerSettings({ title: "T", tools: ["a-*"], overrides, team: "red" });
    const created = await servers.create({ ...aServerRow("a"), settings });
    const times = { createdMs: clock.now(), updatedMs: clock.now() };
    const row = { ...aServerRow("a"), settings, revision: 1, ...times };
    assertEquals(created, { ...row, seq: created.seq });
    assertEquals(await servers.find("a"), created);
    assertEquals(await servers.list(), [created]);
  });

  suite("keeps no settings of declared servers", async ({ upstreams, servers }) => {
    const row = { id: "a", slug: "a", name: "A", declared: true, settings: undefined };
    const upstream = await upstreams.create(row);
    const server = await servers.create({ ...row, id: "b", slug: "b" });
    assertEquals([upstream.settings, upstream.declared], [undefined, true]);
    assertEquals([server.settings, server.declared], [undefined, true]);
  });

  suite("keeps names whatever they hold", async ({ upstreams }) => {
    for (const [i, name] of HARD_TEXTS.entries()) {
      await upstreams.create({ ...aRow(`a${i}`), name });
    }
    assertEquals((await upstreams.list()).map(({ name }) => name), HARD_TEXTS);
  });

  suite("keeps settings whatever they hold", async ({ upstreams, servers }) => {
    for (const [i, text] of HARD_TEXTS.entries()) {
      const settings = someSettings({
        title: text,
        headers: { "X-A": text.toWellFormed() },
        auth: { type: "bearer", token: text },
      });
      await upstreams.create({ ...aRow(`a${i}`), settings });
      assertEquals((await upstreams.find(`a${i}`))?.settings, settings);
      const virtual = someServerSettings({ instructions: text, tools: [text] });
      await servers.create({ ...aServerRow(`b${i}`), settings: virtual });
      assertEquals((await servers.find(`b${i}`))?.settings, virtual);
    }
  });

  suite("lists all in the order of their creation", async ({ upstreams }) => {
    const ids = Array.from({ length: MANY }, (_, i) => `a${(i * 7919) % MANY}`);
    for (const id of ids) await upstreams.create(aRow(id));
    const rows = await upstreams.list();
    assertEquals(rows.map(({ id }) => id), ids);
    assertEquals(rows.map(({ seq }) => seq), rows.map(({ seq }) => seq).toSorted((a, b) => a - b));
    assertEquals(new Set(rows.map(({ seq }) => seq)).size, MANY);
  });

  suite("finds nothing under an unknown id, nor a server of the other kind", async (given) => {
    await given.upstreams.create(aRow("up"));
    await given.servers.create(aServerRow("virtual"));
    assertEquals(await given.upstreams.find("none"), undefined);
    assertEquals(await given.upstreams.find("virtual"), undefined);
    assertEquals(await given.servers.find("up"), undefined);
    assertEquals((await given.upstreams.list()).map(({ id }) => id), ["up"]);
    assertEquals((await given.servers.list()).map(({ id }) => id), ["virtual"]);
  });
}

function slugCases(suite: Suite): void {
  suite("refuses a slug that a server of either kind has", async ({ upstreams, servers }) => {
    await upstreams.create(aRow("a"));
    await servers.create(aServerRow("b"));
    const codes = [
      await codeOf(upstreams.create({ ...aRow("c"), slug: "a" })),
      await codeOf(upstreams.create({ ...aRow("c"), slug: "b" })),
      await codeOf(servers.create({ ...aServerRow("c"), slug: "a" })),
      await codeOf(servers.create({ ...aServerRow("c"), slug: "b" })),
    ];
    assertEquals(codes, Array(4).fill("conflict"));
    assertEquals([await upstreams.find("c"), await servers.find("c")], [undefined, undefined]);
  });

  suite("lets the slug of a removed server be taken", async ({ upstreams, servers }) => {
    await upstreams.create(aRow("a"));
    await upstreams.remove("a");
    assertEquals((await servers.create({ ...aServerRow("b"), slug: "a" })).slug, "a");
  });
}

function updateCases(suite: Suite): void {
  suite("changes what is given, and counts it", async ({ upstreams, clock }) => {
    const before = await upstreams.create(aRow("a"));
    clock.advance(1000);
    const named = await upstreams.update("a", 1, { name: "Other" });
    const expected = { ...before, name: "Other", revision: 2, updatedMs: before.updatedMs + 1000 };
    assertEquals(named, expected);
    const set = await upstreams.update("a", 2, { settings: FULL_SETTINGS });
    assertEquals(set, { ...expected, settings: FULL_SETTINGS, revision: 3 });
    assertEquals(await upstreams.find("a"), set);
  });

  suite("changes a virtual server alike", async ({ servers }) => {
    const before = await servers.create(aServerRow("a"));
    const settings = someServerSettings({ tools: ["b"] });
    const after = await servers.update("a", undefined, { settings });
    assertEquals(after, { ...before, settings, revision: 2 });
    assertEquals(await servers.find("a"), after);
  });

  suite("lets the file take a server over and give it back", async ({ upstreams }) => {
    await upstreams.create({ ...aRow("a"), settings: FULL_SETTINGS });
    const taken = await upstreams.update("a", 1, { declared: true, settings: undefined });
    assertEquals([taken.declared, taken.settings], [true, undefined]);
    const given = await upstreams.update("a", 2, { declared: false, settings: FULL_SETTINGS });
    assertEquals([given.declared, given.settings], [false, FULL_SETTINGS]);
  });

  suite("refuses a revision that is not the one there is", async ({ upstreams, servers }) => {
    const row = await upstreams.create(aRow("a"));
    const server = await servers.create(aServerRow("b"));
    for (const revision of [0, 2, -1]) {
      assertEquals(await codeOf(upstreams.update("a", revision, { name: "x" })), "conflict");
      assertEquals(await codeOf(servers.update("b", revision, { name: "x" })), "conflict");
    }
    assertEquals(await upstreams.find("a"), row);
    assertEquals(await servers.find("b"), server);
  });

  suite("changes nothing that is not there", async ({ upstreams, servers, changes }) => {
    await upstreams.create(aRow("a"));
    assertEquals(await codeOf(upstreams.update("none", undefined, { name: "x" })), "not_found");
    assertEquals(await codeOf(upstreams.update("none", 1, { name: "x" })), "not_found");
    assertEquals(await codeOf(servers.update("a", undefined, { name: "x" })), "not_found");
    assertEquals(await changes.revision(), 1);
  });
}

function removeCases(suite: Suite): void {
  suite("removes an upstream server with its items, and no other's", async (given) => {
    const { upstreams, items } = given;
    for (const id of ["up", "other"]) {
      await upstreams.create(aRow(id));
      await items.apply(id, itemChanges({ inserted: manyItems(MANY, id) }));
    }
    assertEquals(await upstreams.remove("up"), true);
    assertEquals(await upstreams.find("up"), undefined);
    assertEquals(await items.listOf("up"), []);
    assertEquals((await items.listOf("other")).length, MANY);
  });

  suite("says that there was nothing to remove", async ({ upstreams, servers, changes }) => {
    await upstreams.create(aRow("a"));
    assertEquals(await upstreams.remove("none"), false);
    assertEquals(await upstreams.remove("none", 1), false);
    assertEquals(await servers.remove("a"), false);
    assertEquals([(await upstreams.list()).length, await changes.revision()], [1, 1]);
  });

  suite("removes only the revision that was read", async ({ upstreams, servers, items }) => {
    await upstreams.create(aRow("up"));
    await items.apply("up", itemChanges({ inserted: [anItem("a")] }));
    await servers.create(aServerRow("b"));
    assertEquals(await codeOf(upstreams.remove("up", 2)), "conflict");
    assertEquals(await codeOf(servers.remove("b", 2)), "conflict");
    assertEquals((await items.listOf("up")).length, 1);
    assertEquals([await upstreams.remove("up", 1), await servers.remove("b", 1)], [true, true]);
  });
}
