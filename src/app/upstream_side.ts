/**
 * Clients of upstream servers, put together.
 *
 * @module
 */
import type { Catalog } from "../catalog/catalog.ts";
import { VERSION } from "../domain/version.ts";
import { createEraProbe } from "../mcp/era_probe.ts";
import { targetOf } from "../platform/dial.ts";
import { createHttpClient } from "../platform/http1/client.ts";
import { createEgressPolicy, type Destination, type EgressPolicy } from "../policy/egress.ts";
import { createConcurrencyClient } from "../upstream/concurrency.ts";
import { createUpstreamClient } from "../upstream/connect.ts";
import { createElsewhereClient } from "../upstream/elsewhere.ts";
import { createGuardedClient } from "../upstream/health.ts";
import { createMortalClient } from "../upstream/lifetimes.ts";
import { createMcpClient } from "../upstream/mcp_client.ts";
import { isSameProgram } from "../upstream/stdio/program.ts";
import { createHttpSide } from "../upstream/old_transport.ts";
import { createSseClient } from "../upstream/sse_client.ts";
import { createStdioClient } from "../upstream/stdio_client.ts";
import type { Config } from "../config/load.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Base } from "./base.ts";
import { createOwnSide } from "./own_side.ts";

/** @param listener where this gateway is found */
export function egressOf(
  { egressAllowPrivate, databaseUrl, publicUrl }: Config,
  listener: Destination,
): EgressPolicy {
  return createEgressPolicy({
    allowPrivate: egressAllowPrivate,
    own: [
      listener,
      ...(publicUrl === undefined ? [] : [targetOf(new URL(publicUrl))]),
      ...(databaseUrl.kind === "postgres"
        ? [{ hostname: databaseUrl.host, port: databaseUrl.port }]
        : []),
    ],
  });
}

/** Clients of upstream servers, over all transports, and what is known of their health. */
export function createUpstreamSide(base: Base, catalog: Catalog) {
  const { config, platform, timers, budget, shared: { remote } } = base;
  const { clock, log, listener } = platform;
  const http = createHttpClient(clock);
  const egress = egressOf(config, listener);
  const streamable = createMcpClient({ http, clock, timers, budget }, {
    connectMs: config.connectMs,
    messageBytesMax: config.responseBytesMax,
    userAgent: `sallyport/${VERSION}`,
    checkAddress(server, target, address) {
      // Servers that the config file declares may use any address.
      if (!server.declared) egress.checkAddress(target, address);
    },
  });
  const sse = createSseClient({
    http: streamable,
    timers,
    now: clock.monotonic,
    budget,
    garbage: ({ slug }, text) =>
      log.warning("An upstream server sent an event that is no message", { server: slug, text }),
  }, { replica: remote.self });
  const overHttp = createHttpSide({ http: streamable, sse, clock });
  const stdio = createStdioClient({ clock, timers, budget, log }, {
    childrenMax: config.stdioChildrenMax,
    idleMs: config.stdioIdleMs,
    messageBytesMax: config.responseBytesMax,
    env: platform.processEnv,
    replica: remote.self,
  });
  const { own, schemaFault } = createOwnSide(base, { http, catalog, egress });
  const everywhere = createElsewhereClient({
    client: createUpstreamClient({ http: overHttp, stdio, own }),
    remote,
    timers,
    now: clock.monotonic,
    serverOf: (id) => catalog.upstream(id)?.server,
  });
  const transports = createMortalClient(everywhere);
  const crowded = createConcurrencyClient(transports, timers, config);
  const client = createGuardedClient(crowded, {
    clock,
    random: Math.random,
    changed(server, { status, lastError }) {
      const fields = { server: server.slug, reason: lastError };
      if (status === "unhealthy") log.warning("An upstream server is unhealthy", fields);
      else log.debug("An upstream server is healthy", fields);
    },
  }, {
    unhealthyThreshold: config.unhealthyThreshold,
    isProbed: config.healthCheckMs > 0,
  });
  const eras = createEraProbe({ client, refusalOf: client.refusalOf, clock }, {
    firstMs: config.firstByteMs,
    version: VERSION,
  });
  return {
    http,
    client,
    eras,
    egress,
    schemaFault,
    /** @param server as it was @param now as it is; `undefined` when it is gone */
    forget(server: UpstreamServer, now: UpstreamServer | undefined) {
      client.forget(server);
      transports.end(server);
      // Also one of `http` may have turned out to have that transport.
      if (server.transport !== "stdio") return sse.forget(server.id, now);
      // Its processes go on when only the gateway's view of it has changed.
      const isSame = now?.transport === "stdio" && now.enabled && isSameProgram(server, now);
      if (!isSame) stdio.forget(server.id).catch(() => {});
    },
    async close() {
      sse.close();
      await stdio.close();
      http.close();
    },
  };
}

export type UpstreamSide = ReturnType<typeof createUpstreamSide>;
