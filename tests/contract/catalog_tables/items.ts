/**
 * Items: listed, and changed by administrators. And facts.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { anItem, aRow, itemChanges } from "../../support/catalog_rows.ts";
import { codeOf, type Given, HARD_TEXTS, type Suite } from "./case.ts";

export function itemCases(suite: Suite): void {
  listCases(suite);
  updateCases(suite);
  factCases(suite);
}

/** With these items, of one server. */
async function withItems({ upstreams, items }: Given, ...inserted: ReturnType<typeof anItem>[]) {
  await upstreams.create(aRow("up"));
  await items.apply("up", itemChanges({ inserted }));
}

function listCases(suite: Suite): void {
  suite("gives items back as they were inserted", async (given) => {
    const full = anItem("b", {
      kind: "template",
      upstreamName: "file:///{path}",
      seq: 2 ** 40,
      foundMs: 1_790_000_000_000,
      title: "T",
      description: "",
      enabled: false,
      missingSinceMs: 1_790_000_000_001,
      audience: { visibility: "team", team: "t1", owner: undefined },
    });
    await withItems(given, anItem("a"), full);
    const expected = [{ ...anItem("a"), revision: 1 }, { ...full, revision: 1 }];
    assertEquals(await given.items.listOf("up"), expected);
  });

  suite("lists items by kind, then by their place", async (given) => {
    const kinds = ["template", "tool", "resource", "prompt"] as const;
    const inserted = kinds.flatMap((kind, i) =>
      [3, 1, 2].map((seq) => anItem(`${kind} ${seq}`, { kind, seq: seq + i }))
    );
    await withItems(given, ...inserted);
    const ids = (await given.items.listOf("up")).map(({ id }) => id);
    const expected = ["tool", "prompt", "resource", "template"]
      .flatMap((kind) => [1, 2, 3].map((seq) => `${kind} ${seq}`));
    assertEquals(ids, expected);
  });

  suite("lists every item once, however many share a place", async (given) => {
    const inserted = Array.from(
      { length: 500 },
      (_, i) => anItem(`item ${i}`, { seq: i % 3, kind: i % 2 ? "tool" : "prompt" }),
    );
    await withItems(given, ...inserted);
    const ids = (await given.items.listOf("up")).map(({ id }) => id);
    assertEquals(ids.toSorted(), inserted.map(({ id }) => id).toSorted());
  });

  suite("lists nothing of a server that is not there", async ({ items }) => {
    assertEquals(await items.listOf("none"), []);
  });

  suite("keeps texts of items whatever they hold", async (given) => {
    const inserted = HARD_TEXTS.map((text, seq) =>
      anItem(`item ${seq}`, {
        seq,
        upstreamName: text,
        exposedName: text,
        title: text,
        description: text,
        definition: JSON.stringify({ name: text }),
      })
    );
    await withItems(given, ...inserted);
    const expected = inserted.map((item) => ({ ...item, revision: 1 }));
    assertEquals(await given.items.listOf("up"), expected);
  });
}

function updateCases(suite: Suite): void {
  suite("changes what an administrator gives of an item", async (given) => {
    await withItems(given, anItem("a"));
    const change = { exposedName: "renamed", title: "T", description: "D", enabled: false };
    const after = await given.items.update("a", 1, change);
    assertEquals(after, { ...anItem("a"), ...change, revision: 2 });
    assertEquals(await given.items.listOf("up"), [after]);
  });

  suite("clears a title that is given as undefined, and only that", async (given) => {
    await withItems(given, anItem("a", { title: "T", description: "D", enabled: false }));
    const after = await given.items.update("a", undefined, { title: undefined });
    const { title, description, enabled } = after;
    assertEquals({ title, description, enabled }, {
      title: undefined,
      description: "D",
      enabled: false,
    });
  });

  suite("keeps to whom an item is shown, and takes it back", async (given) => {
    await withItems(given, anItem("a"));
    const audience = { visibility: "private", team: undefined, owner: "zoë@example.com" } as const;
    const after = await given.items.update("a", 1, { audience });
    assertEquals(after.audience, audience);
    assertEquals((await given.items.update("a", 2, { title: "T" })).audience, audience);
    assertEquals((await given.items.update("a", 3, { audience: undefined })).audience, undefined);
  });

  suite("counts even a change of nothing", async (given) => {
    await withItems(given, anItem("a"));
    assertEquals((await given.items.update("a", 1, {})).revision, 2);
  });

  suite("refuses a name that another item of this kind has", async (given) => {
    await withItems(given, anItem("a"), anItem("b"), anItem("c", { kind: "prompt" }));
    const { items } = given;
    assertEquals(await codeOf(items.update("a", 1, { exposedName: "up-b" })), "conflict");
    assertEquals((await items.update("a", 1, { exposedName: "up-c" })).exposedName, "up-c");
  });

  suite("refuses a name that an item of another server has", async (given) => {
    await withItems(given, anItem("a"));
    await given.upstreams.create(aRow("other"));
    const inserted = [anItem("b", { upstreamId: "other", exposedName: "other-b" })];
    await given.items.apply("other", itemChanges({ inserted }));
    assertEquals(await codeOf(given.items.update("b", 1, { exposedName: "up-a" })), "conflict");
  });

  suite("takes names for different that differ in case or accents", async (given) => {
    const names = ["name", "Name", "NAME", "náme", "na\u0301me", "name "];
    await withItems(given, ...names.map((exposedName, seq) => anItem(`${seq}`, { exposedName })));
    assertEquals((await given.items.listOf("up")).length, names.length);
  });

  suite("refuses a revision of an item that is not the one there is", async (given) => {
    await withItems(given, anItem("a"));
    assertEquals(await codeOf(given.items.update("a", 2, { enabled: false })), "conflict");
    assertEquals((await given.items.listOf("up"))[0]!.enabled, true);
  });

  suite("changes no item that is not there", async (given) => {
    assertEquals(await codeOf(given.items.update("a", undefined, { enabled: true })), "not_found");
    assertEquals(await codeOf(given.items.update("a", 1, { enabled: true })), "not_found");
    assertEquals(await given.changes.revision(), 0);
  });
}

function factCases(suite: Suite): void {
  suite("writes a fact once", async ({ facts }) => {
    assertEquals(await facts.find("first start"), undefined);
    assertEquals(await facts.create("first start", "1"), true);
    assertEquals(await facts.create("first start", "2"), false);
    assertEquals(await facts.find("first start"), "1");
    assertEquals(await facts.find("other"), undefined);
  });

  suite("writes a fact once for all who try at the same time", async ({ facts }) => {
    const written = await Promise.all(
      Array.from({ length: 20 }, (_, i) => facts.create("first start", String(i))),
    );
    assertEquals(written.filter(Boolean).length, 1);
    assertEquals(await facts.find("first start"), String(written.indexOf(true)));
  });

  suite("keeps facts whatever they hold", async ({ facts }) => {
    const found = [];
    for (const text of HARD_TEXTS.slice(0, -1)) {
      await facts.create(`name ${text}`, text);
      found.push(await facts.find(`name ${text}`));
    }
    assertEquals(found, HARD_TEXTS.slice(0, -1));
  });
}
