/**
 * PostgreSQL: Kysely's dialect over postgres.js, with a pool of our own between them.
 *
 * Each place of the pool is a client with one connection, and one transaction has it to itself.
 * The driver's own pool hands a connection that broke and was made again to whoever held the old
 * one: the rest of a transaction would then run outside of any. Here whoever has lost a connection
 * gets nothing through any more.
 *
 * @module
 */
import type { Dialect } from "kysely";
import {
  PostgresJSDialect,
  type PostgresJSReservedSql,
  type PostgresJSSql,
} from "kysely-postgres-js";
import postgres from "postgres";
import { LIMITS } from "../domain/limits.ts";
import type { Timer, Timers } from "../platform/timers.ts";
import type { PostgresUrl } from "./database_url.ts";
import type { Fault } from "./fault.ts";

export function createPostgresDialect(url: PostgresUrl, deps: { timers: Timers }): Dialect {
  return new PostgresJSDialect({ postgres: () => createPool(url, deps.timers) });
}

/** Not made, lost, silent or not to be had: what no answer of PostgreSQL says. */
class ConnectionFailure extends Error {
  override readonly name = "ConnectionFailure";
}

/** One connection, made when it is first needed and again after it was lost. */
interface Place {
  readonly take: () => PostgresJSReservedSql;
  readonly end: () => Promise<void>;
}

interface Waiting {
  readonly got: (place: Place) => void;
  readonly timer: Timer;
}

function createPool(url: PostgresUrl, timers: Timers): PostgresJSSql {
  const free: Place[] = [];
  const places = new Set<Place>();
  const waiting: Waiting[] = [];
  let isClosed = false;

  function give(place: Place): void {
    const next = waiting.shift();
    if (next === undefined) return void free.push(place);
    next.timer.cancel();
    next.got(place);
  }

  function add(): Place {
    const place = createPlace(url, timers, () => give(place));
    places.add(place);
    return place;
  }

  async function take(): Promise<Place> {
    const place = free.pop() ?? (places.size < LIMITS.databaseConnections ? add() : undefined);
    if (place !== undefined) return place;
    return await new Promise((got, failed) => {
      const timer = timers.after(LIMITS.databasePoolMs, () => {
        waiting.splice(waiting.indexOf(entry), 1);
        failed(new ConnectionFailure("All connections are in use"));
      });
      const entry: Waiting = { got, timer };
      waiting.push(entry);
    });
  }

  return {
    options: { max: LIMITS.databaseConnections },
    async reserve() {
      if (isClosed) throw new ConnectionFailure("The pool is closed");
      return (await take()).take();
    },
    async end() {
      isClosed = true;
      await Promise.all([...places].map((place) => place.end()));
    },
  };
}

/** @param given called when whoever took it has given it back */
function createPlace(url: PostgresUrl, timers: Timers, given: () => void): Place {
  let client = connect();
  /** Why whoever holds the place gets nothing through any more. */
  let lost: ConnectionFailure | undefined;

  function connect(): postgres.Sql {
    const made: postgres.Sql = postgres(clientOptions(url, () => {
      // One that was replaced is of no concern to those who hold its successor.
      if (made === client) lost ??= new ConnectionFailure("It was closed");
    }));
    return made;
  }

  async function ask(sql: string, parameters: unknown[] = [], options?: object) {
    if (lost !== undefined) throw lost;
    // The driver has no deadline of its own for a server that has gone silent.
    const timer = timers.after(LIMITS.databaseSilentMs, () => {
      lost = new ConnectionFailure("It does not answer");
      client.end({ timeout: 0 });
    });
    try {
      return await client.unsafe(sql, parameters as postgres.ParameterOrJSON<never>[], options);
    } catch (cause) {
      // After anything but the server's own refusal nobody knows how far it has come.
      if (!(cause instanceof postgres.PostgresError)) {
        lost ??= new ConnectionFailure("It failed", { cause });
      }
      throw lost ?? cause;
    } finally {
      timer.cancel();
    }
  }

  /** What cannot be sent any more is done by the server, when it notices the end. */
  async function rollback() {
    try {
      return await ask("rollback");
    } catch (cause) {
      lost ??= new ConnectionFailure("It could not be rolled back", { cause });
      return Object.assign([], { command: "ROLLBACK", count: 0 });
    }
  }

  /** After a failed statement PostgreSQL answers a commit by rolling back, and calls it success. */
  async function commit() {
    const answer = await ask("commit");
    if (answer.command !== "COMMIT") throw new ConnectionFailure("Nothing was committed");
    return answer;
  }

  function said(sql: string, parameters?: unknown[], options?: object) {
    if (sql === "rollback") return rollback();
    return sql === "commit" ? commit() : ask(sql, parameters, options);
  }

  return {
    take() {
      lost = undefined;
      return {
        unsafe: (...question) => Object.assign(said(...question), { cancel: () => {} }),
        release() {
          if (lost !== undefined) {
            client.end({ timeout: 0 });
            client = connect();
          }
          given();
        },
      };
    },
    end: () => client.end({ timeout: END_SECONDS }),
  };
}

/** For what runs; the server notices the end of the connection anyway. */
const END_SECONDS = 1;

/**
 * Complete, so that no variable of the environment decides anything.
 *
 * @param closed called whenever a connection has ended
 */
function clientOptions(url: PostgresUrl, closed: () => void) {
  return {
    host: url.host,
    port: url.port,
    user: url.user,
    password: url.password,
    database: url.database,
    ssl: url.isTls ? "verify-full" as const : false,
    sslnegotiation: null,
    max: 1,
    max_pipeline: 1,
    connect_timeout: LIMITS.databaseConnectMs / 1000,
    idle_timeout: undefined,
    // Either would end a connection between two statements of a transaction.
    max_lifetime: null,
    keep_alive: 30,
    // Whoever asks decides when to ask again.
    backoff: () => 0,
    prepare: true,
    debug: false,
    fetch_types: false,
    publications: "alltables",
    types: { integer: SAFE_INTEGER },
    onnotice: () => {},
    onclose: closed,
    connection: {
      application_name: "sallyport",
      statement_timeout: LIMITS.databaseStatementMs,
      lock_timeout: LIMITS.databaseStatementMs,
      idle_in_transaction_session_timeout: LIMITS.databaseStatementMs,
      ...(url.schema !== undefined && { search_path: url.schema }),
    },
  };
}

/** `bigint`, which `count(*)` is as well, would come as text. */
const SAFE_INTEGER = {
  to: 20,
  from: [20],
  parse: Number,
  serialize: String,
};

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNIQUE_VIOLATION = "23505";
const GIVEN_UP: readonly unknown[] = ["40001", "40P01"];

export function postgresFault(error: unknown): Fault | undefined {
  if (error instanceof ConnectionFailure) return "broken";
  if (!(error instanceof postgres.PostgresError)) return undefined;
  if (error.code === UNIQUE_VIOLATION) return "taken";
  return GIVEN_UP.includes(error.code) ? "again" : "broken";
}
