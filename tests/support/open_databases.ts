/**
 * Databases for tests that hold for each of them.
 *
 * @module
 */
import { systemClock } from "../../src/platform/clock.ts";
import { createTimers, type Timers } from "../../src/platform/timers.ts";
import { type Database, type DatabasePlace, openDatabase } from "../../src/storage/database.ts";
import { ownSchema, postgresTest } from "./postgres.ts";
import { tempDir } from "./temp_dir.ts";

const systemTimers = createTimers(systemClock.monotonic);

export interface Home extends AsyncDisposable {
  /** Opens the same database, once more on PostgreSQL. */
  readonly open: () => Database & AsyncDisposable;
}

export function openPlace(
  place: DatabasePlace,
  timers: Timers = systemTimers,
): Database & AsyncDisposable {
  const database = openDatabase(place, { timers });
  return { ...database, [Symbol.asyncDispose]: database.close };
}

/** Registers the test for both databases, each with an empty one. */
export function onEachDatabase(promise: string, test: (home: Home) => Promise<void>): void {
  Deno.test(`SQLite: ${promise}`, async () => {
    await using dir = await tempDir();
    const path = `${dir.path}/sallyport.db`;
    await test(homeOf({ kind: "sqlite", path }));
  });
  postgresTest(`PostgreSQL: ${promise}`, async () => {
    await using schema = await ownSchema();
    await test(homeOf(schema.url));
  });
}

function homeOf(place: DatabasePlace): Home {
  const opened = new AsyncDisposableStack();
  return {
    open: () => opened.use(openPlace(place)),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
