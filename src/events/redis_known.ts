/**
 * Up to which number streams were seen here. Redis may lose what it has acknowledged, when it fails
 * over to a server that is behind: told the number, it does not give it to another event.
 *
 * @module
 */
import type { StreamId } from "./store.ts";

export interface Known {
  /** 0 for one that was not seen for long. */
  readonly seqOf: (id: StreamId) => number;
  readonly note: (id: StreamId, seq: number) => void;
  readonly forget: (id: StreamId) => void;
}

/** Streams in each of two generations: those in use move into the young one. */
const STREAMS_MAX = 50_000;

export function createKnown(): Known {
  let young = new Map<StreamId, number>();
  let old = new Map<StreamId, number>();
  const seqOf = (id: StreamId) => young.get(id) ?? old.get(id) ?? 0;
  return {
    seqOf,
    note(id, seq) {
      if (seq < seqOf(id)) return;
      if (young.size >= STREAMS_MAX) [old, young] = [young, new Map()];
      young.set(id, seq);
    },
    forget(id) {
      young.delete(id);
      old.delete(id);
    },
  };
}
