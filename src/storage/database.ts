/**
 * The database: one typed query layer over SQLite or PostgreSQL, chosen by `DATABASE_URL`.
 *
 * What both promise: a transaction is seen whole or not at all, nothing of others is mixed into
 * it, what was acknowledged survives the end of the process, a question that cannot be answered in
 * time fails with `unavailable`. Times are integer milliseconds, JSON is text, flags are 0 or 1,
 * numbers are safe integers.
 *
 * @module
 */
import { Kysely, SqliteDialect, type Transaction } from "kysely";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { systemClock } from "../platform/clock.ts";
import { createPace } from "../platform/pace.ts";
import { jittered } from "../platform/random.ts";
import { sleep, type Timers } from "../platform/timers.ts";
import type { PostgresUrl } from "./database_url.ts";
import type { Fault } from "./fault.ts";
import { createPostgresDialect, postgresFault } from "./postgres.ts";
import { openSqliteConnection, sqliteFault } from "./sqlite.ts";
import type { Schema } from "./tables/schema.ts";

export interface Database {
  readonly kind: "sqlite" | "postgres";
  /**
   * @throws {GatewayError} `unavailable`, the reason as its cause
   * @throws {NotUnique} when a row with these values is there already
   */
  readonly run: <T>(work: (db: Kysely<Schema>) => Promise<T>) => Promise<T>;
  /**
   * All that `work` does, or nothing. `work` may run more than once: another transaction can be in
   * its way.
   * @throws as `run`, and whatever `work` throws
   */
  readonly transaction: <T>(work: (db: Transaction<Schema>) => Promise<T>) => Promise<T>;
  /** For reading: all that `work` sees is of one moment. @throws as `run` */
  readonly snapshot: <T>(work: (db: Transaction<Schema>) => Promise<T>) => Promise<T>;
  /** Lets what runs finish. */
  readonly close: () => Promise<void>;
}

/** A row with the same key exists. For the tables, who know what that means. */
export class NotUnique extends Error {
  override readonly name = "NotUnique";
}

export interface DatabaseDeps {
  readonly timers: Timers;
}

/** A file that the caller has made its owner's only, `:memory:`, or a server. */
export type DatabasePlace = { readonly kind: "sqlite"; readonly path: string } | PostgresUrl;

/**
 * Opens the file, or makes ready to connect: a server that is away is noticed by the first
 * question.
 * @throws {Error} naming the file when it cannot be opened, or when another process has it open
 */
export function openDatabase(place: DatabasePlace, deps: DatabaseDeps): Database {
  if (place.kind === "postgres") {
    const db = new Kysely<Schema>({ dialect: createPostgresDialect(place, deps) });
    return createDatabase({ ...deps, db, kind: "postgres", faultOf: postgresFault });
  }
  const database = openSqliteConnection(place.path);
  const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database }) });
  return createDatabase({
    ...deps,
    db,
    kind: "sqlite",
    faultOf: sqliteFault,
    release: database.close,
  });
}

const AGAIN_MS = 20;

interface Parts {
  readonly timers: Timers;
  readonly db: Kysely<Schema>;
  readonly kind: Database["kind"];
  readonly faultOf: (error: unknown) => Fault | undefined;
  /** Closes what Kysely leaves open when it was never asked. */
  readonly release?: () => void;
}

function createDatabase({ timers, db, kind, faultOf, release }: Parts): Database {
  const running = new Set<Promise<unknown>>();
  const pace = createPace(systemClock.monotonic);
  let isClosed = false;

  async function run<T>(work: () => Promise<T>, attemptsMax: number): Promise<T> {
    if (isClosed) throw unavailable(new Error("The database is closed"));
    if (running.size >= LIMITS.databaseWaiting) {
      throw unavailable(new Error("Too many questions wait for the database"));
    }
    const answer = attempted(work, attemptsMax);
    running.add(answer);
    try {
      return await answer;
    } finally {
      running.delete(answer);
    }
  }

  async function attempted<T>(work: () => Promise<T>, attemptsMax: number): Promise<T> {
    // SQLite answers without waiting: many questions in a row would let nothing else happen.
    await pace();
    for (let attempt = 1;; attempt++) {
      try {
        return await work();
      } catch (error) {
        const fault = error instanceof GatewayError ? undefined : faultOf(error);
        if (fault === "again" && attempt < attemptsMax) {
          // Both would get in each other's way again.
          await sleep(timers, jittered(AGAIN_MS * attempt));
          continue;
        }
        if (fault === "taken") throw new NotUnique("It exists already", { cause: error });
        throw fault === undefined ? error : unavailable(error);
      }
    }
  }

  return {
    kind,
    run: (work) => run(() => work(db), 1),
    transaction: (work) => run(() => db.transaction().execute(work), LIMITS.databaseAttempts),
    snapshot: (work) =>
      // SQLite has no levels: there nothing else happens during a transaction.
      run(
        () => db.transaction().setIsolationLevel("repeatable read").execute(work),
        LIMITS.databaseAttempts,
      ),
    async close() {
      if (isClosed) return;
      isClosed = true;
      await Promise.allSettled(running);
      await db.destroy();
      release?.();
    },
  };
}

/** What the database says is for the log: it can hold values. */
function unavailable(cause: unknown): GatewayError {
  return new GatewayError("unavailable", "The database cannot be used at the moment", { cause });
}
