/**
 * Event store: the messages of a stream, kept so that a client can ask for them again.
 *
 * Revisions up to 2025-11-25 let a client that lost its connection resume with `Last-Event-ID`.
 * Revision 2026-07-28 has no redelivery, so only `mcp/session/` may depend on this module.
 *
 * A stream belongs to one session. Its events are numbered 1, 2, 3 … without holes, by the store,
 * in the order in which `append` was called. What is no longer kept therefore shows as a hole.
 *
 * Kept are the newest events of a stream within `eventsMax` and `bytesMax`, responses always, for
 * `ttlMs` after the last one; at the end of the session nothing is kept.
 *
 * `memory_store.ts`, `sqlite_store.ts` and `redis_store.ts` implement it; all three pass
 * `tests/contract/event_store.ts`.
 *
 * Whoever names a stream names its session too: a store may keep what belongs to a session in one
 * place, and has no stream of this id for another session.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Resumability and Redelivery"
 */

/** 12 random bytes as base64url: 16 characters. */
export type StreamId = string;

/** Key of the session that a stream belongs to. */
export type StreamSession = string;

export interface NewStream {
  readonly id: StreamId;
  readonly session: StreamSession;
  /**
   * The process that runs the call whose messages these are; for a stream of no call empty, or who
   * alone may write to it (`writerOf`).
   */
  readonly runner: string;
  /** What another runner needs to go on. Opaque here; a few hundred bytes. */
  readonly note: string;
}

/** The name of a process that alone writes to a stream of no call. */
export function writerOf(process: string): string {
  return WRITER + process;
}

/** What no name of a process begins with. */
export const WRITER = "~";

/** A stream of no call lives as long as its session, however long nothing comes. */
export function isOfCall(runner: string): boolean {
  return runner !== "" && !runner.startsWith(WRITER);
}

export interface NewEvent {
  /** JSON-RPC in UTF-8, on one line. Not changed by anybody after `append`. */
  readonly message: Uint8Array;
  /** Whether it answers a request of the client: kept whatever the bounds say. */
  readonly isResponse: boolean;
}

export interface StreamEvent {
  readonly seq: number;
  readonly message: Uint8Array;
}

export interface StreamState {
  readonly runner: string;
  readonly note: string;
  /** Where the upstream server's own stream can be resumed; `undefined` when it gave no ids. */
  readonly upstreamEventId: string | undefined;
  /** Of the newest event; 0 before the first. */
  readonly lastSeq: number;
  /** Whether nothing will be appended any more. */
  readonly isEnded: boolean;
}

export interface AppendOptions {
  /** Refuse when another runner has the stream; `undefined` lets everybody write. */
  readonly runner?: string | undefined;
  /** The upstream server's id of the last of these events; kept with them or not at all. */
  readonly upstreamEventId?: string | undefined;
  /** These are the last events. */
  readonly ends?: boolean | undefined;
}

export interface Replay {
  /** In order. A hole before or between them is what is no longer kept. */
  readonly events: readonly StreamEvent[];
  readonly lastSeq: number;
  readonly isEnded: boolean;
}

/**
 * What was appended, for those who follow in the same process. What another one has appended comes
 * as news of no events that begin behind those that are to be read back.
 */
export interface News {
  readonly firstSeq: number;
  readonly events: readonly NewEvent[];
  readonly isEnded: boolean;
}

/** Must not throw: those who come after it would not hear. */
export type Changed = (news: News | undefined) => void;

export interface EventStore {
  /** Resolves when it is kept; false when a stream of this id is there already. */
  readonly open: (stream: NewStream) => Promise<boolean>;

  /**
   * Keeps messages, which may be none, and resolves when they are kept: with the number of the
   * newest event, or `undefined` when the stream is gone, has ended, or has another runner.
   * Numbers follow the order of the calls, whenever they resolve; and they resolve in that order.
   */
  readonly append: (
    session: StreamSession,
    id: StreamId,
    events: readonly NewEvent[],
    options?: AppendOptions,
  ) => Promise<number | undefined>;

  readonly find: (session: StreamSession, id: StreamId) => Promise<StreamState | undefined>;

  /**
   * What is kept of the events after `afterSeq`, from the oldest: about `bytesMax` of them, and at
   * least one when there is any. `undefined` when the stream is gone. `afterSeq` was given to
   * somebody: no later event has a number up to it, whatever the store may have lost.
   */
  readonly replay: (
    session: StreamSession,
    id: StreamId,
    afterSeq: number,
    bytesMax: number,
  ) => Promise<Replay | undefined>;

  /** Makes `to` the runner if `from` is it and the stream has not ended; whether that was so. */
  readonly claim: (
    session: StreamSession,
    id: StreamId,
    from: string,
    to: string,
  ) => Promise<boolean>;

  /**
   * Calls `changed` after each `append` that was kept, in order, and once with `undefined` when the
   * stream is erased; it may also be called without a reason. Gives what ends that.
   */
  readonly follow: (session: StreamSession, id: StreamId, changed: Changed) => () => void;

  /** Forgets all streams of a session. */
  readonly erase: (session: StreamSession) => Promise<void>;

  /** Forgets what is over its time, and the oldest ended streams when all hold too much. */
  readonly sweep: () => Promise<void>;

  readonly close: () => void;
}

export interface EventStoreOptions {
  /** Per stream: `STREAMABLE_HTTP_MAX_EVENTS_PER_STREAM`. */
  readonly eventsMax: number;
  /** Per stream. */
  readonly bytesMax: number;
  /** `STREAMABLE_HTTP_EVENT_TTL`. */
  readonly ttlMs: number;
  /** Streams of one session; beyond it the oldest ended one is forgotten. */
  readonly sessionStreamsMax: number;
  /** All streams together; beyond it the oldest ended ones are forgotten. */
  readonly totalBytesMax: number;
}
