/**
 * The edge: what every request passes before it reaches a handler, and the table of routes.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import type { Authenticate } from "../auth/authenticate.ts";
import { challenge, resourceMetadata, WELL_KNOWN_PATH } from "../auth/resource_metadata.ts";
import { GatewayError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { InsufficientScope } from "../mcp/dispatch.ts";
import type { Log } from "../telemetry/log.ts";
import { addCorsHeaders, optionsReply } from "./cors.ts";
import type { Health } from "./health.ts";
import type { OriginGuard } from "./origin_guard.ts";
import { problemDocument, rpcProblem, statusOf } from "./problem.ts";
import { readHead, type RequestHead } from "./request_head.ts";
import { CallFailed, type Streamable } from "./streamable.ts";

export interface EdgeDeps {
  readonly log: Log;
  readonly guard: OriginGuard;
  readonly authenticate: Authenticate;
  readonly health: Health;
  readonly streamable: Streamable;
  /** The server with this slug that the principal may see, or `undefined`. */
  readonly findServer: (slug: string, principal: Principal) => UpstreamServer | undefined;
  readonly newCorrelationId: () => string;
}

interface Variables {
  head: RequestHead;
  correlationId: string;
}

type EdgeContext = Context<{ Variables: Variables }>;
type Handler = (c: EdgeContext) => Response | Promise<Response>;
type Methods = Readonly<Record<string, Handler>>;

const MCP_PATH = /^\/(?:mcp|servers\/[^/]+\/mcp)$/;

export function createEdge(deps: EdgeDeps): Hono<{ Variables: Variables }> {
  const app = new Hono<{ Variables: Variables }>();

  app.use(async (c, next) => {
    c.set("correlationId", deps.newCorrelationId());
    const head = readHead(c.req.raw);
    c.set("head", head);
    deps.guard.check(isOpenToAllOrigins(head.path) ? withoutOrigin(head) : head);
    await next();
    if (!isOpenToAllOrigins(head.path)) addCorsHeaders(head, c.res);
    if (deps.log.isDebug) logAccess(deps.log, c, head);
  });

  const route = (path: string, methods: Methods, needsCredential = false) =>
    mount(app, deps, path, methods, needsCredential);
  route("/health", { GET: deps.health.live });
  route("/ready", { GET: deps.health.ready });
  route("/version", { GET: deps.health.version });
  route(WELL_KNOWN_PATH, { GET: (c) => metadata(deps, c) });
  route(`${WELL_KNOWN_PATH}/mcp`, { GET: (c) => metadata(deps, c) });
  route(`${WELL_KNOWN_PATH}/servers/:server/mcp`, { GET: (c) => metadata(deps, c) });
  route("/servers/:server/mcp", { POST: (c) => postMcp(deps, c) }, true);

  app.notFound((c) => failed(deps, c, new GatewayError("not_found", "There is nothing here")));
  app.onError((error, c) => failed(deps, c, error));
  return app;
}

/**
 * Mounts the handlers of one path; every other verb is answered with what is allowed.
 *
 * @param needsCredential whether even that is only for callers with a good credential
 */
function mount(
  app: Hono<{ Variables: Variables }>,
  deps: EdgeDeps,
  path: string,
  methods: Methods,
  needsCredential: boolean,
): void {
  const verbs = Object.keys(methods);
  if (methods.GET) verbs.push("HEAD");
  const allow = [...verbs, "OPTIONS"].join(", ");
  app.all(path, async (c) => {
    const { method } = c.get("head");
    if (method === "OPTIONS") return optionsReply(c.get("head"), allow);
    const handler = methods[method === "HEAD" ? "GET" : method];
    if (handler !== undefined) return await handler(c);
    if (needsCredential) await deps.authenticate(c.get("head").headers.get("authorization"));
    const text = `This URL takes ${verbs.join(", ")}`;
    const response = failed(deps, c, new GatewayError("method_not_allowed", text));
    response.headers.set("Allow", allow);
    return response;
  });
}

async function postMcp(deps: EdgeDeps, c: EdgeContext): Promise<Response> {
  const head = c.get("head");
  const correlationId = c.get("correlationId");
  const identified = deps.authenticate(head.headers.get("authorization"));
  const principal = identified instanceof Promise ? await identified : identified;
  const server = deps.findServer(c.req.param("server") ?? "", principal);
  // One answer for "absent" and "not yours".
  if (!server) throw new GatewayError("not_found", "There is no MCP server at this URL");
  return await deps.streamable.post({ request: c.req.raw, head, principal, server, correlationId });
}

function metadata(deps: EdgeDeps, c: EdgeContext): Response {
  const head = c.get("head");
  // The document without a path describes the gateway's main endpoint.
  const path = head.path.slice(WELL_KNOWN_PATH.length) || "/mcp";
  return c.json(resourceMetadata(deps.guard.baseUrl(head), path), 200, {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=300",
  });
}

/** Metadata is fetched by browser clients before they are known. */
function isOpenToAllOrigins(path: string): boolean {
  return path.startsWith(WELL_KNOWN_PATH);
}

function withoutOrigin(head: RequestHead): RequestHead {
  const headers = new Map(head.headers);
  headers.delete("origin");
  return { ...head, headers };
}

/** Every failure ends here: logged with its cause, answered without it. */
function failed(deps: EdgeDeps, c: EdgeContext, thrown: unknown): Response {
  const correlationId = c.get("correlationId");
  const error = thrown instanceof CallFailed ? thrown.cause : thrown;
  const status = statusOf(error);
  const fields = { correlationId, status, path: c.get("head")?.path, error };
  if (status >= 500) deps.log.error("A request failed", fields);
  else deps.log.debug("A request was refused", fields);

  const head = c.get("head") as RequestHead | undefined;
  const isMcp = MCP_PATH.test(head?.path ?? "");
  const response = thrown instanceof CallFailed
    ? thrown.response
    : isMcp
    ? rpcProblem(error, correlationId)
    : problemDocument(error, correlationId);
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("X-Content-Type-Options", "nosniff");
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
    MCP_PATH.test(head.path) ? head.path : "",
    scope,
  );
  response.headers.set("WWW-Authenticate", value);
}

function logAccess(log: Log, c: EdgeContext, head: RequestHead): void {
  const { method, path } = head;
  log.debug("Request", {
    correlationId: c.get("correlationId"),
    method,
    path,
    status: c.res.status,
  });
}
