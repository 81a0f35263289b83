/**
 * What the SQLite event store knows of the streams in use: where a stream has got to, and which
 * rows hold what is within its bounds. No messages, but those of the present turn.
 *
 * A window can be dropped at any time between two turns and is loaded from the file again. The
 * file is right without it: the newest row of a stream, or its record where that is newer, has the
 * number and the upstream's event id to go on from.
 *
 * @module
 */
import type { SecretBox } from "../platform/secret_box.ts";
import type { Sqlite } from "../storage/sqlite.ts";
import { createRowEncoder, cut, decodeRow } from "./event_rows.ts";
import { at, lengthOf, newQueue, type Queue, takeOldest } from "./queue.ts";
import type { EventStoreOptions, NewEvent, NewStream, StreamEvent, StreamId } from "./store.ts";

export interface Window {
  /** Of the record in the file. */
  readonly no: number;
  readonly id: StreamId;
  readonly session: string;
  readonly note: string;
  runner: string;
  upstreamEventId: string | undefined;
  lastSeq: number;
  isEnded: boolean;
  /** When it was last used, as far as the record has to know: rows have a time of their own. */
  atMs: number;
  /** Those that hold anything within the bounds: of the oldest perhaps not all. */
  readonly rows: Queue<Row>;
  rowsBytes: number;
  /** Rows that hold nothing any more, and are still in the file. */
  deadRows: number;
  deadBytes: number;
  /** Of this turn. */
  fresh: NewEvent[];
  /** Whether the record has to be written, not only a row. */
  isChanged: boolean;
  isListed: boolean;
  /** Not used since the last sweep. */
  isIdle: boolean;
}

interface Row {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: number;
  readonly hasResponse: boolean;
}

export interface Windows {
  /** `undefined` when there is no such stream. */
  readonly find: (id: StreamId) => Window | undefined;
  /** Its record is in the file already. */
  readonly add: (no: number, stream: NewStream, atMs: number) => void;
  /** To be written at the end of the turn. */
  readonly list: (window: Window) => void;
  /** Writes what this turn has brought. */
  readonly writeOut: () => void;
  readonly save: (window: Window) => void;
  /** In order; what is of no use before `afterSeq` is not read. */
  readonly keptAfter: (window: Window, afterSeq: number) => Iterable<StreamEvent>;
  readonly drop: (id: StreamId) => void;
  readonly dropIdle: () => void;
  readonly clear: () => void;
}

/** Bytes that a row takes beside its messages, roughly: for `totalBytesMax`. */
export const ROW_BYTES = 64;

/** What seals the messages in the file (0033). */
export type EventBox = Pick<SecretBox, "seal" | "open">;

/** @param held is told of bytes that come, and with a minus of those that go */
export function createWindows(
  db: Sqlite,
  box: EventBox,
  options: EventStoreOptions,
  held: (bytes: number) => void,
): Windows {
  const sql = statements(db);
  const encode = createRowEncoder();
  const windows = new Map<StreamId, Window>();
  let listed: Window[] = [];
  // Never one that was there before, so that rows lie in the order in which they came.
  let lastRow = Number(sql.lastRow.get()!.no);

  function find(id: StreamId): Window | undefined {
    let window = windows.get(id);
    if (window === undefined) {
      window = loaded(id);
      if (window !== undefined) windows.set(id, window);
    } else {
      window.isIdle = false;
    }
    return window;
  }

  function loaded(id: StreamId): Window | undefined {
    const record = sql.stream.get(id);
    if (record === undefined) return undefined;
    const window = newWindow(Number(record.no), {
      id,
      session: String(record.session),
      runner: String(record.runner),
      note: String(record.note),
    }, Number(record.at_ms));
    window.lastSeq = Number(record.last_seq);
    window.upstreamEventId = textOf(record.upstream_event_id);
    window.isEnded = record.is_ended === 1;
    for (const row of sql.rows.iterate(window.no)) {
      const lastSeq = Number(row.last_seq);
      if (lastSeq > window.lastSeq) {
        window.lastSeq = lastSeq;
        window.upstreamEventId = textOf(row.upstream_event_id);
      }
      const firstSeq = Number(row.first_seq);
      const hasResponse = row.has_response === 1;
      admit(window, { firstSeq, lastSeq, bytes: Number(row.bytes), hasResponse }, options);
    }
    return window;
  }

  function write(window: Window): void {
    if (window.fresh.length > 0) writeRow(window);
    if (window.deadRows > 0) {
      sql.removeRows.run(window.no, at(window.rows, 0)!.firstSeq);
      held(-window.deadBytes - window.deadRows * ROW_BYTES);
      window.deadRows = window.deadBytes = 0;
    }
    if (window.isChanged) save(window);
    window.isListed = false;
  }

  function writeRow(window: Window): void {
    const { no, id, fresh, lastSeq, upstreamEventId = null } = window;
    const made = cut(fresh, options.eventsMax, options.bytesMax);
    const { bytes, hasResponse } = made;
    const firstSeq = lastSeq - fresh.length + 1 + made.first;
    sql.addRow.run(
      ++lastRow,
      no,
      firstSeq,
      lastSeq,
      bytes,
      hasResponse ? 1 : 0,
      window.atMs,
      upstreamEventId,
      box.seal(encode(fresh, made), placeOf(id, firstSeq)),
    );
    window.fresh = [];
    held(bytes + ROW_BYTES);
    admit(window, { firstSeq, lastSeq, bytes, hasResponse }, options);
  }

  function save(window: Window): void {
    const { no, runner, isEnded, lastSeq, upstreamEventId = null, atMs } = window;
    sql.save.run(runner, isEnded ? 1 : 0, lastSeq, upstreamEventId, atMs, no);
    window.isChanged = false;
  }

  return {
    find,
    add: (no, stream, atMs) => void windows.set(stream.id, newWindow(no, stream, atMs)),
    list(window) {
      if (window.isListed) return;
      window.isListed = true;
      listed.push(window);
    },
    writeOut() {
      for (const window of listed) {
        write(window);
        // Nothing comes any more; who replays it loads it again.
        if (window.isEnded) windows.delete(window.id);
      }
      if (listed.length > 0) listed = [];
    },
    save,
    keptAfter: (window, afterSeq) =>
      keptIn(box, window, sql.rowsFrom.iterate(window.no, afterSeq + 1), afterSeq, options),
    drop: (id) => void windows.delete(id),
    dropIdle() {
      for (const window of windows.values()) {
        if (window.isIdle) windows.delete(window.id);
        window.isIdle = true;
      }
    },
    clear() {
      windows.clear();
      listed = [];
    },
  };
}

