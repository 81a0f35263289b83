/**
 * One request to an upstream server, followed to its answer: over a reply that is one message, over
 * a stream, over streams that the server closes to be asked again, and over lost connections.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Resumability and Redelivery"
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { DialError } from "../../platform/dial.ts";
import { ConnectionLost } from "../../platform/http1/connection.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import { type UpstreamReply, UpstreamStatusError } from "../../upstream/reply.ts";
import { elementsOf } from "../json_scan.ts";
import { isUpstreamJson } from "../upstream_message.ts";
import type { Proven } from "./inbound.ts";
import { RETRY_MS, RETRY_MS_MIN } from "./reader.ts";
import type { Session } from "./session.ts";
import type { SessionReply, SessionRequest, UpstreamSessions } from "./upstream_sessions.ts";

/** What came from the upstream server at once, as much of it as is stored at once. */
export interface Arrival {
  /** As sent. Empty when the server only closed its stream. */
  readonly messages: readonly Uint8Array[];
  /** The server's own id of the last of them. */
  readonly eventId: string | undefined;
  /** Whether a message's whole `ArrayBuffer` may be overwritten. */
  readonly isOwned: boolean;
  /** HTTP status of the reply that they came on. */
  readonly status: number;
  /** Which of the server's sessions said it, see `UpstreamState`. */
  readonly epoch: number;
  /** See `Origin`. */
  readonly proven?: Proven | undefined;
  /** The server has closed its stream and wants to be asked again after this time. */
  readonly pollMs?: number;
}

export interface Exchange {
  /**
   * What comes next; `undefined` when the server has ended its reply and cannot be asked again.
   * @throws as `UpstreamClient.send`
   */
  readonly next: () => Promise<Arrival | undefined>;
  /** The answer is known. */
  readonly close: () => void;
}

export interface ExchangeRequest {
  readonly session: Session;
  readonly server: UpstreamServer;
  readonly idempotent: boolean;
  readonly firstMs: number;
  readonly silenceMs: number;
  readonly totalMs: number;
  /** Of one arrival. */
  readonly messagesMax: number;
  readonly pausedAtMs: () => number;
  /** See `UpstreamRequest`. */
  readonly primed: (eventId: string) => void;
  readonly clientHeaders?: ReadonlyMap<string, string> | undefined;
  /** See `UpstreamRequest`. */
  readonly isWanted: () => boolean;
  readonly abort: AbortController;
}

export type ExchangeStart =
  | Pick<SessionRequest, "message"> & { readonly body: Uint8Array }
  | { readonly eventId: string; readonly epoch: number };

export interface ExchangeDeps {
  readonly sessions: UpstreamSessions;
  readonly timers: Timers;
  readonly now: () => number;
}

/** Between two attempts to reach a server that cannot be reached. */
const BACKOFF_MS_MAX = 5_000;

/**
 * Posts a message, or goes on behind an event of an earlier stream.
 * @param start the message, or the id of the event
 */
