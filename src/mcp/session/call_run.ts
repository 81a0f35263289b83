/**
 * One call of a session on its way: what the upstream server says goes out through the outlet, and
 * so does what becomes of the call when it fails.
 *
 * @module
 */
import { GatewayError, RateLimited } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { NewEvent } from "../../events/store.ts";
import { DialError } from "../../platform/dial.ts";
import type { Bagged } from "../../platform/bag.ts";
import { Draining, endedWithoutAnswer, explained, isIdempotent } from "../failure.ts";
import type { JsonObject } from "../message.ts";
import type { RecordCall } from "../stateless_calls.ts";
import { errorResponse, failureResponse } from "../rpc_error.ts";
import { type Answer, broken } from "../upstream_message.ts";
import type { Arrival, Exchange } from "./exchange.ts";
import {
  type CallIds,
  type InboundEdits,
  plainAnswer,
  type SessionInbound,
  sessionInbound,
} from "./inbound.ts";
import type { Outlet, Said } from "./outlet.ts";
import type { Questions } from "./questions.ts";
import { type RunningCall, type Session, SessionNotFound, type UpstreamState } from "./session.ts";
import { NotSent, type UpstreamSessions } from "./upstream_sessions.ts";

export interface CallOf {
  readonly session: Session;
  readonly server: UpstreamServer;
  readonly outlet: Outlet;
  readonly correlationId: string;
  /** Whether the client can be asked something. */
  readonly canAsk: boolean;
  /** See `UpstreamRequest`. */
  readonly clientHeaders?: ReadonlyMap<string, string> | undefined;
  /** See `RunningCall`. */
  readonly released?: (() => void) | undefined;
  /** What is different for the client of a view, where its session does not say so. */
  readonly edits?: InboundEdits | undefined;
}

/** A call that was sent. */
export interface SentRun extends Omit<CallOf, "outlet">, Bagged {
  readonly startedMs: number;
  readonly ids: CallIds;
  /** Empty for a call that another process began. */
  readonly method: string;
  readonly params: JsonObject | undefined;
  readonly running: RunningCall;
  readonly exchange: Exchange;
}

export type CallRun = SentRun & Pick<CallOf, "outlet">;

/** A call that was sent and is not followed yet. */
export interface SentCall {
  /**
   * Reads the answer, when the server says nothing before it: with that the call is over. Never
   * rejects, if `read` does not throw: `undefined` for a call that has to be followed, if only
   * because it fails.
   * @param read given an answer whose bytes are valid while it runs
   */
  readonly answer: <T>(read: (answer: Answer) => T) => Promise<T | undefined>;
  /** What becomes of the call is said through an outlet. */
  readonly follow: (outlet: Outlet) => void;
}

export interface CallRunDeps {
  readonly upstream: UpstreamSessions;
  readonly questions: Questions;
  /** The client is about to subscribe: what it will be told must not be missed. */
  readonly subscribing: (session: Session, server: UpstreamServer) => Promise<void>;
  /** What is different in a view. */
  readonly editsOf: (session: Session, server: UpstreamServer) => InboundEdits | undefined;
  readonly now: () => number;
  /** Counts a request to a server; see `Stats`. */
  readonly record: RecordCall;
  readonly failed: (call: CallOf, method: string, error: unknown) => void;
}

/**
 * Passes on what the upstream server says until it has answered. Never rejects.
 * @param arriving what it says first, where that is being waited for already
 */
export async function followCall(
  deps: CallRunDeps,
  one: CallRun,
  arriving?: Promise<Arrival | undefined>,
): Promise<void> {
  const { running } = one;
  let isFailed = false;
  try {
    if (one.method === "resources/subscribe") await deps.subscribing(one.session, one.server);
    for (let next = arriving ?? one.exchange.next();; next = one.exchange.next()) {
      const arrival = await next;
      if (arrival === undefined) throw endedWithoutAnswer(one.method);
      if (await take(deps, one, arrival)) break;
    }
  } catch (error) {
    isFailed = !running.isCancelled;
    await fail(deps, one, error).catch((cause) => {
      // What became of it cannot be kept: the client is sent away, and told when it comes back.
      one.outlet.giveUp();
      deps.failed(one, one.method, cause);
    });
  } finally {
    endRun(deps, one, isFailed);
  }
}

/** @param follow goes on, with what the server says first */
export function sentCall(
  deps: CallRunDeps,
  one: SentRun,
  follow: (outlet: Outlet, arriving: Promise<Arrival | undefined> | undefined) => void,
): SentCall {
  // Whatever has to be done before it is sent, or behind its answer, is done by who follows.
  const arriving = CHANGES.has(one.method) ? undefined : one.exchange.next();
  let isFollowed = false;
  return {
    async answer(read) {
      const answer = await arriving?.then((arrival) => alone(one, arrival)).catch(nothing);
      if (answer === undefined || isFollowed) return undefined;
      try {
        return read(answer);
      } finally {
        endRun(deps, one, false);
      }
    },
    follow(outlet) {
      isFollowed = true;
      follow(outlet, arriving);
    },
  };
}

/** The answer, when it is all that has arrived. @throws as `sessionInbound` */
function alone({ ids, edits }: SentRun, arrival: Arrival | undefined): Answer | undefined {
  const [bytes, ...others] = arrival?.messages ?? [];
  if (bytes === undefined || others.length > 0 || edits !== undefined) return undefined;
  return plainAnswer(bytes, ids);
}

const nothing = () => undefined;

