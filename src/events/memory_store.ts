/**
 * Event store in memory: for one process, and gone with it.
 *
 * Nothing is allocated before it is needed: most streams end after a single event.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";
import { createFollowers } from "./followers.ts";
import { at, lengthOf, newQueue, type Queue, takeOldest } from "./queue.ts";
import { firstSlice } from "./slice.ts";
import {
  type AppendOptions,
  type EventStore,
  type EventStoreOptions,
  isOfCall,
  type NewEvent,
  type NewStream,
  type Replay,
  type StreamEvent,
  type StreamId,
  type StreamSession,
  type StreamState,
} from "./store.ts";

/** What an event and a stream hold beside their messages, roughly: for `totalBytesMax`. */
const EVENT_BYTES = 256;
const STREAM_BYTES = 1024;

/** How long `sweep` may keep others waiting. */
const SLICE_MS = 4;

const ROOM_BYTES = 8 * 1024;
const NO_ROOM = new Uint8Array(0);

const GONE: Promise<undefined> = Promise.resolve(undefined);
const NO_OPTIONS: AppendOptions = {};

interface KeptEvent extends StreamEvent {
  readonly isResponse: boolean;
  readonly atMs: number;
}

interface Stream {
  readonly id: StreamId;
  readonly session: string;
  readonly note: string;
  runner: string;
  upstreamEventId: string | undefined;
  lastSeq: number;
  isEnded: boolean;
  isGone: boolean;
  /** Of the last `append`. */
  atMs: number;
  /** Within the bounds: no number is missing from here on. */
  readonly recent: Queue<KeptEvent>;
  recentBytes: number;
  /** Out of bounds, and kept because they are responses. */
  old: KeptEvent[];
  heldBytes: number;
  /** Where messages are copied to, until it is full. */
  room: Uint8Array;
  roomUsed: number;
  /** Neighbours in its line. */
  before: Stream | undefined;
  after: Stream | undefined;
}

export function createMemoryStore(
  options: EventStoreOptions,
  { clock }: { readonly clock: Clock },
): EventStore {
  const streams = new Map<StreamId, Stream>();
  /** In the order in which they were opened. */
  const sessions = new Map<string, Stream[]>();
  const live = createLine();
  const ended = createLine();
  const followers = createFollowers();
  let heldBytes = 0;

  function find(session: StreamSession, id: StreamId): Stream | undefined {
    const stream = streams.get(id);
    return stream?.session === session ? stream : undefined;
  }

  function forget(stream: Stream): void {
    stream.isGone = true;
    streams.delete(stream.id);
    (stream.isEnded ? ended : live).remove(stream);
    const siblings = sessions.get(stream.session)!;
    siblings.splice(siblings.indexOf(stream), 1);
    if (siblings.length === 0) sessions.delete(stream.session);
    heldBytes -= stream.heldBytes;
    followers.dismiss(stream.id);
  }

  function forgetSurplus(): boolean {
    const oldest = heldBytes > options.totalBytesMax ? ended.first() : undefined;
    if (oldest !== undefined) forget(oldest);
    return oldest !== undefined;
  }

  function expireLive(stream: Stream, cutoffMs: number): void {
    if (stream.isGone || stream.isEnded) return;
    if (isOfCall(stream.runner) && stream.atMs <= cutoffMs) return forget(stream);
    heldBytes -= stream.heldBytes;
    expire(stream, cutoffMs);
    heldBytes += stream.heldBytes;
  }

  return {
    open(given) {
      if (streams.has(given.id)) return Promise.resolve(false);
      const stream = newStream(given, clock.now());
      const siblings = sessions.get(given.session) ?? [];
      if (siblings.length === 0) sessions.set(given.session, siblings);
      siblings.push(stream);
      streams.set(given.id, stream);
      live.add(stream);
      heldBytes += stream.heldBytes;
      const surplus = siblings.length > options.sessionStreamsMax
        ? siblings.find(({ isEnded }) => isEnded)
        : undefined;
      if (surplus !== undefined) forget(surplus);
      return Promise.resolve(true);
    },

    append(session, id, events, { runner, upstreamEventId, ends } = NO_OPTIONS) {
      const stream = find(session, id);
      if (stream === undefined || stream.isEnded) return GONE;
      if (runner !== undefined && runner !== stream.runner) return GONE;
      heldBytes -= stream.heldBytes;
      stream.atMs = clock.now();
      for (const event of events) keep(stream, event, options);
      heldBytes += stream.heldBytes;
      if (upstreamEventId !== undefined) stream.upstreamEventId = upstreamEventId;
      if (ends) {
        live.remove(stream);
        stream.isEnded = true;
        ended.add(stream);
      }
      const { lastSeq, isEnded } = stream;
      if (followers.has(id)) {
        followers.tell(id, { firstSeq: lastSeq - events.length + 1, events, isEnded });
      }
      while (heldBytes > options.totalBytesMax && forgetSurplus());
      return Promise.resolve(lastSeq);
    },

    find: (session, id) => Promise.resolve(stateOf(find(session, id))),
    replay: (session, id, afterSeq, bytesMax) =>
      Promise.resolve(replayOf(find(session, id), afterSeq, bytesMax)),

    claim(session, id, from, to) {
      const stream = find(session, id);
      if (stream?.runner !== from || stream.isEnded) return Promise.resolve(false);
      stream.runner = to;
      stream.atMs = clock.now();
      return Promise.resolve(true);
    },

    follow: (_, id, changed) => followers.follow(id, changed),

    erase(session) {
      for (const stream of [...sessions.get(session) ?? []]) forget(stream);
      return Promise.resolve();
    },

    async sweep() {
      const cutoffMs = clock.now() - options.ttlMs;
      await inSlices(clock, () => {
        const oldest = ended.first();
        if (oldest === undefined || oldest.atMs > cutoffMs) return false;
        forget(oldest);
        return true;
      });
      const rest = live.list();
      await inSlices(clock, () => {
        const stream = rest.pop();
        if (stream !== undefined) expireLive(stream, cutoffMs);
        return stream !== undefined;
      });
      await inSlices(clock, forgetSurplus);
    },

    close: followers.clear,
  };
}

