/**
 * The audit trail, put together: written to files, brought into the database, and read there.
 *
 * @module
 */
import { createAdminAudit } from "../admin/admin_audit.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { audienceOf } from "../domain/access.ts";
import type { Audience } from "../domain/server.ts";
import type { Auditor } from "../events/audit.ts";
import { auditKeys } from "../events/audit_chain.ts";
import { createAuditFiles } from "../events/audit_files.ts";
import { keepForTime } from "../events/audit_retention.ts";
import { type AuditQuery, searchAudit } from "../events/audit_search.ts";
import { auditSubject, createAuditShipping } from "../events/audit_shipping.ts";
import { createAuditTrail } from "../events/audit_trail.ts";
import { createAccessAudit } from "../http/access_audit.ts";
import { createCallAudit, endpointPath } from "../mcp/call_audit.ts";
import type { SessionEnd } from "../mcp/session/registry.ts";
import type { SessionBase } from "../mcp/session/session.ts";
import { auditFile, auditFolder, makePrivate } from "../platform/data_dir.ts";
import { openFolder } from "../platform/folder.ts";
import { type Database, openDatabase } from "../storage/database.ts";
import { AUDIT_MIGRATIONS, migrate } from "../storage/migrate.ts";
import { IN_MEMORY } from "../storage/database_url.ts";
import { createAuditTable } from "../storage/tables/audit.ts";
import type { Base } from "./base.ts";

/** How long a reader waits for what has just been written. */
const CATCH_UP_MS = 250;

/** @throws {Error} naming the folder or file when it cannot be opened */
export async function openAudit(base: Base, database: Database) {
  const { config, platform: { clock, log }, timers, pace } = base;
  const own = await ownDatabase(base, database);
  const table = createAuditTable(own);
  const written = config.audit ? openTrail(base) : undefined;
  const shipping = written && createAuditShipping({
    ...written,
    table,
    timers,
    records: () => written.trail.counts().records,
    failed: (error) => log.warning("Audit records could not be shipped yet", { error }),
  });
  const retention = keepForTime({
    table,
    forgetFiles: (beforeMs) => written?.files.forget(beforeMs, shipping?.shippedFile() ?? 0),
    clock,
    failed: (error) => log.warning("Old audit records could not be removed", { error }),
  }, config.auditMs);
  shipping?.start();
  return {
    trail: written?.trail,
    counts: written?.trail.counts,
    async search({ subject, ...query }: AuditQuery) {
      // What cannot be shipped now is read later.
      await shipping?.catchUp(CATCH_UP_MS).catch(() => {});
      const key = subject === undefined ? undefined : auditSubject(subject);
      return await searchAudit(table, { ...query, subject: key }, pace);
    },
    async close() {
      retention.stop();
      written?.trail.close();
      await shipping?.stop();
      if (own !== database) await own.close();
    },
  };
}

/** PostgreSQL has them beside everything else, SQLite in a file of their own. */
async function ownDatabase(
  { config, platform, timers }: Base,
  database: Database,
): Promise<Database> {
  if (database.kind === "postgres") return database;
  const { database: place } = platform;
  const isInMemory = place.kind === "sqlite" && place.path === IN_MEMORY;
  const path = isInMemory ? IN_MEMORY : auditFile(config.dataDir);
  if (!isInMemory) await makePrivate(path);
  const own = openDatabase({ kind: "sqlite", path }, { timers });
  try {
    await migrate(own, platform, AUDIT_MIGRATIONS);
    return own;
  } catch (error) {
    await own.close();
    throw error;
  }
}

function openTrail({ config, platform, timers }: Base) {
  const { clock, log, encryptionSecret } = platform;
  const folder = openFolder(auditFolder(config.dataDir));
  const keys = auditKeys(encryptionSecret, config.encryptionSecretPrevious);
  const files = createAuditFiles({
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
    auditor?.note({
      action: why === "forged" ? "session.forged" : "session.end",
      code: why,
      subject: base?.subject,
      kind: base?.kind,
      endpoint: base && endpointPath(base.server),
    });
  };
  if (auditor === undefined) {
    return { calls: undefined, access: undefined, admin: undefined, ended };
  }
  return {
    calls: createCallAudit(auditor, clock.monotonic),
    access: createAccessAudit(auditor, timers),
    admin: createAdminAudit(auditor, (id) => audienceOfRecord(catalog, id), clock.monotonic),
    ended,
  };
}

/** Who sees the server or item with this id. */
function audienceOfRecord(catalog: Catalog, id: string): Audience | undefined {
  const record = catalog.upstream(id)?.server ?? catalog.server(id)?.server;
  if (record !== undefined) return record;
  for (const { server, items } of catalog.shelves()) {
    const item = items.find((one) => one.id === id);
    if (item !== undefined) return audienceOf({ server, item });
  }
  return undefined;
}

export type AuditHooks = ReturnType<typeof auditHooks>;
