/**
 * Export and import on a database of their own, with what follows it in memory.
 *
 * @module
 */
import type { Bundle } from "../../src/admin/api/bundle.ts";
import {
  createTransfer,
  type ImportRequest,
  type Transfer,
} from "../../src/admin/transfer/transfer.ts";
import { createAccounts } from "../../src/auth/accounts.ts";
import { createLiveCatalog } from "../../src/catalog/live_catalog.ts";
import type { Item } from "../../src/domain/item.ts";
import { createEgressPolicy } from "../../src/policy/egress.ts";
import { createArgumentCheck } from "../../src/policy/guardrails/argument_schema.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createPace } from "../../src/platform/pace.ts";
import { createTimers } from "../../src/platform/timers.ts";
import type { Database } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createKeyring } from "../../src/storage/sealed.ts";
import { createAccountTables } from "../../src/storage/tables/accounts.ts";
import { createCatalogTables } from "../../src/storage/tables/catalog.ts";
import { ADMIN, anOffer } from "./admin_world.ts";
import { openPlace } from "./open_databases.ts";

export type TransferWorld = Awaited<ReturnType<typeof openTransferWorld>>;

export const PASSPHRASE = "correct horse battery staple";

export interface TransferWorldOptions {
  readonly isOperator?: boolean;
  /** Each has its own. */
  readonly keys?: string;
}

/** @param database an empty one; in memory unless given */
export async function openTransferWorld(
  database: Database = openPlace({ kind: "sqlite", path: ":memory:" }),
  { isOperator = false, keys = `only for tests ${crypto.randomUUID()}` }: TransferWorldOptions = {},
) {
  const clock = systemClock;
  const timers = createTimers(clock.monotonic);
  await migrate(database, { clock });
  const keyring = createKeyring(keys, undefined);
  const tables = createCatalogTables(database, { clock, keyring });
  const people = createAccountTables(database, { clock });
  const follow = () => () => {};
  const failed = (what: string, error: unknown) => {
    throw new Error(what, { cause: error });
  };
  const followed = { timers, follow, failed };
  const catalog = await createLiveCatalog({ tables, ...followed }, { pollMs: undefined });
  const accounts = await createAccounts({ tables: people, clock, ...followed }, {
    pollMs: undefined,
  });
  const transfer: Transfer = createTransfer({
    database,
    keyring,
    clock,
    checkUrl: createEgressPolicy({ allowPrivate: [], own: [] }).checkUrl,
    schemaFault: createArgumentCheck({ unusable: () => {} }).faultOf,
    shelves: catalog.shelves,
    refresh: () => Promise.all([catalog.refresh(), accounts.refresh()]),
    pace: createPace(clock.monotonic),
  }, { separator: "-", isOperator, declarations: { upstreams: [], servers: [] } });
  return {
    database,
    tables,
    people,
    catalog,
    accounts,
    transfer,
    /** What is exported, read again. */
    async exported(passphrase?: string): Promise<Bundle> {
      return JSON.parse((await transfer.export(passphrase)).text);
    },
    import: (document: unknown, more: Partial<ImportRequest> = {}, principal = ADMIN) =>
      transfer.import(
        { document, strategy: "skip", dryRun: false, passphrase: undefined, ...more },
        principal,
      ),
    /** What discovery would find at the server. */
    async found(slug: string, items: readonly Item[]): Promise<void> {
      const { id } = catalog.upstream(slug)!.server;
      const changes = { inserted: items, updated: [], removed: [], offer: anOffer() };
      await tables.items.apply(id, changes);
      await catalog.refresh();
    },
    async [Symbol.asyncDispose]() {
      accounts.close();
      catalog.close();
      await database.close();
    },
  };
}

/** The secrets of `FULL`. */
export const SECRETS = {
  header: "canary-header-5f1c",
  token: "canary-token-77ab",
  client: "canary-client-90de",
  tool: "canary-tool-31f0",
};

/** Something of everything, as the bodies that make it. */
export const FULL = {
  sallyport: 1,
  teams: [
    {
      name: "Platform",
      slug: "platform",
      description: "Those who run it",
      members: [{ email: "ann@example.com", role: "owner" }, { email: "bo@example.com" }],
    },
    { name: "Nobody" },
  ],
  users: [
    { email: "ann@example.com", fullName: "Ann", isAdmin: true },
    { email: "bo@example.com", enabled: false },
    { email: "gone@example.com", deleted: true },
  ],
  upstreams: [
    {
      name: "Tracker",
      url: "https://tracker.example.com/mcp",
      headers: { "X-Key": SECRETS.header },
      auth: { type: "bearer", token: SECRETS.token },
      visibility: "team",
      teamId: "platform",
      owner: "ann@example.com",
      passthroughHeaders: ["x-tenant"],
      timeout: "90s",
      tags: ["a", "b"],
    },
    {
      name: "Renamed since",
      slug: "wiki",
      url: "https://wiki.example.com/mcp",
      type: "sse",
      title: "Wiki",
      expose: false,
      enabled: false,
      auth: {
        type: "oauth_client_credentials",
        tokenUrl: "https://login.example.com/token",
        clientId: "gateway",
        clientSecret: SECRETS.client,
      },
    },
  ],
  tools: [
    {
      name: "get_order",
      description: "One order",
      method: "GET",
      url: "https://orders.example.com/orders/{id}",
      headers: { "X-Api-Key": SECRETS.tool },
      inputSchema: { type: "object", properties: { id: { type: "string" } }, required: ["id"] },
      filter: "$.items[0]",
      timeout: "5s",
      visibility: "private",
      owner: "bo@example.com",
    },
  ],
  prompts: [
    {
      name: "greet",
      arguments: [{ name: "who", required: true, values: ["a", "b"] }],
      messages: [{ role: "user", content: { type: "text", text: "Hello {{who}}" } }],
    },
  ],
  resources: [
    { uri: "note://one", name: "One", text: "1", mimeType: "text/plain" },
    {
      uriTemplate: "note://{year}/x",
      name: "Year",
      text: "{{year}}",
      arguments: [{ name: "year", values: ["2025"] }],
      enabled: false,
    },
  ],
  items: [
    {
      upstream: "tracker",
      kind: "tool",
      upstreamName: "delete_all",
      enabled: false,
    },
    {
      upstream: "tracker",
      kind: "tool",
      upstreamName: "find",
      name: "search_tickets",
      title: "Search",
      description: "In all tickets",
      visibility: "private",
      owner: "ann@example.com",
    },
    { upstream: "wiki", kind: "resource", upstreamName: "wiki://start", enabled: false },
  ],
  servers: [
    {
      name: "Operations",
      slug: "ops",
      tools: ["tracker-*", "get_order"],
      prompts: ["greet"],
      resources: ["note://*"],
      instructions: "Be kind",
      overrides: { tools: { get_order: { name: "order", annotations: { readOnlyHint: true } } } },
    },
  ],
  revocations: [
    { jti: "stolen", reason: "Lost laptop", createdAt: "2026-01-02T03:04:05.000Z" },
    { subject: "gone@example.com", createdAt: "2026-01-02T03:04:06.000Z" },
  ],
} as const;
