/**
 * Brings the database to the form that this program works with: each step once, forward only, by
 * one process at a time.
 *
 * All missing steps are one transaction: a database is never left in between. On PostgreSQL a lock
 * keeps other replicas waiting meanwhile; an SQLite file belongs to one process anyway.
 *
 * A step must leave what the version before it does working: while replicas are replaced, and
 * after the old ones are taken back, both run on one database.
 *
 * @module
 */
import { sql, type Transaction } from "kysely";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../platform/clock.ts";
import type { Database } from "./database.ts";
import { catalogMigration } from "./migrations/0001_catalog.ts";
import { accountsMigration } from "./migrations/0002_accounts.ts";
import { itemAudienceMigration } from "./migrations/0003_item_audience.ts";
import { auditMigration } from "./migrations/0004_audit.ts";
import { ownItemsMigration } from "./migrations/0005_own_items.ts";
import type { Schema } from "./tables/schema.ts";

export interface Migration {
  /** `NNNN_title`; applied in this order. */
  readonly name: string;
  /** May use what the steps before it have made. The same SQL for both databases. */
  readonly up: (db: Transaction<Schema>) => Promise<void>;
}

/** Never changed once released: what comes later is appended. */
export const MIGRATIONS: readonly Migration[] = [
  catalogMigration,
  accountsMigration,
  itemAudienceMigration,
  auditMigration,
  ownItemsMigration,
];

/** Of the file in which audit records are on SQLite. */
export const AUDIT_MIGRATIONS: readonly Migration[] = [auditMigration];

/** Any number that other programs do not use. */
const LOCK = 7_225_301_994;

export interface Migrated {
  /** Steps that were missing. */
  readonly applied: readonly string[];
  /** Steps of a later version of this program. */
  readonly unknown: readonly string[];
}

/** @throws {GatewayError} `unavailable`; nothing is changed then */
export async function migrate(
  database: Database,
  deps: { readonly clock: Clock },
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<Migrated> {
  return await database.transaction(async (db) => {
    if (database.kind === "postgres") await locked(db);
    await db.schema.createTable("sallyport_migrations").ifNotExists()
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("applied_ms", "bigint", (column) => column.notNull())
      .execute();
    const rows = await db.selectFrom("sallyport_migrations").select("name").execute();
    const present = new Set(rows.map(({ name }) => name));
    const missing = migrations.filter(({ name }) => !present.has(name));
    for (const { name, up } of missing) {
      await up(db);
      const row = { name, applied_ms: deps.clock.now() };
      await db.insertInto("sallyport_migrations").values(row).execute();
    }
    for (const { name } of migrations) present.delete(name);
    return { applied: missing.map(({ name }) => name), unknown: [...present].sort() };
  });
}

/** Whoever waits here waits for the same work to be done by another. */
async function locked(db: Transaction<Schema>): Promise<void> {
  const ms = sql.lit(LIMITS.databaseMigrationMs);
  await sql`set local lock_timeout = ${ms}`.execute(db);
  await sql`set local statement_timeout = ${ms}`.execute(db);
  await sql`select pg_advisory_xact_lock(${LOCK})`.execute(db);
}
