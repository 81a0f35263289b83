/**
 * Audit of the management API: no change is made before its beginning is recorded, and each is
 * recorded once more with its outcome. Of reading only that of the audit itself and of everything at
 * once is recorded, and that of other people's private records.
 *
 * @module
 * @see security.md, AUD-01, AUD-02, AUD-07, AUTHZ-09
 */
import { GatewayError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { Audience } from "../domain/server.ts";
import type { Auditor, AuditRecord } from "../events/audit.ts";
import { createWho, isAdminAccess } from "../events/audit_who.ts";
import type { Answer, Operation } from "./api/operation.ts";

export interface AdminAudit {
  /** @param name which record it is about; empty for none */
  readonly recorded: (
    by: AdminCaller,
    operation: Pick<Operation, "method" | "path">,
    name: string,
    run: () => Promise<Answer>,
  ) => Promise<Answer>;
}

export interface AdminCaller {
  readonly principal: Principal;
  readonly correlationId: string;
  readonly address: () => string;
}

/** Reading these is recorded, whoever does it. */
const TOLD: readonly string[] = ["/api/audit", "/api/export"];

/**
 * @param audienceOf of the record with this id, where it has one
 * @param now the clock for durations
 */
export function createAdminAudit(
  { keep, note, hashOf }: Auditor,
  audienceOf: (id: string) => Audience | undefined,
  now: () => number,
): AdminAudit {
  const whoOf = createWho(hashOf);

  async function changed(start: AuditRecord, run: () => Promise<Answer>): Promise<Answer> {
    const startedMs = now();
    await keep({ ...start, action: "admin.start" });
    const ended = (how: Pick<AuditRecord, "outcome" | "code">) => {
      const ms = Math.round(now() - startedMs);
      note({ ...start, action: "admin.end", ms, ...how });
    };
    try {
      const answer = await run();
      ended({ outcome: "ok" });
      return answer;
    } catch (error) {
      const code = error instanceof GatewayError ? error.code : "internal";
      ended({ outcome: code === "forbidden" ? "denied" : "error", code });
      throw error;
    }
  }

  return {
    async recorded({ principal, correlationId, address }, { method, path }, name, run) {
      const audience = name === "" ? undefined : audienceOf(name);
      const access = audience !== undefined && isAdminAccess(principal, audience)
        ? "admin"
        : undefined;
      const isChange = method !== "GET";
      if (!isChange && access === undefined && !TOLD.includes(path)) return await run();
      const record: AuditRecord = {
        action: "admin.read",
        id: correlationId,
        address: address(),
        method: `${method} ${path}`,
        name: name || undefined,
        endpoint: "/api",
        access,
        facts: whoOf(principal),
      };
      if (isChange) return await changed(record, run);
      await keep(record);
      return await run();
    },
  };
}
