/**
 * Servers of both kinds: upstream ones, whose settings hold secrets, and virtual ones.
 *
 * @module
 */
import type { Kysely, Selectable, Transaction } from "kysely";
import { GatewayError } from "../../domain/errors.ts";
import type { Offer } from "../../domain/item.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Clock } from "../../platform/clock.ts";
import { nextTurn } from "../../platform/pace.ts";
import type { CatalogTables, ServerRow, ServerSettings, UpstreamRow } from "../catalog_tables.ts";
import { type Database, NotUnique } from "../database.ts";
import type { Keyring } from "../sealed.ts";
import { allPages, pageOf } from "../slices.ts";
import { keptText, textOf } from "../text.ts";
import { appendChanges } from "./changes.ts";
import type { Schema, ServersTable } from "./schema.ts";
import { keepUnreadable, sealMembers } from "./sealed_members.ts";
import { openSettings, settingsPlace } from "./upstream_settings.ts";

export interface ServersDeps {
  readonly clock: Clock;
  readonly keyring: Keyring;
}

/** How the rows of one kind differ from those of the other. */
interface Kind<Row extends UpstreamRow | ServerRow> {
  readonly kind: Exclude<ServersTable["kind"], "own">;
  readonly noun: string;
  readonly read: (row: Selectable<ServersTable>) => Row;
  readonly write: (id: string, settings: NonNullable<Row["settings"]>) => string;
  /** What of the settings before stays in the next ones. */
  readonly merge: (id: string, before: string, after: string) => string;
}

export function createUpstreams(
  database: Database,
  { clock, keyring }: ServersDeps,
): CatalogTables["upstreams"] {
  return createServers<UpstreamRow>(database, clock, {
    kind: "upstream",
    noun: "upstream server",
    read: (row) => ({ ...baseOf(row), ...openedOf(keyring, row), offer: offerOf(row.offer) }),
    write: (id, settings) => sealMembers(keyring, settingsPlace(id), settings),
    merge: (id, before, after) => keepUnreadable(keyring, settingsPlace(id), before, after),
  });
}

export function createVirtualServers(
  database: Database,
  { clock }: ServersDeps,
): CatalogTables["servers"] {
  return createServers<ServerRow>(database, clock, {
    kind: "server",
    noun: "virtual server",
    read: (row) => ({ ...baseOf(row), settings: virtualSettingsOf(row.settings) }),
    write: (_, settings) => JSON.stringify(settings),
    merge: (_, __, after) => after,
  });
}

