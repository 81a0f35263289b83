/**
 * The management API over tables in memory, with an upstream world that the test scripts.
 *
 * @module
 */
import { type Admin, type AdminDeps, createAdmin, operationsOf } from "../../src/admin/admin.ts";
import type { LiveStatus } from "../../src/admin/api/upstream_records.ts";
import type { SessionInfo } from "../../src/admin/api/sessions.ts";
import { createItemService } from "../../src/catalog/item_service.ts";
import { createLiveCatalog, type LiveCatalog } from "../../src/catalog/live_catalog.ts";
import { createImportService } from "../../src/catalog/openapi/import_service.ts";
import { createOwnItemService } from "../../src/catalog/own_item_service.ts";
import { createServerService } from "../../src/catalog/server_service.ts";
import type { Found } from "../../src/catalog/discovery.ts";
import { createUpstreamService } from "../../src/catalog/upstream_service.ts";
import type { Item, ItemKind, Offer } from "../../src/domain/item.ts";
import type { Principal } from "../../src/domain/principal.ts";
import type { HttpUpstream, UpstreamServer } from "../../src/domain/server.ts";
import { problemDocument } from "../../src/http/problem.ts";
import { createArgumentCheck } from "../../src/policy/guardrails/argument_schema.ts";
import { createEgressPolicy } from "../../src/policy/egress.ts";
import type { CatalogTables } from "../../src/storage/catalog_tables.ts";
import { createStats, type Stats } from "../../src/telemetry/stats.ts";
import { openAccounts } from "./account_world.ts";
import { type FakeClock, fakeClock, type FakeTimers, fakeTimers } from "./fake_clock.ts";
import { anUpstream, createMemoryTables } from "./memory_catalog.ts";

export const ADMIN: Principal = {
  kind: "gateway_jwt",
  subject: "root@example.com",
  isAdmin: true,
  teams: undefined,
  ownedTeams: [],
  seesOwn: true,
  permissions: undefined,
  onlyServer: undefined,
  tokenId: "t1",
  expiresAtMs: Infinity,
};

/** A host that the egress policy refuses. */
export const DENIED_HOST = "10.1.2.3";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Json;
  /** What was thrown to the edge. */
  readonly thrown: unknown;
}

// deno-lint-ignore no-explicit-any
export type Json = any;

export interface CallOptions {
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly principal?: Principal;
}

export interface AdminWorld {
  readonly admin: Admin;
  readonly deps: AdminDeps;
  readonly tables: CatalogTables;
  readonly catalog: LiveCatalog;
  readonly timers: FakeTimers;
  readonly stats: Stats;
  readonly sessions: SessionInfo[];
  /** By id: what the API is told. */
  readonly statuses: Map<string, LiveStatus>;
  /** Servers that were tried out. */
  readonly tested: UpstreamServer[];
  /** Done once, just before the API reads the row that it is about to change. */
  beforeRead: (() => Promise<unknown>) | undefined;
  /** Done once, just before the API writes a change. */
  beforeWrite: (() => Promise<unknown>) | undefined;
  /** What a discovery does; by default nothing. */
  discover: (id: string) => Promise<unknown>;
  /** What stands at a URL; by default there is nothing. */
  fetchText: (url: string) => Promise<string>;
  test: (server: UpstreamServer) => Promise<Found>;
  readonly call: (method: string, path: string, options?: CallOptions) => Promise<Reply>;
  /** Adds what a discovery would find. */
  readonly stock: (upstreamId: string, items: readonly Item[]) => Promise<void>;
  /** Servers that the config file declares. */
  readonly declare: (servers: readonly HttpUpstream[]) => Promise<void>;
}

/** @param open the tables; in plain objects when none are given */
export async function adminWorld(
  open: (clock: FakeClock) => CatalogTables = (clock) => createMemoryTables(clock.now),
): Promise<AdminWorld> {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const tables = open(clock);
  const failed = (what: string, error: unknown) => {
    throw new Error(what, { cause: error });
  };
  // The catalog's own timers are not what is counted here.
  const catalog = await createLiveCatalog({
    tables,
    follow: () => () => {},
    timers: fakeTimers(clock),
    failed,
  }, {
    pollMs: undefined,
  });
  const stats = createStats(clock.now(), { methods: ["tools/call", "ping"], upstreamsMax: 10 });
  const statuses = new Map<string, LiveStatus>();
  const sessions: SessionInfo[] = [];
  const tested: UpstreamServer[] = [];
  const { checkUrl } = createEgressPolicy({ allowPrivate: [], own: [] });
  const discovery = {
    discover: (id: string) => world.discover(id),
    test(server: UpstreamServer) {
      tested.push(server);
      return world.test(server);
    },
  };
  const watched = interrupted(tables, () => world);
  const people = await openAccounts();
  const teamIdOf = (slugOrId: string) => people.accounts.team(slugOrId)?.id;
  const items = createItemService({ tables: watched, catalog, teamIdOf }, { separator: "-" });
  const deps: AdminDeps = {
    upstreams: createUpstreamService({ tables: watched, catalog, timers, checkUrl, discovery }),
    servers: createServerService({ tables: watched, catalog, pace: () => Promise.resolve() }),
    items,
    schemaFault: createArgumentCheck({ unusable: () => {} }).faultOf,
    imports: createImportService({
      tables: watched,
      catalog,
      teamIdOf,
      checkUrl,
      fetchText: ({ href }) => world.fetchText(href),
      pace: () => Promise.resolve(),
    }),
    own: createOwnItemService({ tables: watched, catalog, items, teamIdOf, checkUrl }),
    statusOf: ({ id }) =>
      statuses.get(id) ?? { status: "unknown", lastSeenMs: undefined, lastError: undefined },
    transfer: NOTHING,
    sessions: { list: () => sessions, hashKey: new Uint8Array(32).fill(7) },
    snapshot: stats.snapshot,
    timers,
    users: people.users,
    teams: people.teams,
    tokens: people.tokens,
    revocations: people.revocations,
    audit: undefined,
    auditCounts: undefined,
    records: { search: () => Promise.resolve({ records: [], next: undefined }) },
  };
  const admin = createAdmin(deps, { version: "1.2.3" });
  const world: AdminWorld = {
    admin,
    deps,
    tables,
    catalog,
    timers,
    stats,
    sessions,
    statuses,
    tested,
    beforeRead: undefined,
    beforeWrite: undefined,
    discover: () => Promise.resolve(),
    fetchText: () => Promise.reject(new Error("Nothing is there")),
    test: () => Promise.resolve({ offer: anOffer(), items: [], problem: undefined }),
    call: (method, path, options = {}) => call(admin, method, path, options),
    async stock(upstreamId, items) {
      const changes = { inserted: items, updated: [], removed: [], offer: anOffer() };
      await tables.items.apply(upstreamId, changes);
      await catalog.refresh();
    },
    declare: (upstreams) => catalog.declare({ upstreams, servers: [] }),
  };
  return world;
}

