/**
 * What a view shows of one server, before it is known what others have the same names. Kept for as
 * long as nothing about the server and its items changes, so that a change of one server is no work
 * for all others.
 *
 * @module
 */
import { maySeeItem } from "../domain/access.ts";
import { type Item, ITEM_KINDS, type ItemKind } from "../domain/item.ts";
import type { Principal } from "../domain/principal.ts";
import type { Audience, Override } from "../domain/server.ts";
import { parseUriTemplate, specificity, type UriTemplate } from "../domain/uri_template.ts";
import type { Binding } from "./binding.ts";
import type { Shelf } from "./catalog.ts";

/** What makes up a view, besides the shelves. */
export interface ViewRule {
  readonly key: string;
  readonly isExposed: (item: Item) => boolean;
  readonly nameOf: (item: Item) => string;
  readonly overrideOf: (item: Item) => Override | undefined;
}

export interface Part {
  readonly rule: ViewRule;
  readonly shelf: Shelf;
  readonly bindings: Readonly<Record<ItemKind, readonly Binding[]>>;
  readonly templates: readonly RankedTemplate[];
  /** Those of single items, by what tells them apart. */
  readonly audiences: ReadonlyMap<string, Audience>;
  /** The same of each item that has one. */
  readonly keys: ReadonlyMap<Item, string>;
  /** By URI without escapes: what no template may lead to for everybody. */
  readonly guarded: ReadonlyMap<string, readonly Item[]>;
}

export interface RankedTemplate {
  readonly binding: Binding;
  readonly template: UriTemplate;
  readonly rank: number;
}

/** The same for audiences that are alike. */
export function audienceKey({ visibility, team, owner }: Audience): string {
  const whose = visibility === "team" ? team : visibility === "private" ? owner : undefined;
  return whose === undefined ? visibility : `${visibility} ${whose}`;
}

/** @param before of the same server in the view that this one is for */
export function partOf(rule: ViewRule, shelf: Shelf, before: Part | undefined): Part {
  const { server, items } = shelf;
  const isSame = before !== undefined && before.rule === rule && before.shelf.items === items &&
    before.shelf.server === server;
  if (isSame) return before;
  const lists: Record<ItemKind, Binding[]> = { tool: [], prompt: [], resource: [], template: [] };
  const known = new Map(
    before === undefined ? [] : allOf(before.bindings).map((one) => [one.item, one]),
  );
  for (const item of items) {
    if (!item.enabled || item.missingSinceMs !== undefined || !rule.isExposed(item)) continue;
    const isUri = item.kind === "resource" || item.kind === "template";
    const name = isUri ? item.upstreamName : rule.nameOf(item);
    const override = rule.overrideOf(item);
    const old = known.get(item);
    const isOld = old?.server === server && old.name === name &&
      isAlike(old.override, override);
    lists[item.kind].push(isOld ? old : { item, server, name, override, renamed: undefined });
  }
  const bindings = keptLists(lists, before?.bindings);
  return { rule, shelf, bindings, templates: rankedOf(bindings.template), ...narrowing(items) };
}

function isAlike(a: Override | undefined, b: Override | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

export function rankedOf(bindings: readonly Binding[]): readonly RankedTemplate[] {
  return bindings.flatMap((binding) => {
    const template = parseUriTemplate(binding.name);
    return template === undefined ? [] : [{ binding, template, rank: specificity(template) }];
  });
}

function narrowing(items: readonly Item[]): Pick<Part, "audiences" | "keys" | "guarded"> {
  const audiences = new Map<string, Audience>();
  const keys = new Map<Item, string>();
  const guarded = new Map<string, Item[]>();
  for (const item of items) {
    const { audience, kind, upstreamName } = item;
    if (audience !== undefined) {
      const key = audienceKey(audience);
      audiences.set(key, audience);
      keys.set(item, key);
    }
    const isUri = kind === "resource" || kind === "template";
    if (!isUri || (item.enabled && audience === undefined)) continue;
    const uri = unescaped(upstreamName);
    guarded.set(uri, [...guarded.get(uri) ?? [], item]);
  }
  return { audiences, keys, guarded };
}

/**
 * Whether nothing keeps this caller from the server's own URI: what is switched off, or hidden, is not
 * to be had through a template that fits it, however it is spelled.
 */
export function isOpen({ shelf, guarded }: Part, principal: Principal, uri: string): boolean {
  if (guarded.size === 0) return true;
  const { server } = shelf;
  const items = guarded.get(unescaped(uri)) ?? [];
  return items.every((item) => item.enabled && maySeeItem(principal, { server, item }));
}

function unescaped(uri: string): string {
  try {
    return decodeURIComponent(uri);
  } catch {
    return uri;
  }
}

function allOf(lists: Part["bindings"]): readonly Binding[] {
  return ITEM_KINDS.flatMap((kind) => lists[kind]);
}

/** The lists, those with the same bindings as before as the arrays that they were. */
export function keptLists(
  lists: Part["bindings"],
  before: Part["bindings"] | undefined,
): Part["bindings"] {
  if (before === undefined) return lists;
  const kept = (kind: ItemKind) => {
    const [now, old] = [lists[kind], before[kind]];
    return now.length === old.length && now.every((one, i) => one === old[i]) ? old : now;
  };
  return {
    tool: kept("tool"),
    prompt: kept("prompt"),
    resource: kept("resource"),
    template: kept("template"),
  };
}
