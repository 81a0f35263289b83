/**
 * The protocol of both eras, over HTTP.
 *
 * @module
 */
import type { Catalog } from "../catalog/catalog.ts";
import type { Binding } from "../catalog/binding.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { VERSION } from "../domain/version.ts";
import { createLegacySse } from "../http/legacy_sse.ts";
import { createRateGate } from "../http/rate_gate.ts";
import { createSessionHttp } from "../http/session_http.ts";
import { createSseWriter } from "../http/sse_writer.ts";
import { createStatelessHttp } from "../http/stateless_http.ts";
import { createStreamPlaces } from "../http/stream_places.ts";
import { createStreamable } from "../http/streamable.ts";
import type { CallAudit } from "../mcp/call_audit.ts";
import { createDispatch } from "../mcp/dispatch.ts";
import type { Endpoint, Endpoints } from "../mcp/endpoint.ts";
import { type CallClaims, createRedisCallClaims } from "../mcp/session/call_claims.ts";
import { createSessions, createSessionsOff, type SessionViews } from "../mcp/session/sessions.ts";
import { viewEdits } from "../mcp/session/view_edits.ts";
import type { StatelessServers } from "../mcp/session/stateless/servers.ts";
import { createStatelessCalls, type UpstreamCall } from "../mcp/stateless_calls.ts";
import type { Lists } from "../mcp/view/lists.ts";
import { forSessions } from "../mcp/view/session_lists.ts";
import { createListen } from "../mcp/view/listen.ts";
import type { CheckArguments } from "../mcp/view/routing.ts";
import { createStatelessView } from "../mcp/view/stateless_view.ts";
import { REDIS_TIME } from "../platform/redis.ts";
import { createArgumentCheck } from "../policy/guardrails/argument_schema.ts";
import { createLocalRateLimiter } from "../policy/rate_limit.ts";
import { createRedisRateLimiter } from "../policy/redis_rate_limit.ts";
import { createRateLimits } from "../policy/rate_limits.ts";
import type { Fields, Log } from "../telemetry/log.ts";
import type { Stats } from "../telemetry/stats.ts";
import type { AuditHooks } from "./audit_side.ts";
import { type Base, box, logAt } from "./base.ts";
import { openBridge } from "./bridge_side.ts";
import { keepers } from "./keepers.ts";
import type { UpstreamSide } from "./upstream_side.ts";

/** Compiles the schema of a tool when it is first called. */
export function argumentCheck(log: Log): CheckArguments {
  const names = new WeakMap<object, string>();
  const { check } = createArgumentCheck({
    unusable(reason, key) {
      const tool = names.get(key);
      log.warning("The arguments of a tool are not checked, or not all", { tool, reason });
    },
  });
  const schemas = new WeakMap<Binding["item"], string>();
  return ({ item, server }, args) => {
    // Its own tools the gateway checks in any case, where they are called.
    if (server.transport === "own") return undefined;
    let schema = schemas.get(item);
    if (schema === undefined) {
      schema = JSON.stringify(JSON.parse(item.definition).inputSchema ?? {});
      schemas.set(item, schema);
      names.set(item, item.exposedName);
    }
    return check(item, schema, args);
  };
}

/** What is known of views, for both eras. */
interface ViewParts extends Omit<SessionViews, "editsOf" | "lists"> {
  readonly lists: Lists;
}

interface MessageParts extends UpstreamSide, ViewParts {
  readonly stats: Stats;
  readonly catalog: Catalog;
  readonly statelessServers: StatelessServers;
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  readonly endpointOf: (key: string) => Endpoint | undefined;
  readonly sessions: ReturnType<typeof openSessions>;
  readonly audit: CallAudit | undefined;
  readonly isFinishing: () => boolean;
}

