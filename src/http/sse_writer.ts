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
const FRAME_END = encoder.encode("\n\n");

export const SSE_HEADERS = {
  "Content-Type": "text/event-stream",
  // Without no-transform the server compresses, and thereby holds back, event streams.
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
  "X-Content-Type-Options": "nosniff",
} as const;

export interface SseEvent {
  /** Printable ASCII. */
  readonly id?: string | undefined;
  /** On one line. Without it, an event with an id has empty data, and one without has none. */
  readonly data: Uint8Array | undefined;
  /** How long the client is asked to wait before it reconnects. */
  readonly retryMs?: number;
  /** Of an event that is no message; letters only. */
  readonly type?: string;
}

export interface SseWriter {
  /**
   * A body that ends after `next` gives `undefined`.
   *
   * `next` is called only while the client keeps up: what waits for it is bounded by
   * `LIMITS.streamBufferBytes` plus one batch.
   *
   * @param next batches of events
   * @param gone called once when the client leaves before the end, or is made to
   * @param takeCut is given what breaks the connection off
   */
  readonly body: (
    next: () => Promise<readonly SseEvent[] | undefined>,
    gone: () => void,
    takeCut?: (cut: () => void) => void,
  ) => ReadableStream<Uint8Array>;
}

/** A stream was broken off because its client took nothing for too long. */
export class ClientCut extends Error {
  override readonly name = "ClientCut";

  constructor() {
    super("The client does not keep up");
  }
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
    body(next, gone, takeCut) {
      let stream: OpenStream;
      return new ReadableStream<Uint8Array>({
        start(controller) {
          add(stream = { controller, wroteMs: monotonic() });
          takeCut?.(() => {
            if (!open.has(stream)) return;
            remove(stream);
            controller.error(new ClientCut());
            gone();
          });
        },
        async pull(controller) {
          const batch = await next().catch((error) => {
            if (open.has(stream)) {
              remove(stream);
              gone();
            }
            throw error;
          });
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
function* chunks(events: readonly SseEvent[]): Generator<Uint8Array> {
  let small: SseEvent[] = [];
  for (const event of events) {
    const { data } = event;
    if (data === undefined || data.length < LIMITS.streamBufferBytes) {
      small.push(event);
      continue;
    }
    if (small.length > 0) yield frames(small);
    small = [];
    yield encoder.encode(fields(event));
    yield data;
    yield FRAME_END;
  }
  if (small.length > 0) yield frames(small);
}

function frames(events: readonly SseEvent[]): Uint8Array {
  let length = 0;
  const heads: string[] = [];
  for (const event of events) {
    const { id, retryMs, type, data } = event;
    const isPlain = id === undefined && retryMs === undefined && type === undefined;
    if (!isPlain || data === undefined) heads.push(fields(event));
    else heads.push(PLAIN);
    length += heads.at(-1)!.length + (data?.length ?? 0) + FRAME_END.length;
  }
  const target = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < heads.length; i++) {
    const head = heads[i]!;
    if (head === PLAIN) {
      target.set(PLAIN_BYTES, at);
      at += PLAIN_BYTES.length;
    } else at = writeAscii(target, at, head);
    const { data } = events[i]!;
    if (data !== undefined) {
      target.set(data, at);
      at += data.length;
    }
    target[at++] = LF;
    target[at++] = LF;
  }
  return target;
}

/** By hand: for texts of this size every call of the runtime costs more. */
function writeAscii(target: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) target[at++] = text.charCodeAt(i);
  return at;
}

/** What stands before the data of an event, all ASCII. */
function fields({ id, data, retryMs, type }: SseEvent): string {
  const isPlain = data !== undefined && id === undefined && type === undefined;
  const start = isPlain ? PLAIN : named(id, data !== undefined, type);
  return retryMs === undefined ? start : `retry: ${retryMs}\n${start}`;
}

const PLAIN = "event: message\ndata: ";
const PLAIN_BYTES = encoder.encode(PLAIN);
const LF = 0x0a;

/** An event without data must have a line of it, or its id would not count. */
function named(id: string | undefined, hasData: boolean, type = "message"): string {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  if (hasData) return `event: ${type}\n${idLine}data: `;
  return id === undefined ? "" : `${idLine}data: `;
}
