/**
 * A reply of which somebody has taken the first message to see what it is.
 *
 * @module
 */
import type { UpstreamReply } from "../reply.ts";

/** The reply as if nobody had. */
export function peeked(reply: UpstreamReply, message: Uint8Array | undefined): UpstreamReply {
  let first = message;
  const take = () => {
    const taken = first ?? reply.take();
    first = undefined;
    return taken;
  };
  return {
    ...reply,
    take,
    next: () => first === undefined ? reply.next() : Promise.resolve(take()),
  };
}
