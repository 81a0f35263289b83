/**
 * What discovery changes about the items of one upstream server, in one transaction.
 *
 * @module
 */
import type { Transaction } from "kysely";
import { GatewayError } from "../../domain/errors.ts";
import type { Item } from "../../domain/item.ts";
import type { ItemChanges } from "../catalog_tables.ts";
import { inSlices } from "../slices.ts";
import { appendChanges } from "./changes.ts";
import { exposedKey, itemColumns } from "./item_rows.ts";
import type { Schema } from "./schema.ts";
import { changedMeanwhile } from "./servers.ts";

/** @throws {GatewayError} `not_found` without the server, `conflict` when an item has changed */
export async function applyItems(
  db: Transaction<Schema>,
  upstreamId: string,
  { inserted, updated, removed, offer }: ItemChanges,
): Promise<void> {
  // First, for its lock: one discovery of a server at a time, and none of one that goes.
  const server = await db.updateTable("servers").set({ offer: JSON.stringify(offer) })
    .where("id", "=", upstreamId).where("kind", "=", "upstream")
    .returning("id").executeTakeFirst();
  if (server === undefined) {
    throw new GatewayError("not_found", "There is no such upstream server");
  }
  await inSlices(
    removed,
    () => 0,
    (ids) =>
      db.deleteFrom("items").where("upstream_id", "=", upstreamId).where("id", "in", ids).execute(),
  );
  // Names are given free before any is taken: items may have exchanged theirs.
  await inSlices(updated, charsOf, (items) => claim(db, upstreamId, items));
  await inSlices(updated, charsOf, (items) => replace(db, upstreamId, items));
  // In one order for all: two transactions that want the same names do not wait for each other.
  const ordered = [...inserted].sort((a, b) => a.exposedName < b.exposedName ? -1 : 1);
  await inSlices(ordered, charsOf, (items) => insert(db, upstreamId, items));
  const kind = inserted.length + updated.length + removed.length > 0 ? "items" : "upstream";
  await appendChanges(db, [{ kind, id: upstreamId }]);
}

/** See `CatalogTables.items.expect`. */
export async function expectItems(
  db: Transaction<Schema>,
  upstreamId: string,
  items: readonly Item[],
): Promise<void> {
  await inSlices(items, charsOf, (slice) => insert(db, upstreamId, slice));
  await appendChanges(db, [{ kind: "items", id: upstreamId }]);
}

/** Locks the items as they were read, and counts the change. */
async function claim(
  db: Transaction<Schema>,
  upstreamId: string,
  items: ItemChanges["updated"],
): Promise<void> {
  const ids = items.map(({ id }) => id);
  const rows = await db.updateTable("items")
    .set((eb) => ({ revision: eb("revision", "+", 1) }))
    .where("upstream_id", "=", upstreamId).where("id", "in", ids)
    .returning(["id", "revision", "exposed_key"]).execute();
  const found = new Map(rows.map((row) => [row.id, row]));
  const renamed: string[] = [];
  for (const { id, exposedName, revision } of items) {
    const row = found.get(id);
    const isSame = row !== undefined && (revision === undefined || row.revision === revision + 1);
    if (!isSame) throw changedMeanwhile("item");
    if (row.exposed_key !== exposedKey(exposedName)) renamed.push(id);
  }
  if (renamed.length === 0) return;
  // An id is shorter than any key, so it is nobody's.
  await db.updateTable("items").set((eb) => ({ exposed_key: eb.ref("id") }))
    .where("id", "in", renamed).execute();
}

async function replace(db: Transaction<Schema>, upstreamId: string, items: readonly Item[]) {
  const rows = items.map((item) => ({ ...itemColumns({ ...item, upstreamId }), revision: 1 }));
  await db.insertInto("items").values(rows)
    .onConflict((conflict) =>
      conflict.column("id").doUpdateSet(({ ref }) => ({
        upstream_name: ref("excluded.upstream_name"),
        exposed_name: ref("excluded.exposed_name"),
        exposed_key: ref("excluded.exposed_key"),
        found_ms: ref("excluded.found_ms"),
        seq: ref("excluded.seq"),
        definition: ref("excluded.definition"),
        title: ref("excluded.title"),
        description: ref("excluded.description"),
        enabled: ref("excluded.enabled"),
        missing_since_ms: ref("excluded.missing_since_ms"),
        visibility: ref("excluded.visibility"),
        team_id: ref("excluded.team_id"),
        owner: ref("excluded.owner"),
      }))
    ).execute();
}

async function insert(db: Transaction<Schema>, upstreamId: string, items: readonly Item[]) {
  const rows = items.map((item) => ({ ...itemColumns({ ...item, upstreamId }), revision: 1 }));
  await db.insertInto("items").values(rows).execute();
}

function charsOf(item: Item): number {
  return item.definition.length + item.upstreamName.length + item.exposedName.length +
    (item.title?.length ?? 0) + (item.description?.length ?? 0);
}
