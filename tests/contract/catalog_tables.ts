/**
 * What the tables of the catalog promise, run on each database.
 *
 * @module
 */
import type { OpenTables, TestOf } from "./catalog_tables/case.ts";
import { suiteOf } from "./catalog_tables/case.ts";
import { changeCases } from "./catalog_tables/changes.ts";
import { discoveryCases } from "./catalog_tables/discovery.ts";
import { itemCases } from "./catalog_tables/items.ts";
import { ownChangeCases } from "./catalog_tables/own_changes.ts";
import { ownItemCases } from "./catalog_tables/own_items.ts";
import { raceCases } from "./catalog_tables/races.ts";
import { sealCases } from "./catalog_tables/seals.ts";
import { serverCases } from "./catalog_tables/servers.ts";

/**
 * @param test registers a test, or skips it where the database is missing
 * @param open an empty database that nobody else uses
 */
export function catalogTablesContract(name: string, test: TestOf, open: OpenTables): void {
  const suite = suiteOf(name, test, open);
  serverCases(suite);
  itemCases(suite);
  ownChangeCases(suite);
  discoveryCases(suite);
  changeCases(suite);
  ownItemCases(suite);
  raceCases(suite);
  sealCases(suite);
}
