/**
 * Builds everything from one `Config`: wiring only. With the files of `app/` it is the only place that
 * knows all floors.
 *
 * @module
 */
import type { Declarations } from "./domain/server.ts";
import type { Config } from "./config/load.ts";
import { LIMITS } from "./domain/limits.ts";
import { VERSION } from "./domain/version.ts";
import type { ServeInfo } from "./http/caller.ts";
import { createEdge } from "./http/edge.ts";
import { createHealth } from "./http/health.ts";
import { createOriginGuard } from "./http/origin_guard.ts";
import { createEndpoints } from "./mcp/endpoint.ts";
import { SESSION_REVISIONS, STATELESS_REVISIONS } from "./mcp/revisions/revision.ts";
import { createListChanges } from "./mcp/view/list_changes.ts";
import { createLists } from "./mcp/view/lists.ts";
import { createByteBudget } from "./platform/byte_budget.ts";
import { randomText } from "./platform/random.ts";
import { createPace } from "./platform/pace.ts";
import { createTimers } from "./platform/timers.ts";
import { createStats } from "./telemetry/stats.ts";
import { auditHooks, openAudit } from "./app/audit_side.ts";
import { openAccounts } from "./app/account_side.ts";
import { type Base, box, type Platform } from "./app/base.ts";
import { createApi } from "./app/api_side.ts";
import { createAuthSide } from "./app/auth_side.ts";
import { createCatalogSide, firstReading, openCatalog } from "./app/catalog_side.ts";
import { openStatelessServers } from "./app/bridge_side.ts";
import { argumentCheck, createMessageSide, openSessions } from "./app/message_side.ts";
import { openRedis } from "./app/redis_side.ts";
import { openStorage, patiently } from "./app/storage_side.ts";
import { createUpstreamSide } from "./app/upstream_side.ts";

export type { Platform } from "./app/base.ts";
export { gatewayIssuer } from "./app/auth_side.ts";

export interface App {
  readonly fetch: (request: Request, info: ServeInfo) => Response | Promise<Response>;
  /** Resolves when every server has been read once, or has had its time. */
  readonly started: Promise<void>;
  /**
   * Takes over what the config file says now.
   * @throws {GatewayError} `conflict`; nothing is changed then
   */
  readonly declare: (declarations: Declarations) => Promise<void>;
  /** Whether the database was empty; true once in its life. */
  readonly isFirstStart: () => Promise<boolean>;
  /** From now on `/ready` says that no more traffic is wanted; what comes is still served. */
  readonly drain: () => void;
  /** Ends what would never end by itself: subscriptions and listening. Calls go on. */
  readonly finish: () => void;
  /** Ends what still runs. */
  readonly abandon: () => void;
  /** Ends all child processes, closes all connections and files. */
  readonly close: () => Promise<void>;
}

/** @throws {Error} naming the file or setting when what is kept cannot be opened */
export async function createApp(config: Config, platform: Platform): Promise<App> {
  const { clock, log } = platform;
  const timers = createTimers(clock.monotonic);
  const budget = createByteBudget(LIMITS.upstreamBytesTotal);
  const pace = createPace(clock.monotonic);
  const shared = openRedis(config, platform, timers);
  const base: Base = { config, platform, timers, budget, pace, shared };
  let phase: "starting" | "ready" | "draining" = "starting";
  let isFinishing = false;
  const startedAt = new Date(clock.now()).toISOString();

  const database = await openStorage(base);
  const kept = await patiently(base, database, () => openCatalog(base, database));
  const upstream = createUpstreamSide(base, kept.catalog);
  const accounts = await patiently(base, database, () => openAccounts(base, database));
  const { catalog, views, tables } = kept;
  const audit = await openAudit(base, kept.database);
  const hooks = auditHooks(base, audit.trail, catalog);
  const endpoints = createEndpoints(catalog, views);
  const changes = createListChanges({ catalog, views, timers, pace });
  const stats = createStats(clock.now(), STATS);
  const discovery = createCatalogSide(base, upstream, kept, {
    unexplained: changes.unexplained,
    forget: stats.forget,
  });
  const lists = createLists({ box: box(platform, "cursors"), pace });
  const view = { views, shownAt: endpoints.shownAt, lists, changes };
  const check = config.validateArguments ? argumentCheck(log) : undefined;
  const statelessServers = openStatelessServers(
    base,
    upstream,
    catalog,
    (...about) => sessions.subscribeElsewhere(...about),
  );
  const parts = {
    ...upstream,
    ...view,
    catalog,
    statelessServers,
    stats,
    check,
    serverOf: (slug: string) => catalog.shelf(slug)?.server,
    endpointOf: endpoints.ofKey,
  };
  const sessions = openSessions(base, parts, hooks);
  shared.presence.onLost(sessions.lost);
  const { stateless, streamable, legacySse, rates, bridge } = createMessageSide(base, {
    ...parts,
    sessions,
    audit: hooks.calls,
    isFinishing: () => isFinishing,
  });
  const lacking = () => accounts.rights.areKnown() ? [] : ["database"];
  const auth = createAuthSide(base, upstream.egress, accounts);
  const edge = createEdge({
    log,
    ...auth,
    streamable,
    legacySse,
    rates,
    timers,
    guard: createOriginGuard({ ...config, listener: platform.listener }),
    health: createHealth({
      ...ABOUT,
      notReady: () => phase === "ready" ? lacking() : [phase, ...lacking()],
      degraded: () => [...database.isAway() ? ["database"] : [], ...shared.degraded()],
    }),
    endpoints,
    admin: createApi(base, {
      ...accounts,
      ...kept,
      ...upstream,
      discovery,
      stats,
      sessions,
      audit: hooks.admin,
      records: audit,
    }),
    audit: hooks.access,
    newCorrelationId: correlationIds(),
  });

  discovery.start();
  const started = firstReading(catalog, discovery, timers).then(() => {
    if (phase === "starting") phase = "ready";
  });

  return {
    fetch: (request, info) => edge.fetch(request, info),
    started,
    declare: kept.catalog.declare,
    isFirstStart: () =>
      patiently(base, database, () => tables.facts.create("first_start", startedAt)),
    drain() {
      phase = "draining";
    },
    finish() {
      isFinishing = true;
      stateless.drain();
      legacySse.drain();
      sessions.drain();
    },
    abandon() {
      stateless.abandon();
      sessions.abandon();
    },
    async close() {
      kept.catalog.close();
      accounts.close();
      discovery.prober.stop();
      await Promise.all([discovery.reader.close(), discovery.stop()]);
      sessions.close();
      auth.close();
      await bridge.close();
      await upstream.close();
      await audit.close();
      await Promise.all([database.close(), shared.close()]);
    },
  };
}

const ABOUT = { version: VERSION, revisions: [...STATELESS_REVISIONS, ...SESSION_REVISIONS] };

const STATS = {
  methods: [
    "tools/call",
    "tools/list",
    "prompts/get",
    "prompts/list",
    "resources/read",
    "resources/list",
    "resources/templates/list",
    "completion/complete",
  ],
  upstreamsMax: 10_000,
};

/** Unique over replicas and restarts, and cheap: it is made for every request. */
function correlationIds(): () => string {
  const prefix = randomText(6);
  let count = 0;
  return () => `${prefix}-${(++count).toString(36)}`;
}
