/**
 * Looks for audit records, newest first, in portions that keep nothing else waiting.
 *
 * @module
 */
import type { Pace } from "../platform/pace.ts";
import type { AuditPlace, AuditRange, AuditTable } from "../storage/tables/audit.ts";
import type { AuditRecord } from "./audit.ts";

export interface AuditQuery extends AuditRange {
  /** What a record must say, word for word. */
  readonly says: Partial<Record<"action" | "outcome" | "endpoint", string | undefined>>;
  readonly limit: number;
}

export interface FoundRecord extends AuditPlace {
  readonly record: AuditRecord;
}

export interface FoundPage {
  readonly records: readonly FoundRecord[];
  /** Where to go on; `undefined` at the end. */
  readonly next: AuditPlace | undefined;
}

const READ_AT_ONCE = 200;
/** What one page may cost: where little fits, it is given as far as it has come. */
const READ_MAX = 10_000;

export async function searchAudit(
  table: Pick<AuditTable, "list">,
  { says, limit, ...range }: AuditQuery,
  pace: Pace,
): Promise<FoundPage> {
  const wanted = Object.entries(says).filter(([, value]) => value !== undefined);
  const records: FoundRecord[] = [];
  let next = range.after;
  for (let read = 0; read < READ_MAX; read += READ_AT_ONCE) {
    const rows = await table.list({ ...range, after: next }, READ_AT_ONCE);
    for (const { timeMs, replica, seq, record: text } of rows) {
      const record = JSON.parse(text);
      next = { timeMs, replica, seq };
      if (!wanted.every(([name, value]) => record[name] === value)) continue;
      records.push({ ...next, record });
      if (records.length === limit) return { records, next };
    }
    if (rows.length < READ_AT_ONCE) return { records, next: undefined };
    await pace();
  }
  return { records, next };
}
