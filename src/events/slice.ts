/**
 * One slice of a replay, so that a long one never lies in memory as a whole.
 *
 * @module
 */
import type { StreamEvent } from "./store.ts";

/** As many as fit into `bytesMax`, and at least one when there is any. */
export function firstSlice(events: Iterable<StreamEvent>, bytesMax: number): StreamEvent[] {
  const slice: StreamEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    bytes += event.message.length;
    if (slice.length > 0 && bytes > bytesMax) break;
    slice.push(event);
  }
  return slice;
}
