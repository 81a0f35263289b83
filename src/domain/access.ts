/**
 * Who may see and use what: pure decisions on a principal and a target.
 *
 * @module
 */
import { subjectKey } from "./account.ts";
import type { Principal } from "./principal.ts";
import type { Audience, Visibility } from "./server.ts";

/** Permission that each MCP method needs. */
const METHOD_PERMISSION: ReadonlyMap<string, string> = new Map([
  ["tools/list", "tools.read"],
  ["tools/call", "tools.execute"],
  ["prompts/list", "prompts.read"],
  ["prompts/get", "prompts.read"],
  ["resources/list", "resources.read"],
  ["resources/read", "resources.read"],
  ["resources/templates/list", "resources.read"],
  ["resources/subscribe", "resources.read"],
  ["resources/unsubscribe", "resources.read"],
  ["tasks/get", "tools.execute"],
  ["tasks/result", "tools.execute"],
  ["tasks/list", "tools.execute"],
  ["tasks/update", "tools.execute"],
  ["tasks/cancel", "tools.execute"],
]);

/** Permission that each part of a `subscriptions/listen` filter needs. */
const SUBSCRIPTION_PERMISSION: ReadonlyMap<string, string> = new Map([
  ["toolsListChanged", "tools.read"],
  ["promptsListChanged", "prompts.read"],
  ["resourcesListChanged", "resources.read"],
  ["resourceSubscriptions", "resources.read"],
]);

/**
 * Whether the endpoint exists for a credential that may be good for one endpoint only.
 * @param endpoint slug and id of the server, or none for `/mcp`
 */
export function mayEnter(principal: Principal, ...endpoint: readonly string[]): boolean {
  return principal.onlyServer === undefined || endpoint.includes(principal.onlyServer);
}

/** Whether no team narrows it: an administrator of the whole gateway. */
export function isUnrestricted({ isAdmin, teams, onlyServer }: Principal): boolean {
  return isAdmin && teams === undefined && onlyServer === undefined;
}

/** Whether the record exists for this principal. A hidden one is answered like a missing one. */
export function maySee(principal: Principal, record: Audience): boolean {
  const { isAdmin, teams } = principal;
  // An administrator who names no teams sees everything; teams narrow even an administrator.
  if (isAdmin && teams === undefined) return true;
  switch (record.visibility) {
    case "public":
      return true;
    case "team":
      return record.team !== undefined && (teams?.includes(record.team) ?? false);
    case "private":
      return principal.seesOwn && isOwn(principal, record);
  }
}

/** An item, and the server that it belongs to. */
export interface Offered {
  readonly server: Audience;
  readonly item: { readonly audience: Audience | undefined };
}

/** Whether the item exists for this principal: it may be for fewer than its server, never for more. */
export function maySeeItem(principal: Principal, { server, item: { audience } }: Offered): boolean {
  return maySee(principal, server) && (audience === undefined || maySee(principal, audience));
}

/** Who sees the item, as far as one audience can say it: the narrower of the two. */
export function audienceOf({ server, item: { audience = server } }: Offered): Audience {
  return WIDTH[audience.visibility] > WIDTH[server.visibility] ? server : audience;
}

const WIDTH: Readonly<Record<Visibility, number>> = { private: 0, team: 1, public: 2 };

/** Whether it may change what is shown of the item, and to whom. */
export function mayManageItem(principal: Principal, offered: Offered): boolean {
  return maySeeItem(principal, offered) && mayManage(principal, audienceOf(offered));
}

/** Whether it may change the record and take it away, or make one that is like it. */
export function mayManage(principal: Principal, record: Audience): boolean {
  if (principal.isAdmin) return maySee(principal, record);
  switch (record.visibility) {
    case "public":
      return false;
    case "team":
      return record.team !== undefined && principal.ownedTeams.includes(record.team);
    case "private":
      return principal.seesOwn && isOwn(principal, record);
  }
}

function isOwn({ subject }: Principal, { owner }: Audience): boolean {
  return owner !== undefined && subject !== "" && subjectKey(owner) === subjectKey(subject);
}

/** The first of the permissions to be granted that the principal does not have itself. */
export function missingFor(
  principal: Principal,
  granted: readonly string[] | undefined,
): string | undefined {
  if (principal.permissions === undefined) return undefined;
  return (granted ?? ["*"]).find((permission) => !isGranted(principal, permission));
}

/**
 * The permission that is missing for the method, or `undefined` when the principal may use it.
 * A method without a row (discovery, completion, log level, notifications) needs some permission,
 * whichever: only a credential that permits nothing at all is refused there.
 */
export function missingPermission(principal: Principal, method: string): string | undefined {
  if (principal.permissions === undefined) return undefined;
  const needed = METHOD_PERMISSION.get(method);
  if (needed !== undefined) return isGranted(principal, needed) ? undefined : needed;
  return principal.permissions.length > 0 ? undefined : "servers.read";
}

/** The same for what a subscription asks to be told about. */
export function missingForSubscription(
  principal: Principal,
  filter: Readonly<Record<string, unknown>>,
): string | undefined {
  for (const part of Object.keys(filter)) {
    const needed = SUBSCRIPTION_PERMISSION.get(part);
    if (needed !== undefined && !isGranted(principal, needed)) return needed;
  }
  return undefined;
}

/** Whether the credential permits it, as far as it restricts anything. */
export function isGranted({ permissions }: Principal, needed: string): boolean {
  return permissions === undefined || permissions.includes(needed) || permissions.includes("*") ||
    permissions.includes("admin");
}
