/**
 * What each route of the API asks of a caller. A route without a row is served to nobody, and fails
 * the tests. What a caller may do with a single record is decided by the record's audience.
 *
 * @module
 * @see security.md, AUTHZ-01; contract.md, section 8, "Permissions"
 */
import { isGranted, isUnrestricted, mayEnter } from "../../domain/access.ts";
import { GatewayError } from "../../domain/errors.ts";
import type { Principal } from "../../domain/principal.ts";
import { InsufficientScope } from "../../mcp/dispatch.ts";

/** For what says nothing about this installation. */
export const NONE = "none";

/** Of which credentials may be restricted to some. */
export const PERMISSIONS: ReadonlyMap<string, string> = new Map([
  ["GET /api/openapi.json", NONE],
  ["GET /api/upstreams", "upstreams.read"],
  ["POST /api/upstreams", "upstreams.create"],
  ["GET /api/upstreams/{id}", "upstreams.read"],
  ["PATCH /api/upstreams/{id}", "upstreams.update"],
  ["DELETE /api/upstreams/{id}", "upstreams.delete"],
  ["POST /api/upstreams/{id}/refresh", "upstreams.update"],
  // It connects to addresses of the caller's choice, as making one does.
  ["POST /api/upstreams/test", "upstreams.create"],
  ["GET /api/servers", "servers.read"],
  ["POST /api/servers", "servers.create"],
  ["GET /api/servers/{id}", "servers.read"],
  ["PATCH /api/servers/{id}", "servers.update"],
  ["DELETE /api/servers/{id}", "servers.delete"],
  ["GET /api/tools", "tools.read"],
  ["POST /api/tools", "tools.create"],
  // It changes and removes too: its service asks for that when it knows what.
  ["POST /api/tools/import/openapi", "tools.create"],
  ["GET /api/tools/{id}", "tools.read"],
  ["PATCH /api/tools/{id}", "tools.update"],
  ["DELETE /api/tools/{id}", "tools.delete"],
  ["GET /api/prompts", "prompts.read"],
  ["POST /api/prompts", "prompts.create"],
  ["GET /api/prompts/{id}", "prompts.read"],
  ["PATCH /api/prompts/{id}", "prompts.update"],
  ["DELETE /api/prompts/{id}", "prompts.delete"],
  ["GET /api/resources", "resources.read"],
  ["POST /api/resources", "resources.create"],
  ["GET /api/resources/{id}", "resources.read"],
  ["PATCH /api/resources/{id}", "resources.update"],
  ["DELETE /api/resources/{id}", "resources.delete"],
  // Everything may be in a bundle. What a caller may not do by single calls is refused record by
  // record.
  ["GET /api/export", "admin"],
  ["POST /api/export", "admin"],
  ["POST /api/import", "admin"],
  ["GET /api/sessions", "sessions.read"],
  ["GET /api/stats", "metrics.read"],
  ["GET /api/audit", "audit.read"],
  ["GET /api/users", "users.read"],
  ["POST /api/users", "users.create"],
  ["GET /api/users/{id}", "users.read"],
  ["PATCH /api/users/{id}", "users.update"],
  ["DELETE /api/users/{id}", "users.delete"],
  ["GET /api/teams", "teams.read"],
  ["POST /api/teams", "teams.create"],
  ["GET /api/teams/{id}", "teams.read"],
  ["PATCH /api/teams/{id}", "teams.update"],
  ["DELETE /api/teams/{id}", "teams.delete"],
  ["GET /api/teams/{id}/members", "teams.read"],
  ["PUT /api/teams/{id}/members/{email}", "teams.update"],
  ["DELETE /api/teams/{id}/members/{email}", "teams.update"],
  ["GET /api/tokens", "tokens.read"],
  ["POST /api/tokens", "tokens.create"],
  ["GET /api/tokens/{id}", "tokens.read"],
  ["DELETE /api/tokens/{id}", "tokens.delete"],
  ["GET /api/revocations", "tokens.read"],
  ["POST /api/revocations", "tokens.delete"],
  ["GET /api/revocations/{id}", "tokens.read"],
  ["DELETE /api/revocations/{id}", "tokens.create"],
]);

/** Routes that only administrators have, narrowed to a team or not. */
const FOR_ADMINISTRATORS: ReadonlySet<string> = new Set(["GET /api/stats"]);

/** Routes that only administrators of the whole gateway have. */
const FOR_UNRESTRICTED: ReadonlySet<string> = new Set([
  "GET /api/audit",
  "GET /api/export",
  "POST /api/export",
  "POST /api/users",
  "PATCH /api/users/{id}",
  "DELETE /api/users/{id}",
  "POST /api/teams",
  "DELETE /api/teams/{id}",
  "GET /api/revocations",
  "POST /api/revocations",
  "GET /api/revocations/{id}",
  "DELETE /api/revocations/{id}",
]);

/**
 * @throws {GatewayError} `unauthenticated` for callers without a credential; `forbidden` for
 *   credentials that are good for one server only
 */
export function checkCaller(principal: Principal): void {
  if (principal.kind === "anonymous") {
    throw new GatewayError("unauthenticated", "Authentication required");
  }
  if (!mayEnter(principal)) {
    throw new GatewayError("forbidden", "The credential is good for one MCP server only");
  }
}

/**
 * @param route method and pattern of the path
 * @throws {GatewayError} `forbidden`
 * @throws {InsufficientScope}
 */
export function checkRoute(principal: Principal, route: string): void {
  const permission = PERMISSIONS.get(route);
  if (permission === undefined) {
    throw new GatewayError("forbidden", "Nobody may use this URL");
  }
  const isRefused = (FOR_ADMINISTRATORS.has(route) && !principal.isAdmin) ||
    (FOR_UNRESTRICTED.has(route) && !isUnrestricted(principal));
  if (isRefused) {
    throw new GatewayError("forbidden", "This URL is for administrators");
  }
  if (permission !== NONE && !isGranted(principal, permission)) {
    throw new InsufficientScope(permission);
  }
}
