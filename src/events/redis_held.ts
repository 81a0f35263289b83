/**
 * What the streams of this process hold in Redis, roughly: so that one process cannot fill it.
 * What another one has written it counts itself; what it left when it died goes with time.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";
import { newQueue, type Queue, takeOldest } from "./queue.ts";
import type { EventStoreOptions, StreamId, StreamSession } from "./store.ts";

export interface Held {
  /** Notes what a stream holds now; whether all hold too much. */
  readonly note: (session: StreamSession, id: StreamId, bytes: number, isEnded: boolean) => boolean;
  readonly remove: (id: StreamId) => void;
  /** The oldest ended streams, which have to go: they are not counted any more. */
  readonly takeSurplus: () => readonly HeldStream[];
  /** Counts no more what is over its time. */
  readonly sweep: () => void;
}

export interface HeldStream {
  readonly session: StreamSession;
  readonly id: StreamId;
  bytes: number;
  atMs: number;
}

export function createHeld(
  { monotonic }: Clock,
  { totalBytesMax, ttlMs }: EventStoreOptions,
): Held {
  const streams = new Map<StreamId, HeldStream>();
  /** In the order of their ends; some have been removed since. */
  const ended: Queue<HeldStream> = newQueue();
  let total = 0;

  function remove(id: StreamId): void {
    const stream = streams.get(id);
    if (stream === undefined) return;
    streams.delete(id);
    total -= stream.bytes;
  }

  return {
    note(session, id, bytes, isEnded) {
      let stream = streams.get(id);
      if (stream === undefined) streams.set(id, stream = { session, id, bytes: 0, atMs: 0 });
      total += bytes - stream.bytes;
      stream.bytes = bytes;
      stream.atMs = monotonic();
      if (isEnded) ended.items.push(stream);
      return total > totalBytesMax;
    },
    remove,
    takeSurplus() {
      const surplus: HeldStream[] = [];
      while (total > totalBytesMax) {
        const oldest = takeOldest(ended);
        if (oldest === undefined) break;
        if (streams.get(oldest.id) !== oldest) continue;
        remove(oldest.id);
        surplus.push(oldest);
      }
      return surplus;
    },
    sweep() {
      const cutoffMs = monotonic() - ttlMs;
      for (const stream of streams.values()) {
        // One that is not gone holds no events any more.
        if (stream.atMs <= cutoffMs) remove(stream.id);
      }
    },
  };
}
