/**
 * Who owns a URI in a view: whoever had it first; the others have their aliases.
 *
 * @module
 */
import type { Item } from "../domain/item.ts";
import { matchUri, parseUriTemplate, type UriTemplate } from "../domain/uri_template.ts";

export interface ViewUris {
  /** In the view. */
  readonly nameOf: (item: Item) => string;
  readonly hasAliases: (serverId: string) => boolean;
  /** The URI in the view for one of a server; `undefined` where they are the same. */
  readonly renamed: (serverId: string, uri: string) => string | undefined;
}

/** An alias that is a template: what is matched, and what stands behind it. */
interface AliasTemplate {
  readonly template: UriTemplate;
  readonly behind: string;
}

/** @param items resources and templates; yields now and then */
export function* urisOf(items: Iterable<Item>): Generator<void, ViewUris> {
  const owners = new Map<string, Item>();
  const later: Item[] = [];
  let count = 0;
  for (const item of items) {
    if (++count % STEP === 0) yield;
    const owner = owners.get(item.upstreamName);
    if (owner === undefined || isBefore(item, owner)) owners.set(item.upstreamName, item);
    if (owner !== undefined && owner.upstreamId !== item.upstreamId) {
      later.push(isBefore(item, owner) ? owner : item);
    }
  }
  const losers = later.filter(({ upstreamId, upstreamName }) =>
    owners.get(upstreamName)!.upstreamId !== upstreamId
  );
  return losers.length === 0 ? NO_ALIASES : yield* aliased(owners, losers);
}

const STEP = 64;

const NO_ALIASES: ViewUris = {
  nameOf: ({ upstreamName }) => upstreamName,
  hasAliases: () => false,
  renamed: () => undefined,
};

/**
 * @param owners by URI in the view, aliases too: nothing that was found later takes the name of either
 * @param losers those whose URI is another's
 */
function* aliased(owners: Map<string, Item>, losers: Item[]): Generator<void, ViewUris> {
  const aliases = new Map<string, Map<string, string>>();
  const templates = new Map<string, AliasTemplate[]>();
  losers.sort((a, b) => isBefore(a, b) ? -1 : 1);
  for (const [place, item] of losers.entries()) {
    if (place % STEP === 0) yield;
    const { upstreamId, upstreamName } = item;
    const known = aliases.get(upstreamId) ?? new Map<string, string>();
    const alias = known.get(upstreamName) ?? freeAlias(owners, item);
    const displaced = owners.get(alias);
    owners.set(alias, item);
    aliases.set(upstreamId, known.set(upstreamName, alias));
    const template = item.kind === "template" ? parseUriTemplate(upstreamName) : undefined;
    if (template !== undefined) {
      const some = templates.get(upstreamId) ?? [];
      some.push({ template, behind: alias.slice(upstreamName.length) });
      templates.set(upstreamId, some);
    }
    // It was found later, so its turn is still to come.
    if (displaced !== undefined && !isOneOwner(displaced, item)) {
      const next = losers.findIndex((one, i) => i > place && isBefore(displaced, one));
      losers.splice(next < 0 ? losers.length : next, 0, displaced);
    }
  }
  return {
    nameOf: ({ upstreamId, upstreamName }) =>
      aliases.get(upstreamId)?.get(upstreamName) ?? upstreamName,
    hasAliases: (serverId) => aliases.has(serverId),
    renamed(serverId, uri) {
      const alias = aliases.get(serverId)?.get(uri);
      if (alias !== undefined) return alias;
      const owner = owners.get(uri);
      if (owner?.upstreamId === serverId && owner.upstreamName === uri) return undefined;
      const found = templates.get(serverId)?.find(({ template }) => matchUri(template, uri));
      return found && uri + found.behind;
    },
  };
}

/** Of the names that the item may have, the first that is nobody's who was found before. */
function freeAlias(owners: ReadonlyMap<string, Item>, item: Item): string {
  const isFree = (alias: string) => {
    const owner = owners.get(alias);
    if (owner === undefined) return true;
    return isOneOwner(owner, item) || (owner.upstreamName === alias && isBefore(item, owner));
  };
  let alias = item.exposedName;
  for (let n = 2; !isFree(alias); n++) alias = `${item.exposedName}-${n}`;
  return alias;
}

/** A resource and a template of one server may be written alike. */
function isOneOwner(a: Item, b: Item): boolean {
  return a.upstreamId === b.upstreamId && a.upstreamName === b.upstreamName;
}

function isBefore(a: Item, b: Item): boolean {
  return a.foundMs !== b.foundMs ? a.foundMs < b.foundMs : a.id < b.id;
}
