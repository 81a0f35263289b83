/**
 * What an event store keeps of a stream, said as simply as it can be.
 *
 * @module
 */
import type { NewEvent, StreamEvent } from "../../src/events/store.ts";

/** A notification, or the response to a request. */
export type Text = string | { readonly response: string };

/** A view of a larger buffer, as it is when it comes from a connection. */
export function message(text: Text): NewEvent {
  const isResponse = typeof text !== "string";
  const bytes = new TextEncoder().encode(`before ${isResponse ? text.response : text} after`);
  return { message: bytes.subarray("before ".length, -" after".length), isResponse };
}

export function messages(texts: readonly Text[]): NewEvent[] {
  return texts.map(message);
}

export function textOf({ seq, message }: StreamEvent): string {
  return `${seq} ${new TextDecoder().decode(message)}`;
}

/** Of all events of a stream, from its first: the newest within both bounds, and all responses. */
export function keptOf(
  all: readonly NewEvent[],
  eventsMax: number,
  bytesMax: number,
): StreamEvent[] {
  let bytes = 0;
  return all.map(({ message, isResponse }, i) => ({ seq: i + 1, message, isResponse }))
    .reverse()
    .filter(({ seq, message, isResponse }) => {
      bytes += message.length;
      return isResponse || (seq > all.length - eventsMax && bytes <= bytesMax);
    })
    .reverse();
}
