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
import { Kysely, sql, SqliteDialect, type Transaction } from "kysely";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { systemClock } from "../platform/clock.ts";
import { createPace } from "../platform/pace.ts";
import { jittered } from "../platform/random.ts";
import { sleep, type Timer, type Timers } from "../platform/timers.ts";
import type { PostgresUrl } from "./database_url.ts";
import type { Fault } from "./fault.ts";
import { createPostgres, postgresFault } from "./postgres.ts";
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
  /**
   * As `run`, for short questions that are asked again and again: soon given up, and over a
   * connection of their own, so that they are answered while all others are in use.
   */
  readonly poll: <T>(work: (db: Kysely<Schema>) => Promise<T>) => Promise<T>;
  /** Resolves when the database answers. @throws as `run` */
  readonly ping: () => Promise<void>;
  /** Whether the last `poll` has failed. */
  readonly isAway: () => boolean;
  /**
   * Told soon after a transaction of this process or another one, once for many; or not at all:
   * it only hastens looking. Gives the way to stop that.
   */
  readonly follow: (changed: () => void) => () => void;
  /** For reading: all that `work` sees is of one moment. @throws as `run` */
  readonly snapshot: <T>(work: (db: Transaction<Schema>) => Promise<T>) => Promise<T>;
  /** Lets what runs finish. */
  readonly close: () => Promise<void>;
}

/** A row with the same key exists. For the tables, who know what that means. */
export class NotUnique extends Error {
  override readonly name = "NotUnique";
}

/** What is set cannot be right: time does not mend it. */
export class DatabaseRefused extends GatewayError {
  constructor(cause: unknown) {
    super("unavailable", UNAVAILABLE, { cause });
  }
}

export interface DatabaseDeps {
  readonly timers: Timers;
  /** Told when `isAway` changes, with the reason when it is. */
  readonly noted?: (reason: unknown) => void;
  /**
   * Asks PostgreSQL for this process to be the only one on its schema. Told with each new
   * connection whether it is; and with each question while it is not.
   */
  readonly sole?: ((isSole: boolean) => void) | undefined;
}

/** A file that the caller has made its owner's only, `:memory:`, or a server. */
export type DatabasePlace = { readonly kind: "sqlite"; readonly path: string } | PostgresUrl;

/**
 * Opens the file, or makes ready to connect: a server that is away is noticed by the first
 * question.
 * @throws {Error} naming the file when it cannot be opened, or when another process has it open
 */
export function openDatabase(place: DatabasePlace, deps: DatabaseDeps): Database {
  if (place.kind === "postgres") return openPostgres(place, deps);
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

function openPostgres(url: PostgresUrl, deps: DatabaseDeps): Database {
  const { timers, sole } = deps;
  const followers = new Set<() => void>();
  let soon: Timer | undefined;
  function heard(): void {
    soon ??= timers.after(HEARD_MS, () => {
      soon = undefined;
      for (const changed of followers) changed();
    });
  }
  const { dialect, watch, sayChanged, renew } = createPostgres(url, { timers, heard, sole });
  return createDatabase({
    ...deps,
    db: new Kysely<Schema>({ dialect }),
    watch: new Kysely<Schema>({ dialect: watch }),
    kind: "postgres",
    faultOf: postgresFault,
    renew,
    // Part of the transaction: whoever hears it finds what was done.
    said: (db) => sql.raw(sayChanged).execute(db),
    followers,
    release: () => soon?.cancel(),
  });
}

/** Many changes in a row are one. */
const HEARD_MS = 25;
const AGAIN_MS = 20;

interface Parts extends DatabaseDeps {
  readonly db: Kysely<Schema>;
  readonly kind: Database["kind"];
  /** For `poll`; `db` unless given. */
  readonly watch?: Kysely<Schema>;
  readonly faultOf: (error: unknown) => Fault | undefined;
  /** Makes connections anew that have become `stale`. */
  readonly renew?: () => void;
  /** Tells other processes, at the end of a transaction. */
  readonly said?: (db: Transaction<Schema>) => Promise<unknown>;
  readonly followers?: Set<() => void>;
  /** Closes what Kysely leaves open when it was never asked. */
  readonly release?: () => void;
}

function createDatabase(parts: Parts): Database {
  const { timers, db, kind, watch = db, faultOf, renew, said, followers, release, noted } = parts;
  const running = new Set<Promise<unknown>>();
  const pace = createPace(systemClock.monotonic);
  let isClosed = false;
  let isAway = false;

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
        if (fault === "stale" || fault === "outdated") renew?.();
        if ((fault === "again" || fault === "outdated") && attempt < attemptsMax) {
          // Both would get in each other's way again.
          await sleep(timers, jittered(AGAIN_MS * attempt));
          continue;
        }
        if (fault === "refused") throw new DatabaseRefused(error);
        if (fault === "taken") throw new NotUnique("It exists already", { cause: error });
        throw fault === undefined ? error : unavailable(error);
      }
    }
  }

  async function poll<T>(work: () => Promise<T>): Promise<T> {
    try {
      const answer = await attempted(work, 1);
      if (isAway) noted?.(undefined);
      isAway = false;
      return answer;
    } catch (error) {
      if (!isAway && !isClosed) noted?.(error);
      isAway = true;
      throw error;
    }
  }

  async function toldOf<T>(
    trx: Transaction<Schema>,
    work: (db: Transaction<Schema>) => Promise<T>,
  ) {
    const done = await work(trx);
    await said?.(trx);
    return done;
  }

  return {
    kind,
    run: (work) => run(() => work(db), 1),
    transaction: (work) =>
      run(() => db.transaction().execute((trx) => toldOf(trx, work)), LIMITS.databaseAttempts),
    poll: (work) => poll(() => work(watch)),
    ping: async () => void await poll(() => sql`select 1`.execute(watch)),
    isAway: () => isAway,
    follow(changed) {
      followers?.add(changed);
      return () => void followers?.delete(changed);
    },
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
      if (watch !== db) await watch.destroy();
      release?.();
    },
  };
}

/** What the database says is for the log: it can hold values. */
function unavailable(cause: unknown): GatewayError {
  return new GatewayError("unavailable", UNAVAILABLE, { cause });
}

const UNAVAILABLE = "The database cannot be used at the moment";
