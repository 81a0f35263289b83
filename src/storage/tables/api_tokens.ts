/**
 * API tokens, by their hash; the tokens themselves are kept nowhere.
 *
 * @module
 * @see security.md, AUTHN-20
 */
import type { Selectable } from "kysely";
import type { TokenGrants } from "../../domain/account.ts";
import type { AccountTables, ApiTokenRow } from "../account_tables.ts";
import type { Database } from "../database.ts";
import { allPages, pageOf } from "../slices.ts";
import { keptText, textOf } from "../text.ts";
import { appendChanges } from "./changes.ts";
import type { ApiTokensTable } from "./schema.ts";

export function createApiTokens(database: Database): AccountTables["tokens"] {
  return {
    list: () =>
      database.run((db) =>
        allPages<ApiTokenRow>(async (after, limit) => {
          const rows = await db.selectFrom("api_tokens").selectAll()
            .where("id", ">", after?.id ?? "").orderBy("id").limit(limit).execute();
          return pageOf(rows, readToken, ({ grants }) => grants.length);
        })
      ),
    find: (id) =>
      database.run(async (db) => {
        const row = await db.selectFrom("api_tokens").selectAll().where("id", "=", id)
          .executeTakeFirst();
        return row && readToken(row);
      }),
    create: ({ id, hash, name, ownerKey, owner, createdMs, expiresMs, ...grants }) =>
      database.transaction(async (db) => {
        const { teams, permissions, onlyServer } = grants;
        await db.insertInto("api_tokens").values({
          id,
          hash,
          name: keptText(name),
          owner_key: ownerKey,
          owner,
          grants: JSON.stringify({ teams, permissions, onlyServer }),
          created_ms: createdMs,
          expires_ms: expiresMs,
        }).execute();
        await appendChanges(db, [{ kind: "api_token", id }]);
      }),
    remove: (id) =>
      database.transaction(async (db) => {
        const { numDeletedRows } = await db.deleteFrom("api_tokens").where("id", "=", id)
          .executeTakeFirstOrThrow();
        if (numDeletedRows === 0n) return false;
        await appendChanges(db, [{ kind: "api_token", id }]);
        return true;
      }),
    // Whoever has them in memory knows as well that they have expired.
    prune: (beforeMs) =>
      database.run(async (db) => {
        await db.deleteFrom("api_tokens").where("expires_ms", "<", beforeMs).execute();
      }),
  };
}

function readToken(row: Selectable<ApiTokensTable>): ApiTokenRow {
  const { teams, permissions, onlyServer } = JSON.parse(row.grants) as Partial<TokenGrants>;
  return {
    id: row.id,
    hash: row.hash,
    name: textOf(row.name),
    ownerKey: row.owner_key,
    owner: row.owner,
    teams,
    permissions,
    onlyServer,
    createdMs: row.created_ms,
    expiresMs: row.expires_ms,
  };
}
