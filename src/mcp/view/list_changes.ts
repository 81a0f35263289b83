/**
 * Tells whoever follows a view when its own lists have changed: not when something changed that it
 * does not see, and many changes as one.
 *
 * @module
 * @see security.md, AUTHZ-19
 */
import type { Catalog } from "../../catalog/catalog.ts";
import type { Binding, Run } from "../../catalog/binding.ts";
import type { CallerView, Views } from "../../catalog/views.ts";
import { type Item, ITEM_KINDS, type ItemKind } from "../../domain/item.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Pace } from "../../platform/pace.ts";
import type { Timers } from "../../platform/timers.ts";

/** The lists that clients are told about: resource templates are among the resources. */
export type ListName = "tools" | "prompts" | "resources";

export interface ListChanges {
  /**
   * @param principal as it is when the question comes up
   * @param changed told of the lists that this caller sees differently since it was last told
   * @returns the way to stop it
   */
  readonly follow: (
    key: string,
    principal: () => Principal,
    changed: (lists: readonly ListName[]) => void,
  ) => () => void;
  /** A server says that these have changed, and no difference can be seen. */
  readonly unexplained: (serverId: string, kinds: readonly ItemKind[]) => void;
}

interface Follower {
  readonly key: string;
  readonly principal: () => Principal;
  readonly changed: (lists: readonly ListName[]) => void;
  seen: CallerView | undefined;
}

/** Within this time changes are one. */
const MERGE_MS = 250;

const LIST_OF: Readonly<Record<ItemKind, ListName>> = {
  tool: "tools",
  prompt: "prompts",
  resource: "resources",
  template: "resources",
};

export interface ListChangesDeps {
  readonly catalog: Catalog;
  readonly views: Views;
  readonly timers: Timers;
  readonly pace: Pace;
}

export function createListChanges({ catalog, views, timers, pace }: ListChangesDeps): ListChanges {
  const followers = new Set<Follower>();
  let doubts: { readonly serverId: string; readonly kinds: readonly ItemKind[] }[] = [];
  let isWaiting = false;

  function soon(): void {
    if (isWaiting || followers.size === 0) return;
    isWaiting = true;
    timers.after(MERGE_MS, () => {
      isWaiting = false;
      const said = doubts;
      doubts = [];
      tellAll(said);
    });
  }

  async function tellAll(said: typeof doubts): Promise<void> {
    for (const follower of [...followers]) {
      await views.ready(follower.key);
      await pace();
      if (followers.has(follower)) tell(follower, said);
    }
  }

  function tell(follower: Follower, said: typeof doubts): void {
    const seen = seenBy(follower);
    const before = follower.seen;
    follower.seen = seen;
    const kinds = ITEM_KINDS.filter((kind) =>
      !isSame(before?.lists[kind] ?? [], seen?.lists[kind] ?? []) ||
      said.some((one) =>
        one.kinds.includes(kind) &&
        seen?.lists[kind].some(([first]) => first!.server.id === one.serverId) === true
      )
    );
    const lists = new Set(kinds.map((kind) => LIST_OF[kind]));
    if (lists.size > 0) follower.changed([...lists]);
  }

  function seenBy({ key, principal }: Follower): CallerView | undefined {
    const view = views.of(key);
    return view && views.seenBy(principal(), view);
  }

  catalog.follow(soon);
  return {
    follow(key, principal, changed) {
      const follower: Follower = { key, principal, changed, seen: undefined };
      follower.seen = seenBy(follower);
      followers.add(follower);
      return () => void followers.delete(follower);
    },
    unexplained(serverId, kinds) {
      if (followers.size === 0) return;
      doubts.push({ serverId, kinds });
      soon();
    },
  };
}

function isSame(a: readonly Run[], b: readonly Run[]): boolean {
  return a === b || (a.length === b.length && a.every((one, i) => isSameRun(one, b[i]!)));
}

/** Bindings are made anew when their server changes, which clients cannot see. */
function isSameRun(a: Run, b: Run): boolean {
  return a === b || (a.length === b.length && a.every((one, i) => isShownAlike(one, b[i]!)));
}

function isShownAlike(a: Binding, b: Binding): boolean {
  return a === b ||
    (isSameItem(a.item, b.item) && a.name === b.name && a.override === b.override);
}

/** As far as clients can see it: to whom else it is shown makes no difference. */
function isSameItem(a: Item, b: Item): boolean {
  return a === b || (a.id === b.id && a.definition === b.definition && a.title === b.title &&
    a.description === b.description);
}
