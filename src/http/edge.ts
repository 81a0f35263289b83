/**
 * The edge: what every request passes before it reaches a handler, and the table of routes.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import type { Authenticate } from "../auth/authenticate.ts";
import { invalidToken } from "../auth/invalid_token.ts";
import { challenge, resourceMetadata, WELL_KNOWN_PATH } from "../auth/resource_metadata.ts";
import type { Credential } from "../domain/credential.ts";
import { GatewayError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { Endpoint, Endpoints } from "../mcp/endpoint.ts";
import { InsufficientScope } from "../mcp/dispatch.ts";
import type { Timers } from "../platform/timers.ts";
import type { Verdict } from "../policy/rate_limits.ts";
import type { Log } from "../telemetry/log.ts";
import type { AccessAudit } from "./access_audit.ts";
import { CallFailed } from "./call_failed.ts";
import {
  Caller,
  MCP_PATH,
  peerOf,
  type ProxyUserHeader,
  resourcePath,
  type ServeInfo,
  withoutProxyWords,
} from "./caller.ts";
import { addCorsHeaders, API_CORS, type CorsRules, optionsReply } from "./cors.ts";
import type { Health } from "./health.ts";
import type { LegacySse } from "./legacy_sse.ts";
import type { OriginGuard } from "./origin_guard.ts";
import { problemDocument, rpcProblem, statusOf } from "./problem.ts";
import { type RateGate, refusedUnread } from "./rate_gate.ts";
import { readHead, type RequestHead } from "./request_head.ts";
import type { Streamable, StreamableRequest } from "./streamable.ts";

export interface EdgeDeps {
  readonly log: Log;
  readonly guard: OriginGuard;
  readonly authenticate: Authenticate;
  /** What a credential may do now. */
  readonly principalOf: (credential: Credential) => Principal | Promise<Principal>;
  /** The header in which believed proxies name the user; `undefined` when none are. */
  readonly proxyUser: ProxyUserHeader | undefined;
  /** Issuers that the protected-resource documents name. */
  readonly authorizationServers: readonly string[];
  /** See `Rights`. */
  readonly watch: (principal: Principal, changed: () => void) => () => void;
  readonly rates: Pick<RateGate, "source" | "principal">;
  readonly timers: Timers;
  readonly health: Health;
  readonly streamable: Streamable;
  readonly legacySse: Pick<LegacySse, "open" | "post">;
  readonly endpoints: Pick<Endpoints, "all" | "find" | "ready" | "watch">;
  /** The management API: `/api` and all below. */
  readonly admin: Api;
  readonly newCorrelationId: () => string;
  /** Where the client of a request is; see `TrustedProxies`. */
  readonly sourceOf: (peer: string, forwardedFor: string | undefined) => string;
  /** `undefined` where nothing is recorded. */
  readonly audit: AccessAudit | undefined;
}

export interface Api {
  /** The verbs that a path takes, OPTIONS apart; none for a path that is not there. */
  readonly verbsOf: (path: string) => readonly string[];
  /** @throws {GatewayError} */
  readonly fetch: (
    request: Request,
    visit:
      & { readonly principal: Principal; readonly correlationId: string }
      & Pick<Visit, "address">,
  ) => Promise<Response>;
}

/** One request on its way through the edge. */
interface Visit {
  readonly c: Context;
  readonly head: RequestHead;
  /** As it was received: only for who is calling. */
  readonly received: RequestHead;
  readonly correlationId: string;
  /** IP address of the client. */
  readonly address: () => string;
  /** Once it is known. */
  credential: Credential | undefined;
}

type Handler = (visit: Visit) => Response | Promise<Response>;

interface Route {
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
  /** Serves every verb but OPTIONS, and knows itself which there are. */
  readonly everyVerb?: { readonly serve: Handler; readonly verbsOf: Api["verbsOf"] };
  /** Whether even "this verb is not served" is only for callers with a good credential. */
  readonly needsCredential?: boolean;
  /** Whether its GET opens a stream, of which the head alone says nothing. */
  readonly hasNoHead?: boolean;
  /** Those of the MCP endpoints unless given. */
  readonly cors?: CorsRules;
  /** Whether whoever runs the gateway asks, again and again: not counted by source. */
  readonly isUnlimited?: boolean;
  /** Documents that browser clients fetch before they are known. */
  readonly isOpenToAllOrigins?: boolean;
}

/** What an MCP endpoint is called in its URL. */
const MCP_NAMES = ["mcp", "sse", "message"] as const;

