/**
 * Everything that exists, in memory: what messages are dispatched by. Follows the change log of the
 * database, so that nothing on the way of a message waits for it.
 *
 * @module
 * @see design.md, "The road of a message, and its cost", point 4
 */
import type { Offer } from "../domain/item.ts";
import type { UpstreamServer, VirtualServer } from "../domain/server.ts";
import type { ItemRow } from "../storage/catalog_tables.ts";

/** One upstream server with what it offers. A new object after every change. */
export interface Shelf {
  /** The same object for as long as nothing about the server itself changes. */
  readonly server: UpstreamServer;
  /** What discovery found last; `undefined` before the first. */
  readonly offer: Offer | undefined;
  /** By kind and `seq`; hidden ones included. The same array for as long as no item changes. */
  readonly items: readonly ItemRow[];
  /** Whether its stored credentials cannot be read: it is switched off until there are others. */
  readonly isUnreadable: boolean;
  /** Of the rows, for the `ETag`s of the API. */
  readonly revision: number;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export interface ServerShelf {
  readonly server: VirtualServer;
  readonly revision: number;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export interface CatalogChange {
  /** Upstream servers whose record, offer or items changed, came or went; and `OWN_SERVER`. */
  readonly upstreams: ReadonlySet<string>;
  /** Virtual servers that changed, came or went. */
  readonly servers: ReadonlySet<string>;
}

export interface Catalog {
  /** By slug or id. */
  readonly upstream: (slugOrId: string) => Shelf | undefined;
  /** By slug, the gateway's own too: for the server that a message goes to. */
  readonly shelf: (slug: string) => Shelf | undefined;
  /** By slug or id. */
  readonly server: (slugOrId: string) => ServerShelf | undefined;
  readonly upstreams: () => readonly Shelf[];
  /** All that there are items on: the gateway's own, when it has some, then the upstream servers. */
  readonly shelves: () => readonly Shelf[];
  readonly servers: () => readonly ServerShelf[];
  /** Takes over what was written before the call. */
  readonly refresh: () => Promise<void>;
  /** Told after every change, when the catalog shows it already. Gives the way to stop it. */
  readonly follow: (changed: (change: CatalogChange) => void) => () => void;
}
