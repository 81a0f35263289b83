/**
 * The tables of the catalog, on each database.
 *
 * @module
 */
import { systemClock } from "../../src/platform/clock.ts";
import { createTimers } from "../../src/platform/timers.ts";
import { type DatabasePlace, openDatabase } from "../../src/storage/database.ts";
import { catalogTablesContract } from "../contract/catalog_tables.ts";
import { ownSchema, postgresTest } from "../support/postgres.ts";
import { tempDir } from "../support/temp_dir.ts";

const timers = createTimers(systemClock.monotonic);

catalogTablesContract("SQLite in memory", Deno.test, () => {
  return Promise.resolve(opened({ kind: "sqlite", path: ":memory:" }));
});

catalogTablesContract("an SQLite file", Deno.test, async () => {
  const dir = await tempDir();
  return opened({ kind: "sqlite", path: `${dir.path}/sallyport.db` }, dir);
});

catalogTablesContract("PostgreSQL", postgresTest, async () => {
  const schema = await ownSchema();
  return opened(schema.url, schema);
});

/** @param home goes away with it */
function opened(place: DatabasePlace, home?: AsyncDisposable) {
  const database = openDatabase(place, { timers });
  return {
    database,
    async [Symbol.asyncDispose]() {
      await database.close();
      await home?.[Symbol.asyncDispose]();
    },
  };
}
