/**
 * The change log: which records replicas have to read again.
 *
 * @module
 */
import type { Kysely, Transaction } from "kysely";
import { LIMITS } from "../../domain/limits.ts";
import { nextTurn } from "../../platform/pace.ts";
import type { CatalogTables, Change } from "../catalog_tables.ts";
import type { Database } from "../database.ts";
import type { Schema } from "./schema.ts";

/**
 * Appends to the log, as the last thing that a transaction locks.
 *
 * The number comes from one row, which stays locked until the commit: whoever sees a revision sees
 * all below it. With a sequence of the database, a lower number could be committed later, and
 * followers would never see it.
 *
 * @returns the revision of the last one
 */
export async function appendChanges(
  db: Transaction<Schema>,
  changes: readonly Omit<Change, "revision">[],
): Promise<number> {
  const { revision } = await db.updateTable("change_state")
    .set((eb) => ({ revision: eb("revision", "+", changes.length) }))
    .returning("revision").executeTakeFirstOrThrow();
  const first = revision - changes.length + 1;
  const rows = changes.map((change, i) => ({ ...change, revision: first + i }));
  await db.insertInto("changes").values(rows).execute();
  return revision;
}

const SLICE = 500;

export function createChanges(database: Database): CatalogTables["changes"] {
  return {
    revision: () => database.poll(async (db) => (await stateOf(db)).revision),
    since: (from) =>
      database.poll(async (db) => {
        const rows = await db.selectFrom("changes")
          .select(({ fn }) => ["kind", "id", fn.max("revision").as("revision")])
          .where("revision", ">", from)
          .groupBy(["kind", "id"]).orderBy("revision").limit(LIMITS.changesRead + 1).execute();
        // Read after them: what was pruned in between counts as missing.
        const { revision, pruned } = await stateOf(db);
        const isIncomplete = rows.length > LIMITS.changesRead || from < pruned || from > revision;
        return isIncomplete
          ? { changes: [], revision, isIncomplete }
          : { changes: rows.map(changeOf), revision: rows.at(-1)?.revision ?? from, isIncomplete };
      }),
    async prune() {
      const upTo = await database.transaction((db) => forget(db));
      for (let deleted = upTo > 0; deleted;) {
        deleted = await database.run((db) => deleteSlice(db, upTo));
        await nextTurn();
      }
    },
  };
}

function changeOf({ revision, kind, id }: Change): Change {
  return { revision, kind, id };
}

async function stateOf(db: Kysely<Schema>) {
  return await db.selectFrom("change_state").select(["revision", "pruned"])
    .executeTakeFirstOrThrow();
}

/** Says first that they are gone: whoever reads meanwhile must not take what is left for all. */
async function forget(db: Transaction<Schema>): Promise<number> {
  const { revision, pruned } = await stateOf(db);
  const upTo = Math.max(revision - LIMITS.changesKept, pruned);
  await db.updateTable("change_state").set({ pruned: upTo }).where("pruned", "<", upTo).execute();
  return upTo;
}

async function deleteSlice(db: Kysely<Schema>, upTo: number): Promise<boolean> {
  const { numDeletedRows } = await db.deleteFrom("changes")
    .where(
      "revision",
      "in",
      (eb) =>
        eb.selectFrom("changes").select("revision").where("revision", "<=", upTo)
          .orderBy("revision").limit(SLICE),
    )
    .executeTakeFirstOrThrow();
  return numDeletedRows > 0n;
}
