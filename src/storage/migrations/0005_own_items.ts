/**
 * The gateway's own items: rows among all others, so that a name is unique among all, and what they
 * are made of in a table of its own.
 *
 * A version before this one knows no servers of this kind, so it neither lists nor reads them.
 *
 * @module
 */
import { OWN_SERVER } from "../../domain/server.ts";
import type { Migration } from "../migrate.ts";

export const ownItemsMigration: Migration = {
  name: "0005_own_items",
  async up(db) {
    await db.insertInto("servers").values({
      id: OWN_SERVER.id,
      kind: "own",
      slug: OWN_SERVER.slug,
      name: OWN_SERVER.name,
      declared: 1,
      seq: OWN_SERVER.seq,
      revision: 1,
      created_ms: 0,
      updated_ms: 0,
    }).execute();
    await db.schema.createTable("own_items")
      .addColumn("id", "text", (column) => column.primaryKey().references("items.id"))
      .addColumn("spec", "text", (column) => column.notNull())
      .addColumn("created_ms", "bigint", (column) => column.notNull())
      .addColumn("updated_ms", "bigint", (column) => column.notNull())
      .execute();
  },
};
