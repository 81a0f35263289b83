/**
 * One request over an event stream of 2024-11-05: posted, and answered on the stream.
 *
 * @module
 */
import { sleep, type Timers } from "../../platform/timers.ts";
import { ask, type AskingDeps } from "../channel/asking.ts";
import type { Envelope } from "../channel/envelope.ts";
import type { UpstreamRequest } from "../client.ts";
import type { UpstreamReply } from "../reply.ts";
import type { SseChannel } from "./channel.ts";

/** How long a POST may go on after its answer has come, and be waited for when none can come. */
const LINGER_MS = 1_000;

/**
 * Posts a request, and gives what comes over the stream for it.
 *
 * Some servers end the POST only when the answer has gone out over the stream, and may ask
 * something before: whichever comes first says that the request has arrived.
 *
 * @throws as `ask`, and as `SseChannel.post`
 */
export async function askOver(
  deps: AskingDeps,
  channel: SseChannel,
  request: UpstreamRequest,
  body: Uint8Array,
  envelope: Envelope,
): Promise<UpstreamReply> {
  const { timers } = deps;
  const { signal } = request.abort;
  const abort = new AbortController();
  const giveUp = () => abort.abort(signal.reason);
  let posted: Promise<UpstreamReply> | undefined;
  const reply = ask(deps, channel, request, body, envelope, (message) => {
    // The time runs for the answer. Until then the server may take the message as it likes.
    const ms = request.totalMs;
    signal.addEventListener("abort", giveUp);
    posted = channel.post(
      { ...request, firstMs: ms, silenceMs: ms, isQuiet: false, abort },
      message,
    ).finally(() => signal.removeEventListener("abort", giveUp));
  });
  const first = reply.next();
  const refusal = posted?.then((reply) => reply.status < 400 ? undefined : reply);
  try {
    // When the stream is lost, a refusal still says that nothing was carried out.
    const lost = () => Promise.race([refusal, sleep(timers, LINGER_MS)]);
    const refused = await Promise.race([refusal, first.then(() => undefined, lost)]);
    refusal?.catch(() => {});
    if (!refused) return lingering(behind(reply, first), timers, abort);
    reply.close();
    return refused;
  } catch (error) {
    first.catch(() => {});
    reply.close();
    throw error;
  }
}

/** The same reply, whose first message somebody waits for already. */
function behind(
  reply: UpstreamReply,
  first: Promise<Uint8Array | undefined>,
): UpstreamReply {
  let isTaken = false;
  return {
    ...reply,
    // One that came later must not go before it.
    take: () => isTaken ? reply.take() : undefined,
    next() {
      if (isTaken) return reply.next();
      isTaken = true;
      return first;
    },
  };
}

function lingering(
  reply: UpstreamReply,
  timers: Timers,
  post: AbortController,
): UpstreamReply {
  return {
    ...reply,
    close() {
      reply.close();
      timers.after(LINGER_MS, () => post.abort());
    },
  };
}