export function createExchange(
  { sessions, timers, now }: ExchangeDeps,
  request: ExchangeRequest,
  start: ExchangeStart,
): Exchange {
  const { session, server, abort } = request;
  const { firstMs, silenceMs, pausedAtMs, primed, clientHeaders, isWanted } = request;
  const common = { firstMs, silenceMs, pausedAtMs, primed, clientHeaders, isWanted, abort };
  const startedMs = now();
  let reply: SessionReply | undefined;
  /** Of the session in which the call was begun; in another one its events mean something else. */
  let epoch = "epoch" in start ? start.epoch : undefined;
  let eventId = "eventId" in start ? start.eventId : undefined;
  let aliveMs = startedMs;
  let attempts = 0;
  /** Wait before asking again; `undefined` while there is a stream, or before the first. */
  let waitMs: number | undefined = "eventId" in start ? 0 : undefined;

  function send(body: Uint8Array | undefined): Promise<SessionReply> {
    return sessions.send(session, server, {
      ...common,
      body,
      message: "message" in start ? start.message : undefined,
      idempotent: request.idempotent || body === undefined,
      totalMs: request.totalMs - (now() - startedMs),
      eventId: body === undefined ? eventId : undefined,
    });
  }

  async function next(): Promise<Arrival | undefined> {
    try {
      return await nextArrival();
    } catch (error) {
      const isLate = error instanceof GatewayError && error.code === "upstream_timeout" &&
        now() - startedMs >= request.totalMs;
      // The last of several requests had less time than the whole exchange.
      throw isLate ? tooLong(request.totalMs) : error;
    }
  }

  async function nextArrival(): Promise<Arrival | undefined> {
    while (reply === undefined) {
      const leftMs = request.totalMs - (now() - startedMs);
      if (leftMs <= 0) throw tooLong(request.totalMs);
      if (waitMs === undefined) reply = await send("body" in start ? start.body : undefined);
      else {
        await sleep(timers, Math.min(waitMs, leftMs), abort.signal);
        if (waitMs < leftMs) reply = await resumed();
      }
    }
    return await arrived(reply);
  }

  async function arrived(from: SessionReply): Promise<Arrival | undefined> {
    epoch ??= from.epoch;
    let one: Uint8Array | undefined;
    try {
      one = await from.next();
    } catch (error) {
      if (!(error instanceof ConnectionLost) || !canResume(from)) throw error;
    }
    if (one === undefined) return canResume(from) ? brokenOff(from) : undefined;
    aliveMs = now();
    const messages = takeArrived(from, one, request.messagesMax);
    const lastId = from.lastEventId();
    eventId = lastId ?? eventId;
    const { isOwned, status } = from;
    return { messages, eventId: lastId, isOwned, status, epoch, proven: from.proven?.() };
  }

  function canResume(from: UpstreamReply): boolean {
    return from.isStream === true && (from.lastEventId() ?? eventId) !== undefined;
  }

  function brokenOff(from: SessionReply): Arrival {
    eventId = from.lastEventId() ?? eventId;
    waitMs = Math.max(from.retryMs() ?? RETRY_MS, RETRY_MS_MIN);
    from.close();
    reply = undefined;
    return {
      messages: [],
      eventId,
      isOwned: false,
      status: 200,
      epoch: from.epoch,
      pollMs: waitMs,
    };
  }

  /** Opens the stream again; `undefined` when that has to be tried once more. */
  async function resumed(): Promise<SessionReply | undefined> {
    let again: SessionReply;
    if (session.upstreams.get(server.slug)?.state.epoch !== epoch) {
      throw new NotResumed(new Error("The upstream server has lost the session"));
    }
    try {
      again = await send(undefined);
    } catch (error) {
      if (abort.signal.aborted) throw error;
      if (isTemporary(error) && now() - aliveMs < request.silenceMs) {
        waitMs = Math.min(RETRY_MS * 2 ** attempts++, BACKOFF_MS_MAX);
        return undefined;
      }
      throw new NotResumed(error);
    }
    if (again.isStream !== true) {
      again.close();
      throw new NotResumed(new Error(`Status ${again.status}`));
    }
    attempts = 0;
    aliveMs = now();
    return again;
  }

  return { next, close: () => reply?.close() };
}

/** The upstream server does not give back what its stream still had to say. */
export class NotResumed extends GatewayError {
  constructor(cause: unknown) {
    super("outcome_unknown", "The upstream server cannot resume the stream of the call", { cause });
  }
}

function tooLong(totalMs: number): GatewayError {
  return new GatewayError(
    "upstream_timeout",
    `The upstream server did not answer within ${totalMs / 1000} s`,
  );
}

/** Whether the server may be there again in a moment. */
function isTemporary(error: unknown): boolean {
  if (error instanceof DialError || error instanceof ConnectionLost) return true;
  return error instanceof UpstreamStatusError && (error.status >= 500 || error.status === 429);
}

/** The first message and what has arrived behind it, up to a number of them. */
export function takeArrived(
  reply: UpstreamReply,
  first: Uint8Array,
  messagesMax: number,
): readonly Uint8Array[] {
  const messages: Uint8Array[] = [];
  let bytes = 0;
  for (let one: Uint8Array | undefined = first; one !== undefined; one = reply.take()) {
    bytes += one.length;
    // Servers of revision 2025-03-26 may send several messages at once.
    if (one[0] === 0x7b) messages.push(one);
    else messages.push(...split(one));
    if (bytes >= LIMITS.streamBufferBytes || messages.length >= messagesMax) break;
  }
  return messages;
}

/** What is no batch stays as it is, for whoever checks messages. */
function split(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes[0] !== 0x5b || !isUpstreamJson(bytes)) return [bytes];
  return elementsOf(bytes).map(({ start, end }) => bytes.slice(start, end));
}
