/**
 * Outgoing streams of sessions: what is to be said is stored, and read from the store by whichever
 * connection the client has open for it. A stream has one reader; a new one ends the one before.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Multiple Connections"
 */
import type { AppendOptions, EventStore, NewEvent, StreamId } from "../../events/store.ts";
import type { Timers } from "../../platform/timers.ts";
import type { SessionKey } from "./directory.ts";
import type { EventIds } from "./event_id.ts";
import { createReader, type Reader, type ReaderOptions, RETRY_MS } from "./reader.ts";

export interface Streams {
  /**
   * Stores messages and, while a reader is there, waits until it has room for more.
   * @param events about as many as `portionOf` gives: a reader must not fall behind by more than
   *   the store keeps
   * @returns false when they were not kept: the stream is gone, or another runner has it
   */
  readonly append: (
    session: SessionKey,
    id: StreamId,
    events: readonly NewEvent[],
    options?: AppendOptions,
  ) => Promise<boolean>;
  readonly read: (
    session: SessionKey,
    id: StreamId,
    options: Omit<ReaderOptions, "stopped"> & {
      readonly stopped?: ReaderOptions["stopped"] | undefined;
    },
  ) => Reader;
  readonly hasReader: (id: StreamId) => boolean;
  /** Another connection takes its place, elsewhere. */
  readonly stop: (id: StreamId) => void;
  /**
   * Has the client reconnect after this time, once it has read what is there.
   * @returns whether there is a client
   */
  readonly hangUp: (id: StreamId, retryMs: number) => boolean;
  /** The same for all streams on which clients listen, and for those of calls too. */
  readonly hangUpAll: (callsToo: boolean) => void;
}

export interface StreamsDeps {
  readonly store: EventStore;
  readonly ids: EventIds;
  readonly timers: Timers;
}

/** How many events may be appended at once, when the store keeps `eventsMax` of a stream. */
export function portionOf(eventsMax: number): number {
  return Math.min(PORTION_MAX, eventsMax);
}

const PORTION_MAX = 64;

export function createStreams({ store, ids, timers }: StreamsDeps): Streams {
  const readers = new Map<StreamId, Reader>();

  return {
    async append(session, id, events, options) {
      const kept = await store.append(session, id, events, options);
      if (kept === undefined) return false;
      await readers.get(id)?.room();
      return true;
    },
    read(session, id, options) {
      readers.get(id)?.stop();
      const deps = { store, timers, idOf: ids.ofStream(session, id) };
      const reader = createReader(deps, { session, id }, {
        ...options,
        stopped() {
          if (readers.get(id) === reader) readers.delete(id);
          options.stopped?.();
        },
      });
      readers.set(id, reader);
      return reader;
    },
    hasReader: (id) => readers.has(id),
    stop: (id) => readers.get(id)?.stop(),
    hangUp(id, retryMs) {
      readers.get(id)?.hangUp(retryMs);
      return readers.has(id);
    },
    hangUpAll(callsToo) {
      for (const reader of readers.values()) {
        if (callsToo || !reader.isOfCall) reader.hangUp(RETRY_MS);
      }
    },
  };
}
