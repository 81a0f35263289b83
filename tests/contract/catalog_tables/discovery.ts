/**
 * What discovery writes: all or nothing, and nothing of others mixed into it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { ItemChanges } from "../../../src/storage/catalog_tables.ts";
import {
  anItem,
  anOffer,
  aRow,
  aServerRow,
  itemChanges,
  manyItems,
} from "../../support/catalog_rows.ts";
import { codeOf, type Given, type Suite } from "./case.ts";

const MANY = 5_000;
/** More than any index of PostgreSQL takes, and not to be compressed. */
const LONG_NAME_BYTES = 40_000;

export function discoveryCases(suite: Suite): void {
  applyCases(suite);
  nameCases(suite);
  refusalCases(suite);
  wholeCases(suite);
}

function applyCases(suite: Suite): void {
  suite("inserts, updates and removes at once", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    await items.apply("up", itemChanges({ inserted: [anItem("a"), anItem("b"), anItem("c")] }));
    const updated = anItem("b", {
      upstreamName: "other",
      exposedName: "other",
      foundMs: 9,
      seq: 9,
      definition: "{}",
      title: "T",
      description: "D",
      enabled: false,
      missingSinceMs: 9,
    });
    const inserted = [anItem("d", { seq: 10 })];
    await items.apply("up", itemChanges({ inserted, updated: [updated], removed: ["a"] }));
    assertEquals(await items.listOf("up"), [
      { ...anItem("c"), revision: 1 },
      { ...updated, revision: 2 },
      { ...inserted[0]!, revision: 1 },
    ]);
  });

  suite(
    "keeps the offer, and does not count it as a change of the row",
    async ({ upstreams, items }) => {
      await upstreams.create(aRow("up"));
      const dropped = [{ kind: "tool" as const, name: "x\0", reason: "too long" }];
      const offer = anOffer({ dropped, ttlMs: 5, cacheScope: "private", instructions: "\ud800" });
      await items.apply("up", itemChanges({ offer }));
      const row = await upstreams.find("up");
      assertEquals([row?.offer, row?.revision], [offer, 1]);
      assertEquals((await upstreams.list())[0]?.offer, offer);
      const none = anOffer({ serverInfo: undefined });
      await items.apply("up", itemChanges({ offer: none }));
      assertEquals((await upstreams.find("up"))?.offer, none);
    },
  );

  suite("keeps the offer when the settings change", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    await items.apply("up", itemChanges());
    assertEquals((await upstreams.update("up", 1, { name: "x" })).offer, anOffer());
  });

  suite("inserts, updates and removes thousands", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    const inserted = manyItems(MANY);
    await items.apply("up", itemChanges({ inserted }));
    const first = await items.listOf("up");
    assertEquals(first, inserted.map((item) => ({ ...item, revision: 1 })));
    const updated = first.map((item) => ({ ...item, title: "T" }));
    await items.apply("up", itemChanges({ updated }));
    assertEquals(await items.listOf("up"), updated.map((item) => ({ ...item, revision: 2 })));
    await items.apply("up", itemChanges({ removed: inserted.map(({ id }) => id) }));
    assertEquals(await items.listOf("up"), []);
  });

  suite("removes nothing of another server", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    await upstreams.create(aRow("other"));
    await items.apply("up", itemChanges({ inserted: [anItem("a")] }));
    await items.apply("other", itemChanges({ removed: ["a", "none"] }));
    assertEquals((await items.listOf("up")).length, 1);
  });
}

function nameCases(suite: Suite): void {
  suite("lets items exchange their names", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    const inserted = manyItems(300);
    await items.apply("up", itemChanges({ inserted }));
    const updated = inserted.map((item, i) => ({
      ...item,
      exposedName: inserted[(i + 1) % inserted.length]!.exposedName,
    }));
    await items.apply("up", itemChanges({ updated }));
    assertEquals(await items.listOf("up"), updated.map((item) => ({ ...item, revision: 2 })));
  });

  suite("lets a new item have the name of one that is removed with it", async (given) => {
    await given.upstreams.create(aRow("up"));
    await given.items.apply("up", itemChanges({ inserted: [anItem("a", { exposedName: "x" })] }));
    const inserted = [anItem("b", { exposedName: "x" })];
    await given.items.apply("up", itemChanges({ inserted, removed: ["a"] }));
    assertEquals((await given.items.listOf("up")).map(({ id }) => id), ["b"]);
  });

  suite("keeps names longer than an index may hold apart", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    const long = crypto.getRandomValues(new Uint8Array(LONG_NAME_BYTES)).toHex();
    const inserted = ["1", "2"].map((end) => anItem(end, { exposedName: long + end }));
    await items.apply("up", itemChanges({ inserted }));
    const names = (await items.listOf("up")).map(({ exposedName }) => exposedName);
    assertEquals(names, inserted.map(({ exposedName }) => exposedName));
    const again = [anItem("3", { exposedName: `${long}1` })];
    assertEquals(await codeOf(items.apply("up", itemChanges({ inserted: again }))), "conflict");
  });
}

