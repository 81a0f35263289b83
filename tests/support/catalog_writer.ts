/**
 * Writes to the SQLite file of the first argument until it is killed, and prints the id of each
 * server as soon as it and its items are acknowledged.
 *
 * @module
 */
import { systemClock as clock } from "../../src/platform/clock.ts";
import { createTimers } from "../../src/platform/timers.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createKeyring } from "../../src/storage/sealed.ts";
import { createCatalogTables } from "../../src/storage/tables/catalog.ts";
import { aRow, itemChanges, manyItems } from "./catalog_rows.ts";

/** Of every server: more than one slice. */
export const ITEMS = 100;

if (import.meta.main) await write(Deno.args[0]!, Deno.args[1]!);

async function write(path: string, prefix: string): Promise<never> {
  const database = openDatabase({ kind: "sqlite", path }, {
    timers: createTimers(clock.monotonic),
  });
  await migrate(database, { clock });
  const keyring = createKeyring("the key of these tests, long enough to be one", undefined);
  const { upstreams, items, changes } = createCatalogTables(database, { clock, keyring });
  const encoder = new TextEncoder();
  for (let i = 0;; i++) {
    const id = `${prefix}-${i}`;
    await upstreams.create(aRow(id));
    await items.apply(id, itemChanges({ inserted: manyItems(ITEMS, id) }));
    Deno.stdout.writeSync(encoder.encode(`${id}\n`));
    if (i % 10 === 9) await changes.prune();
  }
}
