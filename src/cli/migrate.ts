/**
 * `sallyport migrate`: brings the database to the form that this version needs.
 *
 * @module
 */
import { systemClock } from "../platform/clock.ts";
import { migrate } from "../storage/migrate.ts";
import { configFrom, parseOptions } from "./args.ts";
import { shownDatabase, withDatabase } from "./database_place.ts";

export async function migrateDatabase(args: readonly string[]): Promise<number> {
  const config = configFrom(parseOptions(args, {}));
  const shown = shownDatabase(config);
  const { applied, unknown } = await withDatabase(
    config,
    (database) => migrate(database, { clock: systemClock }),
  );
  for (const name of applied) console.log(`Applied ${name} to ${shown}`);
  if (applied.length === 0) console.log(`Nothing to do: ${shown} is up to date`);
  for (const name of unknown) console.log(`Note: ${name} is of a later version`);
  return 0;
}
