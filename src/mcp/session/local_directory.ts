/**
 * Session directory of one replica, in an SQLite file: sessions survive a restart.
 *
 * Every change resolves when it is committed, and is seen from then on. A record leaves the file
 * once only, through `remove` or `takeExpired`, so that exactly one caller ends what hangs on it.
 *
 * @module
 */
import type { Clock } from "../../platform/clock.ts";
import type { Sqlite } from "../../storage/sqlite.ts";
import type { Entry, Field, SessionDirectory } from "./directory.ts";

/** Both expiries have an index of their own; `session_owner` answers a count without the rows. */
export const DIRECTORY_SCHEMA = `
  CREATE TABLE IF NOT EXISTS session (
    key TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    base BLOB NOT NULL,
    touched_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS session_owner ON session (owner, touched_ms, end_ms);
  CREATE INDEX IF NOT EXISTS session_touched ON session (touched_ms);
  CREATE INDEX IF NOT EXISTS session_end ON session (end_ms);
  CREATE TABLE IF NOT EXISTS session_field (
    key TEXT NOT NULL,
    upstream TEXT NOT NULL,
    generation INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (key, upstream)
  ) WITHOUT ROWID;
`;

export interface LocalDirectoryDeps {
  readonly clock: Clock;
}

export interface LocalDirectoryOptions {
  /** `SESSION_IDLE_TTL`. */
  readonly idleMs: number;
}

/** @param db opened with `DIRECTORY_SCHEMA`; closed by the directory's `close` */
export function createLocalDirectory(
  db: Sqlite,
  { clock }: LocalDirectoryDeps,
  { idleMs }: LocalDirectoryOptions,
): SessionDirectory {
  const sql = statements(db);
  const usedMs = createUsedClock(clock, Number(sql.lastTouched.get()?.ms ?? 0));
  /** Touched at or before this, a session has idled too long. */
  const idledMs = () => usedMs() - idleMs;

  function find(key: string): Entry | undefined {
    const row = sql.base.get(key, idledMs(), clock.now());
    return row && { base: bytes(row.base), fields: fieldsOf(sql.fields.all(key)) };
  }

  function swap(key: string, upstream: string, generation: number, value: Uint8Array) {
    if (sql.base.get(key, idledMs(), clock.now()) === undefined) return undefined;
    const row = sql.field.get(key, upstream);
    const standing = row && fieldOf(row);
    if ((standing?.generation ?? 0) !== generation) return standing;
    sql.setField.run(key, upstream, generation + 1, value);
    return { generation: generation + 1, value };
  }

  function takeExpired(max: number): [string, Entry][] {
    return sql.takeExpired.all(idledMs(), clock.now(), max).map((row) => {
      const fields = fieldsOf(sql.takeFields.all(row.key!));
      return [String(row.key), { base: bytes(row.base), fields }];
    });
  }

  return {
    create: ({ key, owner, base, endMs }, ownerMax) =>
      db.write(() => {
        const live = [owner, idledMs(), clock.now(), ownerMax];
        return sql.create.run(key, owner, base, usedMs(), endMs, ...live).changes > 0;
      }),
    find: (key) => Promise.try(find, key),
    swap: (key, upstream, generation, value) =>
      db.write(() => swap(key, upstream, generation, value)),
    page: (after, max) =>
      Promise.try(() =>
        sql.page.all(after, idledMs(), clock.now(), max).map((row) => ({
          key: String(row.key),
          base: bytes(row.base),
          usedMs: Number(row.touched_ms),
        }))
      ),
    touch: (key) => db.write(() => void sql.touch.run(usedMs(), key, idledMs(), clock.now())),
    remove: (key) =>
      db.write(() => {
        sql.takeFields.all(key);
        return sql.remove.run(key).changes > 0;
      }),
    takeExpired: (max) => db.write(() => takeExpired(max)),
    close: db.close,
  };
}

function statements(db: Sqlite) {
  const live = "touched_ms > ? AND end_ms > ?";
  return {
    lastTouched: db.prepare("SELECT max(touched_ms) AS ms FROM session"),
    create: db.prepare(`INSERT INTO session (key, owner, base, touched_ms, end_ms)
      SELECT ?, ?, ?, ?, ?
      WHERE (SELECT count(*) FROM session WHERE owner = ? AND ${live}) < ?
      ON CONFLICT DO NOTHING`),
    base: db.prepare(`SELECT base FROM session WHERE key = ? AND ${live}`),
    page: db.prepare(
      `SELECT key, base, touched_ms FROM session WHERE key > ? AND ${live} ORDER BY key LIMIT ?`,
    ),
    fields: db.prepare("SELECT upstream, generation, value FROM session_field WHERE key = ?"),
    field: db.prepare(
      "SELECT generation, value FROM session_field WHERE key = ? AND upstream = ?",
    ),
    setField: db.prepare(`INSERT INTO session_field (key, upstream, generation, value)
      VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
      generation = excluded.generation, value = excluded.value`),
    touch: db.prepare(`UPDATE session SET touched_ms = ? WHERE key = ? AND ${live}`),
    remove: db.prepare("DELETE FROM session WHERE key = ?"),
    takeFields: db.prepare(
      "DELETE FROM session_field WHERE key = ? RETURNING upstream, generation, value",
    ),
    takeExpired: db.prepare(`DELETE FROM session WHERE key IN
      (SELECT key FROM session WHERE touched_ms <= ? OR end_ms <= ? LIMIT ?)
      RETURNING key, base`),
  };
}

/**
 * The time in which idling is measured: from the wall clock at the start, at the pace of the one
 * that never jumps. A session in use would otherwise seem idle when the wall clock is set forward,
 * and one that had ended could count once more when it is set back.
 *
 * @param sinceMs the latest time in the file, which may have been written before a set-back
 */
function createUsedClock(clock: Clock, sinceMs: number): () => number {
  const aheadMs = Math.max(clock.now(), sinceMs) - clock.monotonic();
  return () => aheadMs + clock.monotonic();
}

type Row = Readonly<Record<string, unknown>>;

function fieldsOf(rows: readonly Row[]): ReadonlyMap<string, Field> {
  return new Map(rows.map((row) => [String(row.upstream), fieldOf(row)]));
}

function fieldOf(row: Row): Field {
  return { generation: Number(row.generation), value: bytes(row.value) };
}

/** Of a BLOB column, which gives nothing else. */
function bytes(column: unknown): Uint8Array {
  return column as Uint8Array;
}