function statements(db: Sqlite) {
  return {
    lastRow: db.prepare("SELECT coalesce(max(no), 0) AS no FROM events"),
    stream: db.prepare(`SELECT no, session, runner, note, is_ended, last_seq, upstream_event_id,
      at_ms FROM streams WHERE id = ?`),
    rows: db.prepare(`SELECT first_seq, last_seq, bytes, has_response, upstream_event_id
      FROM events WHERE stream = ? ORDER BY first_seq`),
    rowsFrom: db.prepare(`SELECT first_seq, messages FROM events
      WHERE stream = ?1 AND first_seq >= coalesce(
        (SELECT max(first_seq) FROM events WHERE stream = ?1 AND first_seq <= ?2), 0)
      ORDER BY first_seq`),
    addRow: db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    removeRows: db.prepare(
      "DELETE FROM events WHERE stream = ? AND first_seq < ? AND has_response = 0",
    ),
    save: db.prepare(`UPDATE streams SET runner = ?, is_ended = ?, last_seq = ?,
      upstream_event_id = ?, at_ms = ? WHERE no = ?`),
  };
}

function newWindow(no: number, { id, session, runner, note }: NewStream, atMs: number): Window {
  return {
    no,
    id,
    session,
    note,
    runner,
    upstreamEventId: undefined,
    lastSeq: 0,
    isEnded: false,
    atMs,
    rows: newQueue(),
    rowsBytes: 0,
    deadRows: 0,
    deadBytes: 0,
    fresh: [],
    isChanged: false,
    isListed: false,
    isIdle: false,
  };
}

/** Adds the newest row, and takes out those that hold nothing within the bounds any more. */
function admit(window: Window, row: Row, { eventsMax, bytesMax }: EventStoreOptions): void {
  const { rows } = window;
  rows.items.push(row);
  window.rowsBytes += row.bytes;
  while (lengthOf(rows) > 1) {
    const oldest = at(rows, 0)!;
    const newerBytes = window.rowsBytes - oldest.bytes;
    if (oldest.lastSeq > row.lastSeq - eventsMax && newerBytes < bytesMax) return;
    takeOldest(rows);
    window.rowsBytes = newerBytes;
    if (oldest.hasResponse) continue;
    window.deadRows++;
    window.deadBytes += oldest.bytes;
  }
}

/** Rows before the first of the window are there for their responses only. */
function* keptIn(
  box: EventBox,
  { id, rows, rowsBytes, lastSeq }: Window,
  found: Iterable<Record<string, unknown>>,
  afterSeq: number,
  { eventsMax, bytesMax }: EventStoreOptions,
): Generator<StreamEvent> {
  const edgeSeq = at(rows, 0)?.firstSeq ?? Infinity;
  for (const { firstSeq, messages } of opened(box, id, found)) {
    let surplusBytes = firstSeq === edgeSeq ? rowsBytes - bytesMax : 0;
    for (const { seq, isResponse, length, message } of decodeRow(messages, firstSeq)) {
      const isWithin = firstSeq >= edgeSeq && surplusBytes <= 0 && seq > lastSeq - eventsMax;
      surplusBytes -= length;
      if (message === undefined || seq <= afterSeq) continue;
      if (isWithin || isResponse) yield { seq, message };
    }
  }
}

interface OpenRow {
  readonly firstSeq: number;
  readonly messages: Uint8Array;
}

/** What was not sealed here, for this place, is left out: that shows as a hole. */
function* opened(
  box: EventBox,
  id: StreamId,
  rows: Iterable<Record<string, unknown>>,
): Generator<OpenRow> {
  for (const row of rows) {
    const firstSeq = Number(row.first_seq);
    const messages = box.open(row.messages as Uint8Array, placeOf(id, firstSeq));
    if (messages !== undefined) yield { firstSeq, messages };
  }
}

function placeOf(id: StreamId, firstSeq: number): string {
  return `${id} ${firstSeq}`;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
