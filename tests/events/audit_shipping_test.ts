/**
 * Audit records come into the database once each, whatever happens meanwhile.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import { searchAudit } from "../../src/events/audit_search.ts";
import { createAuditShipping } from "../../src/events/audit_shipping.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createPace } from "../../src/platform/pace.ts";
import { createTimers } from "../../src/platform/timers.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { type AuditTable, createAuditTable } from "../../src/storage/tables/audit.ts";
import { aRecord, type AuditWorld, auditWorld } from "../support/audit_world.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { onEachDatabase, openPlace } from "../support/open_databases.ts";

const MANY = 10_000;
const timers = createTimers(systemClock.monotonic);
const pace = createPace(systemClock.monotonic);

function shippingOf(world: AuditWorld, table: AuditTable) {
  return createAuditShipping({ ...world, table, timers, records: () => 0, failed() {} });
}

async function shippedSeqs(table: AuditTable): Promise<readonly number[]> {
  return (await table.list({}, MANY * 2)).map(({ seq }) => seq).sort((a, b) => a - b);
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

onEachDatabase(`audit: ${MANY} records of several files are shipped once each`, async (home) => {
  await using world = await auditWorld();
  const database = home.open();
  await migrate(database, { clock: world.clock });
  const table = createAuditTable(database);
  for (let i = 0; i < MANY; i += 100) {
    await world.trail.keep(...upTo(100).map(() => aRecord()));
    // Another process goes on now and then, with the same files.
    if (i % 2_000 === 0) await shippingOf(world, table).catchUp(20);
  }
  await shippingOf(world, table).catchUp(60_000);
  assert(world.folder.list().length > 2);
  assertEquals(await shippedSeqs(table), upTo(MANY));
});

async function memoryTable(): Promise<{ table: AuditTable } & AsyncDisposable> {
  const database = openPlace({ kind: "sqlite", path: ":memory:" });
  await migrate(database, { clock: fakeClock() });
  return { table: createAuditTable(database), [Symbol.asyncDispose]: database.close };
}

Deno.test("a slice whose answer was lost is not shipped twice", async () => {
  await using world = await auditWorld();
  await using kept = await memoryTable();
  let isLost = true;
  const lossy: AuditTable = {
    ...kept.table,
    async ship(...given) {
      await kept.table.ship(...given);
      isLost = !isLost;
      if (!isLost) throw new GatewayError("unavailable", "The connection broke");
    },
  };
  await world.fill(300);
  const shipping = shippingOf(world, lossy);
  for (let i = 0; i < 10; i++) await shipping.catchUp(1_000).catch(() => {});
  assertEquals(await shippedSeqs(kept.table), upTo(300));
});

Deno.test("what is not written yet is not shipped, and is when it is", async () => {
  await using world = await auditWorld();
  await using kept = await memoryTable();
  const shipping = shippingOf(world, kept.table);
  world.trail.note(aRecord());
  await shipping.catchUp(1_000);
  assertEquals(await shippedSeqs(kept.table), [1].slice(1));
  world.timers.advance(50);
  await shipping.catchUp(1_000);
  assertEquals(await shippedSeqs(kept.table), [1]);
});

Deno.test("a search through many records gives what fits, in pages that are worth little", async () => {
  await using world = await auditWorld();
  await using kept = await memoryTable();
  for (let i = 0; i < 150; i++) {
    await world.trail.keep(
      ...upTo(100).map((n) =>
        aRecord({ id: `${i}-${n}`, outcome: i % 50 === 0 && n === 1 ? "error" : "ok" })
      ),
    );
  }
  await shippingOf(world, kept.table).catchUp(60_000);
  const ids: unknown[] = [];
  let pages = 0;
  for (let after, isOver = false; !isOver; pages++) {
    const query = { says: { outcome: "error" }, limit: 2, after };
    const page = await searchAudit(kept.table, query, pace);
    ids.push(...page.records.map(({ record }) => record.id));
    after = page.next;
    isOver = after === undefined;
  }
  assertEquals([ids, pages > 1], [["100-1", "50-1", "0-1"], true]);
});
