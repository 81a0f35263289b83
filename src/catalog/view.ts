/**
 * What one endpoint shows of the catalog: names and URIs to the items behind them.
 *
 * A view is the same for every caller; who may see what of it is decided by the server of each
 * binding. Names are looked up in tables, never taken apart.
 *
 * @module
 * @see contract.md, section 4
 */
import { globMatcher } from "../domain/glob.ts";
import type { Item, ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import { ownUri, partsOfOwnUri } from "../domain/own_item.ts";
import { shownDefinition } from "../domain/redefine.ts";
import type { Override, UpstreamServer, VirtualServer } from "../domain/server.ts";
import {
  matchUri,
  parseUriTemplate,
  specificity,
  type UriTemplate,
} from "../domain/uri_template.ts";
import type { Shelf } from "./catalog.ts";

/** An item as a view shows it. The same object for as long as nothing about it changes. */
export interface Binding {
  readonly kind: ItemKind;
  readonly item: Item;
  readonly server: UpstreamServer;
  /** Name, URI or URI template. */
  readonly name: string;
  readonly override: Override | undefined;
  /** The definition: JSON text of one object, on one line. */
  readonly shown: () => string;
}

export interface View {
  /** The endpoint: the slug of a server, or `ALL`. */
  readonly key: string;
  /** The servers that it shows something of, or may. */
  readonly shelves: readonly Shelf[];
  readonly lists: Readonly<Record<ItemKind, readonly Binding[]>>;
  /** What has this name, or exactly this URI or template. */
  readonly find: (kind: ItemKind, name: string) => Binding | undefined;
  /** What this URI may be read from, the best first. */
  readonly resolve: (uri: string) => readonly ResolvedUri[];
  /**
   * The URI in this view for one of a server, `undefined` where they are the same; and itself
   * `undefined` for a server all of whose URIs are.
   */
  readonly renaming: (server: UpstreamServer) => Renamed | undefined;
  /** Whether some URI of this server has another one because its own is taken. */
  readonly hasAliases: (server: UpstreamServer) => boolean;
  /** Items that are left out because others have their names. */
  readonly collisions: readonly Collision[];
}

/** The URI in the view for one of the server; `undefined` where they are the same. */
export type Renamed = (uri: string) => string | undefined;

export interface ResolvedUri {
  readonly binding: Binding;
  /** As the server knows it. */
  readonly upstreamUri: string;
}

export interface Collision {
  readonly kind: ItemKind;
  readonly name: string;
  /** Exposed names, or URIs, of the items. */
  readonly items: readonly string[];
}

/** Key of `/mcp`; no slug. */
export const ALL = "*";

/** What makes up a view, besides the shelves. */
export interface ViewRule {
  readonly key: string;
  readonly isExposed: (item: Item) => boolean;
  readonly nameOf: (item: Item) => string;
  readonly overrideOf: (item: Item) => Override | undefined;
}

/** `/mcp`. */
export const EVERYTHING: ViewRule = {
  key: ALL,
  isExposed: () => true,
  nameOf: (item) => item.exposedName,
  overrideOf: () => undefined,
};

/** One upstream server, of which something is not to be shown. */
export function ruleOfUpstream(server: UpstreamServer): ViewRule {
  return {
    key: server.slug,
    isExposed: () => true,
    nameOf: (item) => item.upstreamName,
    overrideOf: () => undefined,
  };
}

export function ruleOfServer(server: VirtualServer): ViewRule {
  const tools = globMatcher(server.tools);
  const prompts = globMatcher(server.prompts);
  const resources = globMatcher(server.resources);
  const { overrides } = server;
  const overrideOf = (item: Item): Override | undefined => {
    const { kind, exposedName, upstreamName } = item;
    if (kind === "tool") return own(overrides.tools, exposedName);
    if (kind === "prompt") return own(overrides.prompts, exposedName);
    return own(overrides.resources, upstreamName);
  };
  return {
    key: server.slug,
    isExposed({ kind, exposedName, upstreamName }) {
      if (kind === "tool") return tools(exposedName);
      if (kind === "prompt") return prompts(exposedName);
      return resources(upstreamName);
    },
    nameOf: (item) =>
      overrideOf(item)?.name ??
        (server.naming === "verbatim" ? item.upstreamName : item.exposedName),
    overrideOf,
  };
}

function own(overrides: Readonly<Record<string, Override>>, name: string): Override | undefined {
  return Object.hasOwn(overrides, name) ? overrides[name] : undefined;
}

/**
 * @param shelves in the order in which their items stand
 * @param before the view that this one replaces: bindings that are still right are kept
 */
export function createView(rule: ViewRule, shelves: readonly Shelf[], before?: View): View {
  const items = shelves.flatMap((shelf) =>
    shelf.items.filter(isThere).map((item) => ({ shelf, item }))
  )
    .filter(({ item }) => rule.isExposed(item));
  const uris = createUris(items);
  const known = new Map(before === undefined ? [] : allOf(before).map((one) => [one.item, one]));
  const lists: Record<ItemKind, Binding[]> = { tool: [], prompt: [], resource: [], template: [] };
  const tables = { tool: table(), prompt: table(), resource: table(), template: table() };
  const collisions = new Map<string, { kind: ItemKind; name: string; items: string[] }>();
  for (const { shelf: { server }, item } of items) {
    const { kind } = item;
    const isUri = kind === "resource" || kind === "template";
    const override = rule.overrideOf(item);
    const name = isUri ? uris.nameOf(item) : rule.nameOf(item);
    const taken = tables[kind].get(name);
    if (taken !== undefined) {
      const of = `${kind} ${name}`;
      const one = collisions.get(of) ?? { kind, name, items: [labelOf(taken.item)] };
      one.items.push(labelOf(item));
      collisions.set(of, one);
      continue;
    }
    const old = known.get(item);
    const isSame = old !== undefined && old.server === server && old.name === name &&
      sameOverride(old.override, override) && !uris.hasAliases(server.id) &&
      !before!.hasAliases(server);
    const binding = isSame ? old : bindingOf(item, server, name, override, uris);
    tables[kind].set(name, binding);
    lists[kind].push(binding);
  }
  const isOff = switchedOff(shelves);
  const templates = lists.template.flatMap((binding) => {
    const template = parseUriTemplate(binding.name);
    return template === undefined ? [] : [{ binding, template, rank: specificity(template) }];
  }).sort((a, b) => b.rank - a.rank);
  return {
    key: rule.key,
    shelves: rule.key === ALL
      ? shelves
      : shelves.filter(({ server }) =>
        server.slug === rule.key || items.some(({ shelf }) => shelf.server === server)
      ),
    lists,
    find: (kind, name) => tables[kind].get(name),
    resolve(uri) {
      const exact = tables.resource.get(uri);
      const found = exact === undefined ? [] : [resolved(exact, exact.name)];
      let work = 0;
      for (const { binding, template } of templates) {
        if (matchUri(template, uri)) {
          const one = resolved(binding, uri);
          if (!isOff(one)) found.push(one);
        }
        // Many long templates and a long URI are an attack; what is sensible stays far below.
        work += template.text.length * uri.length;
        if (work > LIMITS.templateWork) break;
      }
      return found.map(forOwn);
    },
    renaming(server) {
      const renamed = (uri: string) => uris.renamed(server.id, uri);
      if (server.transport === "own") return (uri) => partsOfOwnUri(uri)?.uri ?? renamed(uri);
      return uris.hasAliases(server.id) ? renamed : undefined;
    },
    hasAliases: (server) => uris.hasAliases(server.id),
    collisions: [...collisions.values()],
  };
}

function isThere({ enabled, missingSinceMs }: Item): boolean {
  return enabled && missingSinceMs === undefined;
}

/** What was switched off is not to be had through a template that fits it, however it is spelled. */
function switchedOff(shelves: readonly Shelf[]): (found: ResolvedUri) => boolean {
  const off = new Set(
    shelves.flatMap(({ items }) => items).filter(({ kind, enabled }) =>
      kind === "resource" && !enabled
    ).map(({ upstreamId, upstreamName }) => `${upstreamId} ${unescaped(upstreamName)}`),
  );
  if (off.size === 0) return () => false;
  return ({ binding, upstreamUri }) => off.has(`${binding.server.id} ${unescaped(upstreamUri)}`);
}

function unescaped(uri: string): string {
  try {
    return decodeURIComponent(uri);
  } catch {
    return uri;
  }
}

function table(): Map<string, Binding> {
  return new Map();
}

function allOf({ lists }: View): readonly Binding[] {
  return [...lists.tool, ...lists.prompt, ...lists.resource, ...lists.template];
}

function labelOf({ kind, exposedName, upstreamName }: Item): string {
  return kind === "tool" || kind === "prompt" ? exposedName : upstreamName;
}

function sameOverride(a: Override | undefined, b: Override | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** An alias is the URI with something behind it, for templates and what they stand for alike. */
function resolved(binding: Binding, uri: string): ResolvedUri {
  const { upstreamName } = binding.item;
  const behind = binding.name.length - upstreamName.length;
  return { binding, upstreamUri: behind > 0 ? uri.slice(0, -behind) : uri };
}

/** The gateway's own server is told which of its items is meant. */
function forOwn({ binding, upstreamUri }: ResolvedUri): ResolvedUri {
  if (binding.server.transport !== "own") return { binding, upstreamUri };
  return { binding, upstreamUri: ownUri(binding.item.id, upstreamUri) };
}

type Uris = ReturnType<typeof createUris>;

/** Who owns a URI in the view: whoever had it first; the others have their aliases. */
function createUris(items: readonly { readonly shelf: Shelf; readonly item: Item }[]) {
  const found = items.map(({ item }) => item).filter(({ kind }) =>
    kind === "resource" || kind === "template"
  ).sort((a, b) => isBefore(a, b) ? -1 : 1);
  /** By URI in the view, aliases too: nothing that comes later takes the name of either. */
  const owners = new Map<string, string>();
  const aliases = new Map<string, Map<string, string>>();
  const templates = new Map<string, { template: UriTemplate; behind: string }[]>();
  const isFree = (uri: string, owner: string) => (owners.get(uri) ?? owner) === owner;
  for (const { kind, upstreamId, upstreamName, exposedName } of found) {
    const owner = ownerOf(upstreamId, upstreamName);
    if (isFree(upstreamName, owner)) {
      owners.set(upstreamName, owner);
      continue;
    }
    let alias = exposedName;
    for (let n = 2; !isFree(alias, owner); n++) alias = `${exposedName}-${n}`;
    owners.set(alias, owner);
    const known = aliases.get(upstreamId) ?? new Map<string, string>();
    aliases.set(upstreamId, known.set(upstreamName, alias));
    const template = kind === "template" ? parseUriTemplate(upstreamName) : undefined;
    if (template === undefined) continue;
    const some = templates.get(upstreamId) ?? [];
    some.push({ template, behind: alias.slice(upstreamName.length) });
    templates.set(upstreamId, some);
  }
  return {
    nameOf: ({ upstreamId, upstreamName }: Item) =>
      aliases.get(upstreamId)?.get(upstreamName) ?? upstreamName,
    hasAliases: (serverId: string) => aliases.has(serverId),
    renamed(serverId: string, uri: string): string | undefined {
      const alias = aliases.get(serverId)?.get(uri);
      if (alias !== undefined) return alias;
      if (owners.get(uri) === ownerOf(serverId, uri)) return undefined;
      const found = templates.get(serverId)?.find(({ template }) => matchUri(template, uri));
      return found && uri + found.behind;
    },
  };
}

function ownerOf(upstreamId: string, uri: string): string {
  return `${upstreamId} ${uri}`;
}

function isBefore(a: Item, b: Item): boolean {
  return a.foundMs !== b.foundMs ? a.foundMs < b.foundMs : a.id < b.id;
}

function bindingOf(
  item: Item,
  server: UpstreamServer,
  name: string,
  override: Override | undefined,
  uris: Uris,
): Binding {
  let text: string | undefined;
  return {
    kind: item.kind,
    item,
    server,
    name,
    override,
    shown: () => text ??= shown(item, server, name, override, uris),
  };
}

function shown(
  item: Item,
  server: UpstreamServer,
  name: string,
  override: Override | undefined,
  uris: Uris,
): string {
  const { kind, upstreamName, definition } = item;
  const key = kind === "resource" ? "uri" : kind === "template" ? "uriTemplate" : "name";
  const isUri = key !== "name";
  const text = shownDefinition(definition, {
    ...(name === upstreamName ? {} : { [key]: name }),
    ...(isUri && override?.name !== undefined ? { name: override.name } : {}),
    title: override?.title ?? item.title,
    description: override?.description ?? item.description,
    annotations: override?.annotations,
  });
  if (kind !== "tool" || !uris.hasAliases(server.id)) return text;
  return withAlias(text, (uri) => uris.renamed(server.id, uri));
}

/** The page that belongs to a tool (MCP Apps) moves with the resource that it names. */
function withAlias(text: string, renamed: (uri: string) => string | undefined): string {
  const tool = JSON.parse(text) as { _meta?: { ui?: { resourceUri?: unknown } } };
  const uri = tool._meta?.ui?.resourceUri;
  const alias = typeof uri === "string" ? renamed(uri) : undefined;
  if (alias === undefined) return text;
  tool._meta!.ui!.resourceUri = alias;
  return JSON.stringify(tool);
}
