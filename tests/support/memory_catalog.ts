/**
 * The catalog without a database: tables and shelves in plain objects, for tests of what works on
 * them. Keeps the promises of `storage/catalog_tables.ts` and `catalog/catalog.ts`.
 *
 * @module
 */
import { PLAIN_UPSTREAM } from "./plain_upstream.ts";
import type { Catalog, CatalogChange, ServerShelf, Shelf } from "../../src/catalog/catalog.ts";
import { GatewayError } from "../../src/domain/errors.ts";
import { type Item, ITEM_KINDS } from "../../src/domain/item.ts";
import { definitionOf, keyOf } from "../../src/domain/own_item.ts";
import {
  type HttpUpstream,
  OWN_SERVER,
  type UpstreamServer,
  type VirtualServer,
} from "../../src/domain/server.ts";
import type {
  CatalogTables,
  Change,
  ItemChanges,
  ItemRow,
  OwnSettings,
  ServerRow,
  UpstreamRow,
} from "../../src/storage/catalog_tables.ts";

export interface MemoryTables extends CatalogTables {
  /** Every call of `items.apply` that was carried out, in order. */
  readonly applied: readonly (ItemChanges & { readonly upstreamId: string })[];
  /** Every row of the change log, in order. */
  readonly log: readonly Change[];
}

export interface MemoryCatalog extends Catalog {
  readonly tables: MemoryTables;
  /** Creates or replaces an upstream server: followers are told. */
  readonly put: (server: UpstreamServer) => Promise<void>;
  /** Creates or replaces a virtual server: followers are told. */
  readonly putServer: (server: VirtualServer) => Promise<void>;
  /** Removes a server of either kind: followers are told. */
  readonly drop: (id: string) => Promise<void>;
}

/** An upstream server as the config file would declare it. */
export function anUpstream(members: Partial<HttpUpstream> = {}): HttpUpstream {
  const name = members.name ?? "alpha";
  return {
    id: `id-of-${name}`,
    name,
    slug: name,
    ...PLAIN_UPSTREAM,
    seq: 1,
    transport: "http",
    url: new URL(`http://127.0.0.1:9/${name}`),
    headers: {},
    auth: { type: "none" },
    ...members,
  };
}

/** A virtual server that shows everything. */
export function aVirtualServer(members: Partial<VirtualServer> = {}): VirtualServer {
  const name = members.name ?? "everything";
  return {
    id: `id-of-${name}`,
    name,
    slug: name,
    title: undefined,
    description: undefined,
    instructions: undefined,
    tools: ["*"],
    prompts: ["*"],
    resources: ["*"],
    naming: "prefixed",
    overrides: { tools: {}, prompts: {}, resources: {} },
    enabled: true,
    declared: true,
    seq: 1,
    visibility: "public",
    team: undefined,
    owner: undefined,
    ...members,
  };
}

