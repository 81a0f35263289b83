/**
 * The gateway's own tools, prompts and resources as people manage them: made, changed, removed. They
 * are found among all other items.
 *
 * @module
 * @see contract.md, section 8, "Permissions"
 */
import { GatewayError } from "../domain/errors.ts";
import { isNamed, type ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import { keyOf, type OwnSpec, type OwnTool } from "../domain/own_item.ts";
import type { Principal } from "../domain/principal.ts";
import { OWN_SERVER } from "../domain/server.ts";
import { randomText } from "../platform/random.ts";
import type { CatalogTables, ItemRow } from "../storage/catalog_tables.ts";
import type { Catalog } from "./catalog.ts";
import {
  checkManagedItem,
  checkVersion,
  nameTaken,
  type Precondition,
  untilWritten,
} from "./editing.ts";
import { type AudienceChange, ownAudience, type TeamIdOf } from "./item_audience.ts";
import type { ItemService, ShownItem } from "./item_service.ts";
import { maskedAuth } from "./secrets.ts";
import { checkedAccess } from "./upstream_settings.ts";

export interface OwnItemService {
  /**
   * @throws {FaultyRequest} `conflict` when its name or URI is taken
   * @throws {GatewayError} `forbidden`; `conflict` when there are too many
   */
  readonly create: (item: NewOwnItem, principal: Principal) => Promise<ShownItem>;
  /** @throws as `create`, and `not_found`, `discovered`, `precondition_failed` */
  readonly update: (
    kinds: readonly ItemKind[],
    id: string,
    change: OwnItemChange,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<ShownItem>;
  /** @throws {GatewayError} `not_found`, `discovered`, `precondition_failed`, `forbidden` */
  readonly remove: (
    kinds: readonly ItemKind[],
    id: string,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<void>;
}

export interface NewOwnItem {
  readonly spec: OwnSpec;
  readonly enabled: boolean;
  readonly audience: AudienceChange;
}

export interface OwnItemChange {
  /** @throws {FaultyRequest} when what comes out does not fit together */
  readonly specOf: (known: OwnSpec) => OwnSpec;
  /** `undefined` leaves it. */
  readonly enabled: boolean | undefined;
  readonly audience: AudienceChange;
}

export interface OwnItemServiceDeps {
  readonly tables: CatalogTables;
  readonly catalog: Catalog;
  readonly items: Pick<ItemService, "find">;
  readonly teamIdOf: TeamIdOf;
  /** @throws {GatewayError} `egress_denied` */
  readonly checkUrl: (url: URL) => void;
}

/** 96 random bits. */
const ID_BYTES = 12;

export function createOwnItemService(
  deps: OwnItemServiceDeps,
): OwnItemService {
  const { tables, catalog, items, teamIdOf } = deps;

  async function create({ enabled, audience, ...given }: NewOwnItem, principal: Principal) {
    const spec = withSecrets(deps, given.spec, undefined);
    const id = randomText(ID_BYTES);
    const shownTo = ownAudience(undefined, audience, principal, teamIdOf);
    checkRoom(catalog);
    await untilWritten(async () => {
      // What other replicas wrote must be known: names are given by what is seen here.
      await catalog.refresh();
      checkFree(catalog, spec, undefined);
      await tables.own.create(id, { spec, enabled, audience: shownTo });
    });
    await catalog.refresh();
    return items.find([spec.kind], id, principal);
  }

  async function current(
    kinds: readonly ItemKind[],
    id: string,
    isExpected: Precondition,
    principal: Principal,
  ) {
    await catalog.refresh();
    const shown = items.find(kinds, id, principal);
    const { item } = shown;
    if (item.own === undefined) throw discovered();
    checkManagedItem(principal, shown);
    checkVersion(isExpected, item);
    return { ...item, own: item.own };
  }

  async function update(
    kinds: readonly ItemKind[],
    id: string,
    change: OwnItemChange,
    isExpected: Precondition,
    principal: Principal,
  ): Promise<ShownItem> {
    await untilWritten(async () => {
      const { own, revision, audience } = await current(kinds, id, isExpected, principal);
      const spec = withSecrets(deps, change.specOf(own.spec), own.spec);
      checkFree(catalog, spec, id);
      await tables.own.update(id, revision, {
        spec,
        enabled: change.enabled ?? own.enabled,
        audience: ownAudience(audience, change.audience, principal, teamIdOf),
      });
    });
    await catalog.refresh();
    return items.find(kinds, id, principal);
  }

  return {
    create,
    update,
    remove: (kinds, id, isExpected, principal) =>
      untilWritten(async () => {
        const { revision } = await current(kinds, id, isExpected, principal);
        await tables.own.remove(id, revision);
        await catalog.refresh();
      }),
  };
}

/**
 * Names are unique among all items of a kind, whoever sees them; URIs and URI templates together,
 * with the aliases that some have.
 * @throws {FaultyRequest} `conflict`
 */
function checkFree(catalog: Catalog, spec: OwnSpec, id: string | undefined): void {
  const { kind } = spec;
  const wanted = keyOf(spec);
  const isTaken = (item: ItemRow) =>
    item.id !== id &&
    (isNamed(kind)
      ? item.kind === kind && item.exposedName === wanted
      : !isNamed(item.kind) && [item.exposedName, item.upstreamName].includes(wanted));
  if (!catalog.shelves().some(({ items }) => items.some(isTaken))) return;
  throw nameTaken(
    kind === "template" ? "uriTemplate" : kind === "resource" ? "uri" : "name",
    wanted,
  );
}

/**
 * A tool's secrets with what is kept in the place of masks; and it may be where it is.
 * @throws {FaultyRequest}
 * @throws {GatewayError} `egress_denied`
 */
export function withSecrets(
  deps: Pick<OwnItemServiceDeps, "checkUrl">,
  spec: OwnSpec,
  known: OwnSpec | undefined,
): OwnSpec {
  if (spec.kind !== "tool") return spec;
  const before: OwnTool = known?.kind === "tool"
    ? known
    : { ...spec, url: "", headers: {}, auth: { type: "none" } };
  const { url, headers, auth } = spec;
  const isSameAuth = JSON.stringify(auth) === JSON.stringify(maskedAuth(before.auth));
  const change = {
    headers,
    ...url !== before.url && { url },
    ...!isSameAuth && { auth },
  };
  return { ...spec, ...checkedAccess(deps, change, before) };
}

/** @throws {GatewayError} `conflict` */
function checkRoom(catalog: Catalog): void {
  const { items } = catalog.shelf(OWN_SERVER.slug)!;
  const chars = items.reduce((sum, { own }) => sum + (own?.chars ?? 0), 0);
  if (items.length < LIMITS.ownItems && chars < LIMITS.ownItemsChars) return;
  throw new GatewayError("conflict", "There is no room for more tools, prompts and resources");
}

function discovered(): GatewayError {
  return new GatewayError(
    "discovered",
    "An upstream server offers it, so it would come back: disable it instead",
  );
}
