/**
 * The catalog as a process has it: read whole at the start, then kept up with the change log.
 *
 * @module
 * @see design.md, "The road of a message, and its cost", point 4
 */
import { GatewayError } from "../domain/errors.ts";
import { type Declarations, OWN_SERVER } from "../domain/server.ts";
import { inTurns, repeat } from "../platform/again.ts";
import { randomText } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import type { CatalogTables, ServerRow, UpstreamRow } from "../storage/catalog_tables.ts";
import { createShelves } from "./shelves.ts";
import type { Catalog, CatalogChange } from "./catalog.ts";

export interface LiveCatalog extends Catalog {
  /**
   * Takes over what the config file says: what it does not name any more is gone.
   * @throws {GatewayError} `conflict` when a name is taken by what the API has made; nothing is
   *   changed then
   */
  readonly declare: (declarations: Declarations) => Promise<void>;
  readonly close: () => void;
}

export interface LiveCatalogDeps {
  readonly tables: CatalogTables;
  readonly timers: Timers;
  /** Calls back when it is worth to look sooner. Gives the way to stop that. */
  readonly follow: (changed: () => void) => () => void;
  readonly failed: (what: string, error: unknown) => void;
}

export interface LiveCatalogOptions {
  /** How often other replicas' changes are looked for; `undefined` when there are none. */
  readonly pollMs: number | undefined;
}

/** The log of changes is kept this tidy. */
const PRUNE_MS = 3_600_000;
/** 96 random bits. */
const ID_BYTES = 12;

export async function createLiveCatalog(
  deps: LiveCatalogDeps,
  options: LiveCatalogOptions,
): Promise<LiveCatalog> {
  const { tables } = deps;
  const shelves = createShelves();
  const followers = new Set<(change: CatalogChange) => void>();
  let declared: Declarations = { upstreams: [], servers: [] };
  let revision = await tables.changes.revision();
  const refresh = inTurns(follow);

  async function follow(): Promise<void> {
    const changed = { upstreams: new Set<string>(), servers: new Set<string>() };
    for (;;) {
      const { changes, isIncomplete, revision: reached } = await tables.changes.since(revision);
      if (isIncomplete) {
        await loadAll(changed);
        revision = reached;
        break;
      }
      if (changes.length === 0) break;
      const upstreams = new Set<string>();
      const items = new Set<string>();
      for (const { kind, id } of changes) {
        if (kind === "server") changed.servers.add(id);
        else if (kind === "items") items.add(id);
        else if (kind === "upstream") upstreams.add(id);
      }
      if (items.delete(OWN_SERVER.id)) await loadOwn(changed.upstreams);
      for (const id of new Set([...upstreams, ...items])) {
        await loadUpstream(id, items.has(id));
        changed.upstreams.add(id);
      }
      for (const id of changed.servers) {
        shelves.putServer(id, await tables.servers.find(id), declared);
      }
      revision = reached;
    }
    tell(changed);
  }

  async function loadOwn(changed: Set<string>): Promise<void> {
    if (shelves.putOwn(await tables.own.list())) changed.add(OWN_SERVER.id);
  }

  async function loadUpstream(id: string, hasNewItems: boolean): Promise<boolean> {
    const row = await tables.upstreams.find(id);
    const isNew = shelves.items(id) === undefined;
    const items = row && (hasNewItems || isNew) ? await tables.items.listOf(id) : undefined;
    return shelves.putUpstream(id, row, items, declared);
  }

  async function loadAll(changed: { upstreams: Set<string>; servers: Set<string> }): Promise<void> {
    const upstreams = await tables.upstreams.list();
    const servers = await tables.servers.list();
    for (const id of [...shelves.upstreamIds(), ...upstreams.map(({ id }) => id)]) {
      changed.upstreams.add(id);
    }
    for (const id of [...shelves.serverIds(), ...servers.map(({ id }) => id)]) {
      changed.servers.add(id);
    }
    const known = new Map(upstreams.map((row) => [row.id, row]));
    for (const id of changed.upstreams) {
      const row = known.get(id);
      shelves.putUpstream(id, row, row && await tables.items.listOf(id), declared);
    }
    const rows = new Map(servers.map((row) => [row.id, row]));
    for (const id of changed.servers) shelves.putServer(id, rows.get(id), declared);
    await loadOwn(changed.upstreams);
  }

  function tell(change: CatalogChange): void {
    if (change.upstreams.size === 0 && change.servers.size === 0) return;
    shelves.sort();
    for (const changed of followers) changed(change);
  }

  async function declare(wanted: Declarations): Promise<void> {
    const upstreams = await tables.upstreams.list();
    const servers = await tables.servers.list();
    refuseTaken(wanted, [...upstreams, ...servers]);
    // First what is gone: its name may be wanted by what is new.
    await takenOver(tables.upstreams, upstreams, wanted.upstreams);
    await takenOver(tables.servers, servers, wanted.servers);
    declared = wanted;
    await refresh();
    const changed = { upstreams: new Set<string>(), servers: new Set<string>() };
    // Those that are new as well: who looked sooner has seen them, and did not know what they are.
    for (const id of idsOf(upstreams, await tables.upstreams.list())) {
      if (await loadUpstream(id, false)) changed.upstreams.add(id);
    }
    for (const id of idsOf(servers, await tables.servers.list())) {
      const row = await tables.servers.find(id);
      if (shelves.putServer(id, row, declared)) changed.servers.add(id);
    }
    tell(changed);
  }

  await loadAll({ upstreams: new Set(), servers: new Set() });
  shelves.sort();
  const failed = (error: unknown) => deps.failed("The catalog could not be read again", error);
  const stops = [repeat(deps.timers, PRUNE_MS, () => tables.changes.prune().catch(failed))];
  const look = () => refresh().catch(failed);
  if (options.pollMs !== undefined) stops.push(repeat(deps.timers, options.pollMs, look));
  stops.push(deps.follow(look));
  return {
    ...shelves.shown,
    refresh,
    declare,
    follow(changed) {
      followers.add(changed);
      return () => void followers.delete(changed);
    },
    close() {
      for (const stop of stops) stop();
    },
  };
}