/** The tables as a service sees them to which something happens in between. */
function interrupted(
  tables: CatalogTables,
  world: () => Pick<AdminWorld, "beforeRead" | "beforeWrite">,
): CatalogTables {
  async function interrupt(when: "beforeRead" | "beforeWrite"): Promise<void> {
    const happen = world()[when];
    world()[when] = undefined;
    await happen?.();
  }
  const before = <A extends unknown[], R>(
    when: "beforeRead" | "beforeWrite",
    act: (...args: A) => Promise<R>,
  ) =>
  async (...args: A) => {
    await interrupt(when);
    return await act(...args);
  };
  const { upstreams, servers, items, own } = tables;
  return {
    ...tables,
    upstreams: {
      ...upstreams,
      find: before("beforeRead", upstreams.find),
      update: before("beforeWrite", upstreams.update),
      remove: before("beforeWrite", upstreams.remove),
    },
    servers: {
      ...servers,
      find: before("beforeRead", servers.find),
      update: before("beforeWrite", servers.update),
      remove: before("beforeWrite", servers.remove),
    },
    items: { ...items, update: before("beforeWrite", items.update) },
    own: { ...own, update: before("beforeWrite", own.update) },
  };
}

/** It needs a database: `transfer_world.ts` has one. */
const NOTHING: AdminDeps["transfer"] = {
  export: () => Promise.resolve({ text: '{"sallyport":1}', declared: [], leftOut: [] }),
  import: () => Promise.resolve({ dryRun: false, records: [], toFillIn: [], notTaken: [] }),
};

const FROM = { correlationId: "c-1", address: () => "192.0.2.1" };

/** As the edge does it: what is thrown becomes a problem document. */
async function call(
  admin: Admin,
  method: string,
  path: string,
  { body, raw, headers = {}, principal = ADMIN }: CallOptions,
): Promise<Reply> {
  const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const type = content === undefined ? {} : { "Content-Type": "application/json" };
  const request = new Request(`http://gateway.test${path}`, {
    method,
    headers: { ...type, ...headers },
    ...content === undefined ? {} : { body: content },
  });
  let thrown: unknown;
  const response = await admin.fetch(request, { principal, ...FROM }).catch((error) => {
    thrown = error;
    return problemDocument(error, "c-1");
  });
  const text = await response.text();
  const json = text === "" ? undefined : JSON.parse(text);
  return { status: response.status, headers: response.headers, text, json, thrown };
}

/** Every operation that is mounted. */
export async function allOperations() {
  return operationsOf((await adminWorld()).deps, { version: "1.2.3" });
}

/** A URL of this pattern. */
export function urlOf(path: string, id = "x"): string {
  return path.replace("{id}", id).replace("{email}", "x@example.com");
}

export function anOffer(members: Partial<Offer> = {}): Offer {
  return {
    revision: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: undefined,
    instructions: undefined,
    ttlMs: undefined,
    cacheScope: undefined,
    dropped: [],
    discoveredMs: 0,
    ...members,
  };
}

/** An item as discovery makes it. */
export function anItem(
  upstream: { readonly id: string; readonly slug: string },
  name: string,
  members: Partial<Item> = {},
): Item {
  const kind: ItemKind = members.kind ?? "tool";
  const isUri = kind === "resource" || kind === "template";
  const member = kind === "resource" ? "uri" : kind === "template" ? "uriTemplate" : "name";
  return {
    id: `${upstream.slug}-${kind}-${name}`.replace(/[^A-Za-z0-9-]/g, "_"),
    kind,
    upstreamId: upstream.id,
    upstreamName: name,
    exposedName: isUri ? name : `${upstream.slug}-${name}`,
    foundMs: 0,
    seq: 1,
    definition: JSON.stringify({ [member]: name, description: `Does ${name}` }),
    title: undefined,
    description: undefined,
    enabled: true,
    missingSinceMs: undefined,
    audience: undefined,
    ...members,
  };
}

export { anUpstream };
