/**
 * The gateway's own items: kept as they were written down, with names unique among all items, and
 * secrets of tools only sealed.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { OwnPrompt, OwnResource, OwnTool } from "../../../src/domain/own_item.ts";
import { OWN_SERVER } from "../../../src/domain/server.ts";
import { createKeyring } from "../../../src/storage/sealed.ts";
import { resealSecrets } from "../../../src/storage/tables/reseal.ts";
import { anItem, aRow, itemChanges } from "../../support/catalog_rows.ts";
import { codeOf, type Given, HARD_TEXTS, KEY, type Suite } from "./case.ts";

const CANARY = "canary-7f3a9b";
const OTHER_KEY = "another key of these tests, long enough to be one";

const PROMPT: OwnPrompt = {
  kind: "prompt",
  name: "greet",
  arguments: [{ name: "who", values: ["Ada"] }],
  messages: [{ role: "user", content: { type: "text", text: "Hello {{who}}" } }],
};
const NOTE: OwnResource = {
  kind: "resource",
  uri: "note://a",
  name: "A",
  contents: [{ text: "one" }],
};
const TOOL: OwnTool = {
  kind: "tool",
  name: "look_up",
  method: "GET",
  url: "https://api.example/{word}",
  inputSchema: { type: "object", properties: { word: {} } },
  headers: { "X-Key": CANARY },
  auth: { type: "bearer", token: CANARY },
};

const PUBLIC = { visibility: "public", team: undefined, owner: "ann@example.com" } as const;

function settings(spec: OwnPrompt | OwnResource | OwnTool, enabled = true) {
  return { spec, enabled, audience: PUBLIC };
}

export function ownItemCases(suite: Suite): void {
  keepingCases(suite);
  nameCases(suite);
  secretCases(suite);
}

function keepingCases(suite: Suite): void {
  suite("gives own items back as they were written down, by kind and place", async ({ own }) => {
    await own.create("r", settings(NOTE));
    await own.create("p2", settings({ ...PROMPT, name: "second" }, false));
    await own.create("p1", settings(PROMPT));
    const items = await own.list();
    assertEquals(items.map(({ id, kind, enabled }) => [id, kind, enabled]), [
      ["p2", "prompt", false],
      ["p1", "prompt", true],
      ["r", "resource", true],
    ]);
    assertEquals(items.map((item) => item.own?.spec), [
      { ...PROMPT, name: "second" },
      PROMPT,
      NOTE,
    ]);
    assertEquals(items[1]?.audience, PUBLIC);
  });

  suite("keeps every text of an own item", async ({ own }) => {
    const messages = HARD_TEXTS.map((text) => ({
      role: "user" as const,
      content: { type: "text" as const, text },
    }));
    await own.create("p", settings({ ...PROMPT, messages }));
    assertEquals((await own.list())[0]?.own?.spec, { ...PROMPT, messages });
  });

  suite("changes an own item that is as it was read, and no other", async ({ own }) => {
    await own.create("p", settings(PROMPT));
    await own.update("p", 1, settings({ ...PROMPT, title: "T" }));
    assertEquals(await codeOf(own.update("p", 1, settings(PROMPT))), "conflict");
    assertEquals(await codeOf(own.remove("p", 1)), "conflict");
    assertEquals(await codeOf(own.update("none", 1, settings(PROMPT))), "not_found");
    const [item] = await own.list();
    assertEquals([item?.own?.spec.title, item?.revision], ["T", 2]);
  });

  suite("removes an own item, and logs every write as one of the gateway", async (given) => {
    const { own, changes } = given;
    const before = await changes.revision();
    await own.create("p", settings(PROMPT));
    await own.update("p", 1, settings(PROMPT));
    await own.remove("p", 2);
    assertEquals(await own.list(), []);
    assertEquals(await changes.revision(), before + 3);
    const since = await changes.since(before);
    assertEquals(since.changes.map(({ kind, id }) => [kind, id]), [["items", OWN_SERVER.id]]);
  });

  suite("shows the gateway among no servers", async ({ own, upstreams, servers }) => {
    await own.create("p", settings(PROMPT));
    assertEquals([await upstreams.list(), await servers.list()], [[], []]);
    assertEquals(await upstreams.find(OWN_SERVER.id), undefined);
    assertEquals(await upstreams.remove(OWN_SERVER.id), false);
    const work = upstreams.update(OWN_SERVER.id, undefined, { name: "x" });
    assertEquals(await codeOf(work), "not_found");
  });
}

function nameCases(suite: Suite): void {
  suite("refuses a name that another item of the kind has, whoever's it is", async (given) => {
    const { own, upstreams, items } = given;
    await upstreams.create(aRow("up"));
    const found = anItem("a", { kind: "prompt", exposedName: "greet" });
    await items.apply("up", itemChanges({ inserted: [found] }));
    assertEquals(await codeOf(own.create("p", settings(PROMPT))), "conflict");
    await own.create("t", settings({ ...TOOL, name: "greet" }));
    const again = anItem("b", { exposedName: "greet" });
    const work = items.apply("up", itemChanges({ inserted: [again] }));
    assertEquals(await codeOf(work), "conflict");
  });
}

function secretCases(suite: Suite): void {
  suite("keeps no secret of a tool in the clear, and opens it", async ({ own, database }) => {
    await own.create("t", settings(TOOL));
    await own.update("t", 1, settings({ ...TOOL, title: "T" }));
    const rows = await database.run((db) => db.selectFrom("own_items").selectAll().execute());
    assert(!JSON.stringify(rows).includes(CANARY));
    assertEquals((await own.list())[0]?.own?.spec, { ...TOOL, title: "T" });
  });

  suite("opens no secret of a tool that was copied to another", async ({ own, database }) => {
    await own.create("a", settings(TOOL));
    await own.create("b", settings({ ...TOOL, name: "other" }));
    await database.run(async (db) => {
      const { spec } = await db.selectFrom("own_items").select("spec").where("id", "=", "a")
        .executeTakeFirstOrThrow();
      await db.updateTable("own_items").set({ spec }).where("id", "=", "b").execute();
    });
    const [, item] = await own.list();
    assertEquals([item?.own?.unreadable, item?.enabled], [["headers.X-Key", "auth"], false]);
  });

  suite("a tool whose secrets no key opens is off, and loses none by a change", async (given) => {
    await given.own.create("t", settings(TOOL));
    const { own } = given.withKeys(OTHER_KEY);
    const [item] = await own.list();
    assertEquals([item?.enabled, item?.own?.enabled], [false, true]);
    const { spec } = item!.own!;
    await own.update("t", 1, settings({ ...spec as OwnTool, title: "T" }));
    assertEquals((await given.own.list())[0]?.own?.spec, { ...TOOL, title: "T" });
  });

  suite("seals the secrets of tools anew", async (given) => {
    await given.own.create("t", settings(TOOL));
    await given.own.create("p", settings(PROMPT));
    const counts = await resealSecrets(given.database, createKeyring(OTHER_KEY, KEY));
    assertEquals(counts, { resealed: 2, current: 0, unreadable: 0, unreadableOf: [] });
    const [item] = await given.withKeys(OTHER_KEY).own.list();
    assertEquals(item?.own?.spec, TOOL);
  });

  suite("names the tools whose secrets neither key opens", async (given: Given) => {
    await given.own.create("t", settings(TOOL));
    const strangers = createKeyring(OTHER_KEY, `${OTHER_KEY} again`);
    const { unreadable, unreadableOf } = await resealSecrets(given.database, strangers);
    assertEquals([unreadable, unreadableOf], [2, ["tool look_up"]]);
  });
}
