/**
 * Teams, and who belongs to them.
 *
 * @module
 */
import type { Selectable, Transaction } from "kysely";
import { type Member, subjectKey, TEAM_ROLES } from "../../domain/account.ts";
import { GatewayError } from "../../domain/errors.ts";
import type { Clock } from "../../platform/clock.ts";
import type { AccountTables, TeamRow } from "../account_tables.ts";
import { type Database, NotUnique } from "../database.ts";
import { allPages, pageOf } from "../slices.ts";
import { keptText, textOf } from "../text.ts";
import { appendChanges } from "./changes.ts";
import type { MembersTable, Schema, TeamsTable } from "./schema.ts";
import { changedMeanwhile } from "./servers.ts";
import { keptOrNull, oneText } from "./users.ts";

/** The fact that stays when the last team is removed. */
const HAVE_BEEN = "teams_have_been";

export function createTeams(database: Database, clock: Clock): AccountTables["teams"] {
  return {
    list: () =>
      database.run((db) =>
        allPages<TeamRow>(async (after, limit) => {
          const rows = await db.selectFrom("teams").selectAll()
            .where("seq", ">", after?.seq ?? -1).orderBy("seq").limit(limit).execute();
          return pageOf(rows, readTeam, ({ description }) => description?.length ?? 0);
        })
      ),
    find: (id) =>
      database.run(async (db) => {
        const row = await db.selectFrom("teams").selectAll().where("id", "=", id)
          .executeTakeFirst();
        return row && readTeam(row);
      }),
    haveBeen: () =>
      database.run(async (db) => {
        const row = await db.selectFrom("facts").select("name").where("name", "=", HAVE_BEEN)
          .executeTakeFirst();
        return row !== undefined;
      }),
    begin: () =>
      database.transaction(async (db) => {
        await noteOne(db);
        // Of no team, so that whoever follows hears of it.
        await appendChanges(db, [{ kind: "team", id: "" }]);
      }),
    create: ({ id, slug, name, description }) => {
      const nowMs = clock.now();
      return database.transaction(async (db) => {
        await noteOne(db);
        await db.insertInto("teams").values({
          id,
          slug,
          name: keptText(name),
          description: keptOrNull(description),
          seq: 0,
          revision: 1,
          created_ms: nowMs,
          updated_ms: nowMs,
        }).execute();
        const seq = await appendChanges(db, [{ kind: "team", id }]);
        return readTeam(
          await db.updateTable("teams").set({ seq }).where("id", "=", id).returningAll()
            .executeTakeFirstOrThrow(),
        );
      }).catch((error) => refuseTaken(error, slug));
    },
    update: (id, revision, change) =>
      database.transaction(async (db) => {
        const row = await db.updateTable("teams").set((eb) => ({
          ...(change.name !== undefined && { name: keptText(change.name) }),
          ...("description" in change && { description: keptOrNull(change.description) }),
          revision: eb("revision", "+", 1),
          updated_ms: clock.now(),
        })).where("id", "=", id).where("revision", "=", revision)
          .returningAll().executeTakeFirst();
        if (row === undefined) {
          const isThere = await db.selectFrom("teams").select("id").where("id", "=", id)
            .executeTakeFirst();
          throw isThere ? changedMeanwhile("team") : noTeam();
        }
        await appendChanges(db, [{ kind: "team", id }]);
        return readTeam(row);
      }),
    remove: (id, revision) =>
      database.transaction(async (db) => {
        const row = await db.updateTable("teams")
          .set((eb) => ({ revision: eb("revision", "+", 1) }))
          .where("id", "=", id).where("revision", "=", revision)
          .returning("id").executeTakeFirst();
        if (row === undefined) return false;
        await db.deleteFrom("members").where("team_id", "=", id).execute();
        await db.deleteFrom("teams").where("id", "=", id).execute();
        await appendChanges(db, [{ kind: "team", id }]);
        return true;
      }),
  };
}

async function noteOne(db: Transaction<Schema>): Promise<void> {
  await db.insertInto("facts").values({ name: HAVE_BEEN, value: "yes" })
    .onConflict((conflict) => conflict.column("name").doNothing()).execute();
}

export function createMembers(database: Database, clock: Clock): AccountTables["members"] {
  return {
    list: () =>
      database.run((db) =>
        allPages<Member>(async (after, limit) => {
          const rows = await db.selectFrom("members").selectAll()
            .$if(after !== undefined, (query) =>
              query.where(({ eb, refTuple, tuple }) =>
                eb(refTuple("team_id", "key"), ">", tuple(after!.teamId, after!.key))
              ))
            .orderBy("team_id").orderBy("key").limit(limit).execute();
          return pageOf(rows, readMember, () => ROW_CHARS);
        })
      ),
    listOf: (teamId) =>
      database.run(async (db) => {
        const rows = await db.selectFrom("members").selectAll().where("team_id", "=", teamId)
          .orderBy("key").execute();
        return rows.map(readMember);
      }),
    put: (teamId, email, role) =>
      database.transaction(async (db) => {
        // Its row is locked: a team is not removed while it gets a member.
        const team = await db.updateTable("teams").set((eb) => ({ revision: eb.ref("revision") }))
          .where("id", "=", teamId).returning("id").executeTakeFirst();
        if (team === undefined) throw noTeam();
        const values = { team_id: teamId, key: subjectKey(email), email, role };
        await db.insertInto("members").values({ ...values, since_ms: clock.now() })
          .onConflict((conflict) => conflict.columns(["team_id", "key"]).doUpdateSet({ role }))
          .execute();
        await appendChanges(db, [{ kind: "team", id: teamId }]);
      }),
    remove: (teamId, key) =>
      database.transaction(async (db) => {
        const { numDeletedRows } = await db.deleteFrom("members")
          .where("team_id", "=", teamId).where("key", "=", key)
          .executeTakeFirstOrThrow();
        if (numDeletedRows === 0n) return false;
        await appendChanges(db, [{ kind: "team", id: teamId }]);
        return true;
      }),
  };
}

/** About what one is long; they are all alike. */
const ROW_CHARS = 120;

function readTeam(row: Selectable<TeamsTable>): TeamRow {
  return {
    id: row.id,
    slug: row.slug,
    name: textOf(row.name),
    description: row.description === null ? undefined : textOf(row.description),
    seq: row.seq,
    revision: row.revision,
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
  };
}

function readMember(row: Selectable<MembersTable>): Member {
  return {
    teamId: row.team_id,
    key: row.key,
    email: oneText(row.email, row.key),
    role: TEAM_ROLES.find((role) => role === row.role)!,
    sinceMs: row.since_ms,
  };
}

function noTeam(): GatewayError {
  return new GatewayError("not_found", "There is no such team");
}

function refuseTaken(error: unknown, slug: string): never {
  if (!(error instanceof NotUnique)) throw error;
  throw new GatewayError("conflict", `There is a team "${slug}"`, { cause: error });
}
