/**
 * What a discovery has changed, for people to read.
 *
 * @module
 */
import type { Item, ItemKind } from "../domain/item.ts";

export interface Difference {
  readonly added: readonly Named[];
  /** Whose definition is another one now. */
  readonly changed: readonly Named[];
  /** Which are not found any more, and hidden. */
  readonly missing: readonly Named[];
  /** Which are found again. */
  readonly restored: readonly Named[];
  /** Which were missing for so long that they are forgotten. */
  readonly removed: readonly Named[];
}

export interface Named {
  readonly kind: ItemKind;
  /** As the upstream server knows it. */
  readonly name: string;
}

export function differenceOf(before: readonly Item[], after: readonly Item[]): Difference {
  const known = new Map(before.map((item) => [item.id, item]));
  const left = new Set(after.map(({ id }) => id));
  const was = ({ id }: Item) => known.get(id);
  const isMissing = (item: Item | undefined) => item?.missingSinceMs !== undefined;
  const some = (items: readonly Item[], fits: (item: Item) => boolean) =>
    items.filter(fits).map(({ kind, upstreamName }) => ({ kind, name: upstreamName }));
  return {
    added: some(after, (item) => was(item) === undefined),
    changed: some(after, (item) => (was(item) ?? item).definition !== item.definition),
    missing: some(after, (item) => isMissing(item) && !isMissing(was(item))),
    restored: some(after, (item) => !isMissing(item) && isMissing(was(item))),
    removed: some(before, ({ id }) => !left.has(id)),
  };
}
