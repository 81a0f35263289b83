/**
 * What makes clients of one era and servers of the other understand each other, put together.
 *
 * @module
 */
import type { Catalog } from "../catalog/catalog.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { VERSION } from "../domain/version.ts";
import { createBridge } from "../mcp/bridge/bridge.ts";
import { createElsewhere } from "../mcp/bridge/elsewhere.ts";
import type { Dispatch } from "../mcp/dispatch.ts";
import type { Endpoint } from "../mcp/endpoint.ts";
import { createStatelessServers, type StatelessServers } from "../mcp/session/stateless/servers.ts";
import type { Subscribe } from "../mcp/session/watching.ts";
import type { ItemRow } from "../storage/catalog_tables.ts";
import type { Stats } from "../telemetry/stats.ts";
import { type Base, box, logAt } from "./base.ts";
import type { UpstreamSide } from "./upstream_side.ts";

/** For clients of the session era at servers of the stateless era. */
export function openStatelessServers(
  { config, platform, timers }: Base,
  { client, eras }: Pick<UpstreamSide, "client" | "eras">,
  catalog: Catalog,
  subscribeElsewhere: Subscribe,
): StatelessServers {
  return createStatelessServers({
    client,
    eras,
    timers,
    now: platform.clock.monotonic,
    offerOf: ({ slug }) => catalog.shelf(slug)?.offer,
    toolOf: toolsOf(catalog),
    subscribeElsewhere,
  }, config);
}

interface BridgeParts extends Pick<UpstreamSide, "client" | "eras"> {
  readonly catalog: Catalog;
  readonly statelessServers: StatelessServers;
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  readonly stats: Stats;
  readonly endpointOf: (key: string) => Endpoint | undefined;
  /** Late bound: it leads here. */
  readonly dispatch: () => Dispatch;
}

/** For clients of the stateless era at servers of the session era. */
export function openBridge({ config, platform, timers, shared }: Base, parts: BridgeParts) {
  const { clock, log } = platform;
  const { remote } = shared;
  const { client, eras, catalog, serverOf, stats, statelessServers: stateless } = parts;
  return createBridge({
    client,
    eras,
    stateless,
    clock,
    timers,
    serverOf,
    replica: remote.self,
    goOnElsewhere: createElsewhere({ remote, ...parts }),
    box: box(platform, "request states"),
    version: VERSION,
    offerOf: ({ slug }) => catalog.shelf(slug)?.offer,
    toolOf: toolsOf(catalog),
    record: stats.record,
    failed: ({ server, ...fields }, error) =>
      logAt(log, error)("An upstream call failed", { ...fields, server: server.slug, error }),
  }, { ...config, idleMs: config.sessionIdleMs });
}

/** Tools by the server's own names. */
function toolsOf(catalog: Catalog) {
  const known = new WeakMap<readonly ItemRow[], ReadonlyMap<unknown, ItemRow>>();
  return ({ slug }: UpstreamServer, name: unknown): ItemRow | undefined => {
    const { items = [] } = catalog.shelf(slug) ?? {};
    let tools = known.get(items);
    if (tools === undefined) {
      const all = items.filter(({ kind }) => kind === "tool");
      known.set(items, tools = new Map(all.map((item) => [item.upstreamName, item])));
    }
    return tools.get(name);
  };
}
