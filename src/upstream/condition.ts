/**
 * How one upstream server is, from what became of the requests to it: whether it may be sent to,
 * and what people are told.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Clock } from "../platform/clock.ts";
import { ConnectionLost } from "../platform/http1/connection.ts";
import { type Breaker, type Circuit, createBreaker, type Origin, type Ticket } from "./breaker.ts";
import { type UpstreamReply, UpstreamStatusError } from "./reply.ts";
import { parseRetryAfter } from "./retry_after.ts";
import { HeldBack, isAbsent, verdictOf } from "./verdict.ts";

export interface ServerHealth {
  readonly status: "healthy" | "unhealthy" | "unknown" | "disabled";
  /** When the status became this one, since the epoch; `undefined` while nothing is known. */
  readonly sinceMs: number | undefined;
  /** One sentence, for people; `undefined` when the last that was heard of it was good. */
  readonly lastError: string | undefined;
  /** When it last answered anything, since the epoch. */
  readonly lastSeenMs: number | undefined;
  readonly circuit: Circuit;
}

/** What a prober goes by, on the clock for durations. */
export interface Outlook {
  /** When it last answered anything. */
  readonly seenMs: number | undefined;
  /** Whether something speaks against it that has not been refuted. */
  readonly isDoubtful: boolean;
  /** Before, no request goes to it: in the past when one may. */
  readonly notBeforeMs: number;
}

/** A request that was sent. */
export interface Sent {
  readonly ticket: Ticket;
  readonly startedMs: number;
  /** See `isPatient`. */
  readonly isPatient: boolean;
  /** See `verdictOf`. */
  readonly isAside: boolean;
}

export interface Condition {
  /** A ticket for a request, or why it may not go. */
  readonly admit: (origin: Origin, nowMs: number) => Ticket | HeldBack;
  /** Why a request may not go now; `undefined` when it may. */
  readonly refusal: (origin: Origin, nowMs: number) => HeldBack | undefined;
  /** Nothing speaks against the server. */
  readonly isCalm: () => boolean;
  readonly answered: (ticket: Ticket, reply: UpstreamReply) => void;
  /** A message arrived on a stream that the server had opened. */
  readonly alive: (ticket: Ticket) => void;
  readonly failed: (sent: Sent, error: unknown) => void;
  /** The request has ended in a way that says nothing. */
  readonly left: (ticket: Ticket) => void;
  /** The outcome of a check; `undefined` for a good one. Its requests were judged one by one. */
  readonly checked: (error: unknown) => void;
  /** A check has not ended in time. */
  readonly overdue: () => void;
  readonly health: () => ServerHealth;
  readonly outlook: () => Outlook;
}

export interface ConditionDeps {
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** The server has become unhealthy, or is so no more. */
  readonly changed?: ((server: UpstreamServer, health: ServerHealth) => void) | undefined;
}

export interface ConditionOptions {
  /** Failures in a row that make a server unhealthy. */
  readonly unhealthyThreshold: number;
  /** Whether a prober finds out when a server is back, so that no caller has to. */
  readonly isProbed: boolean;
}

/** How long callers leave a server that may be tried again to the prober. */
export const PROBER_FIRST_MS = 500;

