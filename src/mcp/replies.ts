/**
 * Replies that the gateway makes itself, as servers without sessions give them.
 *
 * @module
 */
import type { UpstreamReply } from "../upstream/reply.ts";

const nothing = () => undefined;

/** What every reply of a server without sessions has in common. */
export const NO_SESSION = { sessionId: nothing, lastEventId: nothing, retryMs: nothing } as const;

/** The message was taken. */
export function accepted(): UpstreamReply {
  return reply(202, undefined);
}

/** One message. */
export function said(message: Uint8Array, status = 200): UpstreamReply {
  return reply(status, message);
}

function reply(status: number, message: Uint8Array | undefined): UpstreamReply {
  let left = message;
  const take = () => {
    const one = left;
    left = undefined;
    return one;
  };
  return {
    ...NO_SESSION,
    status,
    isStream: message === undefined ? undefined : false,
    isOwned: true,
    next: () => Promise.resolve(take()),
    take,
    close: nothing,
  };
}
