/**
 * Writes down what an upstream server offers now, as far as it differs from what is known.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";
import { aliasUri, exposedName } from "../domain/exposed_name.ts";
import { isNamed, type Item, type ItemKind, type Offer } from "../domain/item.ts";
import type { Clock } from "../platform/clock.ts";
import type { Pace } from "../platform/pace.ts";
import type { CatalogTables } from "../storage/catalog_tables.ts";
import type { Catalog, Shelf } from "./catalog.ts";
import { type Offering, offerOf } from "./offering.ts";
import { type KnownItem, reconcile, type Reconciled } from "./reconcile.ts";

export interface KeepDeps {
  readonly tables: { readonly items: Pick<CatalogTables["items"], "apply"> };
  readonly catalog: Pick<Catalog, "upstream" | "shelves" | "refresh">;
  readonly clock: Clock;
  readonly pace: Pace;
  readonly newId: () => string;
}

export interface KeepOptions {
  /** Between slug and upstream name in exposed names. */
  readonly separator: string;
  readonly graceMs: number;
}

export interface Kept {
  /** Kinds of which something came, went or is another now. */
  readonly changed: ReadonlySet<ItemKind>;
  /** Whether anything was written. */
  readonly isWritten: boolean;
}

/** Another replica that discovers the same server is faster once, not for ever. */
const ATTEMPTS_MAX = 5;

/**
 * @param isWanted asked right before anything is written
 * @returns `undefined` when the server is gone, or it is not wanted any more
 * @throws {GatewayError} `conflict` when other writers were faster every time
 * @throws as `CatalogTables.items.apply`
 */
export async function keepOffering(
  deps: KeepDeps,
  options: KeepOptions,
  upstreamId: string,
  offering: Offering,
  isWanted: () => boolean,
): Promise<Kept | undefined> {
  let shelf = deps.catalog.upstream(upstreamId);
  if (shelf === undefined) return undefined;
  // Almost always nothing has changed: that is found out in memory.
  let found = await compare(deps, options, shelf, offering);
  if (isNothing(found, shelf.offer)) return { changed: new Set(), isWritten: false };
  for (let attempt = 1;; attempt++) {
    await deps.catalog.refresh();
    shelf = deps.catalog.upstream(upstreamId);
    if (shelf === undefined) return undefined;
    found = await compare(deps, options, shelf, offering);
    if (isNothing(found, shelf.offer)) return { changed: new Set(), isWritten: false };
    if (!isWanted()) return undefined;
    try {
      const { inserted, updated, removed, offer } = found;
      await deps.tables.items.apply(upstreamId, { inserted, updated, removed, offer });
      await deps.catalog.refresh();
      return { changed: found.changed, isWritten: true };
    } catch (error) {
      const code = error instanceof GatewayError ? error.code : undefined;
      if (code === "not_found") return undefined;
      if (code !== "conflict" || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

interface Comparison extends Reconciled {
  readonly offer: Offer;
  readonly changed: ReadonlySet<ItemKind>;
}

async function compare(
  deps: KeepDeps,
  { separator, graceMs }: KeepOptions,
  { server, items, offer: before }: Shelf,
  offering: Offering,
): Promise<Comparison> {
  const { pace, newId, clock } = deps;
  const nowMs = clock.now();
  const changed = new Set<ItemKind>();
  const all: { inserted: Item[]; updated: KnownItem[]; removed: string[] } = {
    inserted: [],
    updated: [],
    removed: [],
  };
  for (const reading of offering.readings) {
    const { kind } = reading;
    const known = items.filter((item) => item.kind === kind);
    const names = await missingNames(deps, known, reading.items, kind);
    const nameOf = (upstreamName: string) => {
      const isTaken = (name: string) => names.has(name);
      const name = isNamed(kind)
        ? exposedName(server.slug, separator, upstreamName, isTaken)
        : aliasUri(upstreamName, server.slug, isTaken);
      names.add(name);
      return name;
    };
    const upstreamId = server.id;
    const found = await reconcile(known, reading, {
      upstreamId,
      nowMs,
      graceMs,
      newId,
      nameOf,
      pace,
    });
    for (const item of found.inserted) all.inserted.push(item);
    for (const item of found.updated) all.updated.push(item);
    for (const id of found.removed) all.removed.push(id);
    // That what was hidden is gone for good now, nobody sees.
    if (found.inserted.length + found.updated.length > 0) changed.add(kind);
  }
  return { ...all, changed, offer: offerOf(offering, before, nowMs) };
}

/** Names that nothing new may have; empty when there is nothing new. */
async function missingNames(
  { catalog, pace }: KeepDeps,
  known: readonly Item[],
  found: readonly { readonly name: string }[],
  kind: ItemKind,
): Promise<Set<string>> {
  const names = new Set<string>();
  const old = new Set(known.map(({ upstreamName }) => upstreamName));
  if (found.every(({ name }) => old.has(name))) return names;
  for (const { items } of catalog.shelves()) {
    for (const item of items) {
      await pace();
      if (isNamed(kind)) {
        if (item.kind === kind) names.add(item.exposedName);
      } else if (!isNamed(item.kind)) {
        // An alias must not be what a server itself calls something.
        names.add(item.exposedName).add(item.upstreamName);
      }
    }
  }
  if (!isNamed(kind)) { for (const { name } of found) names.add(name); }
  return names;
}

function isNothing(found: Comparison, before: Offer | undefined): boolean {
  const { inserted, updated, removed, offer } = found;
  return inserted.length + updated.length + removed.length === 0 && before !== undefined &&
    textOf(offer) === textOf(before);
}

/** When it was found makes no difference; nor does the order in which a database gives members. */
function textOf(offer: Offer): string {
  return JSON.stringify(sorted({ ...offer, discoveredMs: 0 }));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, member]) => [name, sorted(member)]);
}
