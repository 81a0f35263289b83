/**
 * A row of the SQLite event store: what one turn of the event loop brought for one stream.
 *
 * A row per event would cost ten times as much. So the messages of a turn lie in one blob, each
 * after four bytes: its length, and in the lowest two bits what is said of it.
 *
 * @module
 */
import type { NewEvent } from "./store.ts";

export interface RowEvent {
  readonly seq: number;
  readonly isResponse: boolean;
  readonly length: number;
  /** `undefined` when it was out of bounds before it could be kept. */
  readonly message: Uint8Array | undefined;
}

/** What of a turn goes into a row: all from `first`, of it without messages up to `keptFrom`. */
export interface Cut {
  readonly first: number;
  readonly keptFrom: number;
  /** Of all events from `first`, whether their messages are there or not. */
  readonly bytes: number;
  readonly hasResponse: boolean;
}

const HEAD_BYTES = 4;
const IS_RESPONSE = 1;
const IS_ABSENT = 2;
const FLAG_BITS = 2;

/** @param events one or more */
export function cut(events: readonly NewEvent[], eventsMax: number, bytesMax: number): Cut {
  const oldest = Math.max(0, events.length - eventsMax);
  let keptFrom = events.length;
  let bytes = 0;
  while (keptFrom > oldest && bytes + events[keptFrom - 1]!.message.length <= bytesMax) {
    bytes += events[--keptFrom]!.message.length;
  }
  const response = events.findIndex(({ isResponse }) => isResponse);
  // One that is out of bounds is there with its length: so all before it are seen to be so too.
  let first = Math.max(0, keptFrom - 1);
  if (response >= 0) first = Math.min(first, response);
  for (let i = first; i < keptFrom; i++) bytes += events[i]!.message.length;
  return { first, keptFrom, bytes, hasResponse: response >= 0 };
}

/** Room for most rows, used again and again: SQLite copies what it is given. */
const ROOM_BYTES = 64 * 1024;

/** Gives what encodes a row; the result is good until the next one. */
export function createRowEncoder(): (events: readonly NewEvent[], cut: Cut) => Uint8Array {
  const room = new DataView(new ArrayBuffer(ROOM_BYTES));

  return (events, { first, keptFrom, bytes }) => {
    const bytesMax = bytes + HEAD_BYTES * (events.length - first);
    const view = bytesMax > ROOM_BYTES ? new DataView(new ArrayBuffer(bytesMax)) : room;
    const row = new Uint8Array(view.buffer);
    let end = 0;
    for (let i = first; i < events.length; i++) {
      const { message, isResponse } = events[i]!;
      const isAbsent = i < keptFrom && !isResponse;
      const flags = (isResponse ? IS_RESPONSE : 0) | (isAbsent ? IS_ABSENT : 0);
      view.setUint32(end, (message.length << FLAG_BITS) | flags);
      end += HEAD_BYTES;
      if (isAbsent) continue;
      row.set(message, end);
      end += message.length;
    }
    return row.subarray(0, end);
  };
}

export function* decodeRow(row: Uint8Array, firstSeq: number): Generator<RowEvent> {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  let seq = firstSeq;
  for (let at = 0; at < row.length; seq++) {
    const head = view.getUint32(at);
    const length = head >>> FLAG_BITS;
    const isResponse = (head & IS_RESPONSE) !== 0;
    at += HEAD_BYTES;
    if ((head & IS_ABSENT) !== 0) {
      yield { seq, isResponse, length, message: undefined };
      continue;
    }
    yield { seq, isResponse, length, message: row.subarray(at, at + length) };
    at += length;
  }
}
