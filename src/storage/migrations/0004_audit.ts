/**
 * Audit records, as they are read, and how far each replica has brought its own here.
 *
 * On SQLite they are in a file of their own: it is written often, and read in long runs.
 *
 * @module
 */
import type { Migration } from "../migrate.ts";

export const auditMigration: Migration = {
  name: "0004_audit",
  async up(db) {
    await db.schema.createTable("audit")
      .addColumn("replica", "text", (column) => column.notNull())
      .addColumn("seq", "bigint", (column) => column.notNull())
      .addColumn("time_ms", "bigint", (column) => column.notNull())
      .addColumn("subject", "text")
      .addColumn("record", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("audit_key", ["replica", "seq"])
      .execute();
    await db.schema.createIndex("audit_by_time").on("audit")
      .columns(["time_ms", "replica", "seq"]).execute();
    await db.schema.createIndex("audit_by_subject").on("audit")
      .columns(["subject", "time_ms", "replica", "seq"]).execute();
    await db.schema.createTable("audit_places")
      .addColumn("replica", "text", (column) => column.primaryKey())
      .addColumn("file", "bigint", (column) => column.notNull())
      .addColumn("size", "bigint", (column) => column.notNull())
      .addColumn("seq", "bigint", (column) => column.notNull())
      .execute();
  },
};
