/**
 * PostgreSQL: Kysely's dialect over postgres.js, with a pool of our own between them, and a
 * connection beside it that looks and listens.
 *
 * @module
 */
import type { Dialect } from "kysely";
import { PostgresJSDialect, type PostgresJSSql } from "kysely-postgres-js";
import postgres from "postgres";
import { LIMITS } from "../domain/limits.ts";
import type { Timers } from "../platform/timers.ts";
import type { PostgresUrl } from "./database_url.ts";
import { ConnectionFailure, type Fault, Silence } from "./fault.ts";
import { createPool, type Pool } from "./pool.ts";
import { type Ask, createPlace, type Place } from "./postgres_place.ts";

/** The ways to one server. */
export interface PostgresWays {
  /** A pool of connections. */
  readonly dialect: Dialect;
  /**
   * One connection that hears what other processes say, for short questions that are asked again
   * and again, also while all others are in use.
   */
  readonly watch: Dialect;
  /** The statement with which others are told, at the end of a transaction. */
  readonly sayChanged: string;
  /** Closes what is idle, and gives up what waits for its answer longer than such a question may. */
  readonly renew: () => void;
}

export interface PostgresOptions {
  readonly timers: Timers;
  /** Another process, or this one, says that something has changed. */
  readonly heard: () => void;
  /** See `DatabaseDeps`. */
  readonly sole: ((isSole: boolean) => void) | undefined;
}

export function createPostgres(url: PostgresUrl, options: PostgresOptions): PostgresWays {
  const { timers, heard } = options;
  const many = createPool(
    timers,
    LIMITS.databaseConnections,
    (given) => createPlace(url, { timers, given, silentMs: LIMITS.databaseSilentMs }),
  );
  const one = createPool(timers, 1, (given) =>
    createPlace(url, {
      timers,
      given,
      silentMs: LIMITS.databasePollMs,
      heard,
      prepare: (ask) => prepared(ask, url, options),
    }));
  return {
    dialect: dialectOf(many, LIMITS.databaseConnections),
    watch: dialectOf(one, 1),
    sayChanged: `notify ${channelOf(url)}`,
    renew() {
      for (const place of many.all()) place.renew();
    },
  };
}

function dialectOf(pool: Pool<Place>, max: number): Dialect {
  const postgres: PostgresJSSql = {
    options: { max },
    reserve: async () => await (await pool.take()).take(),
    async end() {
      pool.close();
      await Promise.all([...pool.all()].map((place) => place.end()));
    },
  };
  return new PostgresJSDialect({ postgres: () => postgres });
}

/** The channel of a schema. What is too long of its name PostgreSQL cuts off, here and there. */
function channelOf({ schema }: PostgresUrl): string {
  return schema === undefined ? "sallyport" : `sallyport_${schema}`;
}

/** A number of ours above that of the schema. Held by the connection, and gone with it. */
const TRY_SOLE = `select pg_try_advisory_lock((1682247713::bigint << 32) | oid::bigint) as held
  from pg_namespace where nspname = current_schema()`;

async function prepared(
  ask: Ask,
  url: PostgresUrl,
  { sole }: PostgresOptions,
): Promise<boolean> {
  await ask(`listen ${channelOf(url)}`);
  if (sole === undefined) return true;
  const isHeld = (await ask(TRY_SOLE))[0]?.held === true;
  sole(isHeld);
  return isHeld;
}

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNIQUE_VIOLATION = "23505";
const READ_ONLY = "25006";
/** Of a prepared statement, after a later version has migrated. */
const PLAN_CHANGED = "0A000";
const GIVEN_UP: readonly unknown[] = ["40001", "40P01"];
/** Password, user, database, schema, privileges. */
const REFUSED = /^(?:28...|3D000|3F000|42501)$/;

export function postgresFault(error: unknown): Fault | undefined {
  if (error instanceof Silence) return "stale";
  if (error instanceof ConnectionFailure) return "broken";
  if (!(error instanceof postgres.PostgresError)) return undefined;
  const { code } = error;
  if (code === UNIQUE_VIOLATION) return "taken";
  // Whoever was the primary is not any more.
  if (code === READ_ONLY) return "stale";
  if (GIVEN_UP.includes(code)) return "again";
  if (code === PLAN_CHANGED) return "outdated";
  return REFUSED.test(code) ? "refused" : "broken";
}
