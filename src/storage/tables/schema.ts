/**
 * The tables as the last migration leaves them.
 *
 * @module
 */
export interface Schema {
  servers: ServersTable;
  items: ItemsTable;
  changes: ChangesTable;
  change_state: ChangeStateTable;
  facts: FactsTable;
  sallyport_migrations: MigrationsTable;
}

/** Upstream and virtual servers: one table, so that a slug is unique among both. */
export interface ServersTable {
  id: string;
  kind: "upstream" | "server";
  slug: string;
  name: string;
  declared: 0 | 1;
  seq: number;
  revision: number;
  created_ms: number;
  updated_ms: number;
  /** JSON, secrets sealed. */
  settings: string | null;
  /** JSON. */
  offer: string | null;
}

export interface ItemsTable {
  id: string;
  upstream_id: string;
  kind: "tool" | "prompt" | "resource" | "template";
  upstream_name: string;
  exposed_name: string;
  /** Hash of the exposed name, unique per kind: names can be longer than an index may hold. */
  exposed_key: string;
  found_ms: number;
  seq: number;
  definition: string;
  title: string | null;
  description: string | null;
  enabled: 0 | 1;
  missing_since_ms: number | null;
  revision: number;
}

export interface ChangesTable {
  revision: number;
  kind: "upstream" | "server" | "items";
  id: string;
}

/** One row. */
export interface ChangeStateTable {
  only: 1;
  /** Of the newest change. */
  revision: number;
  /** Changes up to this one are not kept. */
  pruned: number;
}

export interface FactsTable {
  name: string;
  value: string;
}

export interface MigrationsTable {
  name: string;
  applied_ms: number;
}