export function createEdge(deps: EdgeDeps): Hono {
  const app = new Hono();
  const metadata: Handler = (visit) => metadataReply(deps, visit);
  const mcp = mcpRoutes(deps);
  const api: Omit<Route, "path"> = {
    methods: {},
    everyVerb: { serve: (visit) => serveApi(deps, visit), verbsOf: deps.admin.verbsOf },
    cors: API_CORS,
  };
  const routes: readonly Route[] = [
    ...MCP_NAMES.flatMap((name) => [
      { path: `/${name}`, ...mcp[name] },
      { path: `/servers/:server/${name}`, ...mcp[name] },
    ]),
    { path: "/api", ...api },
    { path: "/api/*", ...api },
    { path: "/health", methods: { GET: deps.health.live }, isUnlimited: true },
    { path: "/ready", methods: { GET: deps.health.ready }, isUnlimited: true },
    { path: "/version", methods: { GET: deps.health.version } },
    { path: WELL_KNOWN_PATH, methods: { GET: metadata }, isOpenToAllOrigins: true },
    ...MCP_NAMES.flatMap((name) =>
      [`/${name}`, `/servers/:server/${name}`].map((path) => ({
        path: WELL_KNOWN_PATH + path,
        methods: { GET: metadata },
        isOpenToAllOrigins: true,
      }))
    ),
    { path: `${WELL_KNOWN_PATH}/api`, methods: { GET: metadata }, isOpenToAllOrigins: true },
  ];
  for (const route of routes) app.all(route.path, (c) => enter(deps, c, route));
  app.notFound((c) => enter(deps, c, undefined));
  return app;
}

/** By the last part of the path: Streamable HTTP, and the two of the transport of 2024-11-05. */
function mcpRoutes(
  deps: EdgeDeps,
): Readonly<Record<(typeof MCP_NAMES)[number], Omit<Route, "path">>> {
  const { streamable, legacySse } = deps;
  const served = (handler: McpHandler): Handler => (visit) => serveMcp(deps, visit, handler);
  const common = { needsCredential: true, hasNoHead: true };
  return {
    mcp: {
      methods: {
        GET: served(streamable.get),
        POST: served(streamable.post),
        DELETE: served(streamable.remove),
      },
      ...common,
    },
    sse: { methods: { GET: served(legacySse.open) }, ...common },
    message: { methods: { POST: served(legacySse.post) }, ...common },
  };
}

/** What every request passes. Nothing throws out of here. */
async function enter(deps: EdgeDeps, c: Context, route: Route | undefined): Promise<Response> {
  const correlationId = deps.newCorrelationId();
  let head: RequestHead | undefined;
  let visit: Visit | undefined;
  let response: Response;
  let mayRead = false;
  try {
    const received = readHead(c.req.raw);
    head = withoutProxyWords(deps, c, received);
    const forwardedFor = head.headers.get("x-forwarded-for");
    const address = () => deps.sourceOf(peerOf(c), forwardedFor);
    visit = { c, head, received, correlationId, address, credential: undefined };
    deps.guard.checkHost(head);
    if (!route?.isOpenToAllOrigins) {
      deps.guard.checkOrigin(head);
      mayRead = head.headers.has("origin");
    }
    if (deps.rates.source !== undefined && !route?.isUnlimited) {
      const refusal = await deps.rates.source(peerOf(c));
      if (refusal !== undefined) throw refusal;
    }
    if (!route) throw new GatewayError("not_found", "There is nothing here");
    response = await serve(deps, visit, route);
  } catch (error) {
    response = failed(deps, head, correlationId, error);
    if (visit !== undefined) {
      const isOfCall = error instanceof CallFailed;
      deps.audit?.refused(visit, isOfCall ? error.cause : error, isOfCall ? error.call : undefined);
    }
  }
  if (head === undefined) return response;
  if (mayRead) addCorsHeaders(head, response, route?.cors);
  if (deps.log.isDebug) {
    const { method, path } = head;
    deps.log.debug("Request", { correlationId, method, path, status: response.status });
  }
  return response;
}

/** Picks the handler of the verb; every other verb is answered with what is allowed. */
function serve(deps: EdgeDeps, visit: Visit, route: Route): Response | Promise<Response> {
  const { method, path } = visit.head;
  if (route.everyVerb !== undefined && method !== "OPTIONS") return route.everyVerb.serve(visit);
  const verbs = [...route.everyVerb?.verbsOf(path) ?? Object.keys(route.methods)];
  if (verbs.includes("GET") && !route.hasNoHead) verbs.push("HEAD");
  const handler = route.methods[method === "HEAD" && !route.hasNoHead ? "GET" : method];
  if (handler !== undefined) return handler(visit);
  const allow = [...verbs, "OPTIONS"].join(", ");
  if (method === "OPTIONS") return optionsReply(visit.head, allow, route.cors);
  return refuseVerb(deps, visit, route, allow);
}

async function refuseVerb(
  deps: EdgeDeps,
  visit: Visit,
  route: Route,
  allow: string,
): Promise<Response> {
  const { head, correlationId } = visit;
  if (route.needsCredential) await identify(deps, visit);
  const error = new GatewayError("method_not_allowed", `This URL takes ${allow}`);
  const response = failed(deps, head, correlationId, error);
  response.headers.set("Allow", allow);
  return response;
}

