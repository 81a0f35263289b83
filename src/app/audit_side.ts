/**
 * The audit trail, put together.
 *
 * @module
 */
import { createAdminAudit } from "../admin/admin_audit.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { Auditor } from "../events/audit.ts";
import { auditKeys } from "../events/audit_chain.ts";
import { openAuditFiles } from "../events/audit_files.ts";
import { createAuditTrail } from "../events/audit_trail.ts";
import { createAccessAudit } from "../http/access_audit.ts";
import { createCallAudit } from "../mcp/call_audit.ts";
import type { SessionEnd } from "../mcp/session/registry.ts";
import type { SessionBase } from "../mcp/session/session.ts";
import { auditFolder } from "../platform/data_dir.ts";
import { openFolder } from "../platform/folder.ts";
import type { Base } from "./base.ts";

/** @throws {Error} naming the folder when it cannot be read */
export function openAudit({ config, platform, timers }: Base) {
  const { clock, log } = platform;
  const folder = openFolder(auditFolder(config.dataDir));
  const keys = auditKeys(platform.encryptionSecret, config.encryptionSecretPrevious);
  const files = openAuditFiles({
    folder,
    keys,
    clock,
    damaged: (what) => log.error(what, { folder: folder.path }),
  });
  const trail = createAuditTrail({
    files,
    clock,
    timers,
    hashKey: keys[0],
    failing: (error) => log.error("No audit records can be kept: calls are refused", { error }),
    recovered: (lost) => log.warning("Audit records can be kept again", { lost }),
  });
  return { trail, files, folder };
}

/** What the floors above record with; nothing when the setting is off. */
export function auditHooks(
  { platform: { clock }, timers }: Base,
  auditor: Auditor | undefined,
  catalog: Catalog,
) {
  const ended = (why: SessionEnd, base: SessionBase | undefined) => {
    void auditor?.append({
      action: why === "forged" ? "session.forged" : "session.end",
      code: why,
      subject: base?.subject,
      kind: base?.kind,
      endpoint: base?.server,
    });
  };
  if (auditor === undefined) {
    return { calls: undefined, access: undefined, admin: undefined, ended };
  }
  const audienceOf = (id: string) => catalog.upstream(id)?.server ?? catalog.server(id)?.server;
  return {
    calls: createCallAudit(auditor, clock.monotonic),
    access: createAccessAudit(auditor, timers),
    admin: createAdminAudit(auditor, audienceOf, clock.monotonic),
    ended,
  };
}

export type AuditHooks = ReturnType<typeof auditHooks>;
