/**
 * What each caller sees of a view: one object for all who see the same, and of each server one list
 * for all who see the same of that.
 *
 * @module
 * @see security.md, AUTHZ-16
 */
import { maySee } from "../domain/access.ts";
import { ITEM_KINDS, type ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { Run } from "./binding.ts";
import type { Shelf } from "./catalog.ts";
import type { View } from "./view.ts";
import { audienceKey, type Part } from "./view_part.ts";

/** What one caller sees of a view. The same object for all who see the same. */
export interface CallerView {
  readonly view: View;
  /** The servers that it sees, in order. */
  readonly shelves: readonly Shelf[];
  /** In order; what is seen of one server is the same array for as long as it is the same. */
  readonly lists: Readonly<Record<ItemKind, readonly Run[]>>;
}

export function createCallerViews(): (principal: Principal, view: View) => CallerView {
  const seen = new WeakMap<View, Map<string, CallerView>>();
  /** Under which key of those a caller has been found: what it sees is not kept for each by itself. */
  const recent = new WeakMap<View, WeakMap<Principal, string>>();
  const runs = new WeakMap<Run, Map<string, Run>>();

  /** What is there of a run; the whole of it where nothing is said of single items. */
  function runOf(run: Run, { audiences, keys }: Part, visible: ReadonlySet<string>): Run {
    if (audiences.size === 0) return run;
    // Most callers see few of very many.
    const those = visible.size < audiences.size
      ? [...visible].filter((key) => audiences.has(key))
      : [...audiences.keys()].filter((key) => visible.has(key));
    if (those.length === audiences.size) return run;
    const known = runs.get(run) ?? new Map<string, Run>();
    runs.set(run, known);
    return kept(known, LIMITS.callerRuns, JSON.stringify(those), () =>
      run.filter(({ item }) => {
        const key = keys.get(item);
        return key === undefined || visible.has(key);
      }));
  }

  function narrowed(view: View, visible: ReadonlySet<string>): CallerView {
    const isSeen = ({ server }: { readonly server: Shelf["server"] }) =>
      visible.has(audienceKey(server));
    const list = (kind: ItemKind) =>
      view.lists[kind].filter(([first]) => isSeen(first!))
        .map((run) => runOf(run, view.parts.get(run[0]!.server.id)!, visible))
        .filter(({ length }) => length > 0);
    const [tool, prompt, resource, template] = ITEM_KINDS.map(list);
    return {
      view,
      shelves: view.shelves.filter(isSeen),
      lists: { tool: tool!, prompt: prompt!, resource: resource!, template: template! },
    };
  }

  function sharedBy(principal: Principal, view: View, of: WeakMap<Principal, string>): CallerView {
    const visible = new Set<string>();
    const places: number[] = [];
    let place = 0;
    for (const [key, audience] of view.audiences) {
      place++;
      if (!maySee(principal, audience)) continue;
      visible.add(key);
      places.push(place);
    }
    const key = places.join();
    of.set(principal, key);
    const known = seen.get(view) ?? new Map<string, CallerView>();
    seen.set(view, known);
    return kept(known, LIMITS.callerViews, key, () => narrowed(view, visible));
  }

  return (principal, view) => {
    let of = recent.get(view);
    if (of === undefined) recent.set(view, of = new WeakMap());
    const key = of.get(principal);
    const known = key === undefined ? undefined : seen.get(view)?.get(key);
    return known ?? sharedBy(principal, view, of);
  };
}

/** What is kept under the key, or made; what was not asked for the longest makes room. */
function kept<T>(known: Map<string, T>, max: number, key: string, make: () => T): T {
  const found = known.get(key) ?? make();
  known.delete(key);
  if (known.size >= max) known.delete(known.keys().next().value!);
  known.set(key, found);
  return found;
}
