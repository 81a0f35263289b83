/**
 * How the SQLite event store forgets: streams that are erased, over their time, or too many.
 *
 * A stream may have more rows than can be removed at once without keeping others waiting. What is
 * left of it is marked, so that nobody finds it and the next slice, or the next start, goes on.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";
import type { Sqlite } from "../storage/sqlite.ts";
import { ROW_BYTES, type Windows } from "./sqlite_windows.ts";
import { type EventStoreOptions, isOfCall, type StreamId } from "./store.ts";

/** Does one thing that is to be done; false when there is none. */
export type Step = () => boolean;

export interface Forgetting {
  /** The oldest ended stream of a session that has too many. */
  readonly surplusOf: (session: string) => void;
  /** All streams of a session; `removeMarked` does the rest. */
  readonly markSession: (session: string) => void;
  readonly removeMarked: Step;
  /** What a sweep does, one after the other. */
  readonly steps: (nowMs: number) => readonly Step[];
  /** Repeats a step for a few milliseconds; whether there may be more to do. */
  readonly slice: (step: Step) => boolean;
  /** The streams forgotten since the last time. */
  readonly takeForgotten: () => readonly StreamId[];
  /** The transaction was undone. */
  readonly reset: () => void;
}

/** Bytes of all streams, so that they need not be summed up for each sweep. */
export interface HeldBytes {
  readonly add: (bytes: number) => void;
  readonly bytes: () => number;
  /** Sums up what is in the file. */
  readonly reset: () => void;
}

/** What a stream takes beside its rows, roughly: for `totalBytesMax`. */
export const STREAM_BYTES = 512;

/** Removed at once; measured at a few microseconds each. */
const ROWS_MAX = 250;
const SLICE_MS = 3;

/** In `at_ms`: before all times. */
const MARKED = -1;

export function createHeldBytes(db: Sqlite): HeldBytes {
  const sum = db.prepare(`SELECT
    (SELECT coalesce(sum(bytes), 0) + count(*) * ${ROW_BYTES} FROM events) +
    (SELECT count(*) * ${STREAM_BYTES} FROM streams) AS bytes`);
  const summed = () => Number(sum.get()!.bytes);
  let held = summed();
  return {
    add: (bytes) => void (held += bytes),
    bytes: () => held,
    reset: () => void (held = summed()),
  };
}

