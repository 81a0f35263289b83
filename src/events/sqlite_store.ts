/**
 * Event store in SQLite: for one process, and still there when it starts again.
 *
 * Everything is done at the end of the turn, reading as well (`sqlite_turns.ts`). Messages wait in
 * the window of their stream until then (`sqlite_windows.ts`).
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";
import type { Sqlite } from "../storage/sqlite.ts";
import { createFollowers } from "./followers.ts";
import { firstSlice } from "./slice.ts";
import { createForgetting, createHeldBytes, type Step, STREAM_BYTES } from "./sqlite_forget.ts";
import { createTurns } from "./sqlite_turns.ts";
import { createWindows, type EventBox, type Window, type Windows } from "./sqlite_windows.ts";
import type {
  AppendOptions,
  EventStore,
  EventStoreOptions,
  NewEvent,
  StreamId,
  StreamSession,
  StreamState,
} from "./store.ts";

/**
 * `streams.id` is NULL once a stream is forgotten and has rows left to be removed; `at_ms` is when
 * `sweep` has to look at it, counted from there. `events.no` rises with time.
 */
export const EVENT_SCHEMA = `
  CREATE TABLE IF NOT EXISTS streams (
    no INTEGER PRIMARY KEY,
    id TEXT UNIQUE,
    session TEXT,
    runner TEXT NOT NULL,
    note TEXT NOT NULL,
    is_ended INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    upstream_event_id TEXT,
    at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS streams_by_session ON streams (session);
  CREATE INDEX IF NOT EXISTS streams_by_time ON streams (is_ended, at_ms);
  CREATE TABLE IF NOT EXISTS events (
    no INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    has_response INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    upstream_event_id TEXT,
    messages BLOB NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS events_by_stream ON events (stream, first_seq, bytes);
`;

const NO_OPTIONS: AppendOptions = {};

/** @param db opened with `EVENT_SCHEMA`; whoever opened it closes it */
export function createSqliteStore(
  db: Sqlite,
  options: EventStoreOptions,
  { clock, box }: { readonly clock: Clock; readonly box: EventBox },
): EventStore {
  const followers = createFollowers();
  const held = createHeldBytes(db);
  const windows = createWindows(db, box, options, held.add);
  const forgetting = createForgetting(db, { windows, held, clock }, options);
  const addStream = db.prepare(`INSERT INTO streams
    (id, session, runner, note, is_ended, last_seq, at_ms) VALUES (?, ?, ?, ?, 0, 0, ?)
    ON CONFLICT (id) DO NOTHING`);
  const submit = createTurns(db, {
    finish() {
      windows.writeOut();
      return forgetting.takeForgotten();
    },
    committed: (forgotten) => forgotten.forEach(followers.dismiss),
    undo() {
      windows.clear();
      forgetting.reset();
    },
  });

  async function inSlices(step: Step): Promise<void> {
    while (await submit(() => forgetting.slice(step)));
  }

  function find(session: StreamSession, id: StreamId): Window | undefined {
    const window = windows.find(id);
    return window?.session === session ? window : undefined;
  }

  return {
    open: (stream) =>
      submit(() => {
        const { id, session, runner, note } = stream;
        windows.writeOut();
        const nowMs = clock.now();
        const added = addStream.run(id, session, runner, note, nowMs);
        if (added.changes === 0) return false;
        held.add(STREAM_BYTES);
        windows.add(Number(added.lastInsertRowid), stream, nowMs);
        forgetting.surplusOf(session);
        return true;
      }),

    append: (session, id, events, given = NO_OPTIONS) =>
      submit(() => appended(windows, find(session, id), clock.now(), events, given), (lastSeq) => {
        if (lastSeq === undefined || !followers.has(id)) return;
        const firstSeq = lastSeq - events.length + 1;
        followers.tell(id, { firstSeq, events, isEnded: given.ends === true });
      }),

    find: (session, id) => submit(() => stateOf(find(session, id))),

    replay: (session, id, afterSeq, bytesMax) =>
      submit(() => {
        windows.writeOut();
        const window = find(session, id);
        if (window === undefined) return undefined;
        const { lastSeq, isEnded } = window;
        const events = firstSlice(windows.keptAfter(window, afterSeq), bytesMax);
        return { events, lastSeq, isEnded };
      }),

    claim: (session, id, from, to) =>
      submit(() => {
        const window = find(session, id);
        if (window === undefined || window.isEnded || window.runner !== from) return false;
        window.runner = to;
        window.atMs = clock.now();
        window.isChanged = true;
        windows.list(window);
        return true;
      }),

    follow: (_, id, changed) => followers.follow(id, changed),

    async erase(session) {
      await submit(() => {
        windows.writeOut();
        forgetting.markSession(session);
      });
      await inSlices(forgetting.removeMarked);
    },

    async sweep() {
      await submit(() => {
        windows.writeOut();
        windows.dropIdle();
      });
      for (const step of forgetting.steps(clock.now())) await inSlices(step);
    },

    close: followers.clear,
  };
}

function appended(
  windows: Windows,
  window: Window | undefined,
  nowMs: number,
  events: readonly NewEvent[],
  { runner, upstreamEventId, ends }: AppendOptions,
): number | undefined {
  if (window === undefined || window.isEnded) return undefined;
  if (runner !== undefined && runner !== window.runner) return undefined;
  for (const event of events) window.fresh.push(event);
  window.lastSeq += events.length;
  window.atMs = nowMs;
  if (upstreamEventId !== undefined) window.upstreamEventId = upstreamEventId;
  if (ends) window.isEnded = true;
  // A row says all this as well, except for the end.
  if (ends || events.length === 0) window.isChanged = true;
  windows.list(window);
  return window.lastSeq;
}

function stateOf(window: Window | undefined): StreamState | undefined {
  if (window === undefined) return undefined;
  const { runner, note, upstreamEventId, lastSeq, isEnded } = window;
  return { runner, note, upstreamEventId, lastSeq, isEnded };
}