/** Nothing more is said in the call. */
function endRun(deps: CallRunDeps, one: SentRun, isFailed: boolean): void {
  const { session, running } = one;
  one.exchange.close();
  for (const timer of running.asks?.values() ?? []) timer.cancel();
  release(session, running);
  deps.record(one.method, one.server.id, deps.now() - one.startedMs, isFailed);
}

/** Its id may be used again. */
function release(session: Session, running: RunningCall): void {
  session.calls.remove(running);
  running.released?.();
  running.released = undefined;
}

/** Passes on what has arrived; true when the answer was among it. */
async function take(deps: CallRunDeps, one: CallRun, arrival: Arrival): Promise<boolean> {
  const { events, answer, failure } = sorted(deps, one, arrival);
  if (answer !== undefined) {
    if (!answer.isError) await remember(deps, one);
    // Before it is said: a client may use the id again as soon as it has the answer.
    release(one.session, one.running);
  }
  const status = answer?.isError && arrival.status >= 400 && arrival.status < 500
    ? arrival.status
    : 200;
  const isKept = events.length === 0 ||
    await one.outlet.say({
      events,
      eventId: arrival.eventId,
      status,
      done: answer === undefined ? 0 : 1,
    });
  if (!isKept) throw new GatewayError("outcome_unknown", "Nobody waits for the answer any more");
  if (failure !== undefined) throw failure;
  if (arrival.pollMs !== undefined) await one.outlet.poll(arrival.pollMs);
  return answer !== undefined;
}

/** What is for the client, up to the answer, or to what is no message. */
function sorted(deps: CallRunDeps, one: CallRun, arrival: Arrival) {
  const { session, server, running, ids } = one;
  const events: NewEvent[] = [];
  const asking = { session, server, at: running };
  const edits = one.edits ?? deps.editsOf(session, server);
  for (const bytes of arrival.messages) {
    let inbound: SessionInbound | undefined;
    try {
      inbound = sessionInbound(bytes, ids, { ...arrival, server: server.slug, edits });
    } catch (failure) {
      // What was said before it is passed on.
      return { events, answer: undefined, failure };
    }
    if (inbound === undefined) continue;
    if (inbound.question !== undefined && (running.asks?.size ?? 0) >= LIMITS.questionsOpen) {
      return { events, answer: undefined, failure: broken("too many questions at once") };
    }
    if (inbound.question !== undefined && !one.canAsk) {
      deps.questions.refuse(asking, inbound.question);
      continue;
    }
    events.push({ message: inbound.message, isResponse: inbound.kind === "answer" });
    if (inbound.question !== undefined) deps.questions.open(asking, inbound.question);
    if (inbound.withdrawn !== undefined) deps.questions.close(session, server, inbound.withdrawn);
    if (inbound.kind === "answer") return { events, answer: inbound, failure: undefined };
  }
  return { events, answer: undefined, failure: undefined };
}

/** What has to be said again to a new upstream session. */
async function remember(
  { upstream }: CallRunDeps,
  { session, server, method, params = {} }: CallRun,
): Promise<void> {
  const change = CHANGES.get(method);
  if (change === undefined) return;
  await upstream.update(session, server, (state) => change(state, params));
}

async function fail(deps: CallRunDeps, one: CallRun, error: unknown): Promise<void> {
  const { outlet, running, ids, method, correlationId } = one;
  const answer = async (message: Uint8Array, status = 200) => {
    await outlet.say({ events: [{ message, isResponse: true }], status, done: 1 });
  };
  if (one.session.end.signal.aborted) {
    return await answer(errorResponse(ids.client, new SessionNotFound(), correlationId), 404);
  }
  // The stream stays open in the store: the next process goes on with it, or says that it cannot.
  if (running.abort.signal.reason instanceof Draining && outlet.hasStream()) return;
  release(one.session, running);
  if (running.isCancelled) return void await outlet.say(NOTHING);
  deps.failed(one, method, error);
  const isUnsent = error instanceof DialError || error instanceof NotSent;
  const isSafe = method !== "" && (isUnsent || isIdempotent(method));
  const message = method === ""
    ? errorResponse(ids.client, lostRunner(error), correlationId)
    : failureResponse(ids.client, method, explained(error, isSafe), correlationId);
  await answer(message, error instanceof RateLimited ? 429 : 200);
}

/** An end without an answer. */
const NOTHING: Said = { events: [], status: 200, done: 1 };

type Change = (state: UpstreamState, params: JsonObject) => UpstreamState;

/** Requests whose success changes what the upstream server knows of the session. */
const CHANGES: ReadonlyMap<string, Change> = new Map<string, Change>([
  [
    "logging/setLevel",
    (state, { level }) => typeof level === "string" ? { ...state, logLevel: level } : state,
  ],
  ["resources/subscribe", (state, { uri }) => subscribed(state, uri)],
  ["resources/unsubscribe", (state, { uri }) => ({
    ...state,
    subscriptions: state.subscriptions.filter((other) => other !== uri),
  })],
]);

function subscribed(state: UpstreamState, uri: unknown): UpstreamState {
  const { subscriptions } = state;
  const isNew = typeof uri === "string" && !subscriptions.includes(uri) &&
    subscriptions.length < LIMITS.subscriptionsPerSession;
  return isNew ? { ...state, subscriptions: [...subscriptions, uri] } : state;
}

/** @see design.md, "Sessions belong to no replica, running calls do" */
export function lostRunner(cause?: unknown): GatewayError {
  const text = "The gateway process that ran this call has ended, and the upstream server does " +
    "not give its answer again: whether the call was carried out is not known";
  return new GatewayError("outcome_unknown", text, { cause });
}
