/**
 * Clients of upstream servers, put together.
 *
 * @module
 */
import { VERSION } from "../domain/version.ts";
import { createEraProbe } from "../mcp/era_probe.ts";
import { targetOf } from "../platform/dial.ts";
import { createHttpClient } from "../platform/http1/client.ts";
import { createEgressPolicy } from "../policy/egress.ts";
import { createUpstreamClient } from "../upstream/connect.ts";
import { createGuardedClient } from "../upstream/health.ts";
import { createMortalClient } from "../upstream/lifetimes.ts";
import { createMcpClient } from "../upstream/mcp_client.ts";
import { isSameProgram } from "../upstream/stdio/program.ts";
import { createStdioClient } from "../upstream/stdio_client.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Base } from "./base.ts";

/** Clients of upstream servers, over all transports, and what is known of their health. */
export function createUpstreamSide({ config, platform, timers, budget }: Base) {
  const { clock, log, listener } = platform;
  const http = createHttpClient(clock);
  const { databaseUrl, publicUrl } = config;
  const egress = createEgressPolicy({
    allowPrivate: config.egressAllowPrivate,
    own: [
      listener,
      ...(publicUrl === undefined ? [] : [targetOf(new URL(publicUrl))]),
      ...(databaseUrl.kind === "postgres"
        ? [{ hostname: databaseUrl.host, port: databaseUrl.port }]
        : []),
    ],
  });
  const overHttp = createMcpClient({ http, clock, timers, budget }, {
    connectMs: config.connectMs,
    messageBytesMax: config.responseBytesMax,
    userAgent: `sallyport/${VERSION}`,
    checkAddress(server, target, address) {
      // Servers that the config file declares may use any address.
      if (!server.declared) egress.checkAddress(target, address);
    },
  });
  const stdio = createStdioClient({ clock, timers, budget, log }, {
    childrenMax: config.stdioChildrenMax,
    idleMs: config.stdioIdleMs,
    messageBytesMax: config.responseBytesMax,
    env: platform.processEnv,
  });
  const transports = createMortalClient(createUpstreamClient({ http: overHttp, stdio }));
  const client = createGuardedClient(transports, {
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
    client,
    eras,
    egress,
    /** @param server as it was @param now as it is; `undefined` when it is gone */
    forget(server: UpstreamServer, now: UpstreamServer | undefined) {
      client.forget(server);
      transports.end(server);
      if (server.transport !== "stdio") return;
      // Its processes go on when only the gateway's view of it has changed.
      const isSame = now?.transport === "stdio" && now.enabled && isSameProgram(server, now);
      if (!isSame) stdio.forget(server.id).catch(() => {});
    },
    async close() {
      await stdio.close();
      http.close();
    },
  };
}

export type UpstreamSide = ReturnType<typeof createUpstreamSide>;
