/**
 * Virtual servers as people manage them: found, made, changed, removed.
 *
 * @module
 */
import { maySee, maySeeItem } from "../domain/access.ts";
import { type Fault, FaultyRequest, GatewayError } from "../domain/errors.ts";
import type { ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { VirtualServer } from "../domain/server.ts";
import { type Pace, paced } from "../platform/pace.ts";
import { createRecords } from "./records.ts";
import type { CatalogTables, ServerSettings } from "../storage/catalog_tables.ts";
import type { Catalog, ServerShelf } from "./catalog.ts";
import { checkAudience, checkOwner, NOBODY, type Precondition, slugFor } from "./editing.ts";
import { type Collision, ruleOfServer, viewSteps } from "./view.ts";

export interface ServerService {
  /** Those that the principal may see, in order. */
  readonly list: (principal: Principal) => readonly ServerShelf[];
  /** @throws {GatewayError} `not_found`, for hidden ones too */
  readonly find: (slugOrId: string, principal: Principal) => ServerShelf;
  /**
   * @param slug made of the name when it is `undefined`
   * @throws {GatewayError} `conflict` when the slug is taken, `forbidden`
   * @throws {FaultyRequest} `conflict` with every name that two items would have
   */
  readonly create: (
    server: NewServer,
    slug: string | undefined,
    principal: Principal,
  ) => Promise<ServerShelf>;
  /** @throws as `create`, and `not_found`, `declared`, `precondition_failed` */
  readonly update: (
    slugOrId: string,
    change: Partial<NewServer>,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<ServerShelf>;
  /** @throws {GatewayError} `not_found`, `declared`, `precondition_failed` */
  readonly remove: (
    slugOrId: string,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<void>;
}

export type NewServer = ServerSettings & { readonly name: string };

export interface ServerServiceDeps {
  readonly tables: CatalogTables;
  readonly catalog: Catalog;
  readonly pace: Pace;
}

export function createServerService(deps: ServerServiceDeps): ServerService {
  const { tables, catalog } = deps;
  const records = createRecords<ServerShelf, ServerSettings>({
    noun: "virtual server",
    table: tables.servers,
    shelf: catalog.server,
    refresh: catalog.refresh,
  });

  async function create(server: NewServer, wanted: string | undefined, principal: Principal) {
    const { name, ...settings } = server;
    const slug = wanted ?? slugFor(name);
    checkAudience(principal, settings);
    checkOwner(principal, NOBODY, settings);
    if (catalog.servers().length >= LIMITS.apiServers) throw tooMany();
    await checkNames(deps, { ...server, slug }, principal);
    return await records.shelved(await records.add(slug, { name, settings }));
  }

  function update(
    slugOrId: string,
    change: Partial<NewServer>,
    isExpected: Precondition,
    principal: Principal,
  ): Promise<ServerShelf> {
    return records.change(slugOrId, isExpected, principal, async (row) => {
      const { name, ...settings }: NewServer = { name: row.name, ...row.settings, ...change };
      checkAudience(principal, settings);
      checkOwner(principal, row.settings, settings);
      // A server that discovery has made ambiguous can still be renamed, narrowed, switched off.
      if (decidesNames(change)) {
        await checkNames(deps, { ...settings, name, slug: row.slug }, principal);
      }
      return { name, settings };
    });
  }

  return {
    list: (principal) => catalog.servers().filter(({ server }) => maySee(principal, server)),
    find: records.find,
    create,
    update,
    remove: records.remove,
  };
}

/**
 * Names that two items or more would have in this server. Items that are hidden or switched off do
 * not count: they have no names now.
 */
async function collisions(
  { catalog, pace }: NamesDeps,
  server: Omit<VirtualServer, "id" | "declared" | "seq">,
): Promise<readonly Collision[]> {
  if (!mayCollide(server)) return [];
  const rule = ruleOfServer({ ...server, id: "", declared: false, seq: 0 });
  const shelves = catalog.shelves().filter((shelf) => shelf.server.enabled);
  return (await paced(viewSteps(rule, shelves), pace)).collisions;
}

/** Names of `/mcp` are unique: only others can be the same. */
function mayCollide({ naming, overrides }: Pick<VirtualServer, "naming" | "overrides">): boolean {
  if (naming === "verbatim") return true;
  return [overrides.tools, overrides.prompts].some((some) =>
    Object.values(some).some(({ name }) => name !== undefined)
  );
}

export interface NamesDeps {
  readonly catalog: Pick<Catalog, "shelves">;
  readonly pace: Pace;
}

/** @throws {FaultyRequest} `conflict` */
export async function checkNames(
  deps: NamesDeps,
  server: Omit<VirtualServer, "id" | "declared" | "seq">,
  principal: Principal,
): Promise<void> {
  const found = await collisions(deps, server);
  if (found.length === 0) return;
  const named = new Set(found.flatMap(({ items }) => items));
  const hidden = new Set(
    deps.catalog.shelves().flatMap(({ server, items }) =>
      items.filter((item) =>
        named.has(item.exposedName) && !maySeeItem(principal, { server, item })
      ).map(({ kind, exposedName }) => `${kind} ${exposedName}`)
    ),
  );
  const faults = found.slice(0, LIMITS.apiNamesListed).map((collision) =>
    faultOf(collision, hidden)
  );
  const what = found.length === 1 ? "One name" : `${found.length} names`;
  throw new FaultyRequest("conflict", `${what} would stand for several items`, faults);
}

const LISTS: Readonly<Record<ItemKind, string>> = {
  tool: "tools",
  prompt: "prompts",
  resource: "resources",
  template: "resources",
};

function faultOf({ kind, name, items }: Collision, hidden: ReadonlySet<string>): Fault {
  const shown = items.filter((item) => !hidden.has(`${kind} ${item}`)).map((item) => `"${item}"`);
  if (shown.length < items.length) shown.push("others");
  return { path: LISTS[kind], message: `"${name}" would be the name of ${shown.join(", ")}` };
}

const NAMING_MEMBERS = ["tools", "prompts", "resources", "naming", "overrides"] as const;

function decidesNames(change: Partial<NewServer>): boolean {
  return NAMING_MEMBERS.some((member) => change[member] !== undefined);
}

function tooMany(): GatewayError {
  const text = `There are ${LIMITS.apiServers} virtual servers, which is the most allowed`;
  return new GatewayError("conflict", text);
}
