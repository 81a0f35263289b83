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
import { resealSettings } from "./upstream_settings.ts";

export interface ResealCounts {
  /** Secrets, not rows. */
  readonly resealed: number;
  /** Sealed with the current key already. */
  readonly current: number;
  /** That neither key opens; left as they are. */
  readonly unreadable: number;
  /** Slugs of the upstream servers that these belong to. */
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
  for (const { id, slug } of rows) {
    const found = await resealRow(database, keyring, id);
    if (found === undefined) continue;
    counts.resealed += found.resealed;
    counts.current += found.current;
    counts.unreadable += found.unreadable;
    if (found.unreadable > 0) unreadableOf.push(slug);
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
    const found = resealSettings(keyring, id, row.settings);
    await db.updateTable("servers").set({ settings: found.json }).where("id", "=", id).execute();
    return found;
  });
}