/** The protocol of both eras over HTTP. */
export function createMessageSide(base: Base, parts: MessageParts) {
  const { config, platform: { clock, log }, timers, budget } = base;
  const { client, eras, views, lists, changes, check, stats } = parts;
  const bridge = openBridge(base, { ...parts, dispatch: () => unrecorded });
  const calls = createStatelessCalls({
    client,
    eras,
    bridged: bridge.request,
    now: clock.monotonic,
    record: stats.record,
    failed: (call, error) => logFailure(log, call, error),
  }, config);
  const listen = createListen({ calls, changes, views, timers, serverOf: parts.serverOf });
  const view = createStatelessView({ views, lists, calls, listen, check });
  const places = createStreamPlaces({
    perPrincipal: config.streamsPerPrincipal ?? config.sessionsPerPrincipal,
  });
  const http = { timers, budget, places, sse: createSseWriter(clock.monotonic) };
  const rates = createRateGate({ limits: rateLimits(base), views });
  const dispatch = createDispatch({ calls, view, budget, audit: parts.audit });
  const unrecorded = createDispatch({ calls, view, budget, audit: undefined });
  const stateless = createStatelessHttp({ ...http, dispatch }, config);
  const { isFinishing, sessions: { endpoint } } = parts;
  const session = createSessionHttp({ ...http, endpoint, isFinishing }, config);
  return {
    stateless,
    streamable: createStreamable({ stateless, session, timers, rates }, config),
    legacySse: createLegacySse({
      ...http,
      endpoint,
      isFinishing,
      rates,
      remote: base.shared.remote,
      endpointOf: parts.endpointOf,
    }, config),
    rates,
    bridge,
  };
}

function rateLimits({ config, platform, shared: { redis, presence } }: Base) {
  const { monotonic } = platform.clock;
  if (redis === undefined) {
    return createRateLimits((rate) => createLocalRateLimiter(rate, monotonic), config);
  }
  const { key: secret } = box(platform, "rates");
  const deps = { redis, time: REDIS_TIME, monotonic, replicas: presence.count, secret };
  return createRateLimits((rate, name) => createRedisRateLimiter(deps, rate, name), config);
}

interface SessionParts extends ViewParts, Pick<UpstreamSide, "client"> {
  readonly statelessServers: StatelessServers;
  readonly stats: Stats;
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  readonly endpointOf: (key: string) => Endpoint | undefined;
}

export function openSessions(
  base: Base,
  parts: SessionParts,
  { calls: audit, ended }: Pick<AuditHooks, "calls" | "ended">,
) {
  const { config, platform: { clock, log }, timers, pace, shared: { remote } } = base;
  const { client, stats, serverOf, endpointOf, views, lists, changes, check, shownAt } = parts;
  const common = {
    remote,
    endpointOf,
    client,
    stateless: parts.statelessServers,
    clock,
    timers,
    version: VERSION,
    views: {
      views,
      shownAt,
      changes,
      check,
      lists: forSessions(lists, pace),
      editsOf: editsOf({ shownAt }),
    },
    record: stats.record,
    audit,
    ended,
    serverOf,
    failed: (what: string, fields: Fields, error: unknown) =>
      logAt(log, error)(what, { ...fields, error }),
  };
  const bounds = {
    ...config,
    idleMs: config.sessionIdleMs,
    maxMs: config.sessionMsMax,
    perPrincipal: config.sessionsPerPrincipal,
  };
  return config.statefulSessions
    ? createSessions({
      ...common,
      ...keepers(base),
      claims: callClaims(base),
      turns: base.shared.claims,
    }, bounds)
    : createSessionsOff(common, bounds);
}

/** Longer than a call may take: what is left of a process that died is forgotten then. */
const AFTER_CALL_MS = 60_000;

function callClaims({ config, timers, shared: { redis, remote } }: Base): CallClaims | undefined {
  if (redis === undefined) return undefined;
  return createRedisCallClaims({ redis, remote, timers }, {
    keptMs: config.toolMsMax + AFTER_CALL_MS,
  });
}

/** On its own endpoint a server's messages are relayed as they are, while all of it is shown. */
function editsOf({ shownAt }: Pick<Endpoints, "shownAt">): SessionViews["editsOf"] {
  return ({ base, upstreams, viewer }, server) => {
    const view = shownAt(base.server);
    if (view === undefined) {
      return base.server === server.slug ? undefined : { renamed: undefined };
    }
    const subscriptions = upstreams.get(server.slug)?.state.subscriptions ?? [];
    return viewEdits(view, viewer, server, subscriptions);
  };
}

function logFailure(log: Log, call: UpstreamCall, error: unknown): void {
  logAt(log, error)("An upstream call failed", {
    correlationId: call.correlationId,
    server: call.server.slug,
    method: call.message.method,
    subject: call.principal.subject,
    error,
  });
}
