/**
 * How an upstream server takes a message that gets no answer.
 *
 * @module
 */
import { type UpstreamReply, UpstreamStatusError } from "../upstream/reply.ts";
import { NULL_ID } from "./message.ts";
import { withUnknownId } from "./relay.ts";

/** What the upstream server had against it; `undefined` when it took the message. */
export interface Refusal {
  readonly status: number;
  readonly body: Uint8Array;
}

/** @throws {UpstreamStatusError} when it refuses without a message */
export function refusalOf(reply: UpstreamReply): Refusal | undefined {
  try {
    if (reply.status < 300) return undefined;
    const bytes = reply.take();
    const error = bytes && withUnknownId(bytes, NULL_ID)?.message;
    if (error === undefined) throw new UpstreamStatusError(reply.status);
    return { status: reply.status, body: error };
  } finally {
    reply.close();
  }
}
