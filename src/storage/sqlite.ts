/**
 * SQLite files: opened by one process at a time; written once per turn of the event loop, or
 * through Kysely.
 *
 * A write is in the write-ahead log, which the system has, when it is acknowledged: it survives the
 * end of the process however that comes, `kill -9` included. `synchronous = NORMAL` lets the system
 * decide when the log reaches the disk: when the power fails, the last seconds may be gone, and
 * what is there is whole. FULL would wait for the disk with every commit, and stop everybody else
 * meanwhile, for a file that one disk failure takes anyway.
 *
 * @module
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Fault } from "./fault.ts";

export interface Sqlite {
  readonly prepare: (sql: string) => StatementSync;
  /**
   * Runs `work` in one transaction with all others of this turn of the event loop, in the order in
   * which they were asked for, and resolves when that is committed.
   *
   * `work` is undone when it throws, and only its own promise rejects. It may run twice.
   * @throws {GatewayError} `unavailable` when the file cannot be written
   */
  readonly write: <T>(work: () => T) => Promise<T>;
  /** Size of the file in bytes. */
  readonly size: () => number;
  /** Writes what waits, then closes. */
  readonly close: () => void;
}

interface Waiting {
  readonly work: () => unknown;
  readonly done: (value: unknown) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * @param path of the file, or `:memory:`
 * @param schema statements that make what is missing
 * @throws {Error} naming the file when it cannot be opened, or when another process has it open
 */
export function openSqlite(path: string, schema: string): Sqlite {
  const db = opened(path, schema);
  const begin = db.prepare("BEGIN");
  const commit = db.prepare("COMMIT");
  const rollback = db.prepare("ROLLBACK");
  const pages = db.prepare(
    "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size",
  );
  let waiting: Waiting[] = [];
  let isClosed = false;

  function flush(): void {
    const batch = waiting;
    waiting = [];
    const values: unknown[] = [];
    try {
      begin.run();
      for (const { work } of batch) values.push(work());
      commit.run();
    } catch (error) {
      if (db.isTransaction) rollback.run();
      // One of them is at fault: each on its own, so that the others are kept.
      if (batch.length === 1) batch[0]!.failed(explained(error));
      else for (const one of batch) alone(one);
      return;
    }
    batch.forEach(({ done }, i) => done(values[i]));
  }

  function alone({ work, done, failed }: Waiting): void {
    let value: unknown;
    try {
      begin.run();
      value = work();
      commit.run();
    } catch (error) {
      if (db.isTransaction) rollback.run();
      return failed(explained(error));
    }
    done(value);
  }

  return {
    prepare: (sql) => db.prepare(sql),
    write<T>(work: () => T) {
      if (isClosed) return Promise.reject(new Error("The database is closed"));
      return new Promise<T>((resolve, failed) => {
        if (waiting.length === 0) setImmediate(() => waiting.length > 0 && flush());
        waiting.push({ work, done: resolve as (value: unknown) => void, failed });
      });
    },
    size: () => Number(pages.get()!.bytes),
    close() {
      if (isClosed) return;
      if (waiting.length > 0) flush();
      isClosed = true;
      db.close();
    },
  };
}

/** What Kysely's SQLite dialect asks for. */
export interface SqliteConnection {
  readonly prepare: (sql: string) => SqliteStatement;
  readonly close: () => void;
}

interface SqliteStatement {
  /** Whether it gives rows. */
  readonly reader: boolean;
  readonly all: (parameters: readonly unknown[]) => unknown[];
  readonly run: (parameters: readonly unknown[]) => ReturnType<StatementSync["run"]>;
  readonly iterate: (parameters: readonly unknown[]) => IterableIterator<unknown>;
}

/** @throws {Error} as `openSqlite` */
export function openSqliteConnection(path: string): SqliteConnection {
  // Taken now: the lock of an existing file comes with the first write, not with its opening.
  const db = opened(path, "BEGIN IMMEDIATE; COMMIT;");
  /** By their text, the one used longest ago first. */
  const statements = new Map<string, SqliteStatement>();

  function prepare(sql: string): SqliteStatement {
    const known = statements.get(sql);
    if (known !== undefined) statements.delete(sql);
    else if (statements.size >= LIMITS.sqliteStatements) {
      statements.delete(statements.keys().next().value!);
    }
    const statement = known ?? (sql === "rollback" ? rollback(db) : prepared(db, sql));
    statements.set(sql, statement);
    return statement;
  }

  return { prepare, close: () => db.isOpen && db.close() };
}

function prepared(db: DatabaseSync, sql: string): SqliteStatement {
  const statement = db.prepare(sql);
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters as SQLInputValue[]),
    run: (parameters) => statement.run(...parameters as SQLInputValue[]),
    iterate: (parameters) => statement.iterate(...parameters as SQLInputValue[]),
  };
}

/** A full disk ends the transaction by itself; what went wrong must not be hidden by that. */
function rollback(db: DatabaseSync): SqliteStatement {
  const statement = prepared(db, "rollback");
  return {
    ...statement,
    run: (parameters) =>
      db.isTransaction ? statement.run(parameters) : { changes: 0, lastInsertRowid: 0 },
  };
}

/** Primary key, unique index. @see https://www.sqlite.org/rescode.html#extrc */
const NOT_UNIQUE: readonly unknown[] = [1555, 2067];

export function sqliteFault(error: unknown): Fault | undefined {
  if (!isSqliteError(error)) return undefined;
  return NOT_UNIQUE.includes((error as { errcode?: unknown }).errcode) ? "taken" : "broken";
}

function isSqliteError(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_SQLITE_ERROR";
}

/** What SQLite says is for the log; a caller is told that nothing was kept. */
function explained(cause: unknown): unknown {
  if (!isSqliteError(cause)) return cause;
  return new GatewayError("unavailable", "The gateway cannot keep anything at the moment", {
    cause,
  });
}

/** Another process has the file open. */
export class FileInUse extends Error {
  override readonly name = "FileInUse";
}

/** For a process that is about to end, as in a restart. */
const LOCKED_MS = 3_000;

function opened(path: string, schema: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: LOCKED_MS });
    // Exclusive: what is kept in memory beside the file is right only while nobody else writes.
    db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL; ${schema}`);
    return db;
  } catch (cause) {
    db?.close();
    const text = (cause as Error).message;
    const refused = `The file "${path}" cannot be opened`;
    if (!/locked|busy/.test(text)) throw new Error(`${refused}: ${text}`, { cause });
    throw new FileInUse(`${refused}: another process uses it; give each its own --data`, { cause });
  }
}
