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
import { createMemoryStore } from "./events/memory_store.ts";
import { createSqliteStore, EVENT_SCHEMA } from "./events/sqlite_store.ts";
import { createEdge, type ServeInfo } from "./http/edge.ts";
import { createHealth } from "./http/health.ts";
import { createOriginGuard } from "./http/origin_guard.ts";
import { createSseWriter } from "./http/sse_writer.ts";
import { createSessionHttp } from "./http/session_http.ts";
import { createStatelessHttp } from "./http/stateless_http.ts";
import { createStreamable } from "./http/streamable.ts";
import { type CallContext, createDispatch } from "./mcp/dispatch.ts";
import { ClientLeft, Draining } from "./mcp/failure.ts";
import { createEraProbe } from "./mcp/era_probe.ts";
import { SESSION_REVISIONS, STATELESS_REVISIONS } from "./mcp/revisions/revision.ts";
import { createLocalDirectory, DIRECTORY_SCHEMA } from "./mcp/session/local_directory.ts";
import { createSessions, createSessionsOff } from "./mcp/session/sessions.ts";
import { createByteBudget } from "./platform/byte_budget.ts";
import type { Clock } from "./platform/clock.ts";
import { sessionsFile } from "./platform/data_dir.ts";
import { createHttpClient } from "./platform/http1/client.ts";
import { randomText } from "./platform/random.ts";
import { createSecretBox } from "./platform/secret_box.ts";
import { createTimers } from "./platform/timers.ts";
import { openSqlite } from "./storage/sqlite.ts";
import type { Fields, Log } from "./telemetry/log.ts";
import { createMcpClient } from "./upstream/mcp_client.ts";

export interface App {
  readonly fetch: (request: Request, info: ServeInfo) => Response | Promise<Response>;
  /** From now on `/ready` says that no more traffic is wanted; what comes is still served. */
  readonly drain: () => void;
  /** Ends what would never end by itself: subscriptions and listening. Calls go on. */
  readonly finish: () => void;
  /** Ends what still runs. */
  readonly abandon: () => void;
  /** Closes all connections and files. */
  readonly close: () => void;
}

export interface Platform {
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: { readonly hostname: string; readonly port: number; readonly secure: boolean };
  /** Key of the gateway's own tokens. */
  readonly jwtSecret: string;
  /** `AUTH_ENCRYPTION_SECRET`, given or generated. */
  readonly encryptionSecret: string;
}

export function createApp(config: Config, platform: Platform): App {
  const { clock, log } = platform;
  let isDraining = false;
  let isFinishing = false;
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
  const upstreams = createUpstreams(config.upstreams);
  const common = {
    client,
    clock,
    timers,
    version: VERSION,
    serverOf: upstreams.get,
    failed: (what: string, fields: Fields, error: unknown) =>
      logAt(log, error)(what, { ...fields, error }),
  };
  const bounds = {
    ...config,
    idleMs: config.sessionIdleMs,
    maxMs: config.sessionMsMax,
    perPrincipal: config.sessionsPerPrincipal,
  };
  const sessions = config.statefulSessions
    ? createSessions({ ...common, ...keepers(config, platform) }, bounds)
    : createSessionsOff(common, bounds);
  const http1 = { timers, budget, sse: createSseWriter(clock.monotonic) };
  const stateless = createStatelessHttp({ ...http1, dispatch }, config);
  const session = createSessionHttp({
    ...http1,
    clock,
    endpoint: sessions.endpoint,
    isFinishing: () => isFinishing,
  }, config);
  const streamable = createStreamable({ stateless, session, timers }, config);
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
      revisions: [...STATELESS_REVISIONS, ...SESSION_REVISIONS],
      notReady: () => isDraining ? ["draining"] : [],
    }),
    findServer: upstreams.find,
    newCorrelationId: correlationIds(),
  });

  return {
    fetch: (request, info) => edge.fetch(request, info),
    drain() {
      isDraining = true;
    },
    finish() {
      isFinishing = true;
      stateless.drain();
      sessions.drain();
    },
    abandon() {
      stateless.abandon();
      sessions.abandon();
    },
    close() {
      sessions.close();
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

/** Where sessions and events are kept, and what seals them. */
function keepers(config: Config, { clock, encryptionSecret }: Platform) {
  const isInMemory = config.databaseUrl === "memory";
  const path = isInMemory ? ":memory:" : sessionsFile(config.dataDir);
  // A file of their own, for both: they are written often, and live and die together.
  const db = openSqlite(path, DIRECTORY_SCHEMA + EVENT_SCHEMA);
  const bounds = {
    eventsMax: config.streamEventsMax,
    bytesMax: LIMITS.eventBytesPerStream,
    ttlMs: config.streamEventMs,
    sessionStreamsMax: LIMITS.streamsPerSession,
  };
  const isFile = config.eventStore === "sqlite" && !isInMemory;
  const { directory, store } = readable(path, () => ({
    directory: createLocalDirectory(db, { clock }, { idleMs: config.sessionIdleMs }),
    store: isFile
      ? createSqliteStore(db, { ...bounds, totalBytesMax: LIMITS.eventBytesOnDisk }, { clock })
      : createMemoryStore({ ...bounds, totalBytesMax: LIMITS.eventBytesInMemory }, { clock }),
  }));
  return {
    directory,
    store,
    recordBox: createSecretBox(encryptionSecret, "sessions"),
    eventBox: createSecretBox(encryptionSecret, "events"),
  };
}

/** @throws {Error} naming the file, when what is in it cannot be read */
function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const text = `The file "${path}" cannot be read: ${(cause as Error).message}`;
    throw new Error(`${text}; without it, sessions are lost and nothing else`, { cause });
  }
}

/** That a client has left is no fault of anybody's. */
function logAt(log: Log, error: unknown) {
  return error instanceof ClientLeft || error instanceof Draining ? log.debug : log.warning;
}

function logFailure(log: Log, call: CallContext, error: unknown): void {
  logAt(log, error)("An upstream call failed", {
    correlationId: call.correlationId,
    server: call.server.slug,
    method: call.message.method,
    subject: call.principal.subject,
    error,
  });
}
