/**
 * Users. A deleted one leaves a row behind, so that its address lets nobody in again.
 *
 * @module
 */
import type { Selectable } from "kysely";
import { subjectKey } from "../../domain/account.ts";
import { GatewayError } from "../../domain/errors.ts";
import type { Clock } from "../../platform/clock.ts";
import type { AccountTables, UserRow } from "../account_tables.ts";
import { type Database, NotUnique } from "../database.ts";
import { allPages, pageOf } from "../slices.ts";
import { keptText, textOf } from "../text.ts";
import { appendChanges } from "./changes.ts";
import type { UsersTable } from "./schema.ts";
import { changedMeanwhile, flag } from "./servers.ts";

export function createUsers(database: Database, clock: Clock): AccountTables["users"] {
  return {
    list: () =>
      database.run((db) =>
        allPages<UserRow>(async (after, limit) => {
          const rows = await db.selectFrom("users").selectAll()
            .where("key", ">", after?.key ?? "")
            .orderBy("key").limit(limit).execute();
          return pageOf(rows, readUser, () => ROW_CHARS);
        })
      ),
    find: (key) =>
      database.run(async (db) => {
        const row = await db.selectFrom("users").selectAll()
          .where("key", "=", key).executeTakeFirst();
        return row && readUser(row);
      }),
    create: ({ email, fullName, isAdmin, enabled }) => {
      const nowMs = clock.now();
      const values = {
        key: subjectKey(email),
        email,
        full_name: fullName === undefined ? null : keptText(fullName),
        is_admin: flag(isAdmin),
        enabled: flag(enabled),
        deleted: flag(false),
        revision: 1,
        created_ms: nowMs,
        updated_ms: nowMs,
      };
      return database.transaction(async (db) => {
        const row = await db.insertInto("users").values(values).returningAll()
          .executeTakeFirstOrThrow();
        await appendChanges(db, [{ kind: "user", id: row.key }]);
        return readUser(row);
      }).catch(refuseTaken);
    },
    update: (key, revision, change) =>
      database.transaction(async (db) => {
        const row = await db.updateTable("users").set((eb) => ({
          ...("fullName" in change && { full_name: keptOrNull(change.fullName) }),
          ...(change.isAdmin !== undefined && { is_admin: flag(change.isAdmin) }),
          ...(change.enabled !== undefined && { enabled: flag(change.enabled) }),
          ...(change.isDeleted !== undefined && { deleted: flag(change.isDeleted) }),
          revision: eb("revision", "+", 1),
          updated_ms: clock.now(),
        })).where("key", "=", key).where("revision", "=", revision)
          .returningAll().executeTakeFirst();
        if (row === undefined) {
          const isThere = await db.selectFrom("users").select("key").where("key", "=", key)
            .executeTakeFirst();
          if (isThere) throw changedMeanwhile("user");
          throw new GatewayError("not_found", "There is no such user");
        }
        await appendChanges(db, [{ kind: "user", id: key }]);
        return readUser(row);
      }),
  };
}

/** About what one is long; they are all alike. */
const ROW_CHARS = 200;

export function keptOrNull(text: string | undefined): string | null {
  return text === undefined ? null : keptText(text);
}

/** The other text where it is the same: there are very many, and each would be held twice. */
export function oneText(text: string, other: string): string {
  return text === other ? other : text;
}

function readUser(row: Selectable<UsersTable>): UserRow {
  return {
    key: row.key,
    email: oneText(row.email, row.key),
    fullName: row.full_name === null ? undefined : textOf(row.full_name),
    isAdmin: row.is_admin === 1,
    enabled: row.enabled === 1,
    isDeleted: row.deleted === 1,
    revision: row.revision,
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
  };
}

function refuseTaken(error: unknown): never {
  if (!(error instanceof NotUnique)) throw error;
  throw new GatewayError("conflict", "There is a user with this address", { cause: error });
}
