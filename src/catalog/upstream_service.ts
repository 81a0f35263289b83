/**
 * Upstream servers as people manage them: found, made, changed, removed, tried out.
 *
 * Reads come from memory; a write goes to the database, and is in memory when it is answered.
 *
 * @module
 */
import { maySee, maySeeItem } from "../domain/access.ts";
import { GatewayError } from "../domain/errors.ts";
import type { Item } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { UpstreamServer } from "../domain/server.ts";
import { ConnectionLost } from "../platform/http1/connection.ts";
import { randomText } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import { createRecords } from "./records.ts";
import type { CatalogTables, UpstreamSettings } from "../storage/catalog_tables.ts";
import type { Catalog, Shelf } from "./catalog.ts";
import { type Difference, differenceOf } from "./difference.ts";
import type { Discovery, Found } from "./discovery.ts";
import { checkManaged, type Precondition, slugFor, within } from "./editing.ts";
import { sentenceOf } from "./offering.ts";
import { blank, checked, type NewUpstream, type UpstreamChange } from "./upstream_settings.ts";

export interface UpstreamService {
  /** Those that the principal may see, in order. */
  readonly list: (principal: Principal) => readonly Shelf[];
  /** @throws {GatewayError} `not_found`, for hidden ones too */
  readonly find: (slugOrId: string, principal: Principal) => Shelf;
  /**
   * Waits a little for the first discovery; that it fails is no failure of this.
   * @throws {GatewayError} `conflict` when the slug is taken, `egress_denied`, `forbidden`
   * @throws {FaultyRequest}
   */
  readonly create: (upstream: NewUpstream, principal: Principal) => Promise<Shelf>;
  /** @throws as `create`, and `not_found`, `declared`, `precondition_failed` */
  readonly update: (
    slugOrId: string,
    change: UpstreamChange,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<Shelf>;
  /** @throws {GatewayError} `not_found`, `declared`, `precondition_failed` */
  readonly remove: (
    slugOrId: string,
    isExpected: Precondition,
    principal: Principal,
  ) => Promise<void>;
  /**
   * Discovers it now. That this fails is no failure: the status says so.
   * @throws {GatewayError} `not_found`; `conflict` for one that is switched off
   */
  readonly refresh: (slugOrId: string, principal: Principal) => Promise<Refreshed>;
  /** What would be found; nothing is kept. @throws as `create` */
  readonly test: (upstream: NewUpstream, principal: Principal) => Promise<Tested>;
}

export interface Refreshed extends Difference {
  readonly shelf: Shelf;
}

export interface Tested {
  /** `undefined` when it failed. */
  readonly found: Found | undefined;
  /** What went wrong, in whole or in part: one sentence that may be shown. */
  readonly error: string | undefined;
}

export interface UpstreamServiceDeps {
  readonly tables: CatalogTables;
  readonly catalog: Catalog;
  readonly timers: Timers;
  /** @throws {GatewayError} `egress_denied` */
  readonly checkUrl: (url: URL) => void;
  readonly discovery: {
    /** One run, or the one that is on its way. */
    readonly discover: (id: string) => Promise<unknown>;
    readonly test: Discovery["test"];
  };
}

/** 96 random bits. */
const ID_BYTES = 12;
/** Most servers answer within; the others are made all the same. */
const FIRST_DISCOVERY_MS = 3_000;
/** Discovery has bounds of its own; this one is for the caller's patience. */
const REFRESH_MS = 30_000;

export function createUpstreamService(deps: UpstreamServiceDeps): UpstreamService {
  const { tables, catalog } = deps;
  const records = createRecords<Shelf, UpstreamSettings>({
    noun: "upstream server",
    table: tables.upstreams,
    shelf: catalog.upstream,
    refresh: catalog.refresh,
  });

  async function create(upstream: NewUpstream, principal: Principal): Promise<Shelf> {
    const { name, ...settings } = checked(deps, upstream, blank(upstream), principal);
    const slug = slugFor(name);
    if (catalog.upstreams().length >= LIMITS.apiServers) throw tooMany();
    const id = await records.add(slug, { name, settings });
    await catalog.refresh();
    if (settings.enabled) {
      await within(deps.timers, FIRST_DISCOVERY_MS, deps.discovery.discover(id));
    }
    return await records.shelved(id);
  }

  function update(
    slugOrId: string,
    change: UpstreamChange,
    isExpected: Precondition,
    principal: Principal,
  ): Promise<Shelf> {
    return records.change(slugOrId, isExpected, principal, (row) => {
      const known = { name: row.name, ...row.settings };
      const { name, ...settings } = checked(deps, change, known, principal);
      return { name, settings };
    });
  }

  async function refresh(slugOrId: string, principal: Principal): Promise<Refreshed> {
    const { server, items } = records.find(slugOrId, principal);
    checkManaged(principal, server);
    const { id, enabled } = server;
    if (!enabled) throw new GatewayError("conflict", "The upstream server is switched off");
    await within(deps.timers, REFRESH_MS, deps.discovery.discover(id));
    const shelf = await records.shelved(id);
    const seen = (items: readonly Item[]) =>
      items.filter((item) => maySeeItem(principal, { server, item }));
    return { shelf, ...differenceOf(seen(items), seen(shelf.items)) };
  }

  return {
    list: (principal) => catalog.upstreams().filter(({ server }) => maySee(principal, server)),
    find: records.find,
    create,
    update,
    remove: records.remove,
    refresh,
    test: async (upstream, principal) =>
      await tested(deps, checked(deps, upstream, blank(upstream), principal)),
  };
}

async function tested(
  { discovery }: UpstreamServiceDeps,
  { url, name, ...settings }: NewUpstream,
): Promise<Tested> {
  const server: UpstreamServer = {
    ...settings,
    name,
    url: new URL(url),
    id: randomText(ID_BYTES),
    slug: slugFor(name),
    declared: false,
    seq: 0,
  };
  try {
    const found = await discovery.test(server);
    return { found, error: found.problem };
  } catch (error) {
    const isExpected = error instanceof GatewayError || error instanceof ConnectionLost;
    if (!isExpected) throw error;
    return { found: undefined, error: sentenceOf(error) };
  }
}

function tooMany(): GatewayError {
  const text = `There are ${LIMITS.apiServers} upstream servers, which is the most allowed`;
  return new GatewayError("conflict", text);
}