function createServers<Row extends UpstreamRow | ServerRow>(
  database: Database,
  clock: Clock,
  { kind, noun, read, write, merge }: Kind<Row>,
) {
  type Change = Partial<Pick<Row, "name" | "declared" | "settings">>;

  const settingsOf = (id: string, settings: Row["settings"]) =>
    settings === undefined ? null : write(id, settings);

  async function create(row: Pick<Row, "id" | "slug" | "name" | "declared" | "settings">) {
    const nowMs = clock.now();
    const values = {
      id: row.id,
      kind,
      slug: row.slug,
      name: keptText(row.name),
      declared: flag(row.declared),
      revision: 1,
      created_ms: nowMs,
      updated_ms: nowMs,
      settings: settingsOf(row.id, row.settings),
    };
    return read(
      await database.transaction(async (db) => {
        await db.insertInto("servers").values({ ...values, seq: 0 }).execute();
        // The place in the log is one in the order of creation too, the same for all replicas.
        const seq = await appendChanges(db, [{ kind, id: row.id }]);
        return await db.updateTable("servers").set({ seq }).where("id", "=", row.id)
          .returningAll().executeTakeFirstOrThrow();
      }).catch((error) => refuseDouble(error, row.slug)),
    );
  }

  /** Locks the row. Gives it as it was, but for the revision. */
  async function lock(db: Transaction<Schema>, id: string, revision: number | undefined) {
    const row = await db.updateTable("servers")
      .set((eb) => ({ revision: eb("revision", "+", 1), updated_ms: clock.now() }))
      .where("id", "=", id).where("kind", "=", kind)
      .$if(revision !== undefined, (query) => query.where("revision", "=", revision!))
      .returningAll().executeTakeFirst();
    if (row !== undefined) return row;
    if (await found(db, id)) throw changedMeanwhile(noun);
    return undefined;
  }

  async function found(db: Kysely<Schema>, id: string) {
    return await db.selectFrom("servers").selectAll()
      .where("id", "=", id).where("kind", "=", kind).executeTakeFirst();
  }

  async function update(id: string, revision: number | undefined, change: Change): Promise<Row> {
    const sealed = "settings" in change ? settingsOf(id, change.settings) : undefined;
    return read(
      await database.transaction(async (db) => {
        const row = await lock(db, id, revision);
        if (row === undefined) throw new GatewayError("not_found", `There is no such ${noun}`);
        const settings = sealed && row.settings ? merge(id, row.settings, sealed) : sealed;
        const next = {
          ...row,
          ...(change.name !== undefined && { name: keptText(change.name) }),
          ...(change.declared !== undefined && { declared: flag(change.declared) }),
          ...(settings !== undefined && { settings }),
        };
        const { name, declared } = next;
        await db.updateTable("servers").set({ name, declared, settings: next.settings })
          .where("id", "=", id).execute();
        await appendChanges(db, [{ kind, id }]);
        return next;
      }),
    );
  }

  return {
    list: () =>
      database.run((db) =>
        allPages<Row>(async (after, limit) => {
          const rows = await db.selectFrom("servers").selectAll().where("kind", "=", kind)
            .where("seq", ">", after?.seq ?? -1).orderBy("seq").limit(limit).execute();
          return pageOf(rows, read, charsOf);
        })
      ),
    find: (id: string) =>
      database.run((db) => found(db, id)).then((row) => row === undefined ? undefined : read(row)),
    create,
    update,
    remove: (id: string, revision?: number) =>
      database.transaction(async (db) => {
        if (await lock(db, id, revision) === undefined) return false;
        await removeItems(db, id);
        await db.deleteFrom("servers").where("id", "=", id).execute();
        await appendChanges(db, [{ kind, id }]);
        return true;
      }),
  };
}

async function removeItems(db: Transaction<Schema>, upstreamId: string): Promise<void> {
  for (let isMore = true; isMore;) {
    const { numDeletedRows } = await db.deleteFrom("items")
      .where(
        "id",
        "in",
        (eb) =>
          eb.selectFrom("items").select("id").where("upstream_id", "=", upstreamId)
            .limit(LIMITS.databaseSliceRows),
      )
      .executeTakeFirstOrThrow();
    isMore = numDeletedRows > 0n;
    await nextTurn();
  }
}

function charsOf({ settings, offer }: Selectable<ServersTable>): number {
  return (settings?.length ?? 0) + (offer?.length ?? 0);
}

export function changedMeanwhile(noun: string): GatewayError {
  return new GatewayError("conflict", `The ${noun} has been changed meanwhile`);
}

function refuseDouble(error: unknown, slug: string): never {
  if (!(error instanceof NotUnique)) throw error;
  throw new GatewayError("conflict", `The URL name "${slug}" is taken`, { cause: error });
}

export function flag(value: boolean): 0 | 1 {
  return value ? 1 : 0;
}

function baseOf(row: Selectable<ServersTable>) {
  return {
    id: row.id,
    slug: row.slug,
    name: textOf(row.name),
    declared: row.declared === 1,
    seq: row.seq,
    revision: row.revision,
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
  };
}

function openedOf(keyring: Keyring, { id, settings }: Selectable<ServersTable>) {
  if (settings === null) return { settings: undefined };
  const opened = openSettings(keyring, id, settings);
  return opened.unreadable.length === 0 ? { settings: opened.settings } : opened;
}

function virtualSettingsOf(json: string | null): ServerSettings | undefined {
  if (json === null) return undefined;
  const kept = JSON.parse(json) as ServerSettings;
  return {
    ...kept,
    title: kept.title,
    description: kept.description,
    instructions: kept.instructions,
    team: kept.team,
    owner: kept.owner,
  };
}

function offerOf(json: string | null): Offer | undefined {
  if (json === null) return undefined;
  const kept = JSON.parse(json) as Offer;
  return {
    ...kept,
    serverInfo: kept.serverInfo,
    instructions: kept.instructions,
    ttlMs: kept.ttlMs,
    cacheScope: kept.cacheScope,
  };
}
