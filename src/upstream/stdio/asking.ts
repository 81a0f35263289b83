/**
 * One request to a child process, as a reply of Streamable HTTP: a stream of what belongs to it,
 * its answer last.
 *
 * @module
 */
import { GatewayError } from "../../domain/errors.ts";
import type { Timers } from "../../platform/timers.ts";
import type { UpstreamRequest } from "../client.ts";
import { type Deadline, startDeadline } from "../deadline.ts";
import { type UpstreamReply, UpstreamStatusError } from "../reply.ts";
import type { Child } from "./child.ts";
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
 * @throws {GatewayError} `conflict` when its id is in use, `upstream_unavailable`
 */
export function ask(
  deps: AskingDeps,
  child: Child,
  request: UpstreamRequest,
  body: Uint8Array,
  envelope: Envelope,
): UpstreamReply {
  const inbox = child.newInbox();
  const timing = startTiming(deps, child, request);
  const open: OpenRequest = {
    id: envelope.id!,
    key: envelope.key!,
    method: envelope.method!,
    token: envelope.params.wantedToken,
    wantsLog: envelope.params.wantsLog === true,
    inbox: timed(inbox, timing.deadline),
  };
  try {
    child.router.open(open);
    child.write(body, open.method);
  } catch (error) {
    timing.deadline.end();
    child.router.close(open);
    throw error;
  }
  return replyOf(inbox, request, (reason) => {
    timing.deadline.end();
    if (!child.router.isOpen(open)) return;
    child.router.close(open);
    takeBack(child, open, reason !== undefined && reason === timing.expired());
  });
}

/**
 * Listens to what the server says outside of requests.
 * @throws {UpstreamStatusError} 409 when somebody does already
 */
export function listen(deps: AskingDeps, child: Child, request: UpstreamRequest): UpstreamReply {
  const inbox = child.newInbox();
  const { deadline } = startTiming(deps, child, request);
  const own = timed(inbox, deadline);
  if (!child.own.open(own)) {
    deadline.end();
    throw new UpstreamStatusError(409);
  }
  return replyOf(inbox, request, () => {
    deadline.end();
    child.own.close(own);
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

function startTiming({ timers, now }: AskingDeps, child: Child, request: UpstreamRequest): Timing {
  let reason: unknown;
  const { firstMs, silenceMs, totalMs, pausedAtMs } = request;
  const deadline = startDeadline({ timers, now }, {
    firstMs,
    silenceMs,
    totalMs,
    // A server that is not listened to cannot be blamed for its silence.
    pausedAtMs: () => Math.max(pausedAtMs?.() ?? -Infinity, child.pausedAtMs()),
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
function takeBack(child: Child, { id, method }: OpenRequest, hasExpired: boolean): void {
  if (!child.isLive()) return;
  // It must not be cancelled: without it there is no session.
  if (method === "initialize") return child.end(hasExpired ? "it did not answer" : ENDED);
  if (!child.isStateless() && !hasExpired) return;
  const text = `{"jsonrpc":"2.0","method":"${CANCELLED}","params":{"requestId":${id}}}`;
  try {
    child.write(new TextEncoder().encode(text), CANCELLED);
  } catch (error) {
    // One that does not read will not miss it.
    if (!(error instanceof GatewayError)) throw error;
  }
}

const CANCELLED = "notifications/cancelled";
const ENDED = "its session ended";
