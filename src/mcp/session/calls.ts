/**
 * The calls of sessions: each runs on the replica that was asked, is finished into its outlet with
 * or without the client, and can be cancelled, asked back and gone on with.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Sending Messages to the Server"; Utilities, "Cancellation"
 */
import { GatewayError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { StreamId } from "../../events/store.ts";
import { createBag } from "../../platform/bag.ts";
import type { Timers } from "../../platform/timers.ts";
import { Draining, isIdempotent, SLOW_TO_START } from "../failure.ts";
import { type ClientMessage, InvalidMessage, type JsonObject } from "../message.ts";
import {
  type CallOf,
  type CallRun,
  type CallRunDeps,
  followCall,
  type SentCall,
  sentCall,
  type SentRun,
} from "./call_run.ts";
import { type Arrival, createExchange, type ExchangeStart } from "./exchange.ts";
import type { CallIds } from "./inbound.ts";
import { answerFor, idKey, type Question, questionOf, upstreamIdOf, withId } from "./reverse.ts";
import { isOpenTo, type RunningCall, type Session } from "./session.ts";
import { portionOf } from "./streams.ts";

/** A request as it goes upstream. */
export interface Prepared {
  /** Of the call among those of its session. */
  readonly key: string;
  readonly ids: CallIds;
  readonly body: Uint8Array;
  /** See `SessionRequest`. */
  readonly message?: ClientMessage;
  /** As the upstream server gets them. */
  readonly params?: JsonObject | undefined;
}

/** Where an upstream server's stream can be resumed. */
export type EventPlace = Extract<ExchangeStart, { eventId: string }>;

export interface SessionCalls {
  /** @throws {InvalidMessage} when a call with one of these ids still runs */
  readonly refuseRunning: (session: Session, requests: readonly ClientMessage[]) => void;
  /** Begins a call. What becomes of it is said through its outlet. */
  readonly start: (call: CallOf, message: ClientMessage, as?: Prepared) => void;
  /** The same, where an outlet may not be needed. */
  readonly send: (
    call: Omit<CallOf, "outlet">,
    message: ClientMessage,
    as: Prepared,
  ) => SentCall;
  /** Goes on with a call whose runner is gone, behind an event of the upstream server's. */
  readonly resume: (call: CallOf, id: string, from: EventPlace) => void;
  /** The client cancels the call with this key; the upstream server is told by the caller. */
  readonly cancelled: (session: Session, key: string) => void;
  /**
   * The client's answer to a question, for the server that asked.
   * @returns `undefined` when it answers nothing that this server can have asked
   */
  readonly answered: (
    session: Session,
    server: UpstreamServer,
    message: ClientMessage,
  ) => Uint8Array | undefined;
  /** The server of the call with this key; `undefined` when it does not run. */
  readonly serverOf: (session: Session, key: string) => UpstreamServer | undefined;
  /** Whether the question was asked here, and nobody has answered it. */
  readonly isAsked: (session: Session, question: Question) => boolean;
  /** Whether a call is still running whose messages go onto this stream. */
  readonly isRunning: (stream: StreamId) => boolean;
  /** Says of the streams of all calls that they are in use. */
  readonly keepStreams: () => void;
  /** Ends all calls of all sessions; they can be gone on with where the upstream server allows it. */
  readonly abandon: () => void;
}

export interface SessionCallsDeps extends CallRunDeps {
  readonly timers: Timers;
}

export interface SessionCallsOptions {
  readonly firstByteMs: number;
  readonly toolMs: number;
  readonly toolMsMax: number;
  readonly streamEventsMax: number;
}

/** A server may still answer what was cancelled; one that does not is waited for no longer. */
const CANCELLED_MS = 1_000;

/** The client does not want the answer any more. */
class Cancelled extends GatewayError {
  constructor() {
    super("outcome_unknown", "The client cancelled the request");
  }
}

export function createSessionCalls(
  deps: SessionCallsDeps,
  options: SessionCallsOptions,
): SessionCalls {
  const { upstream, questions, timers, now } = deps;
  const all = createBag<CallRun>();

  function follow(one: CallRun, arriving?: Promise<Arrival | undefined>): void {
    all.add(one);
    void followCall(deps, one, arriving).then(() => all.remove(one));
  }

  function prepared(
    call: Omit<CallOf, "outlet">,
    { method, params }: ClientMessage,
    as: Prepared,
    primed: (eventId: string) => void,
  ): SentRun {
    return begin(call, as.key, as.ids, method, as.params ?? params, as, primed);
  }

  function begin(
    call: Omit<CallOf, "outlet">,
    key: string,
    ids: CallIds,
    method: string,
    params: JsonObject | undefined,
    at: ExchangeStart,
    primed: (eventId: string) => void,
  ): SentRun {
    const { session, server } = call;
    const running: RunningCall = {
      slot: -1,
      key,
      server,
      abort: new AbortController(),
      isCancelled: false,
      released: call.released,
      asks: undefined,
      answeredMs: -Infinity,
    };
    const silenceMs = server.timeoutMs ?? options.toolMs;
    const exchange = createExchange({ sessions: upstream, timers, now }, {
      session,
      server,
      idempotent: isIdempotent(method),
      firstMs: SLOW_TO_START.has(method) ? silenceMs : options.firstByteMs,
      silenceMs,
      totalMs: options.toolMsMax,
      messagesMax: portionOf(options.streamEventsMax),
      pausedAtMs: () => questions.pausedAtMs(session, running),
      primed,
      clientHeaders: call.clientHeaders,
      isWanted: () => !running.isCancelled,
      abort: running.abort,
    }, at);
    session.calls.add(running);
    return { ...call, startedMs: now(), method, params, slot: -1, ids, running, exchange };
  }

  return {
    refuseRunning(session, requests) {
      for (const { id } of requests) {
        const key = idKey(id);
        if (session.calls.find((call) => call.key === key) === undefined) continue;
        throw stillRunning(id);
      }
    },
    start(call, message, as = asItIs(message)) {
      follow({ ...prepared(call, message, as, call.outlet.mark), outlet: call.outlet });
    },
    send(call, message, as) {
      const run = prepared(call, message, as, () => {});
      return sentCall(deps, run, (outlet, arriving) => follow({ ...run, outlet }, arriving));
    },
    resume(call, id, from) {
      const client = encoder.encode(id);
      const ids = { client, upstream: upstreamIdOf(client) };
      const run = begin(call, idKey(client), ids, "", undefined, from, call.outlet.mark);
      follow({ ...run, outlet: call.outlet });
    },
    cancelled(session, key) {
      const running = session.calls.find((call) => call.key === key);
      if (running === undefined) return;
      running.isCancelled = true;
      timers.after(CANCELLED_MS, () => running.abort.abort(new Cancelled()));
    },
    answered(session, server, message) {
      const question = questionOf(JSON.parse(decoder.decode(message.id)));
      if (question === undefined || !isOpenTo(question, session, server)) return undefined;
      questions.close(session, server, question.id);
      return answerFor(message, question);
    },
    serverOf: (session, key) => session.calls.find((call) => call.key === key)?.server,
    isAsked: questions.isOpen,
    isRunning: (stream) => all.list().some(({ outlet }) => outlet.streamId() === stream),
    keepStreams() {
      for (const { outlet } of all.list()) outlet.keep();
    },
    abandon() {
      for (const { running } of all.list()) running.abort.abort(new Draining());
    },
  };
}

/** @param id of the request, where it is one */
export function stillRunning(id?: Uint8Array): InvalidMessage {
  return new InvalidMessage("A request with this id is still running", id);
}

/** Where the upstream session is the client's own, ids go upstream as they are. */
function asItIs(message: ClientMessage): Prepared {
  const ids = { client: message.id, upstream: upstreamIdOf(message.id) };
  const key = idKey(message.id);
  if (ids.upstream !== ids.client) return { key, ids, body: withId(message, ids.upstream) };
  return { key, ids, body: message.bytes, message };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