function refusalCases(suite: Suite): void {
  const refused: readonly (readonly [string, string, Partial<ItemChanges>])[] = [
    ["a taken name", "conflict", { inserted: [anItem("x", { exposedName: "up-kept" })] }],
    ["the same name twice", "conflict", {
      inserted: [anItem("x", { exposedName: "y" }), anItem("y", { exposedName: "y" })],
    }],
    ["a taken id", "conflict", { inserted: [anItem("kept", { exposedName: "y" })] }],
    ["a rename to a taken name", "conflict", {
      updated: [anItem("gone", { exposedName: "up-kept" })],
    }],
    ["an item that was removed meanwhile", "conflict", { updated: [anItem("none")] }],
    ["an item of another server", "conflict", { updated: [anItem("foreign")] }],
    ["an item that was changed meanwhile", "conflict", {
      updated: [{ ...anItem("kept"), revision: 2 }],
    }],
  ];
  for (const [what, code, bad] of refused) {
    suite(`changes nothing when discovery brings ${what}`, async (given) => {
      const before = await withSome(given);
      const changes = itemChanges({
        ...bad,
        inserted: [...manyItems(200), ...bad.inserted ?? []],
        removed: ["gone"].filter(() => bad.updated?.[0]?.id !== "gone"),
        offer: anOffer({ discoveredMs: 99 }),
      });
      assertEquals(await codeOf(given.items.apply("up", changes)), code);
      assertEquals(await stateOf(given), before);
    });
  }

  suite("applies nothing to a server that is not there, or not upstream", async (given) => {
    await given.servers.create(aServerRow("virtual"));
    const changes = itemChanges({ inserted: manyItems(2) });
    assertEquals(await codeOf(given.items.apply("none", changes)), "not_found");
    assertEquals(await codeOf(given.items.apply("virtual", changes)), "not_found");
    assertEquals(await given.items.listOf("none"), []);
  });

  suite("takes an update of the revision that there is", async (given) => {
    await withSome(given);
    await given.items.update("kept", 1, { enabled: false });
    const stale = [{ ...anItem("kept"), revision: 1 }];
    assertEquals(
      await codeOf(given.items.apply("up", itemChanges({ updated: stale }))),
      "conflict",
    );
    const fresh = [{ ...anItem("kept", { enabled: false }), revision: 2 }];
    await given.items.apply("up", itemChanges({ updated: fresh }));
    assertEquals((await given.items.listOf("up")).find(({ id }) => id === "kept")?.enabled, false);
  });
}

/** Items `kept` and `gone` of `up`, `foreign` of `other`. */
async function withSome(given: Given) {
  const { upstreams, items } = given;
  await upstreams.create(aRow("up"));
  await upstreams.create(aRow("other"));
  await items.apply("up", itemChanges({ inserted: [anItem("kept"), anItem("gone")] }));
  const foreign = anItem("foreign", { upstreamId: "other" });
  await items.apply("other", itemChanges({ inserted: [foreign] }));
  return await stateOf(given);
}

async function stateOf({ upstreams, items, changes }: Given) {
  return {
    upstreams: await upstreams.list(),
    items: [await items.listOf("up"), await items.listOf("other")],
    revision: await changes.revision(),
  };
}

function wholeCases(suite: Suite): void {
  suite("shows nobody half of what discovery writes", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    let isDone = false;
    const written = items.apply("up", itemChanges({ inserted: manyItems(1000) }))
      .finally(() => isDone = true);
    const seen = new Set<number>();
    while (!isDone) seen.add((await items.listOf("up")).length);
    await written;
    seen.add((await items.listOf("up")).length);
    assertEquals([...seen].filter((count) => count !== 0), [1000]);
  });

  suite("lists items as of one moment while discovery writes", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    await items.apply("up", itemChanges({ inserted: manyItems(500) }));
    const mixed: unknown[] = [];
    for (let round = 0; round < 5; round++) {
      const updated = manyItems(500).map((item) => ({ ...item, title: `round ${round}` }));
      const listed = items.listOf("up");
      await items.apply("up", itemChanges({ updated }));
      const titles = new Set((await listed).map(({ title }) => title));
      if (titles.size !== 1) mixed.push([...titles]);
    }
    assertEquals(mixed, []);
  });

  suite("keeps what others write while a discovery fails", async ({ upstreams, items, facts }) => {
    await upstreams.create(aRow("up"));
    const inserted = [...manyItems(1000), anItem("x", { exposedName: "zz" }), anItem("x")];
    const failing = codeOf(items.apply("up", itemChanges({ inserted })));
    const others = Array.from({ length: 20 }, (_, i) => upstreams.create(aRow(`other-${i}`)));
    const fact = facts.create("a", "1");
    assertEquals(await failing, "conflict");
    await Promise.all(others);
    assertEquals(await fact, true);
    assertEquals((await upstreams.list()).length, 21);
    assertEquals(await items.listOf("up"), []);
  });

  suite("lets the event loop turn while discovery writes", async ({ upstreams, items }) => {
    await upstreams.create(aRow("up"));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await items.apply("up", itemChanges({ inserted: manyItems(2000) }));
    clearInterval(timer);
    // How many depends on the machine: there is one whenever 5 ms are over.
    assertEquals(turns > 0, true);
  });
}
