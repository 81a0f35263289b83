/**
 * One connection's place in a stream: hands out what is stored behind it, in order, once.
 *
 * While it is up to date, new events come to it as they are stored; when it has fallen behind it
 * reads them back. What is no longer kept shows as a hole in the numbers, and is told.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Resumability and Redelivery"
 */
import { LIMITS } from "../../domain/limits.ts";
import type { EventStore, News, NewStream, StreamEvent } from "../../events/store.ts";
import type { Timers } from "../../platform/timers.ts";

/** One event as it is written to the client. */
export interface OutEvent {
  /** `undefined` where there is nothing to resume from. */
  readonly id: string | undefined;
  /** One message on one line; `undefined` for an event that only carries its fields. */
  readonly data: Uint8Array | undefined;
  /** How long the client is asked to wait before it reconnects. */
  readonly retryMs?: number;
}

export interface Reader {
  /** The next events; `undefined` when the connection is to be closed. */
  readonly next: () => Promise<readonly OutEvent[] | undefined>;
  /** The connection is gone, or another one takes its place. */
  readonly stop: () => void;
  /** See `ReaderOptions`. */
  readonly isOfCall: boolean;
  /** The newest event that was handed out. */
  readonly seq: () => number;
  /** Has the client reconnect after this time, once it has been given what is there. */
  readonly hangUp: (retryMs: number) => void;
  /** Resolves when there is room for more, or when it is too late for that. */
  readonly room: () => Promise<void>;
}

export interface ReaderDeps {
  readonly store: EventStore;
  readonly timers: Timers;
  /** Ids of the stream's events by number. */
  readonly idOf: (seq: number) => string;
}

export interface ReaderOptions {
  /** The reader begins behind this event. */
  readonly afterSeq: number;
  /** Whether the client understands events without data, which it can resume from. */
  readonly takesEmptyEvents: boolean;
  /** Whether to begin with such an event. */
  readonly primes: boolean;
  /** Whether the stream will end by itself, with the answer of a call. */
  readonly isOfCall: boolean;
  /** Called once when nobody reads any more. */
  readonly stopped: () => void;
  /** The client has taken nothing for too long: its connection is to be broken. */
  readonly cut: () => void;
}

/** How long a client waits before it reconnects, unless an upstream server says otherwise. */
export const RETRY_MS = 1_000;
/** How soon an upstream server is asked again, however soon it wants to be. */
export const RETRY_MS_MIN = 200;

export function createReader(
  { store, timers, idOf }: ReaderDeps,
  { session, id }: Pick<NewStream, "session" | "id">,
  options: ReaderOptions,
): Reader {
  let cursor = options.afterSeq;
  let queue: OutEvent[] = [];
  let queueBytes = 0;
  /** Whether everything behind the cursor is in the queue. */
  let isLive = false;
  /** Counts what was stored, to see whether something was while the store was read. */
  let stored = 0;
  let isEnded = false;
  let isStopped = false;
  let retryMs: number | undefined;
  let hasSaidRetry = false;
  let wake: (() => void) | undefined;
  let waiting: (() => void)[] = [];

  const unfollow = store.follow(session, id, follow);
  let first: OutEvent | undefined = options.primes
    ? { id: idOf(cursor), data: undefined, retryMs: RETRY_MS }
    : undefined;

  function follow(news: News | undefined): void {
    if (news === undefined) return stop();
    stored++;
    if (news.isEnded) isEnded = true;
    if (news.firstSeq !== cursor + queue.length + 1) isLive = false;
    // However full it is: whoever appends waits for room before the next portion.
    if (isLive) {
      let seq = news.firstSeq;
      for (const { message } of news.events) {
        queue.push({ id: idOf(seq++), data: message });
        queueBytes += message.length;
      }
    }
    wakeUp();
  }

  function wakeUp(): void {
    const resolve = wake;
    wake = undefined;
    resolve?.();
  }

  function stop(): void {
    if (isStopped) return;
    isStopped = true;
    unfollow();
    queue = [];
    wakeUp();
    letAllGo();
    options.stopped();
  }

  function letAllGo(): void {
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve();
  }

  async function next(): Promise<readonly OutEvent[] | undefined> {
    for (;;) {
      if (isStopped) return undefined;
      if (first !== undefined) return primed();
      if (queue.length > 0) return taken();
      if (!isLive) {
        const events = await readBack();
        if (events.length > 0) return events;
        continue;
      }
      if (isEnded || hasSaidRetry) {
        stop();
        return undefined;
      }
      if (retryMs !== undefined) return lastWords(retryMs);
      await new Promise<void>((resolve) => wake = resolve);
    }
  }

  function primed(): readonly OutEvent[] {
    const event = first!;
    first = undefined;
    return [event];
  }

  function taken(): readonly OutEvent[] {
    const events = queue;
    cursor += queue.length;
    queue = [];
    queueBytes = 0;
    letAllGo();
    return events;
  }

  async function readBack(): Promise<readonly OutEvent[]> {
    const before = stored;
    const replay = await store.replay(session, id, cursor, LIMITS.streamBufferBytes);
    if (isStopped) return [];
    if (replay === undefined) {
      stop();
      return [];
    }
    const events: OutEvent[] = [];
    for (const event of replay.events) {
      if (event.seq > cursor + 1) events.push(gap(event.seq - 1));
      events.push(out(event));
      cursor = event.seq;
    }
    if (replay.events.length === 0 && replay.lastSeq > cursor) events.push(gap(replay.lastSeq));
    // Never back: a store that failed over may be behind what the client has.
    if (replay.events.length === 0) cursor = Math.max(cursor, replay.lastSeq);
    if (replay.isEnded) isEnded = true;
    isLive = cursor >= replay.lastSeq && stored === before;
    letAllGo();
    return events;
  }

  /** Says how many events up to this one are lost. @see contract.md, section 8, "Sessions" */
  function gap(seq: number): OutEvent {
    const data = { gap: true, lost: seq - cursor };
    return { id: idOf(seq), data: encoder.encode(JSON.stringify(warning(data))) };
  }

  function out({ seq, message }: StreamEvent): OutEvent {
    return { id: idOf(seq), data: message };
  }

  function lastWords(retryMs: number): readonly OutEvent[] {
    hasSaidRetry = true;
    const id = options.takesEmptyEvents ? idOf(cursor) : undefined;
    return [{ id, data: undefined, retryMs }];
  }

  async function room(): Promise<void> {
    // One who takes something is not cut, however slow: the time runs between two takings.
    while (!isStopped && (!isLive || queueBytes >= LIMITS.streamBufferBytes)) {
      const isTaken = await new Promise<boolean>((resolve) => {
        const timer = timers.after(LIMITS.stalledClientMs, () => resolve(false));
        waiting.push(() => {
          timer.cancel();
          resolve(true);
        });
      });
      if (isTaken) continue;
      stop();
      options.cut();
    }
  }

  return {
    isOfCall: options.isOfCall,
    next,
    stop,
    seq: () => cursor,
    hangUp(ms) {
      retryMs = ms;
      wakeUp();
    },
    room,
  };
}

const encoder = new TextEncoder();

/** A log message of the gateway's own. */
export function warning(data: unknown): unknown {
  return {
    jsonrpc: "2.0",
    method: "notifications/message",
    params: { level: "warning", logger: "sallyport", data },
  };
}
