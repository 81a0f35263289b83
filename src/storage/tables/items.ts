/**
 * Items: tools, prompts, resources and templates of upstream servers.
 *
 * @module
 */
import type { Transaction } from "kysely";
import { GatewayError } from "../../domain/errors.ts";
import { ITEM_KINDS } from "../../domain/item.ts";
import type { CatalogTables, ItemRow } from "../catalog_tables.ts";
import { type Database, NotUnique } from "../database.ts";
import { allPages, pageOf } from "../slices.ts";
import { appendChanges } from "./changes.ts";
import { applyItems, expectItems } from "./item_changes.ts";
import { changedColumns, type ItemEdit, readItem } from "./item_rows.ts";
import type { Schema } from "./schema.ts";
import { changedMeanwhile } from "./servers.ts";

export function createItems(database: Database): CatalogTables["items"] {
  async function update(id: string, revision: number | undefined, change: ItemEdit) {
    return readItem(
      await database.transaction(async (db) => {
        const row = await db.updateTable("items")
          .set((eb) => ({ ...changedColumns(change), revision: eb("revision", "+", 1) }))
          .where("id", "=", id)
          .$if(revision !== undefined, (query) => query.where("revision", "=", revision!))
          .returningAll().executeTakeFirst();
        if (row === undefined) throw await whyNot(db, id);
        await appendChanges(db, [{ kind: "items", id: row.upstream_id }]);
        return row;
      }).catch((error) => refuseTaken(error, change.exposedName)),
    );
  }

  return {
    async listOf(upstreamId) {
      // Of one moment, over all pages.
      const items = await database.snapshot((db) =>
        allPages<ItemRow>(async (after, limit) => {
          const rows = await db.selectFrom("items").selectAll()
            .where("upstream_id", "=", upstreamId)
            .$if(after !== undefined, (query) =>
              query.where(({ eb, refTuple, tuple }) =>
                eb(refTuple("seq", "id"), ">", tuple(after!.seq, after!.id))
              ))
            .orderBy("seq").orderBy("id").limit(limit).execute();
          return pageOf(rows, (row) =>
            readItem(row, upstreamId), ({ definition }) =>
            definition.length);
        })
      );
      return ITEM_KINDS.flatMap((kind) => items.filter((item) => item.kind === kind));
    },
    apply: (upstreamId, changes) =>
      database.transaction((db) => applyItems(db, upstreamId, changes))
        .catch((error) => refuseTaken(error, undefined)),
    expect: (upstreamId, items) =>
      database.transaction((db) => expectItems(db, upstreamId, items))
        .catch((error) => refuseTaken(error, undefined)),
    update,
  };
}

/** Of an item that is not as it was read. */
export async function whyNot(db: Transaction<Schema>, id: string): Promise<GatewayError> {
  const row = await db.selectFrom("items").select("id").where("id", "=", id).executeTakeFirst();
  return row === undefined
    ? new GatewayError("not_found", "There is no such item")
    : changedMeanwhile("item");
}

/** @throws {GatewayError} `conflict` in place of `NotUnique` */
export function refuseTaken(error: unknown, exposedName: string | undefined): never {
  if (!(error instanceof NotUnique)) throw error;
  const text = exposedName === undefined ? "An exposed name" : `The name "${exposedName}"`;
  throw new GatewayError("conflict", `${text} is taken`, { cause: error });
}
