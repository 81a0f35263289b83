/**
 * The catalog, and what keeps it true.
 *
 * @module
 */
import type { Catalog } from "../catalog/catalog.ts";
import { createDiscovery, type Discovery } from "../catalog/discovery.ts";
import { createLedDiscovery } from "../catalog/led_discovery.ts";
import { createLiveCatalog } from "../catalog/live_catalog.ts";
import type { Collision } from "../catalog/view.ts";
import { createViews } from "../catalog/views.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { VERSION } from "../domain/version.ts";
import { createOwnReader } from "../mcp/own/own_reader.ts";
import { randomText } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import type { Database } from "../storage/database.ts";
import { createKeyring } from "../storage/sealed.ts";
import { createCatalogTables } from "../storage/tables/catalog.ts";
import { createProber } from "../upstream/prober.ts";
import type { Base } from "./base.ts";
import { createUpstreamLog } from "./upstream_log.ts";
import type { UpstreamSide } from "./upstream_side.ts";

/** How long the start waits for servers: what they offer is known from the last time, or follows. */
const FIRST_READING_MS = 1_000;
const LOOK_MS = 10;
const POLL_MS = 1_000;
const DISCOVERY_MS = 300_000;
/** How long a server that stopped offering something may think again. */
const GRACE_MS = 3_600_000;
const READING_MS_MAX = 120_000;
const COLLISIONS_LOGGED = 20;
const PROBE_MS = 10_000;

/** The catalog, from the database and the config file. */
export async function openCatalog(
  { config, platform, timers, pace }: Base,
  database: Database,
) {
  const { clock, log } = platform;
  const keyring = createKeyring(platform.encryptionSecret, config.encryptionSecretPrevious);
  const tables = createCatalogTables(database, { clock, keyring });
  const catalog = await createLiveCatalog({
    tables,
    timers,
    follow: database.follow,
    // That it is away is said once.
    failed: (what, error) => (database.isAway() ? log.debug : log.error)(what, { error }),
  }, { pollMs: database.kind === "postgres" ? POLL_MS : undefined });
  try {
    await catalog.declare(config.declarations);
    const collided = (endpoint: string, collisions: readonly Collision[]) =>
      log.warning("Items have one name: only the first of them is shown", {
        endpoint,
        names: collisions.slice(0, COLLISIONS_LOGGED).map(({ name, items }) => ({ name, items })),
      });
    return { database, keyring, tables, catalog, views: createViews({ catalog, pace, collided }) };
  } catch (error) {
    catalog.close();
    throw error;
  }
}

export type Kept = Awaited<ReturnType<typeof openCatalog>>;

/** Who hears of what happens to servers. */
interface Told extends Pick<Parameters<typeof createDiscovery>[0], "unexplained"> {
  /** A server with this id is gone. */
  readonly forget: (id: string) => void;
}

/** What keeps the catalog true: the gateway as a client of its own. */
export function createCatalogSide(
  { config, platform, timers, pace, shared }: Base,
  upstream: UpstreamSide,
  { catalog, tables }: Kept,
  { unexplained, forget }: Told,
) {
  const { clock, log } = platform;
  const { client, eras } = upstream;
  const reader = createOwnReader({
    client,
    eras,
    clock,
    timers,
    pace,
    failed: (server, error) =>
      log.debug("A stream of an upstream server broke", { server: server.slug, error }),
    told: createUpstreamLog(log, clock.monotonic),
  }, { version: VERSION, firstByteMs: config.firstByteMs });
  const own = createDiscovery({
    reader,
    catalog,
    tables,
    clock,
    timers,
    pace,
    random: Math.random,
    newId: () => randomText(12),
    unexplained,
    noted(server, problem, error) {
      const fields = { server: server.slug, reason: problem };
      if (problem === undefined) log.info("An upstream server is read again", fields);
      else log.warning("An upstream server could not be read", { ...fields, error });
    },
  }, {
    separator: config.toolNameSeparator,
    graceMs: GRACE_MS,
    intervalMs: DISCOVERY_MS,
    totalMs: READING_MS_MAX,
  });
  const discovery = createLedDiscovery({
    discovery: own,
    ...shared,
    timers,
    catalog,
    failed: (error) =>
      log.debug("The replica that reads the servers could not be asked", { error }),
  });
  const prober = createProber({
    guarded: client,
    ping: reader.ping,
    servers: () => catalog.upstreams().map(({ server }) => server),
    clock,
    timers,
    random: Math.random,
  }, { intervalMs: config.healthCheckMs, deadlineMs: PROBE_MS });
  forgetGone(catalog, (server, now) => {
    upstream.forget(server, now);
    if (now === undefined) forget(server.id);
  });
  return {
    ...discovery,
    reader,
    prober,
    start() {
      discovery.start();
      prober.start();
    },
  };
}

/** Tells of servers that are gone or are not what they were. */
function forgetGone(
  catalog: Catalog,
  forget: (server: UpstreamServer, now: UpstreamServer | undefined) => void,
): void {
  const known = new Map(catalog.upstreams().map(({ server }) => [server.id, server]));
  catalog.follow(({ upstreams }) => {
    for (const id of upstreams) {
      const before = known.get(id);
      const now = catalog.upstream(id)?.server;
      if (before !== undefined && before !== now) forget(before, now);
      if (now === undefined) known.delete(id);
      else known.set(id, now);
    }
  });
}

/** Resolves when all servers have been read once or failed, at the latest after a while. */
export function firstReading(
  catalog: Catalog,
  discovery: Discovery,
  timers: Timers,
): Promise<void> {
  const unknown = () =>
    catalog.upstreams().some(({ server }) => discovery.statusOf(server.id).status === "unknown");
  return new Promise((resolve) => {
    let isLate = false;
    const end = timers.after(FIRST_READING_MS, () => {
      isLate = true;
      resolve();
    });
    const look = () => {
      if (isLate) return;
      if (unknown()) return void timers.after(LOOK_MS, look);
      end.cancel();
      resolve();
    };
    look();
  });
}
