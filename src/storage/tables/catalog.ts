/**
 * What is kept of the catalog, in the database.
 *
 * @module
 */
import type { Clock } from "../../platform/clock.ts";
import type { CatalogTables } from "../catalog_tables.ts";
import type { Database } from "../database.ts";
import type { Keyring } from "../sealed.ts";
import { createChanges } from "./changes.ts";
import { createFacts } from "./facts.ts";
import { createItems } from "./items.ts";
import { createOwnItems } from "./own_items.ts";
import { createUpstreams, createVirtualServers } from "./servers.ts";

export interface CatalogTablesDeps {
  readonly clock: Clock;
  readonly keyring: Keyring;
}

/** @param database of this version, see `migrate` */
export function createCatalogTables(database: Database, deps: CatalogTablesDeps): CatalogTables {
  return {
    upstreams: createUpstreams(database, deps),
    servers: createVirtualServers(database, deps),
    items: createItems(database),
    own: createOwnItems(database, deps),
    changes: createChanges(database),
    facts: createFacts(database),
  };
}
