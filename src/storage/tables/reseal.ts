/**
 * Seals every stored secret with the current key, while others may write.
 *
 * @module
 */
import type { Selectable } from "kysely";
import { nextTurn } from "../../platform/pace.ts";
import type { Database } from "../database.ts";
import type { Keyring } from "../sealed.ts";
import { allPages } from "../slices.ts";
import type { ServersTable } from "./schema.ts";
import { placeOf } from "./own_items.ts";
import { type Resealed, resealMembers } from "./sealed_members.ts";
import { settingsPlace } from "./upstream_settings.ts";

export interface ResealCounts {
  /** Secrets, not rows. */
  readonly resealed: number;
  /** Sealed with the current key already. */
  readonly current: number;
  /** That neither key opens; left as they are. */
  readonly unreadable: number;
  /** What these belong to: `upstream server <slug>`, `tool <name>`. */
  readonly unreadableOf: readonly string[];
}

/**
 * May be repeated, and broken off: each row is whole, and both keys open what they have sealed. No
 * change is logged: what is read from a row stays the same.
 * @throws {GatewayError} `unavailable`
 */
export async function resealSecrets(database: Database, keyring: Keyring): Promise<ResealCounts> {
  const counts = { resealed: 0, current: 0, unreadable: 0 };
  const unreadableOf: string[] = [];
  const rows = await database.run((db) =>
    allPages<Pick<Selectable<ServersTable>, "id" | "slug" | "seq">>(async (after, limit) => ({
      entries: await db.selectFrom("servers").select(["id", "slug", "seq"])
        .where("kind", "=", "upstream").where("seq", ">", after?.seq ?? -1)
        .orderBy("seq").limit(limit).execute(),
      chars: 0,
    }))
  );
  const tools = await database.run((db) =>
    db.selectFrom("items").innerJoin("own_items", "own_items.id", "items.id")
      .select(["items.id", "exposed_name"]).where("kind", "=", "tool").execute()
  );
  const all = [
    ...rows.map(({ id, slug }) => ({
      name: `upstream server ${slug}`,
      reseal: () => resealRow(database, keyring, id),
    })),
    ...tools.map(({ id, exposed_name }) => ({
      name: `tool ${exposed_name}`,
      reseal: () => resealTool(database, keyring, id),
    })),
  ];
  for (const { name, reseal } of all) {
    const found = await reseal();
    if (found === undefined) continue;
    counts.resealed += found.resealed;
    counts.current += found.current;
    counts.unreadable += found.unreadable;
    if (found.unreadable > 0) unreadableOf.push(name);
    await nextTurn();
  }
  return { ...counts, unreadableOf };
}

async function resealRow(database: Database, keyring: Keyring, id: string) {
  return await database.transaction(async (db) => {
    // Nothing is different; the row is locked.
    const row = await db.updateTable("servers").set(({ ref }) => ({ settings: ref("settings") }))
      .where("id", "=", id).returning("settings").executeTakeFirst();
    if (!row?.settings) return undefined;
    const found = resealMembers(keyring, settingsPlace(id), row.settings);
    await db.updateTable("servers").set({ settings: found.json }).where("id", "=", id).execute();
    return found;
  });
}

async function resealTool(
  database: Database,
  keyring: Keyring,
  id: string,
): Promise<Resealed | undefined> {
  return await database.transaction(async (db) => {
    const row = await db.updateTable("own_items").set(({ ref }) => ({ spec: ref("spec") }))
      .where("id", "=", id).returning("spec").executeTakeFirst();
    if (row === undefined) return undefined;
    const found = resealMembers(keyring, placeOf(id), row.spec);
    await db.updateTable("own_items").set({ spec: found.json }).where("id", "=", id).execute();
    return found;
  });
}
