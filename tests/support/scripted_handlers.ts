/**
 * Ways in which a scripted server behaves that several files of tests need.
 *
 * @module
 */
import { type Handler, note, type SessionScript, type Slot } from "./scripted_session_server.ts";

export interface Held {
  readonly handler: Handler;
  /** Lets the requests go on, also those that are still to come. */
  readonly release: () => void;
}

/** Answers when the test says so. */
export function hold(then: Handler): Held {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    async handler(request, reply) {
      await promise;
      return then(request, reply);
    },
    release: resolve,
  };
}

/** Handles every `initialize` but the first, which is answered as usual. */
export function onRenewal(slot: Slot, handler: Handler): Handler {
  return (request, reply) =>
    slot.requestsOf("initialize").length === 1
      ? slot.usual(request, reply)
      : handler(request, reply);
}

/** A server with a stream of its own, which says at once which session it is of. */
export function watchable(slot: Slot): SessionScript {
  return {
    GET(request, reply) {
      const id = request.header("mcp-session-id")!;
      if (!slot.sessions.has(id)) return reply.empty(404);
      reply.stream().message(note(id), `event-of-${id}`);
    },
  };
}
