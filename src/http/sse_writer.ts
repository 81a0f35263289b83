/**
 * Writes messages as server-sent events: pulled as fast as the client reads, with keep-alive
 * comments, and knowing when the client is gone.
 *
 * @module
 * @see HTML Living Standard, "Server-sent events"
 */
import { LIMITS } from "../domain/limits.ts";

/** Proxies commonly end connections that are silent for 30 s or more. */
const KEEP_ALIVE_MS = 15_000;

/** One look at all streams, rather than a timer for each. */
const LOOK_MS = 500;

const encoder = new TextEncoder();
const KEEP_ALIVE = encoder.encode(": keep-alive\n\n");
const FRAME_START = encoder.encode("event: message\ndata: ");
const FRAME_END = encoder.encode("\n\n");

export const SSE_HEADERS = {
  "Content-Type": "text/event-stream",
  // Without no-transform the server compresses, and thereby holds back, event streams.
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
  "X-Content-Type-Options": "nosniff",
} as const;

export interface SseWriter {
  /**
   * A body that ends after `next` gives `undefined`.
   *
   * `next` is called only while the client keeps up: what waits for it is bounded by
   * `LIMITS.streamBufferBytes` plus one batch.
   *
   * @param next batches of messages, each on one line
   * @param gone called once when the client leaves before the end
   */
  readonly body: (
    next: () => Promise<readonly Uint8Array[] | undefined>,
    gone: () => void,
  ) => ReadableStream<Uint8Array>;
}

interface OpenStream {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** When something was last written, on the clock for durations. */
  wroteMs: number;
}

/** @param monotonic the clock for durations, in milliseconds */
export function createSseWriter(monotonic: () => number): SseWriter {
  const open = new Set<OpenStream>();
  let timer: ReturnType<typeof setInterval> | undefined;

  function keepAlive(): void {
    const nowMs = monotonic();
    for (const stream of open) {
      if (nowMs - stream.wroteMs < KEEP_ALIVE_MS) continue;
      stream.wroteMs = nowMs;
      // Never onto a full queue: a client that does not read needs no sign of life.
      if ((stream.controller.desiredSize ?? 0) > 0) stream.controller.enqueue(KEEP_ALIVE);
    }
  }

  function add(stream: OpenStream): void {
    open.add(stream);
    timer ??= setInterval(keepAlive, LOOK_MS);
  }

  function remove(stream: OpenStream): void {
    open.delete(stream);
    if (open.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  return {
    body(next, gone) {
      let stream: OpenStream;
      return new ReadableStream<Uint8Array>({
        start(controller) {
          add(stream = { controller, wroteMs: monotonic() });
        },
        async pull(controller) {
          const batch = await next();
          // The client may have left while the upstream server was awaited.
          if (!open.has(stream)) return;
          if (batch === undefined) {
            remove(stream);
            controller.close();
          } else {
            stream.wroteMs = monotonic();
            for (const chunk of chunks(batch)) controller.enqueue(chunk);
          }
        },
        cancel() {
          remove(stream);
          gone();
        },
      }, new ByteLengthQueuingStrategy({ highWaterMark: LIMITS.streamBufferBytes }));
    },
  };
}

/** Small messages go out together; a large one is not copied for the sake of its frame. */
function* chunks(messages: readonly Uint8Array[]): Generator<Uint8Array> {
  let small: Uint8Array[] = [];
  for (const message of messages) {
    if (message.length < LIMITS.streamBufferBytes) {
      small.push(message);
      continue;
    }
    if (small.length > 0) yield frames(small);
    small = [];
    yield FRAME_START;
    yield message;
    yield FRAME_END;
  }
  if (small.length > 0) yield frames(small);
}

function frames(messages: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const message of messages) {
    length += FRAME_START.length + message.length + FRAME_END.length;
  }
  const target = new Uint8Array(length);
  let at = 0;
  for (const message of messages) {
    target.set(FRAME_START, at);
    target.set(message, at += FRAME_START.length);
    target.set(FRAME_END, at += message.length);
    at += FRAME_END.length;
  }
  return target;
}
