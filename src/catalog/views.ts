/**
 * The views of all endpoints, made when they are first asked for and again when the catalog has
 * changed.
 *
 * @module
 */
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer, VirtualServer } from "../domain/server.ts";
import { type Pace, paced } from "../platform/pace.ts";
import { type CallerView, createCallerViews } from "./caller_views.ts";
import type { Catalog, Shelf } from "./catalog.ts";
import {
  ALL,
  type Collision,
  createView,
  EVERYTHING,
  ruleOfServer,
  ruleOfUpstream,
  type View,
  viewSteps,
} from "./view.ts";
import type { ViewRule } from "./view_part.ts";

export type { CallerView } from "./caller_views.ts";

export interface Views {
  /**
   * The view of the endpoint with this key (see `View.key`); `undefined` when there is none. One that
   * is large and not ready takes its time.
   */
  readonly of: (key: string) => View | undefined;
  /** The same as it was a moment ago, where it is large: for what cannot wait. */
  readonly latest: (key: string) => View | undefined;
  /** Has a large view ready, others in between. Nothing is returned where there is nothing to wait for. */
  readonly ready: (key: string) => Promise<void> | undefined;
  readonly seenBy: (principal: Principal, view: View) => CallerView;
}

export interface ViewsDeps {
  readonly catalog: Catalog;
  readonly pace: Pace;
  /** Told of names that several items of an endpoint would have: one of them does. */
  readonly collided: (key: string, collisions: readonly Collision[]) => void;
}

/** What a view is made of. */
interface Ingredients {
  readonly rule: ViewRule;
  readonly shelves: readonly Shelf[];
}

interface Made extends Ingredients {
  readonly view: View;
}

/** While servers keep changing, somebody who waits gets what there is. */
const ATTEMPTS_MAX = 3;

export function createViews({ catalog, pace, collided }: ViewsDeps): Views {
  const views = new Map<string, Made>();
  const fresh = new Set<string>();
  const making = new Map<string, Promise<void>>();
  const rules = new WeakMap<VirtualServer | UpstreamServer, ViewRule>();
  catalog.follow(() => fresh.clear());

  /** What has to be made; `undefined` when the view is as it should be, or there is none. */
  function missing(key: string): Ingredients | undefined {
    const known = views.get(key);
    if (known !== undefined && fresh.has(key)) return undefined;
    const wanted = ingredientsOf(catalog, rules, key);
    if (wanted === undefined) {
      views.delete(key);
      return undefined;
    }
    // Most changes concern other endpoints: then the view, and all that hangs on it, stays.
    if (known === undefined || !isSame(known, wanted)) return wanted;
    fresh.add(key);
    return undefined;
  }

  function keep(key: string, { rule, shelves }: Ingredients, view: View): void {
    const known = views.get(key)?.view.collisions ?? [];
    const hasNew = JSON.stringify(view.collisions) !== JSON.stringify(known);
    if (hasNew && view.collisions.length > 0) collided(key, view.collisions);
    views.set(key, { rule, shelves, view });
  }

  function of(key: string): View | undefined {
    const wanted = missing(key);
    if (wanted !== undefined) {
      keep(key, wanted, createView(wanted.rule, wanted.shelves, views.get(key)?.view));
      fresh.add(key);
    }
    return views.get(key)?.view;
  }

  async function make(key: string): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const wanted = missing(key);
      if (wanted === undefined) return;
      const { rule, shelves } = wanted;
      const view = await paced(viewSteps(rule, shelves, views.get(key)?.view), pace);
      // Somebody who could not wait was faster, and has what is there now.
      if (!fresh.has(key)) keep(key, wanted, view);
    }
  }

  function ready(key: string): Promise<void> | undefined {
    const wanted = missing(key);
    if (wanted === undefined || isSmall(wanted)) return undefined;
    let work = making.get(key);
    if (work === undefined) {
      work = make(key).finally(() => making.delete(key));
      making.set(key, work);
    }
    return work;
  }

  function latest(key: string): View | undefined {
    const made = views.get(key)?.view;
    return made !== undefined && ready(key) !== undefined ? made : of(key);
  }

  return { of, latest, ready, seenBy: createCallerViews() };
}

/** Whether it is made within a slice. */
function isSmall({ shelves }: Ingredients): boolean {
  return shelves.reduce((count, { items }) => count + items.length, 0) <= LIMITS.viewItemsAtOnce;
}

function ingredientsOf(
  catalog: Catalog,
  rules: WeakMap<VirtualServer | UpstreamServer, ViewRule>,
  key: string,
): Ingredients | undefined {
  const rule = <S extends VirtualServer | UpstreamServer>(of: S, make: (of: S) => ViewRule) => {
    let known = rules.get(of);
    if (known === undefined) rules.set(of, known = make(of));
    return known;
  };
  const enabled = catalog.shelves().filter(({ server }) => server.enabled);
  if (key === ALL) {
    return { rule: EVERYTHING, shelves: enabled.filter(({ server }) => server.expose) };
  }
  const virtual = catalog.server(key)?.server;
  if (virtual !== undefined) {
    return virtual.enabled ? { rule: rule(virtual, ruleOfServer), shelves: enabled } : undefined;
  }
  const shelf = catalog.upstream(key);
  if (shelf === undefined || !shelf.server.enabled) return undefined;
  return { rule: rule(shelf.server, ruleOfUpstream), shelves: [shelf] };
}

function isSame(a: Ingredients, b: Ingredients): boolean {
  return a.rule === b.rule && a.shelves.length === b.shelves.length &&
    a.shelves.every((one, i) => one === b.shelves[i]);
}
