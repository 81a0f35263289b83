/**
 * What one endpoint shows of the catalog: names and URIs to the items behind them.
 *
 * A view is one for all callers; what of it is there for one of them is decided by the audiences of
 * servers and items. Names are looked up in tables, never taken apart, and are the same for all: that
 * of a hidden item stays taken.
 *
 * @module
 * @see contract.md, section 4
 */
import { maySeeItem } from "../domain/access.ts";
import { globMatcher } from "../domain/glob.ts";
import { type Item, ITEM_KINDS, type ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import { ownUri, partsOfOwnUri } from "../domain/own_item.ts";
import type { Principal } from "../domain/principal.ts";
import type { Audience, Override, UpstreamServer, VirtualServer } from "../domain/server.ts";
import { matchUri } from "../domain/uri_template.ts";
import { atOnce } from "../platform/pace.ts";
import type { Binding, Run } from "./binding.ts";
import type { Shelf } from "./catalog.ts";
import {
  audienceKey,
  isOpen,
  type Part,
  partOf,
  rankedOf,
  type RankedTemplate,
  type ViewRule,
} from "./view_part.ts";
import { urisOf, type ViewUris } from "./view_uris.ts";

export interface View {
  /** The endpoint: the slug of a server, or `ALL`. */
  readonly key: string;
  /** The servers that it shows something of, or may. */
  readonly shelves: readonly Shelf[];
  /** By id of the server. */
  readonly parts: ReadonlyMap<string, Part>;
  readonly lists: Readonly<Record<ItemKind, readonly Run[]>>;
  /** Of servers and single items, by what tells them apart. */
  readonly audiences: ReadonlyMap<string, Audience>;
  /** What has this name, or exactly this URI or template, and is there for this caller. */
  readonly find: (principal: Principal, kind: ItemKind, name: string) => Binding | undefined;
  /** What has this name, whoever may see it: for records of what was tried, never for an answer. */
  readonly behind: (kind: ItemKind, name: string) => Binding | undefined;
  /** What this caller may read this URI from, the best first. */
  readonly resolve: (principal: Principal, uri: string) => readonly ResolvedUri[];
  /** Whether nothing hides the server's own URI from this caller. */
  readonly isOpen: (principal: Principal, server: UpstreamServer, uri: string) => boolean;
  /** `undefined` for a server all of whose URIs are the same in this view. */
  readonly renaming: (server: UpstreamServer) => Renamed | undefined;
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

/** The same as `viewSteps`, at once. */
export function createView(rule: ViewRule, shelves: readonly Shelf[], before?: View): View {
  return atOnce(viewSteps(rule, shelves, before));
}

/**
 * Makes the view in steps, none of them longer than what there is of one server.
 *
 * @param shelves in the order in which their items stand
 * @param before the view that this one replaces: what is still right is kept
 */
export function* viewSteps(
  rule: ViewRule,
  shelves: readonly Shelf[],
  before?: View,
): Generator<void, View> {
  const parts = new Map<string, Part>();
  for (const shelf of shelves) {
    const { id } = shelf.server;
    parts.set(id, partOf(rule, shelf, before?.parts.get(id)));
    yield;
  }
  const uris = yield* urisOf(uriItems(parts.values()));
  const lists: Lists[] = [];
  for (const part of parts.values()) {
    lists.push(uris.hasAliases(part.shelf.server.id) ? renamedIn(part, uris) : part.bindings);
    yield;
  }
  const names = yield* namesOf(lists);
  const templates = [...parts.values()].flatMap((part, i) =>
    lists[i] === part.bindings ? part.templates : rankedOf(lists[i]!.template)
  ).filter(({ binding }) => !names.lost.has(binding)).sort((a, b) => b.rank - a.rank);
  yield;
  return {
    key: rule.key,
    shelves: rule.key === ALL
      ? shelves
      : shelves.filter(({ server }, i) =>
        server.slug === rule.key || ITEM_KINDS.some((kind) => lists[i]![kind].length > 0)
      ),
    parts,
    lists: names.lists,
    audiences: audiencesOf(parts.values()),
    ...lookups(parts, names.tables, templates),
    renaming(server) {
      const renamed = (uri: string) => uris.renamed(server.id, uri);
      if (server.transport === "own") return (uri) => partsOfOwnUri(uri)?.uri ?? renamed(uri);
      return uris.hasAliases(server.id) ? renamed : undefined;
    },
    collisions: names.collisions,
  };
}

/** What is there for one caller. */
function lookups(
  parts: View["parts"],
  tables: Names["tables"],
  templates: readonly RankedTemplate[],
): Pick<View, "find" | "behind" | "resolve" | "isOpen"> {
  return {
    behind: (kind, name) => tables[kind].get(name),
    find(principal, kind, name) {
      const binding = tables[kind].get(name);
      return binding !== undefined && maySeeItem(principal, binding) ? binding : undefined;
    },
    resolve(principal, uri) {
      const exact = tables.resource.get(uri);
      const isThere = exact !== undefined && maySeeItem(principal, exact);
      const found = isThere ? [resolved(exact, exact.name)] : [];
      let work = 0;
      for (const { binding, template } of templates) {
        if (matchUri(template, uri) && maySeeItem(principal, binding)) {
          const one = resolved(binding, uri);
          const part = parts.get(binding.server.id)!;
          if (isOpen(part, principal, one.upstreamUri)) found.push(one);
        }
        // Many long templates and a long URI are an attack; what is sensible stays far below.
        work += template.text.length * uri.length;
        if (work > LIMITS.templateWork) break;
      }
      return found.map(forOwn);
    },
    isOpen(principal, { id }, uri) {
      const part = parts.get(id);
      return part !== undefined && isOpen(part, principal, uri);
    },
  };
}

type Lists = Part["bindings"];

function* uriItems(parts: Iterable<Part>): Iterable<Item> {
  for (const { bindings } of parts) {
    for (const { item } of bindings.resource) yield item;
    for (const { item } of bindings.template) yield item;
  }
}

/** What is different where URIs of the server have aliases; its tools may name them. */
function renamedIn({ bindings }: Part, uris: ViewUris): Lists {
  const named = (one: Binding): Binding => ({ ...one, name: uris.nameOf(one.item) });
  return {
    tool: bindings.tool.map((one) => ({
      ...one,
      renamed: (uri: string) => uris.renamed(one.server.id, uri),
    })),
    prompt: bindings.prompt,
    resource: bindings.resource.map(named),
    template: bindings.template.map(named),
  };
}

interface Names {
  readonly tables: Readonly<Record<ItemKind, ReadonlyMap<string, Binding>>>;
  readonly lists: View["lists"];
  /** Left out, since others have their names. */
  readonly lost: ReadonlySet<Binding>;
  readonly collisions: readonly Collision[];
}

function* namesOf(all: readonly Lists[]): Generator<void, Names> {
  const tables = { tool: table(), prompt: table(), resource: table(), template: table() };
  const lost = new Set<Binding>();
  const collisions = new Map<string, { kind: ItemKind; name: string; items: string[] }>();
  let count = 0;
  for (const [kind, binding] of eachOf(all)) {
    if (++count % STEP === 0) yield;
    const { name, item } = binding;
    const taken = tables[kind].get(name);
    if (taken === undefined) {
      tables[kind].set(name, binding);
      continue;
    }
    lost.add(binding);
    const of = `${kind} ${name}`;
    const one = collisions.get(of) ?? { kind, name, items: [labelOf(taken.item)] };
    one.items.push(labelOf(item));
    collisions.set(of, one);
  }
  const runs = (kind: ItemKind) =>
    all.map((lists) => lost.size === 0 ? lists[kind] : lists[kind].filter((one) => !lost.has(one)))
      .filter((run) => run.length > 0);
  const [tool, prompt, resource, template] = ITEM_KINDS.map(runs);
  const lists = { tool: tool!, prompt: prompt!, resource: resource!, template: template! };
  return { tables, lists, lost, collisions: [...collisions.values()] };
}

const STEP = 64;

function* eachOf(all: readonly Lists[]): Generator<readonly [ItemKind, Binding], void> {
  for (const lists of all) {
    for (const kind of ITEM_KINDS) for (const one of lists[kind]) yield [kind, one];
  }
}

function table() {
  return new Map<string, Binding>();
}

function labelOf({ kind, exposedName, upstreamName }: Item): string {
  return kind === "tool" || kind === "prompt" ? exposedName : upstreamName;
}

function audiencesOf(parts: Iterable<Part>): ReadonlyMap<string, Audience> {
  const all = new Map<string, Audience>();
  for (const { shelf: { server }, audiences } of parts) {
    all.set(audienceKey(server), server);
    for (const [key, audience] of audiences) all.set(key, audience);
  }
  return all;
}

/** An alias is the URI with something behind it, for templates and what they stand for alike. */
function resolved(binding: Binding, uri: string): ResolvedUri {
  const { upstreamName } = binding.item;
  const behind = binding.name.length - upstreamName.length;
  return { binding, upstreamUri: behind > 0 ? uri.slice(0, -behind) : uri };
}

/** The gateway's own server is told which of its items is meant. */
function forOwn(found: ResolvedUri): ResolvedUri {
  const { binding, upstreamUri } = found;
  if (binding.server.transport !== "own") return found;
  return { binding, upstreamUri: ownUri(binding.item.id, upstreamUri) };
}
