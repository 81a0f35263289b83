/**
 * The tables as the last migration leaves them.
 *
 * @module
 */
import type { TeamRole } from "../../domain/account.ts";
import type { Visibility } from "../../domain/server.ts";

export interface Schema {
  servers: ServersTable;
  items: ItemsTable;
  own_items: OwnItemsTable;
  changes: ChangesTable;
  change_state: ChangeStateTable;
  facts: FactsTable;
  users: UsersTable;
  teams: TeamsTable;
  members: MembersTable;
  api_tokens: ApiTokensTable;
  revocations: RevocationsTable;
  audit: AuditTableRow;
  audit_places: AuditPlacesTable;
  sallyport_migrations: MigrationsTable;
}

/**
 * Upstream and virtual servers: one table, so that a slug is unique among both. One row is the
 * gateway itself, which its own items belong to.
 */
export interface ServersTable {
  id: string;
  kind: "upstream" | "server" | "own";
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
  /** `null` with its team and owner: as its server. */
  visibility: Visibility | null;
  team_id: string | null;
  owner: string | null;
  revision: number;
}

/** What is kept of the gateway's own items besides their rows in `items`. */
export interface OwnItemsTable {
  id: string;
  /** JSON. */
  spec: string;
  created_ms: number;
  updated_ms: number;
}

/** Of accounts, `team` stands for the team and its members. */
export type ChangeKind =
  | "upstream"
  | "server"
  | "items"
  | "user"
  | "team"
  | "api_token"
  | "revocation";

export interface ChangesTable {
  revision: number;
  kind: ChangeKind;
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

export interface UsersTable {
  /** See `subjectKey`. */
  key: string;
  email: string;
  full_name: string | null;
  is_admin: 0 | 1;
  enabled: 0 | 1;
  /** The row stays when a user is deleted: the address must not become somebody else's. */
  deleted: 0 | 1;
  revision: number;
  created_ms: number;
  updated_ms: number;
}

export interface TeamsTable {
  id: string;
  slug: string;
  name: string;
  description: string | null;
  seq: number;
  revision: number;
  created_ms: number;
  updated_ms: number;
}

export interface MembersTable {
  team_id: string;
  /** See `subjectKey`. */
  key: string;
  email: string;
  role: TeamRole;
  since_ms: number;
}

export interface ApiTokensTable {
  id: string;
  /** SHA-256 of the token, hexadecimal: it is too long to be guessed, so it needs no salt. */
  hash: string;
  name: string;
  owner_key: string;
  owner: string;
  /** JSON: teams, permissions, the only server. */
  grants: string;
  created_ms: number;
  expires_ms: number;
}

export interface RevocationsTable {
  id: string;
  token_id: string | null;
  subject: string | null;
  reason: string | null;
  created_ms: number;
}

export interface AuditTableRow {
  replica: string;
  /** Counts the records of the replica. */
  seq: number;
  time_ms: number;
  subject: string | null;
  /** JSON. */
  record: string;
}

/** How far each replica has brought its records. */
export interface AuditPlacesTable {
  replica: string;
  file: number;
  size: number;
  seq: number;
}