function newStream({ id, session, runner, note }: NewStream, atMs: number): Stream {
  return {
    id,
    session,
    note,
    runner,
    upstreamEventId: undefined,
    lastSeq: 0,
    isEnded: false,
    isGone: false,
    atMs,
    recent: newQueue(),
    recentBytes: 0,
    old: [],
    heldBytes: STREAM_BYTES,
    room: NO_ROOM,
    roomUsed: 0,
    before: undefined,
    after: undefined,
  };
}

function keep(stream: Stream, { message, isResponse }: NewEvent, options: EventStoreOptions): void {
  const { recent } = stream;
  const seq = ++stream.lastSeq;
  recent.items.push({ seq, message: owned(stream, message), isResponse, atMs: stream.atMs });
  stream.recentBytes += message.length;
  stream.heldBytes += message.length + EVENT_BYTES;
  while (lengthOf(recent) > options.eventsMax || stream.recentBytes > options.bytesMax) {
    const oldest = takeOldest(recent);
    if (oldest === undefined) break;
    stream.recentBytes -= oldest.message.length;
    if (oldest.isResponse) stream.old.push(oldest);
    else stream.heldBytes -= oldest.message.length + EVENT_BYTES;
  }
}

/** A view of a larger buffer would keep all of that buffer, which nobody counts. */
function owned(stream: Stream, message: Uint8Array): Uint8Array {
  const { length } = message;
  if (length === message.buffer.byteLength) return message;
  let { room, roomUsed: start } = stream;
  if (room.length - start < length) {
    // One allocation per message would cost more than all the rest. As large as what the stream
    // holds: never more than twice that is lost.
    room = stream.room = new Uint8Array(Math.max(length, Math.min(stream.recentBytes, ROOM_BYTES)));
    start = 0;
  }
  stream.roomUsed = start + length;
  const copy = room.subarray(start, stream.roomUsed);
  copy.set(message);
  return copy;
}

/** Forgets the events up to `cutoffMs`, responses too. */
function expire(stream: Stream, cutoffMs: number): void {
  const { recent } = stream;
  for (let oldest = at(recent, 0); oldest !== undefined; oldest = at(recent, 0)) {
    if (oldest.atMs > cutoffMs) break;
    takeOldest(recent);
    stream.recentBytes -= oldest.message.length;
    stream.heldBytes -= oldest.message.length + EVENT_BYTES;
  }
  const kept = stream.old.filter(({ atMs }) => atMs > cutoffMs);
  if (kept.length === stream.old.length) return;
  const bytesOf = (events: KeptEvent[]) =>
    events.reduce((sum, { message }) => sum + message.length + EVENT_BYTES, 0);
  stream.heldBytes -= bytesOf(stream.old) - bytesOf(kept);
  stream.old = kept;
}

function stateOf(stream: Stream | undefined): StreamState | undefined {
  if (stream === undefined) return undefined;
  const { runner, note, upstreamEventId, lastSeq, isEnded } = stream;
  return { runner, note, upstreamEventId, lastSeq, isEnded };
}

function replayOf(
  stream: Stream | undefined,
  afterSeq: number,
  bytesMax: number,
): Replay | undefined {
  if (stream === undefined) return undefined;
  const { lastSeq, isEnded } = stream;
  return { events: firstSlice(keptAfter(stream, afterSeq), bytesMax), lastSeq, isEnded };
}

function* keptAfter({ old, recent, lastSeq }: Stream, afterSeq: number): Generator<StreamEvent> {
  for (const { seq, message } of old) {
    if (seq > afterSeq) yield { seq, message };
  }
  const length = lengthOf(recent);
  for (let i = Math.max(0, afterSeq - (lastSeq - length)); i < length; i++) {
    const { seq, message } = at(recent, i)!;
    yield { seq, message };
  }
}

interface Line {
  /** Behind all others. */
  readonly add: (stream: Stream) => void;
  readonly remove: (stream: Stream) => void;
  readonly first: () => Stream | undefined;
  readonly list: () => Stream[];
}

/** A `Set` would have to step over all that was taken from its front. */
function createLine(): Line {
  let first: Stream | undefined;
  let last: Stream | undefined;
  return {
    add(stream) {
      stream.before = last;
      if (last === undefined) first = stream;
      else last.after = stream;
      last = stream;
    },
    remove(stream) {
      const { before, after } = stream;
      if (before === undefined) first = after;
      else before.after = after;
      if (after === undefined) last = before;
      else after.before = before;
      stream.before = stream.after = undefined;
    },
    first: () => first,
    list() {
      const streams = [];
      for (let stream = first; stream !== undefined; stream = stream.after) streams.push(stream);
      return streams;
    },
  };
}

/** Calls `step` until it gives false, and lets others in between. */
async function inSlices(clock: Clock, step: () => boolean): Promise<void> {
  let endMs = clock.monotonic() + SLICE_MS;
  while (step()) {
    if (clock.monotonic() < endMs) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    endMs = clock.monotonic() + SLICE_MS;
  }
}
