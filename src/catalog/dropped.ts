/**
 * The report of what was left out: bounded, and fit to be shown.
 *
 * @module
 */
import type { Dropped, ItemKind } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";

const NAME_CHARS_MAX = 200;

export interface DropReport {
  readonly add: (kind: ItemKind, name: string, reason: string) => void;
  /** The first of them, and as the last one how many there are besides. */
  readonly list: () => readonly Dropped[];
}

export function createDropReport(): DropReport {
  const first: Dropped[] = [];
  let more = 0;
  return {
    add(kind, name, reason) {
      if (first.length < LIMITS.droppedItems) first.push({ kind, name: shownName(name), reason });
      else more++;
    },
    list() {
      const last = first.at(-1);
      if (more === 0 || last === undefined) return first;
      const rest = { kind: last.kind, name: "", reason: `${more + 1} more were left out` };
      return [...first.slice(0, -1), rest];
    },
  };
}

function shownName(name: string): string {
  // deno-lint-ignore no-control-regex
  return name.slice(0, NAME_CHARS_MAX).toWellFormed().replace(/[\x00-\x1f\x7f]/g, "\ufffd");
}
