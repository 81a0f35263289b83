/**
 * The database that the configuration means.
 *
 * @module
 */
import type { Config } from "../config/load.ts";
import { GatewayError } from "../domain/errors.ts";
import { systemClock } from "../platform/clock.ts";
import { databaseFile, makePrivate, openDataDir } from "../platform/data_dir.ts";
import { createTimers } from "../platform/timers.ts";
import { type Database, type DatabasePlace, openDatabase } from "../storage/database.ts";
import { FileInUse } from "../storage/sqlite.ts";
import { IN_MEMORY, shownDatabaseUrl } from "../storage/database_url.ts";

/** Makes the file its owner's only, and the data directory if it is to lie there. */
export async function databasePlace(config: Config): Promise<DatabasePlace> {
  const { databaseUrl, dataDir } = config;
  if (databaseUrl.kind === "postgres") return databaseUrl;
  const path = databaseUrl.path ?? databaseFile(dataDir);
  if (databaseUrl.path === undefined) await openDataDir(dataDir);
  if (path !== IN_MEMORY) await madePrivate(path);
  return { kind: "sqlite", path };
}

async function madePrivate(path: string): Promise<void> {
  try {
    await makePrivate(path);
  } catch (cause) {
    throw new Error(`The file "${path}" cannot be opened: ${(cause as Error).message}`, { cause });
  }
}

/** For messages: without a password. */
export function shownDatabase({ databaseUrl, dataDir }: Config): string {
  const isDefault = databaseUrl.kind === "sqlite" && databaseUrl.path === undefined;
  return isDefault ? `sqlite:${databaseFile(dataDir)}` : shownDatabaseUrl(databaseUrl);
}

/**
 * Runs a command on the database, and closes it.
 * @throws {Error} for a person: which database, and what is wrong with it
 */
export async function withDatabase<T>(
  config: Config,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const database = opened(await databasePlace(config), shownDatabase(config));
  try {
    return await work(database);
  } catch (error) {
    throw explained(config, error);
  } finally {
    await database.close();
  }
}

/** What is told of a failure to a person: which database, and what is wrong with it. */
export function explained(config: Config, error: unknown): unknown {
  if (!(error instanceof GatewayError && error.code === "unavailable")) return error;
  const shown = shownDatabase(config);
  return new Error(`The database ${shown} cannot be used: ${reasonOf(error)}`, { cause: error });
}

function opened(place: DatabasePlace, shown: string): Database {
  try {
    return openDatabase(place, { timers: createTimers(systemClock.monotonic) });
  } catch (cause) {
    if (!(cause instanceof FileInUse)) throw cause;
    const hint = "stop the gateway first, or name another with --data";
    throw new Error(`The database ${shown} is used by another process: ${hint}`, { cause });
  }
}

/** Of whoever noticed it first. An error of several attempts has no text of its own. */
function reasonOf(error: Error): string {
  const first = error instanceof AggregateError ? error.errors[0] : error.cause;
  return first instanceof Error ? reasonOf(first) : error.message;
}
