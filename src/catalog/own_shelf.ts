/**
 * The gateway's own items as a shelf, next to those of upstream servers.
 *
 * @module
 */
import type { ItemKind, Offer } from "../domain/item.ts";
import { OWN_SERVER } from "../domain/server.ts";
import { VERSION } from "../domain/version.ts";
import type { ItemRow } from "../storage/catalog_tables.ts";
import type { Shelf } from "./catalog.ts";

export function ownShelf(items: readonly ItemRow[]): Shelf {
  return {
    server: OWN_SERVER,
    offer: { ...OFFER, capabilities: capabilitiesOf(items) },
    items,
    isUnreadable: false,
    revision: 0,
    createdMs: 0,
    updatedMs: 0,
  };
}

/** What the gateway as a server says about itself. */
export const OWN_INFO = { name: "sallyport", title: "Sallyport", version: VERSION } as const;

const OFFER: Omit<Offer, "capabilities"> = {
  revision: "2026-07-28",
  serverInfo: OWN_INFO,
  instructions: undefined,
  ttlMs: undefined,
  cacheScope: undefined,
  dropped: [],
  discoveredMs: 0,
};

function capabilitiesOf(items: readonly ItemRow[]): Offer["capabilities"] {
  const has = (...kinds: readonly ItemKind[]) => items.some(({ kind }) => kinds.includes(kind));
  return {
    ...has("tool") && { tools: { listChanged: true } },
    ...has("prompt") && { prompts: { listChanged: true } },
    ...has("resource", "template") && { resources: { subscribe: true, listChanged: true } },
    ...has("prompt", "template") && { completions: {} },
  };
}
