/**
 * One connection to PostgreSQL, which one transaction has to itself.
 *
 * The driver's own pool hands a connection that broke and was made again to whoever held the old
 * one: the rest of a transaction would then run outside of any. Here whoever has lost a connection
 * gets nothing through any more.
 *
 * @module
 */
import type { PostgresJSReservedSql } from "kysely-postgres-js";
import postgres from "postgres";
import { LIMITS } from "../domain/limits.ts";
import { systemClock } from "../platform/clock.ts";
import type { Timer, Timers } from "../platform/timers.ts";
import type { PostgresUrl } from "./database_url.ts";
import { ConnectionFailure, Silence } from "./fault.ts";

/** @throws {ConnectionFailure} when the connection is lost, or the server silent */
export type Ask = (
  sql: string,
  parameters?: unknown[],
  options?: object,
) => Promise<postgres.RowList<postgres.Row[]>>;

/** One connection, made when it is first needed and again after it was lost. */
export interface Place {
  readonly take: () => Promise<PostgresJSReservedSql>;
  /** See `PostgresWays`. */
  readonly renew: () => void;
  readonly end: () => Promise<void>;
}

export interface PlaceOptions {
  readonly timers: Timers;
  /** Called when whoever took it has given it back. */
  readonly given: () => void;
  /** How long the server may be silent. */
  readonly silentMs: number;
  readonly heard?: () => void;
  /** Asked on a new connection before anything else; and before the next, until it gives `true`. */
  readonly prepare?: (ask: Ask) => Promise<boolean>;
}

export function createPlace(url: PostgresUrl, options: PlaceOptions): Place {
  const { timers, given, silentMs, heard, prepare } = options;
  let isPrepared = prepare === undefined;
  let isTaken = false;
  /** What the server is to answer. */
  let asked: { readonly atMs: number; patience: Timer } | undefined;
  /** Shorter while the connection may be dead, until it answers. */
  let patienceMs = silentMs;
  /** Why whoever holds the place gets nothing through any more. */
  let lost: ConnectionFailure | undefined;
  let client = connect();

  function connect(): postgres.Sql {
    isPrepared = prepare === undefined;
    patienceMs = silentMs;
    const made: postgres.Sql = postgres(clientOptions(url, heard, () => {
      // One that was replaced is of no concern to those who hold its successor.
      if (made !== client) return;
      lost ??= new ConnectionFailure("It was closed");
      isPrepared = prepare === undefined;
    }));
    return made;
  }

  function replace(): void {
    client.end({ timeout: 0 });
    client = connect();
  }

  function giveUp(): void {
    lost = new Silence("It does not answer");
    client.end({ timeout: 0 });
  }

  async function ask(sql: string, parameters: unknown[] = [], options?: object) {
    if (lost !== undefined) throw lost;
    // The driver has no deadline of its own for a server that has gone silent.
    const patience = timers.after(patienceMs, giveUp);
    const own = asked = { atMs: systemClock.monotonic(), patience };
    try {
      const answer = await client.unsafe(
        sql,
        parameters as postgres.ParameterOrJSON<never>[],
        options,
      );
      patienceMs = silentMs;
      return answer;
    } catch (cause) {
      // After anything but the server's own refusal nobody knows how far it has come.
      if (!(cause instanceof postgres.PostgresError)) {
        lost ??= new ConnectionFailure("It failed", { cause });
      }
      throw lost ?? cause;
    } finally {
      own.patience.cancel();
      if (asked === own) asked = undefined;
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

  function release(): void {
    isTaken = false;
    if (lost !== undefined) replace();
    given();
  }

  return {
    async take() {
      lost = undefined;
      isTaken = true;
      try {
        isPrepared ||= await prepare!(ask);
      } catch (error) {
        release();
        throw error;
      }
      return {
        unsafe: (...question) => Object.assign(said(...question), { cancel: () => {} }),
        release,
      };
    },
    renew() {
      if (!isTaken) return replace();
      patienceMs = LIMITS.databasePollMs;
      if (asked === undefined) return;
      asked.patience.cancel();
      const restMs = asked.atMs + patienceMs - systemClock.monotonic();
      asked.patience = timers.after(Math.max(0, restMs), giveUp);
    },
    end: () => client.end({ timeout: END_SECONDS }),
  };
}

/** For what runs; the server notices the end of the connection anyway. */
const END_SECONDS = 1;

/**
 * Complete, so that no variable of the environment decides anything.
 *
 * @param heard called when another process says something
 * @param closed called whenever a connection has ended
 */
function clientOptions(url: PostgresUrl, heard: (() => void) | undefined, closed: () => void) {
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
    onnotify: heard,
    onclose: closed,
    connection: {
      application_name: "sallyport",
      statement_timeout: LIMITS.databaseStatementMs,
      lock_timeout: LIMITS.databaseLockMs,
      idle_in_transaction_session_timeout: LIMITS.databaseIdleMs,
      // For the server to notice that this machine is gone, with all that its connections hold.
      tcp_keepalives_idle: KEEP_ALIVE_SECONDS,
      tcp_keepalives_interval: KEEP_ALIVE_SECONDS,
      tcp_keepalives_count: 2,
      ...(url.schema !== undefined && { search_path: url.schema }),
    },
  };
}

const KEEP_ALIVE_SECONDS = 5;

/** `bigint`, which `count(*)` is as well, would come as text. */
const SAFE_INTEGER = {
  to: 20,
  from: [20],
  parse: Number,
  serialize: String,
};
