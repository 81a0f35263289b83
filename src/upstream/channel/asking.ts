/**
 * One request over a channel, as a reply of Streamable HTTP: a stream of what belongs to it, its
 * answer last.
 *
 * @module
 */
import { GatewayError } from "../../domain/errors.ts";
import type { Timers } from "../../platform/timers.ts";
import type { UpstreamRequest } from "../client.ts";
import { type Deadline, startDeadline } from "../deadline.ts";
import { type UpstreamReply, UpstreamStatusError } from "../reply.ts";
import type { Channel } from "./channel.ts";
import type { Envelope } from "./envelope.ts";
import type { Inbox } from "./inbox.ts";
import type { OpenRequest } from "./router.ts";

export interface AskingDeps {
  readonly timers: Timers;
  readonly now: () => number;
}

const nothing = () => undefined;

/** No content: the message was taken. */
export function accepted(): UpstreamReply {
  return {
    status: 202,
    isStream: undefined,
    isOwned: true,
    sessionId: nothing,
    lastEventId: nothing,
    retryMs: nothing,
    next: () => Promise.resolve(undefined),
    take: nothing,
    close: nothing,
  };
}

/**
 * Sends a request.
 * @param envelope of `body`
 * @param write sends it; as other messages are sent unless given
 * @throws {GatewayError} `conflict` when its id is in use, `upstream_unavailable`
 */
export function ask(
  deps: AskingDeps,
  channel: Channel,
  request: UpstreamRequest,
  body: Uint8Array,
  envelope: Envelope,
  write = channel.write,
): UpstreamReply {
  const inbox = channel.newInbox();
  const timing = startTiming(deps, channel, request);
  const open: OpenRequest = {
    id: envelope.id!,
    key: envelope.key!,
    method: envelope.method!,
    token: envelope.params.wantedToken,
    wantsLog: envelope.params.wantsLog === true,
    inbox: timed(inbox, timing.deadline),
  };
  try {
    channel.router.open(open);
    write(body, open.method);
  } catch (error) {
    timing.deadline.end();
    channel.router.close(open);
    throw error;
  }
  return replyOf(inbox, request, (reason) => {
    timing.deadline.end();
    if (!channel.router.isOpen(open)) return;
    channel.router.close(open);
    takeBack(channel, open, reason !== undefined && reason === timing.expired());
  });
}

/**
 * Listens to what the server says outside of requests.
 * @throws {UpstreamStatusError} 409 when somebody does already
 */
export function listen(
  deps: AskingDeps,
  channel: Channel,
  request: UpstreamRequest,
): UpstreamReply {
  const inbox = channel.newInbox();
  const { deadline } = startTiming(deps, channel, request);
  const own = timed(inbox, deadline);
  if (!channel.own.open(own)) {
    deadline.end();
    throw new UpstreamStatusError(409);
  }
  return replyOf(inbox, request, () => {
    deadline.end();
    channel.own.close(own);
  });
}

/** @param left told once, when nobody wants to hear more */
function replyOf(
  inbox: Inbox,
  { abort: { signal } }: UpstreamRequest,
  left: (reason: unknown) => void,
): UpstreamReply {
  let hasLeft = false;

  function leave(reason: unknown): void {
    if (hasLeft) return;
    hasLeft = true;
    signal.removeEventListener("abort", aborted);
    inbox.drop(reason);
    left(reason);
  }

  function aborted(): void {
    leave(signal.reason);
  }

  signal.addEventListener("abort", aborted);
  if (signal.aborted) aborted();
  return {
    status: 200,
    isStream: true,
    isOwned: true,
    sessionId: nothing,
    lastEventId: nothing,
    retryMs: nothing,
    next: inbox.next,
    take: inbox.take,
    close: () => leave(undefined),
  };
}

interface Timing {
  readonly deadline: Deadline;
  /** The reason with which the request was aborted because its time ran out. */
  readonly expired: () => unknown;
}

function startTiming(
  { timers, now }: AskingDeps,
  channel: Channel,
  request: UpstreamRequest,
): Timing {
  let reason: unknown;
  const { firstMs, silenceMs, totalMs, pausedAtMs } = request;
  const deadline = startDeadline({ timers, now }, {
    firstMs,
    silenceMs,
    totalMs,
    // A server that is not listened to cannot be blamed for its silence.
    pausedAtMs: () => Math.max(pausedAtMs?.() ?? -Infinity, channel.pausedAtMs()),
    expired(spanMs) {
      const text = `The upstream server did not answer within ${spanMs / 1000} s`;
      reason = new GatewayError("upstream_timeout", text);
      request.abort.abort(reason);
    },
  });
  return { deadline, expired: () => reason };
}

/** The same inbox; what arrives is a sign of life. */
function timed(inbox: Inbox, deadline: Deadline): Inbox {
  return {
    ...inbox,
    put(message) {
      deadline.touch();
      inbox.put(message);
    },
    end() {
      deadline.end();
      inbox.end();
    },
    fail(reason) {
      deadline.end();
      inbox.fail(reason);
    },
  };
}

/**
 * The answer is not wanted any more. Clients of the session era say so themselves; that the time
 * has run out only the gateway knows.
 *
 * @see MCP 2026-07-28, Utilities, "Cancellation": over stdio it is a notification
 */
function takeBack(channel: Channel, { id, method }: OpenRequest, hasExpired: boolean): void {
  if (!channel.isLive()) return;
  // It must not be cancelled: without it there is no session.
  if (method === "initialize") return channel.abandon(hasExpired);
  if (!channel.isStateless() && !hasExpired) return;
  const text = `{"jsonrpc":"2.0","method":"${CANCELLED}","params":{"requestId":${id}}}`;
  try {
    channel.write(new TextEncoder().encode(text), CANCELLED);
  } catch (error) {
    // One that does not read will not miss it.
    if (!(error instanceof GatewayError)) throw error;
  }
}

const CANCELLED = "notifications/cancelled";
