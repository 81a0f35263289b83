/**
 * The management API, put together.
 *
 * @module
 */
import { type AdminDeps, createAdmin } from "../admin/admin.ts";
import { createTransfer } from "../admin/transfer/transfer.ts";
import type { Discovery } from "../catalog/discovery.ts";
import { createItemService } from "../catalog/item_service.ts";
import { createImportService } from "../catalog/openapi/import_service.ts";
import { createOwnItemService } from "../catalog/own_item_service.ts";
import { createServerService } from "../catalog/server_service.ts";
import { ALL } from "../catalog/view.ts";
import { createUpstreamService } from "../catalog/upstream_service.ts";
import { VERSION } from "../domain/version.ts";
import type { Stats } from "../telemetry/stats.ts";
import { fetchText } from "../upstream/fetch_text.ts";
import type { AccountSide } from "./account_side.ts";
import { type Base, box } from "./base.ts";
import type { Kept } from "./catalog_side.ts";
import type { openSessions } from "./message_side.ts";
import type { UpstreamSide } from "./upstream_side.ts";

interface ApiParts extends Kept, UpstreamSide, Services {
  readonly discovery: Discovery;
  readonly stats: Stats;
  readonly schemaFault: (schemaText: string) => string | undefined;
  readonly sessions: ReturnType<typeof openSessions>;
  readonly audit: AdminDeps["audit"];
  readonly records: AdminDeps["records"] & { readonly counts: AdminDeps["auditCounts"] };
}

type Services = Pick<
  AccountSide,
  "refreshAccounts" | "users" | "teams" | "tokens" | "revocations" | "teamIdOf"
>;

const UNREADABLE = "Its stored credentials cannot be read with this AUTH_ENCRYPTION_SECRET: give " +
  "them again, or start with the earlier one in AUTH_ENCRYPTION_SECRET_PREVIOUS";

/** The management API. */
export function createApi({ config, platform, timers, pace }: Base, parts: ApiParts) {
  const { tables, catalog, discovery, egress, http, client, stats, sessions, teamIdOf } = parts;
  const fetching = { connectMs: config.connectMs, userAgent: `sallyport/${VERSION}` };
  const listed = async () => {
    const live = await sessions.list();
    return live.map(({ key, base, createdMs, usedMs }) => {
      const { kind, subject, server, revision } = base;
      const endpoint = server === ALL ? "/mcp" : `/servers/${server}/mcp`;
      return { key, kind, subject, endpoint, revision, createdMs, usedMs };
    });
  };
  const items = createItemService({ tables, catalog, teamIdOf }, {
    separator: config.toolNameSeparator,
  });
  return createAdmin({
    upstreams: createUpstreamService({
      tables,
      catalog,
      timers,
      checkUrl: egress.checkUrl,
      discovery,
    }),
    servers: createServerService({ tables, catalog, pace }),
    items,
    schemaFault: parts.schemaFault,
    imports: createImportService({
      tables,
      catalog,
      teamIdOf,
      checkUrl: egress.checkUrl,
      fetchText: (url) => fetchText({ http, timers, egress }, fetching, url),
      pace,
    }),
    transfer: createTransfer({
      ...parts,
      clock: platform.clock,
      checkUrl: egress.checkUrl,
      shelves: catalog.shelves,
      refresh: () => Promise.all([catalog.refresh(), parts.refreshAccounts()]),
      pace,
    }, {
      separator: config.toolNameSeparator,
      isOperator: false,
      // All of them have been taken over.
      declarations: { upstreams: [], servers: [] },
    }),
    own: createOwnItemService({ tables, catalog, items, teamIdOf, checkUrl: egress.checkUrl }),
    statusOf(server) {
      const { status, lastSeenMs, lastError } = discovery.statusOf(server.id);
      const health = client.stateOf(server);
      const isDown = status === "connected" && health.status === "unhealthy";
      return {
        status: isDown ? "unreachable" : status,
        lastSeenMs: Math.max(lastSeenMs ?? 0, health.lastSeenMs ?? 0) || undefined,
        lastError: catalog.upstream(server.id)?.isUnreadable
          ? UNREADABLE
          : lastError ?? health.lastError,
      };
    },
    sessions: { list: listed, hashKey: box(platform, "session ids").key },
    users: parts.users,
    teams: parts.teams,
    tokens: parts.tokens,
    revocations: parts.revocations,
    snapshot: stats.snapshot,
    timers,
    audit: parts.audit,
    records: parts.records,
    auditCounts: parts.records.counts,
  }, { version: VERSION });
}
