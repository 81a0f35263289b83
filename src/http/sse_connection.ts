/**
 * One event stream of the transport of 2024-11-05: first it says where messages are to be posted, then
 * it carries everything that the session has to say.
 *
 * @module
 * @see MCP 2024-11-05, Base Protocol, "Transports", "HTTP with SSE"
 */
import { LIMITS } from "../domain/limits.ts";
import { type Reader, RETRY_MS } from "../mcp/session/reader.ts";
import type { SseEvent } from "./sse_writer.ts";

export interface SseConnection {
  /** The next events; `undefined` when the connection is to be closed. */
  readonly next: () => Promise<readonly SseEvent[] | undefined>;
  /** Says something before there is a session, which nobody can ask for again. */
  readonly say: (message: Uint8Array) => void;
  /** There is a session: from now on its own stream is read. */
  readonly attach: (sessionId: string, reader: Reader) => void;
  /** Resolves when the client is given everything as it comes, or when it is too late for that. */
  readonly ready: () => Promise<void>;
  /** Has the client come back, once it has been given what is there. */
  readonly hangUp: () => void;
  /** The client is gone. */
  readonly stop: () => void;
  /** Breaks off the connection of a client that takes nothing any more. */
  readonly cut: () => void;
  readonly takeCut: (cut: () => void) => void;
}

/**
 * @param messagePath where the client posts its messages, with the channel's id
 * @param stopped told when the client is gone
 */
export function createSseConnection(messagePath: string, stopped = () => {}): SseConnection {
  let waiting: SseEvent[] = [
    { type: "endpoint", data: new TextEncoder().encode(messagePath), retryMs: RETRY_MS },
  ];
  let session: { readonly id: string; readonly reader: Reader } | undefined;
  let isOver = false;
  let wake = () => {};
  let cut = () => {};

  async function next(): Promise<readonly SseEvent[] | undefined> {
    for (;;) {
      if (waiting.length > 0) {
        const events = waiting;
        waiting = [];
        return events;
      }
      if (session !== undefined) return await fromSession(session);
      if (isOver) return undefined;
      await new Promise<void>((resolve) => wake = resolve);
    }
  }

  return {
    next,
    say(data) {
      if (waiting.length >= LIMITS.sseUnread) return cut();
      waiting.push({ data });
      wake();
    },
    attach(id, reader) {
      session = { id, reader };
      if (isOver) reader.stop();
      wake();
    },
    ready: () => session?.reader.room() ?? Promise.resolve(),
    hangUp() {
      isOver = true;
      session?.reader.hangUp(RETRY_MS);
      wake();
    },
    stop() {
      isOver = true;
      session?.reader.stop();
      stopped();
      wake();
    },
    cut: () => cut(),
    takeCut: (given) => void (cut = given),
  };
}

/** The ids name the session: it is all that a client sends when it comes back. */
async function fromSession(
  { id: sessionId, reader }: { readonly id: string; readonly reader: Reader },
): Promise<readonly SseEvent[] | undefined> {
  const events = await reader.next();
  return events?.map(({ id, ...event }) => ({
    ...event,
    id: id === undefined ? undefined : eventIdOf(sessionId, id),
  }));
}

function eventIdOf(sessionId: string, id: string): string {
  return `${sessionId}.${id}`;
}

/** The two parts of an event's id; `undefined` for what none of ours looks like. */
export function placeOf(
  eventId: string,
): { readonly sessionId: string; readonly eventId: string } | undefined {
  const dot = eventId.indexOf(".");
  return dot < 0
    ? undefined
    : { sessionId: eventId.slice(0, dot), eventId: eventId.slice(dot + 1) };
}
