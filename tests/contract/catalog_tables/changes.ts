/**
 * The change log: every write is in it, none is seen out of order, and what was forgotten is said.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../../src/domain/limits.ts";
import { anItem, aRow, aServerRow, itemChanges } from "../../support/catalog_rows.ts";
import { codeOf, type Given, type Suite } from "./case.ts";

export function changeCases(suite: Suite): void {
  suite("begins at 0", async ({ changes }) => {
    assertEquals(await changes.revision(), 0);
    assertEquals(await changes.since(0), { changes: [], revision: 0, isIncomplete: false });
  });

  suite("logs every write, in order", async (given) => {
    const { upstreams, servers, items, changes } = given;
    const logged: string[] = [];
    let from = 0;
    const note = async () => {
      const since = await changes.since(from);
      from = since.revision;
      logged.push(since.changes.map(({ kind, id }) => `${kind} ${id}`).join());
    };
    const writes = [
      () => upstreams.create(aRow("up")),
      () => upstreams.update("up", 1, { name: "x" }),
      () => items.apply("up", itemChanges({ inserted: [anItem("a")] })),
      () => items.apply("up", itemChanges({ updated: [anItem("a")] })),
      () => items.apply("up", itemChanges()),
      () => items.update("a", undefined, { enabled: false }),
      () => items.apply("up", itemChanges({ removed: ["a"] })),
      () => upstreams.remove("up"),
      () => servers.create(aServerRow("s")),
      () => servers.update("s", 1, { name: "x" }),
      () => servers.remove("s"),
    ];
    for (const write of writes) {
      await write();
      await note();
    }
    const up = "upstream up";
    const one = "items up";
    const s = "server s";
    assertEquals(logged, [up, up, one, one, up, one, one, up, s, s, s]);
    assertEquals(await changes.revision(), writes.length);
  });

  suite("logs nothing that was refused", async ({ upstreams, changes }) => {
    await upstreams.create(aRow("a"));
    await codeOf(upstreams.create(aRow("a")));
    await codeOf(upstreams.update("a", 9, { name: "x" }));
    await codeOf(upstreams.remove("a", 9));
    assertEquals(await changes.revision(), 1);
  });

  suite("logs no facts", async ({ facts, changes }) => {
    await facts.create("a", "1");
    assertEquals(await changes.revision(), 0);
  });

  suite("names each record once, at its newest change", async ({ upstreams, changes }) => {
    await upstreams.create(aRow("a"));
    await upstreams.create(aRow("b"));
    await upstreams.update("a", undefined, { name: "x" });
    const all = [
      { revision: 2, kind: "upstream" as const, id: "b" },
      { revision: 3, kind: "upstream" as const, id: "a" },
    ];
    assertEquals(await changes.since(0), { changes: all, revision: 3, isIncomplete: false });
    assertEquals((await changes.since(2)).changes, all.slice(1));
    assertEquals(await changes.since(3), { changes: [], revision: 3, isIncomplete: false });
  });

  suite("says that everything has to be read again by whoever is ahead of it", async (given) => {
    await given.upstreams.create(aRow("a"));
    const { isIncomplete, revision } = await given.changes.since(7);
    assertEquals({ isIncomplete, revision }, { isIncomplete: true, revision: 1 });
  });

  suite("says so too where reading everything is less work", async (given) => {
    await fill(given, LIMITS.changesRead + 1);
    const { isIncomplete, revision, changes } = await given.changes.since(0);
    assertEquals([isIncomplete, revision, changes.length], [true, LIMITS.changesRead + 1, 0]);
    assertEquals((await given.changes.since(1)).changes.length, LIMITS.changesRead);
  });

  suite("keeps the newest changes, and says what is missing", async (given) => {
    const { changes, database } = given;
    const count = LIMITS.changesKept + 1200;
    await fill(given, count);
    await changes.prune();
    const kept = await database.run((db) =>
      db.selectFrom("changes").select(({ fn }) => [
        fn.countAll<number>().as("count"),
        fn.min("revision").as("first"),
      ]).executeTakeFirstOrThrow()
    );
    assertEquals({ ...kept }, { count: LIMITS.changesKept, first: 1201 });
    assertEquals((await changes.since(1199)).isIncomplete, true);
    assertEquals((await changes.since(count - 1)).isIncomplete, false);
    assertEquals(await changes.revision(), count);
  });

  suite("calls a follower incomplete exactly when one of its changes is gone", async (given) => {
    const { changes, database } = given;
    await fill(given, LIMITS.changesKept + 10, (i) => `record ${i % 3}`);
    await changes.prune();
    const { pruned } = await database.run((db) =>
      db.selectFrom("change_state").select("pruned").executeTakeFirstOrThrow()
    );
    const [at, before] = [await changes.since(pruned), await changes.since(pruned - 1)];
    assertEquals([at.isIncomplete, before.isIncomplete], [false, true]);
  });

  suite("forgets nothing while there is room", async (given) => {
    await given.changes.prune();
    await given.upstreams.create(aRow("a"));
    await given.changes.prune();
    assertEquals((await given.changes.since(0)).changes.length, 1);
  });

  suite("has a revision for each write that comes after pruning", async (given) => {
    await fill(given, LIMITS.changesKept + 5);
    await given.changes.prune();
    await given.changes.prune();
    await given.upstreams.create(aRow("a"));
    const since = await given.changes.since(LIMITS.changesKept + 5);
    assertEquals(since.changes.map(({ id }) => id), ["a"]);
  });
}

/** Changes of so many records, without the records. */
async function fill({ database }: Given, count: number, idOf = (i: number) => `record ${i}`) {
  await database.transaction(async (db) => {
    for (let from = 1; from <= count; from += 500) {
      const rows = Array.from({ length: Math.min(500, count - from + 1) }, (_, i) => ({
        revision: from + i,
        kind: "upstream" as const,
        id: idOf(from + i),
      }));
      await db.insertInto("changes").values(rows).execute();
    }
    await db.updateTable("change_state").set({ revision: count }).execute();
  });
}
