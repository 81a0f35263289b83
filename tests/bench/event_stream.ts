/**
 * The stream of a session as its client has it: an answer that does not end. Only for the load generator.
 *
 * @module
 */

import { fieldOf, statusOf, writeAll } from "./connection.ts";

/** An open stream. */
export interface EventStream {
  /** All that came so far, chunk sizes included. */
  text(): string;
  isOpen(): boolean;
  close(): void;
}

const CHUNK_BYTES = 4_096;
const TEXT_CHARS_MAX = 65_536;
const latin1 = new TextDecoder("latin1");

/**
 * Opens a stream on a connection of its own; it is read until it is closed.
 *
 * @throws {Error} when the answer is not an event stream
 */
export async function openEventStream(port: number, request: Uint8Array): Promise<EventStream> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const chunk = new Uint8Array(CHUNK_BYTES);
  let text = "";
  let isOpen = true;

  const close = () => {
    if (isOpen) conn.close();
    isOpen = false;
  };

  async function readMore(): Promise<void> {
    const count = await conn.read(chunk);
    if (count === null) throw new Error("Stream closed by the peer");
    text += latin1.decode(chunk.subarray(0, count));
    if (text.length > TEXT_CHARS_MAX) throw new Error("More on the stream than was said");
  }

  try {
    await writeAll(conn, request);
    let end = -1;
    while (end < 0) {
      await readMore();
      end = text.indexOf("\r\n\r\n");
    }
    const head = text.slice(0, end + 4);
    const type = fieldOf(head.toLowerCase(), "content-type") ?? "";
    if (statusOf(head) !== 200 || !type.startsWith("text/event-stream")) {
      throw new Error(`No stream: status ${statusOf(head)}: ${text.slice(end, end + 200).trim()}`);
    }
    text = text.slice(end + 4);
  } catch (error) {
    close();
    throw error;
  }
  (async () => {
    while (isOpen) await readMore();
  })().catch(close);
  return { text: () => text, isOpen: () => isOpen, close };
}
