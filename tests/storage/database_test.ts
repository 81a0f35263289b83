/**
 * The database as such: transactions, failures, bounds, and its end.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
  throws as assertThrows,
} from "node:assert/strict";
import { sql } from "kysely";
import { GatewayError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { type Database, NotUnique } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createKeyring } from "../../src/storage/sealed.ts";
import { createCatalogTables } from "../../src/storage/tables/catalog.ts";
import { aRow, itemChanges, manyItems, someSettings } from "../support/catalog_rows.ts";
import { onEachDatabase, openPlace } from "../support/open_databases.ts";
import { tempDir } from "../support/temp_dir.ts";

const UNAVAILABLE = { code: "unavailable", message: "The database cannot be used at the moment" };
const KEY = "the key of these tests, long enough to be one";
const CANARY = "canary-5d1c0e";

const put = (database: Database, name: string) =>
  database.transaction((db) => db.insertInto("facts").values({ name, value: "" }).execute());

const names = (database: Database) =>
  database.run((db) => db.selectFrom("facts").select("name").orderBy("name").execute())
    .then((rows) => rows.map(({ name }) => name));

onEachDatabase("a transaction that throws is undone, and says why", async (home) => {
  await using database = home.open();
  await migrate(database, { clock });
  const failing = database.transaction(async (db) => {
    await db.insertInto("facts").values({ name: "a", value: "" }).execute();
    throw new RangeError("for this test");
  });
  await assertRejects(failing, new RangeError("for this test"));
  assertEquals(await names(database), []);
});

onEachDatabase("nothing is acknowledged that was not committed", async (home) => {
  await using database = home.open();
  await migrate(database, { clock });
  const swallowing = database.transaction(async (db) => {
    await db.insertInto("facts").values({ name: "a", value: "" }).execute();
    await sql`select * from nowhere`.execute(db).catch(() => {});
  });
  const isKept = await swallowing.then(() => true, () => false);
  assertEquals(await names(database), isKept ? ["a"] : []);
});

onEachDatabase("a row that is there already is told as such", async (home) => {
  await using database = home.open();
  await migrate(database, { clock });
  await put(database, "a");
  await assertRejects(put(database, "a"), NotUnique);
});

onEachDatabase("a refused statement is unavailable, its text only in the cause", async (home) => {
  await using database = home.open();
  const question = database.run((db) => sql`select ${CANARY} from nowhere`.execute(db));
  await assertRejects(question, (error: GatewayError) => {
    assertEquals({ code: error.code, message: error.message }, UNAVAILABLE);
    return /nowhere/.test((error.cause as Error).message);
  });
});

onEachDatabase("a mistake of ours is not taken for one of the database", async (home) => {
  await using database = home.open();
  const mistake = database.run(() => Promise.reject(new TypeError("for this test")));
  await assertRejects(mistake, new TypeError("for this test"));
});

onEachDatabase("transactions at the same time do not mix", async (home) => {
  await using database = home.open();
  await migrate(database, { clock });
  const settled = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) =>
      database.transaction(async (db) => {
        await db.insertInto("facts").values({ name: `${i} first`, value: "" }).execute();
        await new Promise((resolve) => setTimeout(resolve));
        if (i % 2) throw new Error("for this test");
        await db.insertInto("facts").values({ name: `${i} second`, value: "" }).execute();
      })),
  );
  const kept = Array.from({ length: 20 }, (_, i) => [`${2 * i} first`, `${2 * i} second`]).flat();
  assertEquals(settled.filter(({ status }) => status === "rejected").length, 20);
  assertEquals((await names(database)).toSorted(), kept.toSorted());
});

onEachDatabase("a question more than may wait is refused at once", async (home) => {
  await using database = home.open();
  const gate = Promise.withResolvers<void>();
  const waiting = Array.from(
    { length: LIMITS.databaseWaiting },
    () => database.run(() => gate.promise),
  );
  await assertRejects(database.run(() => Promise.resolve()), UNAVAILABLE);
  gate.resolve();
  await Promise.all(waiting);
  await database.run(() => Promise.resolve());
});

onEachDatabase("closing lets what runs finish, and refuses what comes after", async (home) => {
  const database = home.open();
  await migrate(database, { clock });
  const tables = createCatalogTables(database, { clock, keyring: createKeyring(KEY, undefined) });
  await tables.upstreams.create(aRow("up"));
  const running = tables.items.apply("up", itemChanges({ inserted: manyItems(500) }));
  await database.close();
  await running;
  await assertRejects(put(database, "b"), UNAVAILABLE);
  await database.close();
  await using again = home.open();
  const count = await again.run((db) =>
    db.selectFrom("items").select(({ fn }) => fn.countAll<number>().as("count"))
      .executeTakeFirstOrThrow()
  );
  assertEquals(count.count, 500);
});

onEachDatabase("a database that was never asked closes", async (home) => {
  await home.open().close();
});

Deno.test("a second opener of an SQLite file is refused and told to use another --data", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/sallyport.db`;
  const place = { kind: "sqlite" as const, path };
  for (const round of ["new", "old"]) {
    await using first = openPlace(place);
    assertThrows(() => openPlace(place), {
      name: "FileInUse",
      message: `The file "${path}" cannot be opened: another process uses it; ` +
        "give each its own --data",
    }, round);
    await first.run((db) => sql`select 1`.execute(db));
  }
});

Deno.test("an SQLite file of another kind is named", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/a.db`;
  await Deno.writeTextFile(path, "not a database, and longer than the header of one ".repeat(9));
  assertThrows(
    () => openPlace({ kind: "sqlite", path }),
    /a\.db" cannot be opened: file is not a database/,
  );
});

Deno.test("a full disk undoes the transaction alone, and does no harm afterwards", async () => {
  await using database = openPlace({ kind: "sqlite", path: ":memory:" });
  await migrate(database, { clock });
  const tables = createCatalogTables(database, { clock, keyring: createKeyring(KEY, undefined) });
  await tables.upstreams.create(aRow("up"));
  await setPagesMax(database, 100);
  const changes = itemChanges({ inserted: manyItems(1000) });
  await assertRejects(tables.items.apply("up", changes), UNAVAILABLE);
  assertEquals(await tables.items.listOf("up"), []);
  await setPagesMax(database, 1_000_000);
  await tables.items.apply("up", changes);
  assertEquals((await tables.items.listOf("up")).length, 1000);
});

function setPagesMax(database: Database, count: number): Promise<unknown> {
  return database.run((db) => sql.raw(`pragma max_page_count = ${count}`).execute(db));
}

Deno.test("no secret is in the bytes of an SQLite file, nor beside it", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/sallyport.db`;
  await using database = openPlace({ kind: "sqlite", path });
  await migrate(database, { clock });
  const { upstreams } = createCatalogTables(database, {
    clock,
    keyring: createKeyring(KEY, undefined),
  });
  const settings = someSettings({
    title: "shown-1b7e",
    headers: { "X-Key": CANARY },
    auth: { type: "basic", username: CANARY, password: CANARY },
  });
  await upstreams.create({ ...aRow("a"), settings });
  await upstreams.update("a", 1, { settings: { ...settings, auth: { type: "none" } } });
  const found = [];
  const files = [];
  for await (const { name } of Deno.readDir(dir.path)) {
    files.push(name);
    const text = new TextDecoder("latin1").decode(await Deno.readFile(`${dir.path}/${name}`));
    for (const needle of [CANARY, "shown-1b7e"]) if (text.includes(needle)) found.push(needle);
  }
  assert(files.length === 2, files.join());
  assertEquals([...new Set(found)], ["shown-1b7e"]);
});