export function createForgetting(
  db: Sqlite,
  { windows, held, clock }: {
    readonly windows: Windows;
    readonly held: HeldBytes;
    readonly clock: Clock;
  },
  { ttlMs, sessionStreamsMax, totalBytesMax }: EventStoreOptions,
): Forgetting {
  const sql = statements(db);
  let forgotten: StreamId[] = [];
  /** Rows up to here are gone, or go with their streams. */
  let lastExpired = 0;

  /** Whether that was all of it. */
  function removeRows(rows: readonly Record<string, unknown>[]): boolean {
    for (const { bytes } of rows) held.add(-Number(bytes) - ROW_BYTES);
    return rows.length < ROWS_MAX;
  }

  function remove(no: number): boolean {
    const isAll = removeRows(sql.removeRows.all(no, ROWS_MAX));
    if (isAll) {
      sql.remove.run(no);
      held.add(-STREAM_BYTES);
    }
    return isAll;
  }

  function forget(stream: Record<string, unknown> | undefined): boolean {
    if (stream === undefined) return false;
    if (stream.id !== null) {
      windows.drop(String(stream.id));
      forgotten.push(String(stream.id));
    }
    const no = Number(stream.no);
    if (!remove(no)) sql.mark.run(no);
    return true;
  }

  /** A stream of no call lives as long as its session, the others while they are used. */
  function forgetIdle(nowMs: number): boolean {
    const stream = sql.oldest.get(0, nowMs - ttlMs);
    if (stream === undefined) return false;
    const usedMs = !isOfCall(String(stream.runner))
      ? nowMs
      : Number(sql.newestMs.get(stream.no!)?.at_ms ?? 0);
    if (usedMs <= nowMs - ttlMs) return forget(stream);
    sql.lookAgain.run(usedMs, stream.no!);
    return true;
  }

  function expireRows(cutoffMs: number): boolean {
    const row = sql.nextRow.get(lastExpired);
    if (row === undefined || Number(row.at_ms) > cutoffMs) return false;
    lastExpired = Number(row.no);
    // All that an ended stream has goes together.
    if (row.is_ended === 1) return true;
    const window = windows.find(String(row.id))!;
    // The newest row tells where the stream has got to, and may be among them.
    windows.save(window);
    removeRows(sql.expireRows.all(window.no, cutoffMs, ROWS_MAX));
    windows.drop(window.id);
    return true;
  }

  return {
    surplusOf(session) {
      if (Number(sql.count.get(session)!.streams) <= sessionStreamsMax) return;
      forget(sql.oldestOfSession.get(session));
    },
    markSession(session) {
      for (const { id } of sql.ofSession.iterate(session)) {
        windows.drop(String(id));
        forgotten.push(String(id));
      }
      sql.markSession.run(session);
    },
    removeMarked: () => forget(sql.oldest.get(1, MARKED)),
    steps: (nowMs) => [
      () => forget(sql.oldest.get(1, Math.max(nowMs - ttlMs, MARKED))),
      () => forgetIdle(nowMs),
      () => expireRows(nowMs - ttlMs),
      () => held.bytes() > totalBytesMax && forget(sql.oldest.get(1, Number.MAX_SAFE_INTEGER)),
    ],
    slice(step) {
      const endMs = clock.monotonic() + SLICE_MS;
      windows.writeOut();
      while (step()) {
        if (clock.monotonic() >= endMs) return true;
      }
      return false;
    },
    takeForgotten() {
      const taken = forgotten;
      forgotten = [];
      return taken;
    },
    reset() {
      forgotten = [];
      lastExpired = 0;
      held.reset();
    },
  };
}

function statements(db: Sqlite) {
  const marked = `SET id = NULL, session = NULL, is_ended = 1, at_ms = ${MARKED}`;
  return {
    count: db.prepare("SELECT count(*) AS streams FROM streams WHERE session = ?"),
    // The plus keeps SQLite from using the index on times, which would read all that have ended.
    oldestOfSession: db.prepare(`SELECT no, id FROM streams
      WHERE session = ? AND +is_ended = 1 ORDER BY no LIMIT 1`),
    ofSession: db.prepare("SELECT id FROM streams WHERE session = ?"),
    markSession: db.prepare(`UPDATE streams ${marked} WHERE session = ?`),
    mark: db.prepare(`UPDATE streams ${marked} WHERE no = ?`),
    oldest: db.prepare(`SELECT no, id, runner FROM streams
      WHERE is_ended = ? AND at_ms <= ? ORDER BY at_ms LIMIT 1`),
    newestMs: db.prepare(
      "SELECT at_ms FROM events WHERE stream = ? ORDER BY first_seq DESC LIMIT 1",
    ),
    lookAgain: db.prepare("UPDATE streams SET at_ms = ? WHERE no = ?"),
    nextRow: db.prepare(`SELECT events.no, events.at_ms, id, is_ended
      FROM events CROSS JOIN streams ON streams.no = events.stream
      WHERE events.no > ? ORDER BY events.no LIMIT 1`),
    removeRows: db.prepare(`DELETE FROM events WHERE no IN
      (SELECT no FROM events WHERE stream = ? LIMIT ?) RETURNING bytes`),
    expireRows: db.prepare(`DELETE FROM events WHERE no IN
      (SELECT no FROM events WHERE stream = ? AND at_ms <= ? LIMIT ?) RETURNING bytes`),
    remove: db.prepare("DELETE FROM streams WHERE no = ?"),
  };
}
