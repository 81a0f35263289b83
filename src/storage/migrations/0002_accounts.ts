/**
 * Users, teams, who belongs to which, API tokens, revocations.
 *
 * @module
 */
import type { Migration } from "../migrate.ts";

export const accountsMigration: Migration = {
  name: "0002_accounts",
  async up(db) {
    await db.schema.createTable("users")
      .addColumn("key", "text", (column) => column.primaryKey())
      .addColumn("email", "text", (column) => column.notNull())
      .addColumn("full_name", "text")
      .addColumn("is_admin", "integer", (column) => column.notNull())
      .addColumn("enabled", "integer", (column) => column.notNull())
      .addColumn("deleted", "integer", (column) => column.notNull())
      .addColumn("revision", "bigint", (column) => column.notNull())
      .addColumn("created_ms", "bigint", (column) => column.notNull())
      .addColumn("updated_ms", "bigint", (column) => column.notNull())
      .execute();
    await db.schema.createTable("teams")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("slug", "text", (column) => column.notNull().unique())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("description", "text")
      .addColumn("seq", "bigint", (column) => column.notNull())
      .addColumn("revision", "bigint", (column) => column.notNull())
      .addColumn("created_ms", "bigint", (column) => column.notNull())
      .addColumn("updated_ms", "bigint", (column) => column.notNull())
      .execute();
    await db.schema.createTable("members")
      .addColumn("team_id", "text", (column) => column.notNull().references("teams.id"))
      .addColumn("key", "text", (column) => column.notNull())
      .addColumn("email", "text", (column) => column.notNull())
      .addColumn("role", "text", (column) => column.notNull())
      .addColumn("since_ms", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("members_key", ["team_id", "key"])
      .execute();
    await db.schema.createTable("api_tokens")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("hash", "text", (column) => column.notNull().unique())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("owner_key", "text", (column) => column.notNull())
      .addColumn("owner", "text", (column) => column.notNull())
      .addColumn("grants", "text", (column) => column.notNull())
      .addColumn("created_ms", "bigint", (column) => column.notNull())
      .addColumn("expires_ms", "bigint", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("api_tokens_of").on("api_tokens").columns(["owner_key"]).execute();
    await db.schema.createTable("revocations")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("token_id", "text")
      .addColumn("subject", "text")
      .addColumn("reason", "text")
      .addColumn("created_ms", "bigint", (column) => column.notNull())
      .execute();
  },
};
