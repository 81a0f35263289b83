/**
 * One request of a session's client at a server of the stateless era, followed to its answer: when
 * the server asks for something first, the client is asked, and the request is sent once more.
 *
 * What comes out is the reply of a server of the session era: its questions are requests.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Multi round-trip requests"
 */
import { GatewayError } from "../../../domain/errors.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { callerOf } from "../../../domain/principal.ts";
import type { UpstreamServer } from "../../../domain/server.ts";
import { jittered } from "../../../platform/random.ts";
import { sleep, type Timers } from "../../../platform/timers.ts";
import type { UpstreamClient, UpstreamRequest } from "../../../upstream/client.ts";
import type { UpstreamReply } from "../../../upstream/reply.ts";
import { broken } from "../../upstream_message.ts";
import type { Proven } from "../inbound.ts";
import type { Session } from "../session.ts";
import { type Heard, heardOn, inputOf, type Round } from "./answer.ts";
import type { Identity } from "./identity.ts";
import { type Answers, ask } from "./questions.ts";
import { NO_SESSION, said } from "../../replies.ts";
import { mirrorLines, type Retry, roundRequest, type Sent } from "./request.ts";

export interface RoundsDeps {
  readonly client: UpstreamClient;
  readonly answers: Answers;
  readonly timers: Timers;
  readonly now: () => number;
  /** An id unlike that of any open request to a server. */
  readonly newId: () => string;
}

export interface ProvenReply extends UpstreamReply {
  /** The answer, once it is there. */
  readonly proven: () => Proven | undefined;
}

export interface RoundsCall {
  readonly session: Session;
  readonly server: UpstreamServer;
  readonly sent: Sent;
  readonly identity: Identity;
  readonly logLevel: string;
  readonly request: Omit<UpstreamRequest, "headers">;
  /** Headers that repeat arguments. */
  readonly paramHeaders: () => readonly (readonly [string, string])[];
  /** The server does not agree with those headers: what is known of the tool is read again. */
  readonly refreshHeaders: () => Promise<void>;
  /** The answer is one that servers of the other era give. */
  readonly otherEra: () => void;
}

/** At first; twice as long each time. */
const AGAIN_MS = 100;
const AGAIN_MS_MAX = 5_000;

/** A request that was sent. */
interface Posted {
  readonly reply: UpstreamReply;
  readonly round: Round;
}

type HeardOrFailed = Heard | { readonly kind: "failure"; readonly reason: unknown };

/** @throws as `UpstreamClient.send` */
export async function sendInRounds(deps: RoundsDeps, call: RoundsCall): Promise<ProvenReply> {
  const startedMs = deps.now();
  const first = await post(deps, call, startedMs, undefined);
  // One message is almost always the answer.
  const whole = first.reply.isStream === false ? first.reply.take() : undefined;
  const heard = whole && hear(whole, first.round);
  if (heard?.kind !== "answer") return createRounds(deps, call, startedMs, first, heard);
  first.reply.close();
  if (heard.isOfOtherEra) call.otherEra();
  return { ...said(heard.message), isStream: true, proven: () => heard };
}

async function post(
  deps: RoundsDeps,
  call: RoundsCall,
  startedMs: number,
  retry: Retry | undefined,
): Promise<Posted> {
  const { request, sent } = call;
  const totalMs = request.totalMs - (deps.now() - startedMs);
  if (totalMs <= 0) throw tooLong(request.totalMs);
  const { body, ids } = roundRequest(sent, deps.newId(), call.identity, call.logLevel, retry);
  const headers = mirrorLines(sent, call.paramHeaders());
  const caller = callerOf(call.session.base);
  const posted = { ...request, body, headers, caller, primed: undefined, totalMs };
  const reply = await deps.client.send(call.server, posted);
  const { status, isOwned } = reply;
  return { reply, round: { method: sent.method, ids, status, isOwned } };
}

function hear(bytes: Uint8Array, round: Round): HeardOrFailed {
  try {
    return heardOn(bytes, round);
  } catch (reason) {
    return { kind: "failure", reason };
  }
}

