/**
 * The gateway's own items: what people have written down, next to the row that every item has.
 *
 * @module
 */
import type { Selectable, Transaction } from "kysely";
import { type Item, ITEM_KINDS } from "../../domain/item.ts";
import { definitionOf, keyOf, type OwnSpec, type OwnTool } from "../../domain/own_item.ts";
import { OWN_SERVER } from "../../domain/server.ts";
import type { Clock } from "../../platform/clock.ts";
import { createPace } from "../../platform/pace.ts";
import type { CatalogTables, ItemRow, OwnChanges, OwnSettings } from "../catalog_tables.ts";
import type { Database } from "../database.ts";
import type { Keyring } from "../sealed.ts";
import { allPages, pageOf } from "../slices.ts";
import { appendChanges } from "./changes.ts";
import { itemColumns, readItem } from "./item_rows.ts";
import { refuseTaken, whyNot } from "./items.ts";
import { keepUnreadable, openMembers, type RowPlace, sealMembers } from "./sealed_members.ts";
import type { ItemsTable, OwnItemsTable, Schema } from "./schema.ts";

export interface OwnItemsDeps {
  readonly clock: Clock;
  readonly keyring: Keyring;
}

const CHANGE = { kind: "items", id: OWN_SERVER.id } as const;

export function createOwnItems(
  database: Database,
  { clock, keyring }: OwnItemsDeps,
): CatalogTables["own"] {
  async function apply({ created = [], updated = [], removed = [] }: Partial<OwnChanges>) {
    const nowMs = clock.now();
    const pace = createPace(clock.monotonic);
    let key = "";
    await database.transaction(async (db) => {
      // First what is gone: its name may be wanted by what is new.
      for (const { id, revision } of removed) {
        await claim(db, id, revision);
        await db.deleteFrom("own_items").where("id", "=", id).execute();
        await db.deleteFrom("items").where("id", "=", id).execute();
        await pace();
      }
      for (const { id, revision, settings } of updated) {
        key = keyOf(settings.spec);
        await change(db, id, revision, settings, nowMs);
        await pace();
      }
      for (const { id, settings } of created) {
        key = keyOf(settings.spec);
        await insert(db, id, settings, nowMs);
        await pace();
      }
      const count = Math.max(created.length, 1);
      const last = await appendChanges(db, Array(count).fill(CHANGE));
      for (const [i, { id }] of created.entries()) {
        const seq = last - count + 1 + i;
        await db.updateTable("items").set({ seq }).where("id", "=", id).execute();
        await pace();
      }
    }).catch((error) => refuseTaken(error, key));
  }

  async function insert(db: Transaction<Schema>, id: string, settings: OwnSettings, nowMs: number) {
    const columns = itemColumns(itemOf(id, settings, nowMs));
    await db.insertInto("items").values({ ...columns, revision: 1 }).execute();
    await db.insertInto("own_items")
      .values({ id, spec: written(id, settings), created_ms: nowMs, updated_ms: nowMs })
      .execute();
  }

  async function change(
    db: Transaction<Schema>,
    id: string,
    revision: number,
    settings: OwnSettings,
    nowMs: number,
  ) {
    const { found_ms: _, seq: _seq, ...columns } = itemColumns(itemOf(id, settings, nowMs));
    await claim(db, id, revision);
    await db.updateTable("items").set(columns).where("id", "=", id).execute();
    const spec = await merged(db, id, written(id, settings));
    await db.updateTable("own_items").set({ spec, updated_ms: nowMs })
      .where("id", "=", id).execute();
  }

  function written(id: string, { spec }: OwnSettings): string {
    return spec.kind === "tool" ? sealMembers(keyring, placeOf(id), spec) : JSON.stringify(spec);
  }

  async function merged(db: Transaction<Schema>, id: string, after: string): Promise<string> {
    const { spec } = await db.selectFrom("own_items").select("spec").where("id", "=", id)
      .executeTakeFirstOrThrow();
    return isTool(spec) ? keepUnreadable(keyring, placeOf(id), spec, after) : after;
  }

  function readOwn({ spec, created_ms, updated_ms, ...row }: OwnColumns): ItemRow {
    const item = readItem(row);
    const plain: OwnSpec = JSON.parse(spec);
    const { record, unreadable } = plain.kind === "tool"
      ? openMembers<OwnTool>(keyring, placeOf(row.id), spec)
      : { record: plain, unreadable: [] };
    const own = {
      spec: record,
      enabled: item.enabled,
      unreadable,
      chars: spec.length,
      createdMs: created_ms,
      updatedMs: updated_ms,
    };
    return { ...item, enabled: item.enabled && unreadable.length === 0, own };
  }

  return {
    async list() {
      // Of one moment, over all pages.
      const items = await database.snapshot((db) =>
        allPages<ItemRow>(async (after, limit) => {
          const rows = await db.selectFrom("items")
            .innerJoin("own_items", "own_items.id", "items.id")
            .selectAll("items").select(["spec", "created_ms", "updated_ms"])
            .where("upstream_id", "=", OWN_SERVER.id)
            .where("seq", ">", after?.seq ?? -1).orderBy("seq").limit(limit).execute();
          return pageOf(rows, readOwn, ({ spec, definition }) => spec.length + definition.length);
        })
      );
      return ITEM_KINDS.flatMap((kind) => items.filter((item) => item.kind === kind));
    },
    apply,
    create: (id, settings) => apply({ created: [{ id, settings }] }),
    update: (id, revision, settings) => apply({ updated: [{ id, revision, settings }] }),
    remove: (id, revision) => apply({ removed: [{ id, revision }] }),
  };
}

/** Locks the row as it was read, and counts the change. */
async function claim(db: Transaction<Schema>, id: string, revision: number): Promise<void> {
  const row = await db.updateTable("items")
    .set((eb) => ({ revision: eb("revision", "+", 1) }))
    .where("id", "=", id).where("upstream_id", "=", OWN_SERVER.id)
    .where("revision", "=", revision)
    .returning("id").executeTakeFirst();
  if (row === undefined) throw await whyNot(db, id);
}

/** @param foundMs of a new one */
export function itemOf(
  id: string,
  { spec, enabled, audience }: OwnSettings,
  foundMs: number,
): Item {
  return {
    id,
    kind: spec.kind,
    upstreamId: OWN_SERVER.id,
    upstreamName: keyOf(spec),
    exposedName: keyOf(spec),
    foundMs,
    seq: 0,
    definition: definitionOf(spec),
    // These stand in the definition.
    title: undefined,
    description: undefined,
    enabled,
    missingSinceMs: undefined,
    audience,
  };
}

type OwnColumns = Selectable<ItemsTable> & Omit<Selectable<OwnItemsTable>, "id">;

export function placeOf(row: string): RowPlace {
  return { table: "own_items", row };
}

/** Whether there may be secrets in it. */
function isTool(spec: string): boolean {
  return JSON.parse(spec).kind === "tool";
}
