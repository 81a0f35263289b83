/**
 * What has to change about the items of one server and kind, so that they are what was found.
 *
 * Ids, exposed names and places are given once. What is not found any more is hidden for a while,
 * so that it comes back as what it was: a server that restarts with half of its tools, or that
 * fails in the middle of its list, takes nothing away for good.
 *
 * @module
 */
import type { Item } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Pace } from "../platform/pace.ts";
import type { Reading } from "./reading.ts";

export interface Reconciled {
  readonly inserted: readonly Item[];
  /** With the revisions that they were known in. */
  readonly updated: readonly KnownItem[];
  readonly removed: readonly string[];
}

export type KnownItem = Item & { readonly revision?: number };

export interface ReconcileOptions {
  readonly upstreamId: string;
  /** Wall clock. */
  readonly nowMs: number;
  /** How long hidden items are kept. */
  readonly graceMs: number;
  readonly newId: () => string;
  /** The exposed name, or the alias, of something new. */
  readonly nameOf: (upstreamName: string) => string;
  readonly pace: Pace;
}

/** @param known all items of the server and kind, hidden ones included */
export async function reconcile(
  known: readonly KnownItem[],
  { kind, items, cut }: Pick<Reading, "kind" | "items" | "cut">,
  options: ReconcileOptions,
): Promise<Reconciled> {
  const { upstreamId, nowMs, newId, nameOf, pace } = options;
  const unseen = new Map(known.map((item) => [item.upstreamName, item]));
  const inserted: Item[] = [];
  const updated: KnownItem[] = [];
  let lastSeq = known.reduce((last, { seq }) => Math.max(last, seq), 0);
  for (const { name, definition } of items) {
    await pace();
    const item = unseen.get(name);
    unseen.delete(name);
    if (item !== undefined) {
      const isSame = item.definition === definition && item.missingSinceMs === undefined;
      if (!isSame) updated.push({ ...item, definition, missingSinceMs: undefined });
      continue;
    }
    // A list that never ends has other names every time; nothing of it is ever found missing.
    if (cut !== undefined && known.length + inserted.length >= LIMITS.itemsPerKind) continue;
    inserted.push({
      id: newId(),
      kind,
      upstreamId,
      upstreamName: name,
      exposedName: nameOf(name),
      foundMs: nowMs,
      seq: ++lastSeq,
      definition,
      title: undefined,
      description: undefined,
      enabled: true,
      missingSinceMs: undefined,
      audience: undefined,
    });
  }
  const missing = cut === undefined ? [...unseen.values()] : [];
  return { inserted, ...hidden(missing, options, updated) };
}

function hidden(
  missing: readonly KnownItem[],
  { nowMs, graceMs }: ReconcileOptions,
  updated: KnownItem[],
): Pick<Reconciled, "updated" | "removed"> {
  const sinceMs = (item: Item) => item.missingSinceMs ?? nowMs;
  // A server may have other names every time: those that went last are kept.
  const kept = missing.filter((item) =>
    item.missingSinceMs === undefined || nowMs - sinceMs(item) < graceMs
  )
    .sort((a, b) => sinceMs(b) - sinceMs(a))
    .slice(0, LIMITS.itemsPerKind);
  for (const item of kept) {
    if (item.missingSinceMs === undefined) updated.push({ ...item, missingSinceMs: nowMs });
  }
  const left = new Set(kept);
  return { updated, removed: missing.filter((item) => !left.has(item)).map(({ id }) => id) };
}
