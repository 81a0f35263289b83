/**
 * Audit records as they are read: all replicas' in one table, newest first.
 *
 * @module
 * @see contract.md, section 6, `/api/audit`
 */
import { type Kysely, sql } from "kysely";
import { GatewayError } from "../../domain/errors.ts";
import { nextTurn } from "../../platform/pace.ts";
import type { Database } from "../database.ts";
import type { AuditTableRow, Schema } from "./schema.ts";

/** A record in the order of the list; no two are in one place. */
export interface AuditPlace {
  readonly timeMs: number;
  readonly replica: string;
  readonly seq: number;
}

export interface AuditRow extends AuditPlace {
  /** See `subjectKey`. */
  readonly subject: string | undefined;
  /** The line of the file. */
  readonly record: string;
}

/** Up to where a replica's files are in the table: byte `size` of a file, record `seq`. */
export interface ShippedPlace {
  readonly file: number;
  readonly size: number;
  readonly seq: number;
}

export interface AuditRange {
  readonly subject?: string | undefined;
  /** Inclusive, exclusive. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** What follows that place, further back in time. */
  readonly after?: AuditPlace | undefined;
}

/** @throws {GatewayError} `unavailable`, from all of them */
export interface AuditTable {
  readonly shippedTo: (replica: string) => Promise<ShippedPlace | undefined>;
  /**
   * Adds rows of one replica, each once, and notes how far it has got.
   * @throws {GatewayError} `conflict` when it was not at `from`; nothing is added then
   */
  readonly ship: (
    replica: string,
    rows: readonly AuditRow[],
    from: ShippedPlace | undefined,
    to: ShippedPlace,
  ) => Promise<void>;
  /** Newest first. */
  readonly list: (range: AuditRange, limit: number) => Promise<readonly AuditRow[]>;
  /** Forgets what is older. */
  readonly prune: (beforeMs: number) => Promise<void>;
}

const PRUNED_AT_ONCE = 200;

export function createAuditTable(database: Database): AuditTable {
  return {
    shippedTo: (replica) =>
      database.run(async (db) => {
        const row = await db.selectFrom("audit_places").select(["file", "size", "seq"])
          .where("replica", "=", replica).executeTakeFirst();
        return row && { ...row };
      }),
    ship: (replica, rows, from, to) =>
      database.transaction(async (db) => {
        if (!await moved(db, replica, from, to)) {
          throw new GatewayError("conflict", "Audit records were shipped by somebody else");
        }
        if (rows.length > 0) await db.insertInto("audit").values(rows.map(tableRowOf)).execute();
      }),
    list: (range, limit) => database.run((db) => list(db, range, limit)),
    async prune(beforeMs) {
      for (let deleted = true; deleted;) {
        deleted = await database.run((db) => pruneSlice(db, beforeMs));
        await nextTurn();
      }
    },
  };
}

async function moved(
  db: Kysely<Schema>,
  replica: string,
  from: ShippedPlace | undefined,
  to: ShippedPlace,
): Promise<boolean> {
  if (from === undefined) {
    const made = await db.insertInto("audit_places").values({ replica, ...to })
      .onConflict((conflict) => conflict.column("replica").doNothing())
      .returning("replica").executeTakeFirst();
    return made !== undefined;
  }
  const changed = await db.updateTable("audit_places").set({ ...to })
    .where("replica", "=", replica)
    .where("file", "=", from.file).where("size", "=", from.size)
    .returning("replica").executeTakeFirst();
  return changed !== undefined;
}

async function list(
  db: Kysely<Schema>,
  { subject, fromMs, toMs, after }: AuditRange,
  limit: number,
): Promise<readonly AuditRow[]> {
  let query = db.selectFrom("audit").selectAll();
  if (subject !== undefined) query = query.where("subject", "=", subject);
  if (fromMs !== undefined) query = query.where("time_ms", ">=", fromMs);
  if (toMs !== undefined) query = query.where("time_ms", "<", toMs);
  if (after !== undefined) {
    const { timeMs, replica, seq } = after;
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple("time_ms", "replica", "seq"), "<", tuple(timeMs, replica, seq))
    );
  }
  const rows = await query.orderBy("time_ms", "desc").orderBy("replica", "desc")
    .orderBy("seq", "desc").limit(limit).execute();
  return rows.map(({ time_ms: timeMs, subject, ...row }) => {
    return { ...row, timeMs, subject: subject ?? undefined };
  });
}

function tableRowOf({ timeMs, subject, ...row }: AuditRow): AuditTableRow {
  return { ...row, time_ms: timeMs, subject: subject ?? null };
}

async function pruneSlice(db: Kysely<Schema>, beforeMs: number): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    delete from audit where (replica, seq) in (
      select replica, seq from audit where time_ms < ${beforeMs}
      order by time_ms limit ${PRUNED_AT_ONCE}
    )`.execute(db);
  return numAffectedRows > 0n;
}