/** Who is calling, and what that caller may do. */
function identify(deps: EdgeDeps, visit: Visit): Principal | Promise<Principal> {
  // RFC 6750, section 2.3, is not served: addresses end up in logs. One that is tried is no absence.
  if (visit.head.query.includes("access_token=")) throw invalidToken("A token in the query");
  const known = (credential: Credential) => {
    visit.credential = credential;
    deps.audit?.authenticated(visit, credential);
    return deps.principalOf(credential);
  };
  const credential = deps.authenticate(new Caller(deps, visit.c, visit.received));
  return credential instanceof Promise ? credential.then(known) : known(credential);
}

type McpHandler = (request: StreamableRequest) => Promise<Response>;

function serveMcp(deps: EdgeDeps, visit: Visit, handler: McpHandler): Promise<Response> {
  const principal = identify(deps, visit);
  return principal instanceof Promise
    ? principal.then((known) => serveMcpAs(deps, visit, known, handler))
    : serveMcpAs(deps, visit, principal, handler);
}

function serveMcpAs(
  deps: EdgeDeps,
  visit: Visit,
  principal: Principal,
  handler: McpHandler,
): Promise<Response> {
  const serve = () => {
    const ready = deps.endpoints.ready(visit.c.req.param("server"));
    const now = () => serveEndpoint(deps, visit, principal, handler);
    return ready === undefined ? now() : ready.then(now);
  };
  const verdict = deps.rates.principal?.(principal);
  return verdict === undefined ? serve() : unlessRefused(deps, visit, verdict, serve);
}

async function unlessRefused(
  deps: EdgeDeps,
  visit: Visit,
  verdict: Verdict | Promise<Verdict>,
  serve: () => Promise<Response>,
): Promise<Response> {
  const refusal = await verdict;
  if (refusal === undefined) return await serve();
  deps.audit?.refused(visit, refusal, undefined);
  const { c, head, correlationId } = visit;
  return await refusedUnread(deps.timers, refusal, { request: c.req.raw, head, correlationId });
}

function serveEndpoint(
  deps: EdgeDeps,
  visit: Visit,
  principal: Principal,
  handler: McpHandler,
): Promise<Response> {
  const { c, head, correlationId, address } = visit;
  const slug = c.req.param("server");
  const endpoint: Endpoint | undefined = slug === undefined
    ? deps.endpoints.all(principal)
    : deps.endpoints.find(slug, principal);
  // One answer for "absent" and "not yours".
  if (!endpoint) throw new GatewayError("not_found", "There is no MCP server at this URL");
  const { completed: delivered, isFirst } = c.env as ServeInfo;
  const watch = (changed: () => void) => {
    const stops = [deps.watch(principal, changed), deps.endpoints.watch(endpoint, changed)];
    return () => stops.forEach((stop) => stop());
  };
  return handler({
    request: c.req.raw,
    head,
    principal,
    endpoint,
    correlationId,
    address,
    delivered,
    isFirst,
    watch,
  });
}

async function serveApi(deps: EdgeDeps, visit: Visit): Promise<Response> {
  const { c, correlationId, address } = visit;
  const principal = await identify(deps, visit);
  const refusal = await deps.rates.principal?.(principal);
  if (refusal !== undefined) throw refusal;
  return await deps.admin.fetch(c.req.raw, { principal, correlationId, address });
}

function metadataReply(deps: EdgeDeps, { c, head }: Visit): Response {
  // The document without a path describes the gateway's main endpoint.
  const path = head.path.slice(WELL_KNOWN_PATH.length) || "/mcp";
  const document = resourceMetadata(deps.guard.baseUrl(head), path, deps.authorizationServers);
  return c.json(document, 200, {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=300",
  });
}

/** Every failure ends here: logged with its cause, answered without it. */
function failed(
  deps: EdgeDeps,
  head: RequestHead | undefined,
  correlationId: string,
  thrown: unknown,
): Response {
  const error = thrown instanceof CallFailed ? thrown.cause : thrown;
  const status = statusOf(error);
  const fields = { correlationId, status, path: head?.path, error };
  if (status >= 500) deps.log.error("A request failed", fields);
  else deps.log.debug("A request was refused", fields);

  const response = thrown instanceof CallFailed
    ? thrown.response
    : MCP_PATH.test(head?.path ?? "")
    ? rpcProblem(error, correlationId)
    : problemDocument(error, correlationId);
  // For a verb that this URL has, but not in the revision that was asked for.
  if (status === 405) {
    const isStreamable = head?.path.endsWith("/mcp");
    response.headers.set("Allow", isStreamable ? "POST, OPTIONS" : "OPTIONS");
  }
  // What is left of an unread body must not be taken for the next request.
  if (status === 413 || status === 408) response.headers.set("Connection", "close");
  if (head) addChallenge(deps, head, error, response);
  return response;
}

function addChallenge(
  deps: EdgeDeps,
  head: RequestHead,
  error: unknown,
  response: Response,
): void {
  const scope = error instanceof InsufficientScope ? error.scope : undefined;
  const isUnknown = error instanceof GatewayError && error.code === "unauthenticated";
  if (!isUnknown && scope === undefined) return;
  const value = challenge(
    deps.guard.baseUrl(head),
    resourcePath(head.path),
    scope,
  );
  response.headers.set("WWW-Authenticate", value);
}