export function createCondition(
  server: UpstreamServer,
  deps: ConditionDeps,
  options: ConditionOptions,
): Condition {
  const { monotonic, now } = deps.clock;
  const breaker = breakerOf(server, deps, options);
  /** Checks in a row that failed for whatever reason. */
  let checksFailed = 0;
  /** A patient request got nothing in time: a check tells whether that was the server. */
  let isDoubted = false;
  let seenMs: number | undefined;
  let failedMs = -Infinity;
  let pausedUntilMs = -Infinity;
  let status: ServerHealth["status"] = "unknown";
  let sinceMs: number | undefined;
  let lastError: string | undefined;

  function alive(ticket: Ticket): void {
    seenMs = monotonic();
    isDoubted = false;
    breaker.succeeded(ticket, seenMs);
    if (status !== "healthy" || lastError !== undefined) conclude();
  }

  function down(ticket: Ticket, error: unknown): void {
    failedMs = monotonic();
    breaker.failed(ticket, failedMs);
    lastError = sentenceOf(error);
    conclude();
  }

  /** Notes the status that follows from what is known now. */
  function conclude(): void {
    if (breaker.isCalm() && checksFailed === 0) lastError = undefined;
    const failures = Math.max(breaker.failures(), checksFailed);
    const isBad = failures >= options.unhealthyThreshold ||
      breaker.circuit(monotonic()) !== "closed";
    const next = isBad ? "unhealthy" : seenMs === undefined ? "unknown" : "healthy";
    if (next === status) return;
    const isNews = next === "unhealthy" || status === "unhealthy";
    status = next;
    sinceMs = now();
    if (isNews) deps.changed?.(server, health());
  }

  function pause(retryAfter: string | undefined): void {
    if (retryAfter === undefined) return;
    pausedUntilMs = Math.max(pausedUntilMs, monotonic() + parseRetryAfter(retryAfter, now()));
  }

  /** Calls that got nothing at the same time, or while the server said something else, are slow. */
  function silent({ ticket, startedMs, isPatient }: Sent, error: unknown): void {
    if (!isPatient) return down(ticket, error);
    isDoubted = true;
    const isSeen = seenMs !== undefined && seenMs >= startedMs;
    if (isSeen || failedMs > startedMs) breaker.left(ticket, monotonic());
    else down(ticket, error);
  }

  function failed(sent: Sent, error: unknown): void {
    if (error instanceof UpstreamStatusError) pause(error.retryAfter);
    const verdict = verdictOf(error, sent.isAside);
    const nowMs = monotonic();
    if (verdict === "alive") alive(sent.ticket);
    else if (verdict === "silent") silent(sent, error);
    // What was let through to find out has found nothing good.
    else if (verdict === "down" || (verdict === "wrong" && breaker.circuit(nowMs) !== "closed")) {
      down(sent.ticket, error);
    } else breaker.left(sent.ticket, nowMs);
  }

  function refusal(origin: Origin, nowMs: number): HeldBack | undefined {
    if (nowMs < pausedUntilMs) return asked(server, pausedUntilMs - nowMs);
    if (breaker.admits(nowMs, origin)) return undefined;
    return unavailable(server, sinceMs, breaker.nextMs(nowMs) - nowMs);
  }

  function health(): ServerHealth {
    return {
      status: server.enabled ? status : "disabled",
      sinceMs: server.enabled ? sinceMs : undefined,
      lastError,
      lastSeenMs: seenMs === undefined ? undefined : now() - (monotonic() - seenMs),
      circuit: breaker.circuit(monotonic()),
    };
  }

  return {
    admit: (origin, nowMs) => refusal(origin, nowMs) ?? breaker.admit(nowMs, origin)!,
    refusal,
    isCalm: breaker.isCalm,
    answered(ticket, { status, retryAfter }) {
      pause(retryAfter);
      if (isAbsent(status)) down(ticket, new UpstreamStatusError(status));
      else alive(ticket);
    },
    alive,
    failed,
    left: (ticket) => breaker.left(ticket, monotonic()),
    checked(error) {
      const verdict = error === undefined ? "alive" : verdictOf(error);
      isDoubted = false;
      if (verdict === "nothing") return;
      checksFailed = verdict === "alive" ? 0 : checksFailed + 1;
      if (verdict === "alive") return alive(breaker.ticket());
      lastError = sentenceOf(error);
      conclude();
    },
    overdue: () => down(breaker.ticket(), new GatewayError("upstream_timeout", OVERDUE)),
    health,
    outlook: () => ({
      seenMs,
      isDoubtful: isDoubted || checksFailed > 0 || !breaker.isCalm(),
      notBeforeMs: Math.max(pausedUntilMs, breaker.nextMs(monotonic())),
    }),
  };
}

function breakerOf(
  server: UpstreamServer,
  { random }: ConditionDeps,
  { unhealthyThreshold, isProbed }: ConditionOptions,
): Breaker {
  return createBreaker({
    // Each session has a child of its own: that some end says nothing about others.
    threshold: server.transport === "stdio" ? Infinity : unhealthyThreshold,
    ownFirstMs: isProbed ? PROBER_FIRST_MS : 0,
    jittered: (ms) => ms * (1 + random() / 5),
  });
}

const OVERDUE = "The upstream server did not answer a health check in time";

function asked({ name }: UpstreamServer, leftMs: number): HeldBack {
  return new HeldBack(
    `The upstream server "${name}" has asked for a pause; next attempt in ${seconds(leftMs)} s`,
  );
}

function unavailable(
  { name }: UpstreamServer,
  sinceMs: number | undefined,
  leftMs: number,
): HeldBack {
  const since = `${new Date(sinceMs ?? 0).toISOString().slice(0, 19)}Z`;
  return new HeldBack(
    `The upstream server "${name}" is unavailable since ${since}; ` +
      `next attempt in ${seconds(leftMs)} s`,
  );
}

/** Whole, and never too few. */
function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

/** Other errors may hold what is not for everybody's eyes. */
function sentenceOf(error: unknown): string {
  const isPlain = error instanceof GatewayError || error instanceof ConnectionLost;
  return isPlain ? error.message : "A request to the upstream server failed";
}
