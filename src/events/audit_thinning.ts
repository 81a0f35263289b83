/**
 * Records of what can be provoked without end: of equal ones the first is kept at once, the others
 * as a count a little later. A flood of refusals is no flood of records.
 *
 * @module
 */
import { LIMITS } from "../domain/limits.ts";
import type { Timers } from "../platform/timers.ts";
import type { Auditor, AuditRecord } from "./audit.ts";
import { factsOf } from "./audit_line.ts";

const COUNT_MS = 10_000;

export function createThinning(
  note: Auditor["note"],
  timers: Timers,
): (record: AuditRecord) => void {
  let counted = new Map<string, { readonly record: AuditRecord; count: number }>();

  function tell(): void {
    const over = counted;
    counted = new Map();
    for (const { record, count } of over.values()) {
      if (count > 0) note({ ...record, id: undefined, count });
    }
  }

  return (given) => {
    const { action, outcome, code } = given;
    // Of too many kinds what differs is not told: whoever makes them up has no more for it.
    const record = counted.size < LIMITS.auditRefusals ? given : { action, outcome, code };
    const key = factsOf({ ...record, id: undefined }) + record.facts;
    const known = counted.get(key);
    if (known !== undefined) return void known.count++;
    if (counted.size === 0) timers.after(COUNT_MS, tell);
    counted.set(key, { record, count: 0 });
    note(record);
  };
}
