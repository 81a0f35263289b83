/**
 * The catalog: servers, items, the change log, facts.
 *
 * @module
 */
import type { Migration } from "../migrate.ts";

export const catalogMigration: Migration = {
  name: "0001_catalog",
  async up(db) {
    await db.schema.createTable("servers")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("slug", "text", (column) => column.notNull().unique())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("declared", "integer", (column) => column.notNull())
      .addColumn("seq", "bigint", (column) => column.notNull())
      .addColumn("revision", "bigint", (column) => column.notNull())
      .addColumn("created_ms", "bigint", (column) => column.notNull())
      .addColumn("updated_ms", "bigint", (column) => column.notNull())
      .addColumn("settings", "text")
      .addColumn("offer", "text")
      .execute();
    await db.schema.createTable("items")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("upstream_id", "text", (column) => column.notNull().references("servers.id"))
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("upstream_name", "text", (column) => column.notNull())
      .addColumn("exposed_name", "text", (column) => column.notNull())
      .addColumn("exposed_key", "text", (column) => column.notNull())
      .addColumn("found_ms", "bigint", (column) => column.notNull())
      .addColumn("seq", "bigint", (column) => column.notNull())
      .addColumn("definition", "text", (column) => column.notNull())
      .addColumn("title", "text")
      .addColumn("description", "text")
      .addColumn("enabled", "integer", (column) => column.notNull())
      .addColumn("missing_since_ms", "bigint")
      .addColumn("revision", "bigint", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("items_exposed").unique()
      .on("items").columns(["kind", "exposed_key"]).execute();
    await db.schema.createIndex("items_of").on("items").columns(["upstream_id", "seq", "id"])
      .execute();
    await db.schema.createTable("changes")
      .addColumn("revision", "bigint", (column) => column.primaryKey())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("id", "text", (column) => column.notNull())
      .execute();
    await db.schema.createTable("change_state")
      .addColumn("only", "integer", (column) => column.primaryKey())
      .addColumn("revision", "bigint", (column) => column.notNull())
      .addColumn("pruned", "bigint", (column) => column.notNull())
      .execute();
    await db.insertInto("change_state").values({ only: 1, revision: 0, pruned: 0 }).execute();
    await db.schema.createTable("facts")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("value", "text", (column) => column.notNull())
      .execute();
  },
};
