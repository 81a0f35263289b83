/**
 * Audit records go when their time is over, from the database and from the files.
 *
 * @module
 * @see security.md, AUD-08
 */
import type { Clock } from "../platform/clock.ts";
import type { AuditTable } from "../storage/tables/audit.ts";

export interface AuditRetentionDeps {
  readonly table: Pick<AuditTable, "prune">;
  readonly forgetFiles: (beforeMs: number) => void;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
}

const EVERY_MS = 3_600_000;
/** The start has other things to do. */
const FIRST_MS = 60_000;

/** @param keptMs how long records are kept */
export function keepForTime(deps: AuditRetentionDeps, keptMs: number): { stop: () => void } {
  async function forget(): Promise<void> {
    const beforeMs = deps.clock.now() - keptMs;
    try {
      await deps.table.prune(beforeMs);
      deps.forgetFiles(beforeMs);
    } catch (error) {
      deps.failed(error);
    }
  }

  const first = setTimeout(forget, FIRST_MS);
  const interval = setInterval(forget, EVERY_MS);
  return {
    stop() {
      clearTimeout(first);
      clearInterval(interval);
    },
  };
}
