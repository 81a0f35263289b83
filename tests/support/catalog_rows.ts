/**
 * Rows for tests of what is kept of the catalog.
 *
 * @module
 */
import type { Item, Offer } from "../../src/domain/item.ts";
import type {
  ItemChanges,
  ServerSettings,
  UpstreamSettings,
} from "../../src/storage/catalog_tables.ts";

export function someSettings(members: Partial<UpstreamSettings> = {}): UpstreamSettings {
  return {
    transport: "http",
    url: "https://mcp.example.com/mcp",
    title: undefined,
    timeoutMs: undefined,
    passthroughHeaders: [],
    enabled: true,
    expose: true,
    tags: [],
    visibility: "public",
    team: undefined,
    owner: undefined,
    headers: {},
    auth: { type: "none" },
    ...members,
  };
}

export function someServerSettings(members: Partial<ServerSettings> = {}): ServerSettings {
  return {
    title: undefined,
    description: undefined,
    instructions: undefined,
    tools: [],
    prompts: [],
    resources: [],
    naming: "prefixed",
    overrides: { tools: {}, prompts: {}, resources: {} },
    enabled: true,
    visibility: "public",
    team: undefined,
    owner: undefined,
    ...members,
  };
}

/** A row as `create` takes it; its slug is its id. */
export function aRow(id: string, settings: UpstreamSettings | undefined = someSettings()) {
  return { id, slug: id, name: `Server ${id}`, declared: false, settings };
}

export function aServerRow(id: string) {
  return { ...aRow(id), settings: someServerSettings() };
}

export function anItem(id: string, members: Partial<Item> = {}): Item {
  return {
    id,
    kind: "tool",
    upstreamId: "up",
    upstreamName: id,
    exposedName: `up-${id}`,
    foundMs: 5,
    seq: 1,
    definition: `{"name":"${id}"}`,
    title: undefined,
    description: undefined,
    enabled: true,
    missingSinceMs: undefined,
    audience: undefined,
    ...members,
  };
}

export function anOffer(members: Partial<Offer> = {}): Offer {
  return {
    revision: "2026-07-28",
    capabilities: { tools: { listChanged: true } },
    serverInfo: { name: "some server", version: "1" },
    instructions: undefined,
    ttlMs: undefined,
    cacheScope: undefined,
    dropped: [],
    discoveredMs: 7,
    ...members,
  };
}

export function itemChanges(members: Partial<ItemChanges> = {}): ItemChanges {
  return { inserted: [], updated: [], removed: [], offer: anOffer(), ...members };
}

/** As many tools as wanted, each about 1 KiB. */
export function manyItems(count: number, upstreamId = "up"): readonly Item[] {
  const description = "What it does. ".repeat(60);
  return Array.from({ length: count }, (_, i) =>
    anItem(`${upstreamId}-item-${i}`, {
      upstreamId,
      seq: i + 1,
      exposedName: `${upstreamId}-${i}`,
      definition: JSON.stringify({ name: `tool-${i}`, description }),
    }));
}
