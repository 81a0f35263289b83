/**
 * Mounts the management API under `/api`. The edge has found out who is calling; what a caller may
 * do is decided here, before anything of the request is read.
 *
 * @module
 * @see contract.md, section 6
 */
import { type Context, Hono } from "hono";
import type { RevocationService } from "../auth/revocation_service.ts";
import type { TeamService } from "../auth/team_service.ts";
import type { TokenService } from "../auth/token_service.ts";
import type { UserService } from "../auth/user_service.ts";
import type { ItemService } from "../catalog/item_service.ts";
import type { ImportService } from "../catalog/openapi/import_service.ts";
import type { OwnItemService } from "../catalog/own_item_service.ts";
import type { ServerService } from "../catalog/server_service.ts";
import { GatewayError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { problemDocument } from "../http/problem.ts";
import type { Timers } from "../platform/timers.ts";
import type { Transfer } from "./transfer/transfer.ts";
import type { AdminAudit } from "./admin_audit.ts";
import { type AuditOperationsDeps, createAuditOperations } from "./api/audit.ts";
import { openApiDocument } from "./api/document.ts";
import { preconditionOf } from "./api/etag.ts";
import { readJson, readQuery } from "./api/input.ts";
import { type Answer, NO_BODY, NO_QUERY, type Operation, operation } from "./api/operation.ts";
import { checkCaller, checkRoute } from "./api/permissions.ts";
import { createImportOperations } from "./api/openapi_import.ts";
import { createPromptOperations } from "./api/prompts.ts";
import { createResourceOperations } from "./api/resources.ts";
import { createServerOperations } from "./api/servers.ts";
import { createSessionOperations, type SessionOperationsDeps } from "./api/sessions.ts";
import { createStatsOperations, type StatsOperationsDeps } from "./api/stats.ts";
import { createTeamOperations } from "./api/teams.ts";
import { createRevocationOperations, createTokenOperations } from "./api/tokens.ts";
import { createToolOperations } from "./api/tools.ts";
import { createTransferOperations } from "./api/transfer.ts";
import { createUpstreamOperations, type UpstreamOperationsDeps } from "./api/upstreams.ts";
import { createUserOperations } from "./api/users.ts";

export interface Admin {
  /** The verbs that a path takes, `HEAD` and `OPTIONS` apart; none for a path that is not there. */
  readonly verbsOf: (path: string) => readonly string[];
  /**
   * Answers a request to `/api` or below it. What is refused is thrown, as everywhere behind the
   * edge, with one exception: 405 is answered, because `Allow` belongs to it.
   * @throws {GatewayError}
   */
  readonly fetch: (
    request: Request,
    visit: Visit,
  ) => Promise<Response>;
}

type StatsDeps = Pick<StatsOperationsDeps, "snapshot" | "auditCounts">;

export interface AdminDeps extends UpstreamOperationsDeps, StatsDeps {
  readonly servers: ServerService;
  readonly items: ItemService;
  readonly own: OwnItemService;
  readonly imports: ImportService;
  /** See `ToolDeps`. */
  readonly schemaFault: (schemaText: string) => string | undefined;
  readonly transfer: Transfer;
  readonly sessions: SessionOperationsDeps;
  readonly users: UserService;
  readonly teams: TeamService;
  readonly tokens: TokenService;
  readonly revocations: RevocationService;
  readonly timers: Timers;
  /** `undefined` where nothing is recorded. */
  readonly audit: AdminAudit | undefined;
  readonly records: AuditOperationsDeps;
}

export interface AdminOptions {
  readonly version: string;
}

/** What comes with a request besides the request; handed in as Hono's `env`. */
export interface Visit {
  readonly principal: Principal;
  readonly correlationId: string;
  /** IP address of the client. */
  readonly address: () => string;
}

type Visited = Context<{ Bindings: Visit }>;

const COMMON_HEADERS = {
  // Compressed, the length of an answer would tell what of a caller's text is in it a second time.
  "Cache-Control": "no-store, no-transform",
  "X-Content-Type-Options": "nosniff",
} as const;

export function createAdmin(deps: AdminDeps, options: AdminOptions): Admin {
  const paths = byPath(operationsOf(deps, options));
  const app = new Hono<{ Bindings: Visit }>();
  for (const [path, methods] of paths) {
    const route = path.replaceAll(/\{(\w+)\}/g, ":$1");
    // `test` may be the slug of a server, too: then only POST means something else.
    if (path.endsWith("/test")) {
      app.on([...methods.keys()], route, (c) => serve(deps, c, methods));
    } else {
      app.all(route, (c) => serve(deps, c, methods));
    }
  }
  app.notFound((c) => {
    checkCaller(c.env.principal);
    throw new GatewayError("not_found", "There is nothing here");
  });
  app.onError((error) => {
    throw error;
  });
  return {
    verbsOf: (path) => verbsOf(paths, path),
    async fetch(request, visit) {
      return await app.fetch(request, visit);
    },
  };
}

/** Every operation of the API. */
export function operationsOf(deps: AdminDeps, options: AdminOptions): readonly Operation[] {
  const operations: Operation[] = [
    ...createUpstreamOperations(deps),
    ...createServerOperations(deps.servers),
    ...createToolOperations(deps),
    ...createImportOperations(deps),
    ...createPromptOperations(deps),
    ...createResourceOperations(deps),
    ...createTransferOperations(deps),
    ...createSessionOperations(deps.sessions),
    ...createStatsOperations(deps),
    ...createAuditOperations(deps.records),
    ...createUserOperations(deps.users),
    ...createTeamOperations(deps.teams),
    ...createTokenOperations(deps.tokens),
    ...createRevocationOperations(deps.revocations),
  ];
  let document: string | undefined;
  operations.push(operation({
    method: "GET",
    path: "/api/openapi.json",
    summary: "This document",
    query: NO_QUERY,
    body: NO_BODY,
    status: 200,
    answer: undefined,
    handle: () => {
      document ??= openApiDocument(operations, options.version);
      return { status: 200, text: document };
    },
  }));
  return operations;
}

type Methods = ReadonlyMap<string, Operation>;

function byPath(operations: readonly Operation[]): ReadonlyMap<string, Methods> {
  const paths = new Map<string, Map<string, Operation>>();
  for (const one of operations) {
    const methods = paths.get(one.path) ?? new Map<string, Operation>();
    paths.set(one.path, methods.set(one.method, one));
  }
  // What is spelled out comes before what is variable.
  return new Map([...paths].sort(([a], [b]) => Number(a.includes("{")) - Number(b.includes("{"))));
}

function isOf(pattern: string, path: string): boolean {
  const parts = path.split("/");
  const wanted = pattern.split("/");
  return parts.length === wanted.length &&
    wanted.every((part, i) => part.startsWith("{") ? parts[i] !== "" : part === parts[i]);
}

/** `test` may be the slug of a server, too: all patterns that fit count. */
function verbsOf(paths: ReadonlyMap<string, Methods>, path: string): readonly string[] {
  const verbs = [...paths].flatMap(([pattern, methods]) =>
    isOf(pattern, path) ? [...methods.keys()] : []
  );
  return [...new Set(verbs)];
}

async function serve(deps: AdminDeps, c: Visited, methods: Methods): Promise<Response> {
  const { principal, correlationId } = c.env;
  checkCaller(principal);
  const { method } = c.req;
  const wanted = methods.get(method === "HEAD" ? "GET" : method);
  if (wanted === undefined) return otherMethod(methods, correlationId);
  checkRoute(principal, `${wanted.method} ${wanted.path}`);
  const request = c.req.raw;
  const id = c.req.param("id") ?? "";
  const email = c.req.param("email") ?? "";
  const run = () =>
    wanted.run({
      principal,
      id,
      email,
      isExpected: preconditionOf(request.headers.get("if-match")),
      query: readQuery(request.url),
      readBody: () => readJson(request, deps.timers, wanted),
    });
  const { audit } = deps;
  const answer = audit === undefined
    ? await run()
    : await audit.recorded(c.env, wanted, [id, email].filter(Boolean).join(" "), run);
  return responseTo(answer);
}

function otherMethod(methods: Methods, correlationId: string): Response {
  const verbs = [...methods.keys()];
  if (methods.has("GET")) verbs.push("HEAD");
  const allow = [...verbs, "OPTIONS"].join(", ");
  const error = new GatewayError("method_not_allowed", `This URL takes ${allow}`);
  const response = problemDocument(error, correlationId);
  response.headers.set("Allow", allow);
  return withCommonHeaders(response);
}

function responseTo({ status, body, text, headers = {} }: Answer): Response {
  const content = text ?? (body === undefined ? null : JSON.stringify(body));
  const type = content === null ? {} : { "Content-Type": "application/json" };
  return withCommonHeaders(new Response(content, { status, headers: { ...type, ...headers } }));
}

function withCommonHeaders(response: Response): Response {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) response.headers.set(name, value);
  return response;
}