function idsOf(...rows: readonly (readonly { readonly id: string }[])[]): ReadonlySet<string> {
  return new Set(rows.flat().map(({ id }) => id));
}

interface Table {
  readonly create: (
    row: { id: string; slug: string; name: string; declared: true; settings: undefined },
  ) => Promise<unknown>;
  readonly update: (id: string, revision: undefined, change: { name: string }) => Promise<unknown>;
  readonly remove: (id: string) => Promise<unknown>;
}

interface Named {
  readonly slug: string;
  readonly name: string;
}

/** Has a declared row for each that the file names, and for no other. */
async function takenOver(
  table: Table,
  rows: readonly (UpstreamRow | ServerRow)[],
  wanted: readonly Named[],
): Promise<void> {
  for (const { id, slug, declared } of rows) {
    if (declared && !wanted.some((one) => one.slug === slug)) await table.remove(id);
  }
  for (const { slug, name } of wanted) {
    const known = rows.find((row) => row.slug === slug);
    if (known === undefined) await adopted(table, slug, name);
    else if (known.name !== name) await table.update(known.id, undefined, { name });
  }
}

/** Makes the row; another replica with the same file may have been faster. */
async function adopted(table: Table, slug: string, name: string): Promise<void> {
  try {
    const id = randomText(ID_BYTES);
    await table.create({ id, slug, name, declared: true, settings: undefined });
  } catch (error) {
    if (!(error instanceof GatewayError && error.code === "conflict")) throw error;
  }
}

/** @throws {GatewayError} `conflict` */
function refuseTaken(
  wanted: Declarations,
  rows: readonly { readonly slug: string; readonly declared: boolean }[],
): void {
  for (const { name, slug } of [...wanted.upstreams, ...wanted.servers]) {
    if (!rows.some((row) => row.slug === slug && !row.declared)) continue;
    throw new GatewayError(
      "conflict",
      `The config file names "${name}", whose URL name "${slug}" is taken by a server that was ` +
        "made through the API: remove one of the two",
    );
  }
}
