/**
 * Which tokens of other makers are not good any more.
 *
 * @module
 */
import type { Selectable } from "kysely";
import type { Revocation } from "../../domain/account.ts";
import type { Clock } from "../../platform/clock.ts";
import type { AccountTables } from "../account_tables.ts";
import type { Database } from "../database.ts";
import { allPages, pageOf } from "../slices.ts";
import { textOf } from "../text.ts";
import { appendChanges } from "./changes.ts";
import type { RevocationsTable } from "./schema.ts";
import { keptOrNull } from "./users.ts";

export function createRevocations(
  database: Database,
  clock: Clock,
): AccountTables["revocations"] {
  return {
    list: () =>
      database.run((db) =>
        allPages<Revocation>(async (after, limit) => {
          const rows = await db.selectFrom("revocations").selectAll()
            .where("id", ">", after?.id ?? "").orderBy("id").limit(limit).execute();
          return pageOf(rows, readRevocation, ({ reason }) => reason?.length ?? 0);
        })
      ),
    find: (id) =>
      database.run(async (db) => {
        const row = await db.selectFrom("revocations").selectAll().where("id", "=", id)
          .executeTakeFirst();
        return row && readRevocation(row);
      }),
    create: ({ id, tokenId, subject, reason, createdMs = clock.now() }) =>
      database.transaction(async (db) => {
        const row = await db.insertInto("revocations").values({
          id,
          token_id: keptOrNull(tokenId),
          subject: keptOrNull(subject),
          reason: keptOrNull(reason),
          created_ms: createdMs,
        }).returningAll().executeTakeFirstOrThrow();
        await appendChanges(db, [{ kind: "revocation", id }]);
        return readRevocation(row);
      }),
    remove: (id) =>
      database.transaction(async (db) => {
        const { numDeletedRows } = await db.deleteFrom("revocations").where("id", "=", id)
          .executeTakeFirstOrThrow();
        if (numDeletedRows === 0n) return false;
        await appendChanges(db, [{ kind: "revocation", id }]);
        return true;
      }),
  };
}

function readRevocation(row: Selectable<RevocationsTable>): Revocation {
  return {
    id: row.id,
    tokenId: textOrNone(row.token_id),
    subject: textOrNone(row.subject),
    reason: textOrNone(row.reason),
    createdMs: row.created_ms,
  };
}

function textOrNone(kept: string | null): string | undefined {
  return kept === null ? undefined : textOf(kept);
}
