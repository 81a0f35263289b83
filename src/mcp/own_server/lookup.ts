/**
 * The gateway's own items by what messages call them, however many there are.
 *
 * @module
 */
import type { ItemKind } from "../../domain/item.ts";
import type { ItemRow } from "../../storage/catalog_tables.ts";

export interface OwnLookup {
  /** By name, and a template by its text. */
  readonly named: (kind: ItemKind, name: unknown) => ItemRow | undefined;
  readonly withId: (id: string | undefined) => ItemRow | undefined;
}

interface Index {
  /** What it was made of. */
  readonly items: readonly ItemRow[];
  readonly byName: ReadonlyMap<ItemKind, ReadonlyMap<unknown, ItemRow>>;
  readonly byId: ReadonlyMap<string | undefined, ItemRow>;
}

/** @param items another list after each change, and the same until then */
export function createOwnLookup(items: () => readonly ItemRow[]): OwnLookup {
  let index = indexOf([]);

  function current(): Index {
    const now = items();
    if (now !== index.items) index = indexOf(now);
    return index;
  }

  return {
    named: (kind, name) => current().byName.get(kind)?.get(name),
    withId: (id) => current().byId.get(id),
  };
}

function indexOf(items: readonly ItemRow[]): Index {
  const byName = new Map<ItemKind, Map<unknown, ItemRow>>();
  for (const item of items) {
    const names = byName.get(item.kind) ?? new Map<unknown, ItemRow>();
    byName.set(item.kind, names.set(item.upstreamName, item));
  }
  return { items, byName, byId: new Map(items.map((item) => [item.id, item])) };
}