/** @param now wall clock of the rows */
export function createMemoryTables(now: () => number = () => 0): MemoryTables {
  const upstreams = new Map<string, UpstreamRow>();
  const servers = new Map<string, ServerRow>();
  const items = new Map<string, ItemRow>();
  const facts = new Map<string, string>();
  const log: Change[] = [];
  const applied: (ItemChanges & { upstreamId: string })[] = [];
  let seq = 0;

  function note(kind: Change["kind"], id: string): void {
    log.push({ revision: log.length + 1, kind, id });
  }

  function createOwn(id: string, settings: OwnSettings): void {
    const row = ownRow(id, settings, { seq: log.length + 1, revision: 1, createdMs: now() });
    refuseDoubled([...items.values(), row]);
    items.set(id, row);
    note("items", OWN_SERVER.id);
  }

  function updateOwn(id: string, revision: number, settings: OwnSettings): void {
    const known = changed(items.get(id), revision, {});
    const row = ownRow(id, settings, { ...known, createdMs: known.own!.createdMs });
    refuseDoubled([...items.values()].map((item) => item.id === id ? row : item));
    items.set(id, row);
    note("items", OWN_SERVER.id);
  }

  function removeOwn(id: string, revision: number): void {
    changed(items.get(id), revision, {});
    items.delete(id);
    note("items", OWN_SERVER.id);
  }

  function slugIsTaken(slug: string): boolean {
    return [...upstreams.values(), ...servers.values()].some((row) => row.slug === slug);
  }

  function table<R extends UpstreamRow | ServerRow>(
    rows: Map<string, R>,
    kind: "upstream" | "server",
    complete: (row: Omit<R, "offer">) => R,
  ) {
    return {
      list: () => later(() => [...rows.values()].sort((a, b) => a.seq - b.seq)),
      find: (id: string) => later(() => rows.get(id)),
      create: (row: Pick<R, "id" | "slug" | "name" | "declared" | "settings">) =>
        later(() => {
          if (slugIsTaken(row.slug)) throw conflict(`The slug "${row.slug}" is taken`);
          const dates = { seq: ++seq, revision: 1, createdMs: now(), updatedMs: now() };
          const created = complete({ ...row, ...dates } as unknown as Omit<R, "offer">);
          rows.set(row.id, created);
          note(kind, row.id);
          return created;
        }),
      update: (id: string, revision: number | undefined, change: Partial<R>) =>
        later(() => {
          const next = { ...changed(rows.get(id), revision, change), updatedMs: now() };
          rows.set(id, next);
          note(kind, id);
          return next;
        }),
      remove: (id: string, revision?: number) =>
        later(() => {
          const row = rows.get(id);
          if (row === undefined) return false;
          changed(row, revision, {});
          rows.delete(id);
          for (const item of items.values()) if (item.upstreamId === id) items.delete(item.id);
          note(kind, id);
          return true;
        }),
    };
  }

  function apply(upstreamId: string, changes: ItemChanges): void {
    const row = upstreams.get(upstreamId);
    if (row === undefined) throw new GatewayError("not_found", "There is no such upstream server");
    for (const { id, revision } of changes.updated) {
      const known = items.get(id)?.revision;
      if (known === undefined || (revision !== undefined && revision !== known)) {
        throw conflict("The item has been changed meanwhile");
      }
    }
    const next = new Map(items);
    for (const id of changes.removed) next.delete(id);
    for (const item of [...changes.inserted, ...changes.updated]) {
      next.set(item.id, { ...item, revision: (items.get(item.id)?.revision ?? 0) + 1 });
    }
    refuseDoubled(next.values());
    items.clear();
    for (const [id, item] of next) items.set(id, item);
    upstreams.set(upstreamId, { ...row, offer: changes.offer });
    applied.push({ upstreamId, ...changes });
    const { inserted, updated, removed } = changes;
    note(inserted.length + updated.length + removed.length > 0 ? "items" : "upstream", upstreamId);
  }

  return {
    applied,
    log,
    upstreams: table(upstreams, "upstream", (row) => ({ ...row, offer: undefined })),
    servers: table(servers, "server", (row) => row),
    items: {
      listOf: (upstreamId) =>
        later(() => [...items.values()].filter((one) => one.upstreamId === upstreamId).sort(order)),
      apply: (upstreamId, changes) => later(() => apply(upstreamId, changes)),
      expect: (upstreamId, expected) =>
        later(() => {
          const rows = expected.map((item) => ({ ...item, upstreamId, revision: 1 }));
          refuseDoubled([...items.values(), ...rows]);
          for (const row of rows) items.set(row.id, row);
          note("items", upstreamId);
        }),
      update: (id, revision, change) =>
        later(() => {
          const next = changed(items.get(id), revision, change);
          refuseDoubled([...items.values()].map((item) => item.id === id ? next : item));
          items.set(id, next);
          note("items", next.upstreamId);
          return next;
        }),
    },
    own: {
      list: () => later(() => [...items.values()].filter(({ own }) => own).sort(order)),
      create: (id, settings) => later(() => createOwn(id, settings)),
      update: (id, revision, settings) => later(() => updateOwn(id, revision, settings)),
      remove: (id, revision) => later(() => removeOwn(id, revision)),
      apply: ({ created, updated, removed }) =>
        later(() => {
          for (const { id, revision } of removed) removeOwn(id, revision);
          for (const { id, revision, settings } of updated) updateOwn(id, revision, settings);
          for (const { id, settings } of created) createOwn(id, settings);
        }),
    },
    changes: {
      revision: () => later(() => log.length),
      since: (revision) =>
        later(() => ({
          changes: log.slice(revision),
          revision: log.length,
          isIncomplete: false,
        })),
      prune: () => later(() => {}),
    },
    facts: {
      find: (name) => later(() => facts.get(name)),
      create: (name, value) =>
        later(() => facts.has(name) ? false : (facts.set(name, value), true)),
    },
  };
}

function ownRow(
  id: string,
  { spec, enabled, audience }: OwnSettings,
  { seq, revision, createdMs }: { seq: number; revision: number; createdMs: number },
): ItemRow {
  return {
    id,
    kind: spec.kind,
    upstreamId: OWN_SERVER.id,
    upstreamName: keyOf(spec),
    exposedName: keyOf(spec),
    foundMs: createdMs,
    seq,
    definition: definitionOf(spec),
    title: undefined,
    description: undefined,
    enabled,
    missingSinceMs: undefined,
    audience,
    revision,
    own: {
      spec,
      enabled,
      unreadable: [],
      chars: JSON.stringify(spec).length,
      createdMs,
      updatedMs: createdMs,
    },
  };
}