/** @param heard what was taken from the first reply */
function createRounds(
  deps: RoundsDeps,
  call: RoundsCall,
  startedMs: number,
  first: Posted,
  heard: HeardOrFailed | undefined,
): ProvenReply {
  const { session, sent } = call;
  const { signal } = call.request.abort;
  const ready: Uint8Array[] = [];
  let { reply, round } = first;
  let isOpen = true;
  let rounds = 0;
  let retry: Retry | undefined;
  let hasRefreshed = false;
  let failure: { readonly reason: unknown } | undefined;
  /** What has to be done before the server can say more. */
  let goOn: (() => Promise<void>) | undefined;
  let isOver = false;
  let proven: Proven | undefined;
  let forget = () => {};
  if (heard !== undefined) admit(heard);

  async function postAgain(): Promise<void> {
    ({ reply, round } = await post(deps, call, startedMs, retry));
    isOpen = true;
  }

  function close(): void {
    if (isOpen) reply.close();
    isOpen = false;
  }

  function admit(heard: HeardOrFailed): void {
    if (heard.kind === "nothing") return;
    if (heard.kind === "failure") return void (failure = heard);
    if (heard.kind === "notification") return void ready.push(heard.message);
    close();
    if (heard.kind === "answer") {
      ready.push(heard.message);
      proven = heard;
      isOver = true;
      if (heard.isOfOtherEra) call.otherEra();
      return;
    }
    try {
      goOn = heard.kind === "mismatch" ? agree() : asking(inputOf(heard.bytes, heard.result));
    } catch (reason) {
      failure = { reason };
    }
  }

  /** It was not carried out, so it may be sent again. */
  function agree(): () => Promise<void> {
    if (hasRefreshed || sent.method !== "tools/call") throw broken("an error about its headers");
    hasRefreshed = true;
    return async () => {
      await call.refreshHeaders();
      await postAgain();
    };
  }

  function asking({ wanted, requestState }: ReturnType<typeof inputOf>): () => Promise<void> {
    if (++rounds > LIMITS.inputRounds) throw broken("questions without an end");
    const asked = ask(deps.answers, session.key, call.identity, wanted);
    forget = asked.forget;
    ready.push(...asked.messages);
    return async () => {
      if (wanted.length === 0) await pause(deps.timers, rounds, signal);
      const inputResponses = await unless(signal, asked.answered);
      retry = { inputResponses: wanted.length === 0 ? undefined : inputResponses, requestState };
      await postAgain();
    };
  }

  function take(): Uint8Array | undefined {
    while (ready.length === 0 && !isOver && goOn === undefined && failure === undefined) {
      const bytes = reply.take();
      if (bytes === undefined) return undefined;
      admit(hear(bytes, round));
    }
    return ready.shift();
  }

  async function next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const one = take();
      if (one !== undefined) return one;
      if (failure !== undefined) throw failure.reason;
      if (isOver) return undefined;
      if (goOn !== undefined) {
        const proceed = goOn;
        goOn = undefined;
        await proceed();
        continue;
      }
      const bytes = await reply.next();
      if (bytes === undefined) return undefined;
      admit(hear(bytes, round));
    }
  }

  return {
    ...NO_SESSION,
    // Clients of sessions take a 404 for the end of theirs.
    status: 200,
    isStream: true,
    isOwned: true,
    next,
    take,
    proven: () => proven,
    close() {
      forget();
      close();
    },
  };
}

/** Before a request that only wants to be sent again is, for this many times by now. */
function pause(timers: Timers, rounds: number, signal: AbortSignal): Promise<void> {
  const waitMs = Math.min(AGAIN_MS * 2 ** (rounds - 1), AGAIN_MS_MAX);
  return sleep(timers, jittered(waitMs), signal);
}

/** @throws the reason of `signal` when it is aborted before */
async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let stop!: () => void;
  const aborted = new Promise<never>((_, reject) => stop = () => reject(signal.reason));
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function tooLong(totalMs: number): GatewayError {
  return new GatewayError(
    "upstream_timeout",
    `The upstream server did not answer within ${totalMs / 1000} s`,
  );
}
