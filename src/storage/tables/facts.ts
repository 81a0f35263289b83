/**
 * Small facts about the installation.
 *
 * @module
 */
import type { CatalogTables } from "../catalog_tables.ts";
import type { Database } from "../database.ts";
import { keptText, textOf } from "../text.ts";

export function createFacts(database: Database): CatalogTables["facts"] {
  return {
    find: (name) =>
      database.run(async (db) => {
        const row = await db.selectFrom("facts").select("value")
          .where("name", "=", keptText(name)).executeTakeFirst();
        return row && textOf(row.value);
      }),
    create: (name, value) =>
      database.run(async (db) => {
        const { numInsertedOrUpdatedRows } = await db.insertInto("facts")
          .values({ name: keptText(name), value: keptText(value) })
          .onConflict((conflict) => conflict.column("name").doNothing())
          .executeTakeFirstOrThrow();
        return numInsertedOrUpdatedRows === 1n;
      }),
  };
}
