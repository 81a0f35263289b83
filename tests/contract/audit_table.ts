/**
 * What the table of audit records promises, on each database.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { migrate } from "../../src/storage/migrate.ts";
import {
  type AuditRow,
  type AuditTable,
  createAuditTable,
} from "../../src/storage/tables/audit.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { onEachDatabase } from "../support/open_databases.ts";
import { codeOf } from "./catalog_tables/case.ts";

function promise(name: string, test: (table: AuditTable) => Promise<void>): void {
  onEachDatabase(`audit: ${name}`, async (home) => {
    const database = home.open();
    await migrate(database, { clock: fakeClock() });
    await test(createAuditTable(database));
  });
}

function aRow(seq: number, changes: Partial<AuditRow> = {}): AuditRow {
  const record = `{"time":${1_000 + seq},"action":"call.start"}`;
  return { replica: "a", seq, timeMs: 1_000 + seq, subject: "ann@example.com", record, ...changes };
}

const rows = (from: number, to: number, changes?: Partial<AuditRow>) =>
  Array.from({ length: to - from + 1 }, (_, i) => aRow(from + i, changes));

const START = { file: 1, size: 100, seq: 3 };
const NEXT = { file: 1, size: 200, seq: 5 };
const seqs = (found: readonly AuditRow[]) => found.map(({ seq }) => seq);

export function auditTablePromises(): void {
  promise("rows and place are written together", async (table) => {
    assertEquals(await table.shippedTo("a"), undefined);
    await table.ship("a", rows(1, 3), undefined, START);
    assertEquals(await table.shippedTo("a"), START);
    assertEquals(await table.list({}, 9), rows(1, 3).toReversed());
  });

  promise("what was shipped is not shipped again", async (table) => {
    await table.ship("a", rows(1, 3), undefined, START);
    assertEquals(await codeOf(table.ship("a", rows(1, 3), undefined, START)), "conflict");
    await table.ship("a", rows(4, 5), START, NEXT);
    assertEquals(await codeOf(table.ship("a", rows(4, 5), START, NEXT)), "conflict");
    assertEquals(seqs(await table.list({}, 9)), [5, 4, 3, 2, 1]);
  });

  promise("replicas do not get in each other's way", async (table) => {
    await table.ship("a", rows(1, 2), undefined, START);
    await table.ship("b", rows(1, 2, { replica: "b" }), undefined, START);
    const found = await table.list({}, 9);
    assertEquals(found.map(({ replica, seq }) => replica + seq), ["b2", "a2", "b1", "a1"]);
  });

  promise("a list goes on behind a place, also among records of one moment", async (table) => {
    await table.ship("a", rows(1, 9, { timeMs: 5 }), undefined, START);
    const first = await table.list({}, 4);
    const { timeMs, replica, seq } = first.at(-1)!;
    const rest = await table.list({ after: { timeMs, replica, seq } }, 9);
    assertEquals([...seqs(first), ...seqs(rest)], [9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  promise("a list is of one subject, and of a span of time", async (table) => {
    const others = rows(4, 6, { subject: "bob@example.com" });
    await table.ship("a", [...rows(1, 3), ...others], undefined, START);
    assertEquals(seqs(await table.list({ subject: "bob@example.com" }, 9)), [6, 5, 4]);
    assertEquals(seqs(await table.list({ fromMs: 1_002, toMs: 1_005 }, 9)), [4, 3, 2]);
  });

  promise("AUD-08: what is older is forgotten, and nothing else", async (table) => {
    for (let i = 0; i < 10; i++) {
      const to = { ...START, size: i };
      await table.ship("a", rows(i * 50, i * 50 + 49), i ? { ...to, size: i - 1 } : undefined, to);
    }
    await table.prune(1_490);
    assertEquals(seqs(await table.list({}, 99)), rows(490, 499).map(({ seq }) => seq).toReversed());
  });
}
