/**
 * Asks the database of the first argument one question, with no more permissions than given.
 *
 * @module
 */
import { sql } from "kysely";
import { systemClock } from "../../src/platform/clock.ts";
import { createTimers } from "../../src/platform/timers.ts";
import { type DatabasePlace, openDatabase } from "../../src/storage/database.ts";
import { parseDatabaseUrl } from "../../src/storage/database_url.ts";

const timers = createTimers(systemClock.monotonic);
const database = openDatabase(parseDatabaseUrl(Deno.args[0]!) as DatabasePlace, { timers });
const { rows } = await database.run((db) => sql<{ one: number }>`select 1 as one`.execute(db));
console.log(rows[0]!.one);
await database.close();
