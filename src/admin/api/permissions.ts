/**
 * What each route of the API asks of a caller, besides being an administrator. A route without a
 * row is served to nobody.
 *
 * @module
 * @see security.md, AUTHZ-01; contract.md, section 8, "Permissions"
 */
import { isGranted, mayEnter } from "../../domain/access.ts";
import { GatewayError } from "../../domain/errors.ts";
import type { Principal } from "../../domain/principal.ts";
import { InsufficientScope } from "../../mcp/dispatch.ts";

/** For what says nothing about this installation. */
export const NONE = "none";

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
  ["GET /api/tools/{id}", "tools.read"],
  ["PATCH /api/tools/{id}", "tools.update"],
  ["DELETE /api/tools/{id}", "tools.delete"],
  ["GET /api/prompts", "prompts.read"],
  ["GET /api/prompts/{id}", "prompts.read"],
  ["PATCH /api/prompts/{id}", "prompts.update"],
  ["DELETE /api/prompts/{id}", "prompts.delete"],
  ["GET /api/resources", "resources.read"],
  ["GET /api/resources/{id}", "resources.read"],
  ["PATCH /api/resources/{id}", "resources.update"],
  ["DELETE /api/resources/{id}", "resources.delete"],
  ["GET /api/sessions", "sessions.read"],
  ["GET /api/stats", "metrics.read"],
]);

/** @throws {GatewayError} `forbidden` for all but administrators of the whole gateway */
export function checkAdministrator(principal: Principal): void {
  if (principal.isAdmin && mayEnter(principal)) return;
  throw new GatewayError("forbidden", "The management API is for administrators");
}

/**
 * @param permission from the table
 * @throws {GatewayError} `forbidden`
 * @throws {InsufficientScope}
 */
export function checkPermission(principal: Principal, permission: string | undefined): void {
  if (permission === undefined) {
    throw new GatewayError("forbidden", "Nobody may use this URL");
  }
  if (permission !== NONE && !isGranted(principal, permission)) {
    throw new InsufficientScope(permission);
  }
}
