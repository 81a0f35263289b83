/**
 * The database from the first attempt to reach it: waited for, and brought to its form.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";
import { jittered } from "../platform/random.ts";
import { sleep } from "../platform/timers.ts";
import { type Database, DatabaseRefused, openDatabase } from "../storage/database.ts";
import { migrate } from "../storage/migrate.ts";
import type { Base } from "./base.ts";
import { createSole } from "./sole.ts";

const AGAIN_MS = 1_000;

/**
 * A server that is away is waited for, for as long as it takes.
 * @throws {DatabaseRefused} when what is set cannot be right
 * @throws {Error} when another process has it, and there is nothing by which two could work together
 */
export async function openStorage(base: Base): Promise<Database> {
  const { config, platform, timers } = base;
  const { clock, log } = platform;
  const sole = config.redisUrl === undefined ? createSole({ ...platform, timers }) : undefined;
  const database = openDatabase(platform.database, {
    timers,
    noted(reason) {
      platform.noteDatabase(reason !== undefined);
      if (reason === undefined) log.info("The database is back");
      else log.warning("The database is away", { error: reason });
    },
    sole: sole?.note,
  });
  try {
    await patiently(base, database, async () => {
      await database.ping();
      if (database.kind === "postgres") await sole?.taken(database.ping);
      await migrate(database, { clock });
    });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Does what a start needs of the database, again and again while that is away. */
export async function patiently<T>(
  { timers, platform: { log } }: Base,
  database: Database,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isAway = error instanceof GatewayError && error.code === "unavailable" &&
        !(error instanceof DatabaseRefused);
      if (!isAway || database.kind === "sqlite") throw error;
      // Else it has been said.
      if (!database.isAway()) log.warning("The start waits for the database", { error });
      await sleep(timers, jittered(AGAIN_MS));
    }
  }
}
