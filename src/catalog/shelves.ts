/**
 * The records of the catalog in memory, by id and slug, in order.
 *
 * @module
 */
import {
  type Declarations,
  OWN_SERVER,
  type UpstreamServer,
  type VirtualServer,
} from "../domain/server.ts";
import type { ItemRow, ServerRow, UpstreamRow } from "../storage/catalog_tables.ts";
import type { ServerShelf, Shelf } from "./catalog.ts";
import { ownShelf } from "./own_shelf.ts";

export type Shelves = ReturnType<typeof createShelves>;

export function createShelves() {
  const upstreams = new Map<string, Shelf>();
  const servers = new Map<string, ServerShelf>();
  const upstreamBySlug = new Map<string, Shelf>();
  const serverBySlug = new Map<string, ServerShelf>();
  let upstreamList: readonly Shelf[] = [];
  let serverList: readonly ServerShelf[] = [];
  let own = ownShelf([]);
  let allShelves: readonly Shelf[] = [];

  /** Whether anything is different now. @param items `undefined` for those that are known */
  function putUpstream(
    id: string,
    row: UpstreamRow | undefined,
    items: readonly ItemRow[] | undefined,
    declared: Declarations,
  ): boolean {
    const known = upstreams.get(id);
    const server = row && upstreamOf(row, declared, known?.server);
    if (row === undefined || server === undefined) {
      upstreams.delete(id);
      if (known !== undefined) upstreamBySlug.delete(known.server.slug);
      return known !== undefined;
    }
    const shelf: Shelf = {
      server,
      offer: row.offer,
      items: items === undefined ? known?.items ?? [] : unchanged(items, known?.items ?? []),
      isUnreadable: (row.unreadable?.length ?? 0) > 0,
      revision: row.revision,
      createdMs: row.createdMs,
      updatedMs: row.updatedMs,
    };
    upstreams.set(id, shelf);
    upstreamBySlug.set(server.slug, shelf);
    return known === undefined || known.server !== server || known.items !== shelf.items ||
      known.revision !== row.revision;
  }

  function putServer(id: string, row: ServerRow | undefined, declared: Declarations): boolean {
    const known = servers.get(id);
    const server = row && virtualOf(row, declared, known?.server);
    if (row === undefined || server === undefined) {
      servers.delete(id);
      if (known !== undefined) serverBySlug.delete(known.server.slug);
      return known !== undefined;
    }
    const { revision, createdMs, updatedMs } = row;
    const shelf: ServerShelf = { server, revision, createdMs, updatedMs };
    servers.set(id, shelf);
    serverBySlug.set(server.slug, shelf);
    return known === undefined || known.server !== server || known.revision !== revision;
  }

  /** Whether anything is different now. */
  function putOwn(read: readonly ItemRow[]): boolean {
    const items = unchanged(read, own.items);
    if (items === own.items) return false;
    own = ownShelf(items);
    return true;
  }

  return {
    putUpstream,
    putServer,
    putOwn,
    items: (id: string) => upstreams.get(id)?.items,
    upstreamIds: () => [...upstreams.keys()],
    serverIds: () => [...servers.keys()],
    /** See `Catalog`. */
    shown: {
      upstream: (slugOrId: string) => upstreamBySlug.get(slugOrId) ?? upstreams.get(slugOrId),
      shelf: (slug: string) => slug === OWN_SERVER.slug ? own : upstreamBySlug.get(slug),
      server: (slugOrId: string) => serverBySlug.get(slugOrId) ?? servers.get(slugOrId),
      upstreams: () => upstreamList,
      shelves: () => allShelves,
      servers: () => serverList,
    },
    sort() {
      upstreamList = [...upstreams.values()].sort((a, b) => a.server.seq - b.server.seq);
      allShelves = own.items.length === 0 ? upstreamList : [own, ...upstreamList];
      serverList = [...servers.values()].sort((a, b) => a.server.seq - b.server.seq);
    },
  };
}

/** The items that were read, those that did not change as the objects that they were. */
function unchanged(read: readonly ItemRow[], known: readonly ItemRow[]): readonly ItemRow[] {
  const before = new Map(known.map((item) => [item.id, item]));
  const items = read.map((item) => {
    const old = before.get(item.id);
    return old?.revision === item.revision ? old : item;
  });
  const isSame = items.length === known.length && items.every((item, i) => item === known[i]);
  return isSame ? known : items;
}

/**
 * The server that a row stands for, the same object as before when nothing about it has changed;
 * `undefined` for a declared one that the file does not name.
 */
function upstreamOf(
  row: UpstreamRow,
  { upstreams }: Declarations,
  known: UpstreamServer | undefined,
): UpstreamServer | undefined {
  const { id, slug, name, seq } = row;
  const declaration = row.declared ? upstreams.find((one) => one.slug === slug) : undefined;
  if (row.declared && declaration === undefined) return undefined;
  const server: UpstreamServer = declaration !== undefined
    ? { ...declaration, id, slug, name, seq }
    : { ...madeThroughApi(row), id, slug, name, seq };
  return known !== undefined && isSame(known, server) ? known : server;
}

function madeThroughApi({ settings, unreadable = [] }: UpstreamRow) {
  const { enabled, url } = settings!;
  // Without its credentials nothing may be sent to it.
  const isUsable = enabled && unreadable.length === 0;
  return { ...settings!, enabled: isUsable, declared: false, url: new URL(url) };
}

function virtualOf(
  row: ServerRow,
  { servers }: Declarations,
  known: VirtualServer | undefined,
): VirtualServer | undefined {
  const { id, slug, name, seq } = row;
  const declaration = row.declared ? servers.find((one) => one.slug === slug) : undefined;
  if (row.declared && declaration === undefined) return undefined;
  const server: VirtualServer = declaration !== undefined
    ? { ...declaration, id, slug, name, seq }
    : { ...row.settings!, id, slug, name, seq, declared: false };
  return known !== undefined && isSame(known, server) ? known : server;
}

function isSame(a: object, b: object): boolean {
  return canonical(a) === canonical(b);
}

/** Members in one order: a row that was read again may give them in another. */
function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, part) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  );
}
