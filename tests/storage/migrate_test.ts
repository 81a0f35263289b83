/**
 * Migrations: each step once, all or nothing, whoever starts at the same time.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { sql } from "kysely";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { migrate, type Migration, MIGRATIONS } from "../../src/storage/migrate.ts";
import { onEachDatabase, openPlace } from "../support/open_databases.ts";
import { ownSchema, postgresTest } from "../support/postgres.ts";

const NAMES = MIGRATIONS.map(({ name }) => name);
const REPLICAS = 12;

const step = (name: string, statement: string): Migration => ({
  name,
  up: async (db) => void await sql.raw(statement).execute(db),
});

Deno.test("migrations are numbered without holes, in order", () => {
  assertEquals(NAMES.map((name) => name.slice(0, 4)), NAMES.map((_, i) => `000${i + 1}`));
});

onEachDatabase("an empty database gets every step, and the next time none", async (home) => {
  await using database = home.open();
  assertEquals(await migrate(database, { clock }), { applied: NAMES, unknown: [] });
  assertEquals(await migrate(database, { clock }), { applied: [], unknown: [] });
});

onEachDatabase("only missing steps are applied, in order", async (home) => {
  await using database = home.open();
  const steps = [
    step("0001_a", "create table a (x integer)"),
    step("0002_b", "alter table a add column y integer"),
    step("0003_c", "insert into a (x, y) values (1, 2)"),
  ];
  assertEquals((await migrate(database, { clock }, steps.slice(0, 1))).applied, ["0001_a"]);
  assertEquals((await migrate(database, { clock }, steps)).applied, ["0002_b", "0003_c"]);
});

onEachDatabase("a step that fails leaves the database as it was", async (home) => {
  await using database = home.open();
  const good = step("0001_a", "create table a (x integer)");
  const bad: Migration = {
    name: "0002_b",
    async up(db) {
      await sql`alter table a add column y integer`.execute(db);
      await sql`insert into nowhere values (1)`.execute(db);
    },
  };
  await assertRejects(migrate(database, { clock }, [good, bad]), { code: "unavailable" });
  // Both are made again, so neither has been left behind.
  const fixed = step("0002_b", "alter table a add column y integer");
  assertEquals((await migrate(database, { clock }, [good, fixed])).applied, ["0001_a", "0002_b"]);
});

onEachDatabase("steps of a later version are told, and left alone", async (home) => {
  await using database = home.open();
  const later = [...MIGRATIONS, step("0999_later", "create table later (x integer)")];
  await migrate(database, { clock }, later);
  assertEquals(await migrate(database, { clock }), { applied: [], unknown: ["0999_later"] });
});

postgresTest("many replicas that start on one empty database apply each step once", async () => {
  await using schema = await ownSchema();
  await using replicas = new AsyncDisposableStack();
  const databases = Array.from({ length: REPLICAS }, () => replicas.use(openPlace(schema.url)));
  const all = await Promise.all(databases.map((database) => migrate(database, { clock })));
  assertEquals(all.flatMap(({ applied }) => applied), NAMES);
});