/** With these servers in it already. */
export async function createMemoryCatalog(
  start: readonly UpstreamServer[] = [],
  tables: MemoryTables = createMemoryTables(),
): Promise<MemoryCatalog> {
  const known = new Map<string, UpstreamServer>();
  const virtual = new Map<string, VirtualServer>();
  const shelves = new Map<string, Shelf>();
  const serverShelves = new Map<string, ServerShelf>();
  const followers = new Set<(change: CatalogChange) => void>();
  let revision = 0;

  async function shelve(id: string, hasNewItems: boolean): Promise<void> {
    const row = await tables.upstreams.find(id);
    const server = known.get(id);
    if (row === undefined || server === undefined) return void shelves.delete(id);
    const before = shelves.get(id);
    const items = before === undefined || hasNewItems
      ? await tables.items.listOf(id)
      : before.items;
    const { offer, revision, createdMs, updatedMs } = row;
    shelves.set(id, {
      server,
      offer,
      items,
      isUnreadable: false,
      revision,
      createdMs,
      updatedMs,
    });
  }

  async function shelveServer(id: string): Promise<void> {
    const row = await tables.servers.find(id);
    const server = virtual.get(id);
    if (row === undefined || server === undefined) return void serverShelves.delete(id);
    const { revision, createdMs, updatedMs } = row;
    serverShelves.set(id, { server, revision, createdMs, updatedMs });
  }

  async function refresh(): Promise<void> {
    const since = await tables.changes.since(revision);
    revision = since.revision;
    const upstreams = new Set<string>();
    const servers = new Set<string>();
    for (const { kind, id } of since.changes) {
      if (kind === "server") await shelveServer(id);
      else await shelve(id, kind === "items");
      (kind === "server" ? servers : upstreams).add(id);
    }
    if (since.changes.length === 0) return;
    for (const changed of [...followers]) changed({ upstreams, servers });
  }

  async function put(server: UpstreamServer): Promise<void> {
    const { id, slug, name, declared } = server;
    const isNew = !known.has(id);
    known.set(id, server);
    if (isNew) await tables.upstreams.create({ id, slug, name, declared, settings: undefined });
    else await tables.upstreams.update(id, undefined, { name });
    await refresh();
  }

  for (const server of start) await put(server);
  return {
    tables,
    put,
    async putServer(server) {
      const { id, slug, name, declared } = server;
      const isNew = !virtual.has(id);
      virtual.set(id, server);
      if (isNew) await tables.servers.create({ id, slug, name, declared, settings: undefined });
      else await tables.servers.update(id, undefined, { name });
      await refresh();
    },
    async drop(id) {
      known.delete(id);
      virtual.delete(id);
      await tables.upstreams.remove(id);
      await tables.servers.remove(id);
      await refresh();
    },
    upstream: (slugOrId) =>
      shelves.get(slugOrId) ?? [...shelves.values()].find(({ server }) => server.slug === slugOrId),
    server: (slugOrId) =>
      serverShelves.get(slugOrId) ??
        [...serverShelves.values()].find(({ server }) => server.slug === slugOrId),
    shelf: (slug) => [...shelves.values()].find(({ server }) => server.slug === slug),
    shelves: () => [...shelves.values()].sort((a, b) => a.server.seq - b.server.seq),
    upstreams: () => [...shelves.values()].sort((a, b) => a.server.seq - b.server.seq),
    servers: () => [...serverShelves.values()].sort((a, b) => a.server.seq - b.server.seq),
    refresh,
    follow(changed) {
      followers.add(changed);
      return () => void followers.delete(changed);
    },
  };
}

/** As a database would: never within the call, and failures as rejections. */
async function later<T>(act: () => T): Promise<T> {
  await Promise.resolve();
  return act();
}

function changed<R extends { readonly revision: number }>(
  row: R | undefined,
  revision: number | undefined,
  change: object,
): R {
  if (row === undefined) throw new GatewayError("not_found", "There is no such record");
  if (revision !== undefined && revision !== row.revision) {
    throw conflict("The record has been changed meanwhile");
  }
  return { ...row, ...change, revision: row.revision + 1 };
}

/** Names and aliases are unique among the items of one kind, whatever server they are of. */
function refuseDoubled(items: Iterable<Item>): void {
  const seen = new Set<string>();
  for (const { kind, exposedName } of items) {
    const key = `${kind} ${exposedName}`;
    if (seen.has(key)) throw conflict(`The name "${exposedName}" is taken`);
    seen.add(key);
  }
}

function order(a: Item, b: Item): number {
  return ITEM_KINDS.indexOf(a.kind) - ITEM_KINDS.indexOf(b.kind) || a.seq - b.seq;
}

function conflict(text: string): GatewayError {
  return new GatewayError("conflict", text);
}
