/**
 * What upstream servers offer, as people manage it: found, renamed, described, switched off.
 *
 * @module
 */
import { maySee, maySeeItem } from "../domain/access.ts";
import { exposedName } from "../domain/exposed_name.ts";
import type { Item, ItemKind } from "../domain/item.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { CatalogTables, ItemRow } from "../storage/catalog_tables.ts";
import type { Catalog } from "./catalog.ts";
import {
  checkManagedItem,
  checkVersion,
  nameTaken,
  notFound,
  type Precondition,
  untilWritten,
} from "./editing.ts";
import { type AudienceChange, changedAudience, type TeamIdOf } from "./item_audience.ts";

export interface ItemService {
  /** Items of these kinds that the principal may see, by server, kind and place. */
  readonly list: (
    kinds: readonly ItemKind[],
    filter: ItemFilter,
    principal: Principal,
  ) => readonly ShownItem[];
  /** @throws {GatewayError} `not_found`, for hidden ones too */
  readonly find: (kinds: readonly ItemKind[], id: string, principal: Principal) => ShownItem;
  /**
   * @throws {GatewayError} `not_found`, `precondition_failed`
   * @throws {FaultyRequest} `conflict` when the name is taken
   * @throws as `changedAudience`
   */
  readonly update: (
    kinds: readonly ItemKind[],
    id: string,
    change: ItemChange,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<ShownItem>;
}

export interface ItemFilter {
  /** Slug or id; one that the principal does not see has no items. */
  readonly upstream: string | undefined;
  /** Part of a name, title or description of the item, whatever its capitals. */
  readonly text: string | undefined;
}

/** `undefined` takes back what was changed; a member that is not there leaves it. */
export type ItemChange = Partial<{
  /** In `/mcp`. */
  readonly name: string | undefined;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly enabled: boolean;
  readonly audience: AudienceChange;
}>;

export interface ShownItem {
  readonly item: ItemRow;
  readonly server: UpstreamServer;
}

export interface ItemServiceDeps {
  readonly tables: CatalogTables;
  readonly catalog: Catalog;
  readonly teamIdOf: TeamIdOf;
}

export interface ItemServiceOptions {
  /** `GATEWAY_TOOL_NAME_SEPARATOR` */
  readonly separator: string;
}

export function createItemService(
  { tables, catalog, teamIdOf }: ItemServiceDeps,
  options: ItemServiceOptions,
): ItemService {
  function list(kinds: readonly ItemKind[], filter: ItemFilter, principal: Principal) {
    const { upstream, text } = filter;
    const one = upstream === undefined ? undefined : catalog.upstream(upstream);
    const shelves = upstream === undefined ? catalog.shelves() : one === undefined ? [] : [one];
    const wanted = text?.toLowerCase();
    return shelves.filter(({ server }) => maySee(principal, server)).flatMap(({ server, items }) =>
      items.filter((item) =>
        kinds.includes(item.kind) && isAbout(item, wanted) &&
        maySeeItem(principal, { server, item })
      ).map((item) => ({ item, server }))
    );
  }

  function find(kinds: readonly ItemKind[], id: string, principal: Principal): ShownItem {
    for (const { server, items } of catalog.shelves()) {
      const item = items.find((one) => one.id === id);
      if (item === undefined) continue;
      const shown = { item, server };
      if (!kinds.includes(item.kind) || !maySeeItem(principal, shown)) break;
      return shown;
    }
    throw notFound(NOUN[kinds[0]!]);
  }

  /** The name that discovery would give it today, unless it has it. */
  function defaultName({ item, server }: ShownItem): string {
    return exposedName(
      server.slug,
      options.separator,
      item.upstreamName,
      (name) => isTaken(item, name),
    );
  }

  function isTaken({ kind, id }: Item, name: string): boolean {
    return catalog.shelves().some(({ items }) =>
      items.some((one) => one.exposedName === name && one.kind === kind && one.id !== id)
    );
  }

  async function update(
    kinds: readonly ItemKind[],
    id: string,
    change: ItemChange,
    isExpected: Precondition,
    principal: Principal,
  ): Promise<ShownItem> {
    return await untilWritten(async () => {
      // What other replicas wrote must be known: names are given by what is seen here.
      await catalog.refresh();
      const shown = find(kinds, id, principal);
      checkManagedItem(principal, shown);
      checkVersion(isExpected, shown.item);
      const { name, audience, ...rest } = change;
      const isNamed = "name" in change;
      const wanted = name ?? (isNamed ? defaultName(shown) : shown.item.exposedName);
      if (isNamed && isTaken(shown.item, wanted)) throw nameTaken("name", wanted);
      const revision = shown.item.revision;
      await tables.items.update(id, revision, {
        ...rest,
        ...isNamed && { exposedName: wanted },
        ...audience && { audience: changedAudience(shown, audience, principal, teamIdOf) },
      });
      await catalog.refresh();
      return find(kinds, id, principal);
    });
  }

  return { list, find, update };
}

const NOUN: Readonly<Record<ItemKind, string>> = {
  tool: "tool",
  prompt: "prompt",
  resource: "resource",
  template: "resource",
};

/** @param wanted without capitals */
function isAbout(item: ItemRow, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const { exposedName, upstreamName, title, description, own } = item;
  return [exposedName, upstreamName, title, description, own?.spec.title, own?.spec.description]
    .some((text) => text?.toLowerCase().includes(wanted));
}
