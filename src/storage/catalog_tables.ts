/**
 * What is kept of the catalog: upstream servers, virtual servers, items, and a log of changes that
 * replicas follow.
 *
 * Contract; `createCatalogTables` in `tables/catalog.ts` implements it on both databases, and both
 * pass `tests/contract/catalog_tables.ts`.
 *
 * @module
 * @see design.md, "The road of a message, and its cost", point 4
 */
import type { Item, Offer } from "../domain/item.ts";
import type { OwnSpec } from "../domain/own_item.ts";
import type { HttpUpstream, VirtualServer } from "../domain/server.ts";
import type { ChangeKind } from "./tables/schema.ts";

interface Row {
  /** Random, kept for ever. */
  readonly id: string;
  /** Unique among upstream and virtual servers together. */
  readonly slug: string;
  readonly name: string;
  /** From the config file. */
  readonly declared: boolean;
  /** Ascending in the order of creation. */
  readonly seq: number;
  /** Counts the changes of this row: 1, 2, 3 … */
  readonly revision: number;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export interface UpstreamRow extends Row {
  /** `undefined` for a declared one: its settings are those of the file. Secrets are sealed. */
  readonly settings: UpstreamSettings | undefined;
  /**
   * Secrets that no key opens, as `auth` and `headers.<name>`; absent when all do. The settings are
   * without them, so nothing may be sent to the server: it would be asked without credentials.
   * An `update` of the settings keeps them until it gives others in their place.
   */
  readonly unreadable?: readonly string[];
  /** What discovery found last; `undefined` before the first. */
  readonly offer: Offer | undefined;
}

/** What the API decides about an upstream server. */
export type UpstreamSettings =
  & Omit<HttpUpstream, "id" | "slug" | "name" | "declared" | "seq" | "url">
  & { readonly url: string };

export interface ServerRow extends Row {
  /** `undefined` for a declared one. */
  readonly settings: ServerSettings | undefined;
}

export type ServerSettings = Omit<VirtualServer, "id" | "slug" | "name" | "declared" | "seq">;

export interface ItemRow extends Item {
  readonly revision: number;
  /** Of the gateway's own items: what people have written down. */
  readonly own?: OwnRow | undefined;
}

export interface OwnRow {
  /** Secrets of a tool are sealed. */
  readonly spec: OwnSpec;
  /** As it was decided; a tool without its secrets is switched off until it has them again. */
  readonly enabled: boolean;
  /** See `UpstreamRow`. */
  readonly unreadable: readonly string[];
  /** Of the spec as it is kept. */
  readonly chars: number;
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** What the API decides about one of the gateway's own items; the rest of its row follows. */
export interface OwnSettings extends Pick<Item, "enabled" | "audience"> {
  readonly spec: OwnSpec;
}

/** What one import changes. */
export interface OwnChanges {
  readonly created: readonly { readonly id: string; readonly settings: OwnSettings }[];
  readonly updated: readonly {
    readonly id: string;
    /** The one that was read. */
    readonly revision: number;
    readonly settings: OwnSettings;
  }[];
  readonly removed: readonly { readonly id: string; readonly revision: number }[];
}

/** What a replica has to read again. */
export interface Change {
  /** Ascending; gaps mean nothing. */
  readonly revision: number;
  /** `items` are all items of the upstream server with this id. Others are of accounts. */
  readonly kind: ChangeKind;
  readonly id: string;
}

export interface Changes {
  /** The newest of each kind and id. */
  readonly changes: readonly Change[];
  /** Where to go on. */
  readonly revision: number;
  /** Whether there may have been more than are still kept: everything has to be read again. */
  readonly isIncomplete: boolean;
}

/** What discovery changes about the items of one upstream server, all or nothing. */
export interface ItemChanges {
  readonly inserted: readonly Item[];
  /**
   * By id: everything but `id`, `upstreamId` and `kind` may differ. With the revision that was
   * read, or without to overwrite whichever there is.
   */
  readonly updated: readonly (Item & { readonly revision?: number })[];
  readonly removed: readonly string[];
  readonly offer: Offer;
}

export interface CatalogTables {
  readonly upstreams: {
    readonly list: () => Promise<readonly UpstreamRow[]>;
    readonly find: (id: string) => Promise<UpstreamRow | undefined>;
    /** @throws {GatewayError} `conflict` when the slug is taken, by either kind of server */
    readonly create: (
      row: Pick<UpstreamRow, "id" | "slug" | "name" | "declared" | "settings">,
    ) => Promise<UpstreamRow>;
    /**
     * @param revision the one that was read; `undefined` overwrites whichever there is
     * @throws {GatewayError} `conflict` when another was written meanwhile, `not_found`
     */
    readonly update: (
      id: string,
      revision: number | undefined,
      change: Partial<Pick<UpstreamRow, "name" | "declared" | "settings">>,
    ) => Promise<UpstreamRow>;
    /** With its items. False when it was not there. */
    readonly remove: (id: string, revision?: number) => Promise<boolean>;
  };
  readonly servers: {
    readonly list: () => Promise<readonly ServerRow[]>;
    readonly find: (id: string) => Promise<ServerRow | undefined>;
    readonly create: (
      row: Pick<ServerRow, "id" | "slug" | "name" | "declared" | "settings">,
    ) => Promise<ServerRow>;
    readonly update: (
      id: string,
      revision: number | undefined,
      change: Partial<Pick<ServerRow, "name" | "declared" | "settings">>,
    ) => Promise<ServerRow>;
    readonly remove: (id: string, revision?: number) => Promise<boolean>;
  };
  readonly items: {
    /** Of one upstream server, by kind and `seq`; read in slices, so that others get their turn. */
    readonly listOf: (upstreamId: string) => Promise<readonly ItemRow[]>;
    /**
     * What discovery found, in one transaction, written in slices.
     * Logged as `items`, or as `upstream` when only the offer is new.
     * @throws {GatewayError} `conflict` when an exposed name is taken, or an updated item was
     *   changed or removed meanwhile; `not_found` without the server; nothing is changed then
     */
    readonly apply: (upstreamId: string, changes: ItemChanges) => Promise<void>;
    /**
     * Items of a server that discovery has not found yet, hidden until it does: what was decided
     * about them at another place. @throws {GatewayError} `conflict` when an exposed name is taken
     */
    readonly expect: (upstreamId: string, items: readonly Item[]) => Promise<void>;
    /** An administrator's changes of one item. @throws as `upstreams.update` */
    readonly update: (
      id: string,
      revision: number | undefined,
      change: Partial<
        Pick<Item, "exposedName" | "title" | "description" | "enabled" | "audience">
      >,
    ) => Promise<ItemRow>;
  };
  /** The gateway's own items. What is written is logged as `items` of `OWN_SERVER`. */
  readonly own: {
    /** By kind and `seq`. */
    readonly list: () => Promise<readonly ItemRow[]>;
    /** @throws {GatewayError} `conflict` when an item of its kind has its name or URI */
    readonly create: (id: string, settings: OwnSettings) => Promise<void>;
    /**
     * @param revision the one that was read
     * @throws {GatewayError} as `create`; `conflict` when another was written meanwhile, `not_found`
     */
    readonly update: (id: string, revision: number, settings: OwnSettings) => Promise<void>;
    /** @throws as `update` */
    readonly remove: (id: string, revision: number) => Promise<void>;
    /** All or nothing, others in between. @throws as `update` */
    readonly apply: (changes: OwnChanges) => Promise<void>;
  };
  readonly changes: {
    /** Of the newest change; 0 before the first. */
    readonly revision: () => Promise<number>;
    readonly since: (revision: number) => Promise<Changes>;
    /** Forgets all but the newest changes. */
    readonly prune: () => Promise<void>;
  };
  /** Small facts about the installation, such as its first start. */
  readonly facts: {
    readonly find: (name: string) => Promise<string | undefined>;
    /** Writes it if it is not there; whether it was written. */
    readonly create: (name: string, value: string) => Promise<boolean>;
  };
}
