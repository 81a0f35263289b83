/**
 * The views of all endpoints, made when they are first asked for and again when the catalog has
 * changed; and of each what a caller may see.
 *
 * @module
 */
import { maySee } from "../domain/access.ts";
import { ITEM_KINDS, type ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { Catalog, Shelf } from "./catalog.ts";
import {
  ALL,
  type Binding,
  type Collision,
  createView,
  EVERYTHING,
  ruleOfServer,
  ruleOfUpstream,
  type View,
} from "./view.ts";

/** What one caller sees of a view. The same object for all who see the same. */
export interface CallerView {
  readonly view: View;
  /** The servers that it sees, in order. */
  readonly shelves: readonly Shelf[];
  readonly lists: Readonly<Record<ItemKind, readonly Binding[]>>;
}

export interface Views {
  /** The view of the endpoint with this key (see `View.key`); `undefined` when there is none. */
  readonly of: (key: string) => View | undefined;
  readonly seenBy: (principal: Principal, view: View) => CallerView;
}

/** @param collided told of names that several items of an endpoint would have: one of them does */
export function createViews(
  catalog: Catalog,
  collided: (key: string, collisions: readonly Collision[]) => void = () => {},
): Views {
  const views = new Map<string, { view: View; inputs: readonly unknown[] }>();
  const fresh = new Set<string>();
  const seen = new WeakMap<View, Map<string, CallerView>>();
  const recent = new WeakMap<View, WeakMap<Principal, CallerView>>();
  catalog.follow(() => fresh.clear());

  function of(key: string): View | undefined {
    const known = views.get(key);
    if (known !== undefined && fresh.has(key)) return known.view;
    const made = partsOf(catalog, key);
    if (made === undefined) {
      views.delete(key);
      return undefined;
    }
    fresh.add(key);
    // Most changes concern other endpoints: then the view, and all that hangs on it, stays.
    if (known !== undefined && isSame(known.inputs, made.inputs)) return known.view;
    const view = createView(made.rule, made.shelves, known?.view);
    const hasNew = JSON.stringify(view.collisions) !== JSON.stringify(known?.view.collisions ?? []);
    if (hasNew && view.collisions.length > 0) collided(key, view.collisions);
    views.set(key, { view, inputs: made.inputs });
    return view;
  }

  function seenBy(principal: Principal, view: View): CallerView {
    let of = recent.get(view);
    if (of === undefined) recent.set(view, of = new WeakMap());
    let found = of.get(principal);
    if (found === undefined) of.set(principal, found = sharedBy(principal, view));
    return found;
  }

  function sharedBy(principal: Principal, view: View): CallerView {
    const visible = view.shelves.map(({ server }) => maySee(principal, server));
    const key = visible.map(Number).join("");
    let of = seen.get(view);
    if (of === undefined) seen.set(view, of = new Map());
    let found = of.get(key);
    if (found === undefined) {
      found = narrowed(view, new Set(view.shelves.filter((_, i) => visible[i])));
      // The oldest makes room.
      if (of.size >= LIMITS.callerViews) of.delete(of.keys().next().value!);
      of.set(key, found);
    }
    return found;
  }

  return { of, seenBy };
}

function narrowed(view: View, shelves: ReadonlySet<Shelf>): CallerView {
  const servers = new Set([...shelves].map(({ server }) => server));
  const list = (kind: ItemKind) => view.lists[kind].filter(({ server }) => servers.has(server));
  const [tool, prompt, resource, template] = ITEM_KINDS.map(list);
  return {
    view,
    shelves: [...shelves],
    lists: { tool: tool!, prompt: prompt!, resource: resource!, template: template! },
  };
}

function partsOf(catalog: Catalog, key: string) {
  const enabled = catalog.shelves().filter(({ server }) => server.enabled);
  if (key === ALL) {
    const shelves = enabled.filter(({ server }) => server.expose);
    return { rule: EVERYTHING, shelves, inputs: shelves };
  }
  const virtual = catalog.server(key);
  if (virtual !== undefined) {
    if (!virtual.server.enabled) return undefined;
    return {
      rule: ruleOfServer(virtual.server),
      shelves: enabled,
      inputs: [virtual.server, ...enabled],
    };
  }
  const shelf = catalog.upstream(key);
  if (shelf === undefined || !shelf.server.enabled) return undefined;
  return { rule: ruleOfUpstream(shelf.server), shelves: [shelf], inputs: [shelf] };
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
