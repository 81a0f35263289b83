/**
 * One case of the contract: fresh tables, and what the cases share.
 *
 * @module
 */
import { GatewayError } from "../../../src/domain/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { CatalogTables } from "../../../src/storage/catalog_tables.ts";
import type { Database } from "../../../src/storage/database.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { createKeyring } from "../../../src/storage/sealed.ts";
import { createCatalogTables } from "../../../src/storage/tables/catalog.ts";
import { type FakeClock, fakeClock } from "../../support/fake_clock.ts";

export interface OpenDatabase extends AsyncDisposable {
  readonly database: Database;
}

export type OpenTables = () => Promise<OpenDatabase>;
export type TestOf = (name: string, test: () => Promise<void>) => void;

export interface Given extends CatalogTables {
  readonly clock: FakeClock;
  readonly database: Database;
  /** The same rows with other keys. */
  readonly withKeys: (current: string, previous?: string) => CatalogTables;
}

export type Suite = (promise: string, test: (given: Given) => Promise<void>) => void;

export const KEY = "the key of these tests, long enough to be one";

export function suiteOf(name: string, test: TestOf, open: OpenTables): Suite {
  return (promise, run) =>
    test(`${name} ${promise}`, async () => {
      const clock = fakeClock();
      await using opened = await open();
      const { database } = opened;
      await migrate(database, { clock });
      const withKeys = (current: string, previous?: string) =>
        tablesOf(database, clock, current, previous);
      await run({ ...withKeys(KEY), clock, database, withKeys });
    });
}

function tablesOf(database: Database, clock: Clock, current: string, previous?: string) {
  return createCatalogTables(database, { clock, keyring: createKeyring(current, previous) });
}

/** Code of the failure; `undefined` when there was none. */
export async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

/** Texts that a database could refuse, cut or change. */
export const HARD_TEXTS: readonly string[] = [
  "",
  " ",
  "a\0b",
  "\0",
  "\u0001",
  '\u0001"a"',
  "half \ud800 a pair",
  "\udc00",
  "👩‍👩‍👧 مرحبا",
  "line\nline\r\n\t",
  "'; DROP TABLE servers; --",
  "$1 ? :a @b %s \\",
  "x".repeat(100_000),
];
