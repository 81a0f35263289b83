/**
 * All that a bundle is made of and compared with, as it stands in the database.
 *
 * @module
 */
import type { Member } from "../../domain/account.ts";
import type { AccountTables, ApiTokenRow, TeamRow, UserRow } from "../../storage/account_tables.ts";
import type {
  CatalogTables,
  ItemRow,
  ServerRow,
  UpstreamRow,
} from "../../storage/catalog_tables.ts";
import type { Revocation } from "../../domain/account.ts";

export interface Tables {
  readonly catalog: CatalogTables;
  readonly accounts: AccountTables;
}

export interface Everything {
  readonly upstreams: readonly UpstreamRow[];
  readonly servers: readonly ServerRow[];
  /** By id of the upstream server. */
  readonly items: ReadonlyMap<string, readonly ItemRow[]>;
  /** The gateway's own. */
  readonly own: readonly ItemRow[];
  /** Deleted ones included. */
  readonly users: readonly UserRow[];
  readonly teams: readonly TeamRow[];
  readonly teamsHaveBeen: boolean;
  /** By id of the team. */
  readonly members: ReadonlyMap<string, readonly Member[]>;
  readonly tokens: readonly ApiTokenRow[];
  readonly revocations: readonly Revocation[];
}

/** What is written meanwhile may be in it or not, record by record. */
export async function readEverything({ catalog, accounts }: Tables): Promise<Everything> {
  const upstreams = await catalog.upstreams.list();
  const items = new Map<string, readonly ItemRow[]>();
  for (const { id } of upstreams) items.set(id, await catalog.items.listOf(id));
  return {
    upstreams,
    items,
    servers: await catalog.servers.list(),
    own: await catalog.own.list(),
    users: await accounts.users.list(),
    teams: await accounts.teams.list(),
    teamsHaveBeen: await accounts.teams.haveBeen(),
    members: Map.groupBy(await accounts.members.list(), ({ teamId }) => teamId),
    tokens: await accounts.tokens.list(),
    revocations: await accounts.revocations.list(),
  };
}
