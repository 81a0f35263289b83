/**
 * Changes of several tables as one: all of them, or none.
 *
 * @module
 * @see security.md, ADM-12
 */
import type { Kysely, Transaction } from "kysely";
import { nextTurn } from "../platform/pace.ts";
import type { Database } from "./database.ts";
import { appendHeld, holdChanges, PROVISIONAL } from "./tables/changes.ts";
import type { Schema } from "./tables/schema.ts";

/**
 * @param work is given the database as the transaction sees it, to make tables on; it may run more
 *   than once, see `Database.transaction`
 * @throws as `Database.transaction`; `NotUnique` where the tables themselves would throw `conflict`
 */
export async function together<T>(
  database: Database,
  work: (one: Database) => Promise<T>,
): Promise<T> {
  return await database.transaction(async (db) => {
    holdChanges(db);
    const done = await work(within(database, db));
    // The log is locked from here on, and not before.
    const shift = await appendHeld(db);
    for (const table of NUMBERED) await renumber(db, table, shift);
    return done;
  });
}

const NUMBERED = ["servers", "items", "teams"] as const;
const SLICE = 500;

/** Gives the places that the log has to what was created. */
async function renumber(
  db: Transaction<Schema>,
  table: typeof NUMBERED[number],
  shift: number,
): Promise<void> {
  for (let isMore = true; isMore;) {
    const { numUpdatedRows } = await db.updateTable(table)
      .set((eb) => ({ seq: eb("seq", "+", shift) }))
      .where(
        "id",
        "in",
        (eb) => eb.selectFrom(table).select("id").where("seq", "<", PROVISIONAL).limit(SLICE),
      )
      .executeTakeFirstOrThrow();
    isMore = numUpdatedRows > 0n;
    if (isMore) await nextTurn();
  }
}

function within(database: Database, db: Transaction<Schema>): Database {
  const inside = <T>(work: (db: Kysely<Schema>) => Promise<T>) => work(db);
  const also = <T>(work: (db: Transaction<Schema>) => Promise<T>) => work(db);
  return {
    kind: database.kind,
    run: inside,
    poll: inside,
    transaction: also,
    snapshot: also,
    ping: database.ping,
    isAway: database.isAway,
    follow: () => () => {},
    close: () => Promise.resolve(),
  };
}
