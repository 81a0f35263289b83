/**
 * Builds everything from one `Config`: wiring only, and the only place that knows all floors.
 *
 * @module
 */
import { createAuthenticate } from "./auth/authenticate.ts";
import { createVerifyToken } from "./auth/bearer_jwt.ts";
import { createTokenCache } from "./auth/token_cache.ts";
import { createUpstreams } from "./catalog/upstreams.ts";
import type { Config } from "./config/load.ts";
import { LIMITS } from "./domain/limits.ts";
import { VERSION } from "./domain/version.ts";
import { createEdge, type ServeInfo } from "./http/edge.ts";
import { createHealth } from "./http/health.ts";
import { createOriginGuard } from "./http/origin_guard.ts";
import { createSseWriter } from "./http/sse_writer.ts";
import { createStreamable } from "./http/streamable.ts";
import { type CallContext, createDispatch } from "./mcp/dispatch.ts";
import { ClientLeft } from "./mcp/failure.ts";
import { createEraProbe } from "./mcp/era_probe.ts";
import { SERVED_REVISIONS } from "./mcp/revisions/revision.ts";
import { createByteBudget } from "./platform/byte_budget.ts";
import type { Clock } from "./platform/clock.ts";
import { createHttpClient } from "./platform/http1/client.ts";
import { randomText } from "./platform/random.ts";
import { createTimers } from "./platform/timers.ts";
import type { Log } from "./telemetry/log.ts";
import { createMcpClient } from "./upstream/mcp_client.ts";

export interface App {
  readonly fetch: (request: Request, info: ServeInfo) => Response | Promise<Response>;
  /** From now on `/ready` says that no more traffic is wanted; what comes is still served. */
  readonly drain: () => void;
  /** Ends subscriptions, which would never end by themselves. Calls go on. */
  readonly finish: () => void;
  /** Ends what still runs and closes all connections. */
  readonly close: () => void;
}

export interface Platform {
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: { readonly hostname: string; readonly port: number; readonly secure: boolean };
  /** Key of the gateway's own tokens. */
  readonly jwtSecret: string;
}

export function createApp(config: Config, platform: Platform): App {
  const { clock, log } = platform;
  let isDraining = false;
  const timers = createTimers(clock.monotonic);
  const http = createHttpClient(clock);
  const budget = createByteBudget(LIMITS.upstreamBytesTotal);
  const client = createMcpClient({ http, clock, timers, budget }, {
    connectMs: config.connectMs,
    messageBytesMax: config.responseBytesMax,
    userAgent: `sallyport/${VERSION}`,
    // Servers that the config file declares may use any address.
    checkAddress: () => {},
  });
  const eras = createEraProbe({ client, clock }, {
    firstMs: config.firstByteMs,
    version: VERSION,
  });
  const dispatch = createDispatch(
    { client, eras, budget, failed: (call, error) => logFailure(log, call, error) },
    { firstByteMs: config.firstByteMs, toolMs: config.toolMs, toolMsMax: config.toolMsMax },
  );
  const streamable = createStreamable(
    { dispatch, timers, budget, sse: createSseWriter(clock.monotonic) },
    config,
  );
  const edge = createEdge({
    log,
    streamable,
    guard: createOriginGuard({ ...config, listener: platform.listener }),
    authenticate: createAuthenticate({
      verifyToken: createVerifyToken(clock, gatewayIssuer(config, platform.jwtSecret), {
        requireExpiration: config.requireExpiration,
        requireTokenId: config.requireTokenId,
      }),
      cache: createTokenCache(clock),
    }, config),
    health: createHealth({
      version: VERSION,
      revisions: SERVED_REVISIONS,
      notReady: () => isDraining ? ["draining"] : [],
    }),
    findServer: createUpstreams(config.upstreams).find,
    newCorrelationId: correlationIds(),
  });

  return {
    fetch: (request, info) => edge.fetch(request, info),
    drain() {
      isDraining = true;
    },
    finish: streamable.drain,
    close() {
      streamable.abandon();
      http.close();
    },
  };
}

export function gatewayIssuer(config: Config, secret: string) {
  return {
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    algorithm: config.jwtAlgorithm,
    secret: new TextEncoder().encode(secret),
  };
}

/** Unique over replicas and restarts, and cheap: it is made for every request. */
function correlationIds(): () => string {
  const prefix = randomText(6);
  let count = 0;
  return () => `${prefix}-${(++count).toString(36)}`;
}

function logFailure(log: Log, call: CallContext, error: unknown): void {
  const level = error instanceof ClientLeft ? "debug" : "warning";
  log[level]("An upstream call failed", {
    correlationId: call.correlationId,
    server: call.server.slug,
    method: call.message.method,
    subject: call.principal.subject,
    error,
  });
}
