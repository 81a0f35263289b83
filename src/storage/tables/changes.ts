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
  const later = held.get(db);
  if (later !== undefined) {
    for (const change of changes) later.push(change);
    return PROVISIONAL - LATER_MAX + later.length;
  }
  const { revision } = await db.updateTable("change_state")
    .set((eb) => ({ revision: eb("revision", "+", changes.length) }))
    .returning("revision").executeTakeFirstOrThrow();
  const first = revision - changes.length + 1;
  const rows = changes.map((change, i) => ({ ...change, revision: first + i }));
  await db.insertInto("changes").values(rows).execute();
  return revision;
}

/** Numbers below it are given before the log has been asked; none of them outlives its transaction. */
export const PROVISIONAL = -1;
const LATER_MAX = 2 ** 40;

/** Of transactions that write very much: nobody is to wait for the log meanwhile. */
const held = new WeakMap<Transaction<Schema>, Omit<Change, "revision">[]>();

/** From now on changes of this transaction are kept for its end. */
export function holdChanges(db: Transaction<Schema>): void {
  held.set(db, []);
}

/**
 * Logs what was held, each record once.
 * @returns what makes a provisional number one of the log's
 */
export async function appendHeld(db: Transaction<Schema>): Promise<number> {
  const later = held.get(db) ?? [];
  held.delete(db);
  if (later.length === 0) return 0;
  const { revision } = await db.updateTable("change_state")
    .set((eb) => ({ revision: eb("revision", "+", later.length) }))
    .returning("revision").executeTakeFirstOrThrow();
  const first = revision - later.length + 1;
  const newest = new Map(
    later.map((change, i) => [`${change.kind} ${change.id}`, { ...change, revision: first + i }]),
  );
  const rows = [...newest.values()];
  for (let from = 0; from < rows.length; from += SLICE) {
    await db.insertInto("changes").values(rows.slice(from, from + SLICE)).execute();
    await nextTurn();
  }
  return LATER_MAX - PROVISIONAL + first - 1;
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
