/**
 * Circuit breaker of one upstream server: after a number of failures in a row nothing is sent for a
 * while, then one request at a time until one succeeds.
 *
 * Knows time only as an argument, and sets no timer: whatever runs out is noticed when somebody
 * asks. What a failure is, is decided in `verdict.ts`.
 *
 * @module
 * @see security.md, OUT-11
 */

/** Whether requests go, do not go, or one goes to find out. */
export type Circuit = "closed" | "open" | "half-open";

/** Notes when a request began, to tell what its outcome is evidence of. */
export type Ticket = number;

export interface Breaker {
  /** A ticket for the request, or `undefined` when it may not go. While half-open only one may. */
  readonly admit: (nowMs: number, from: Origin) => Ticket | undefined;
  /** Whether `admit` would give a ticket. */
  readonly admits: (nowMs: number, from: Origin) => boolean;
  /** Closes the circuit, unless the request is from before it opened. */
  readonly succeeded: (ticket: Ticket, nowMs: number) => void;
  readonly failed: (ticket: Ticket, nowMs: number) => void;
  /** The request ended in a way that says nothing about the server: another may find out. */
  readonly left: (ticket: Ticket, nowMs: number) => void;
  /** The ticket of a request that asks nobody for admission. */
  readonly ticket: () => Ticket;
  readonly circuit: (nowMs: number) => Circuit;
  /** Nothing has failed since the last success: every request may go. */
  readonly isCalm: () => boolean;
  readonly failures: () => number;
  /** When the next request may go; `-Infinity` while every one may. */
  readonly nextMs: (nowMs: number) => number;
}

/**
 * Where a request comes from: `own` ones of the gateway may find out first; a `watch` never does, as
 * it may be silent for hours.
 */
export type Origin = "own" | "caller" | "watch";

export interface BreakerOptions {
  /** Failures in a row that open the circuit; `Infinity` for never. */
  readonly threshold: number;
  /** How long requests of callers leave it to the gateway to find out. */
  readonly ownFirstMs: number;
  /** A back-off with some chance in it, so that replicas do not come back at once. */
  readonly jittered: (ms: number) => number;
}

const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 60_000;
/** Closed for so long: when it opens again, that is a new outage and no flapping. */
const STEADY_MS = 60_000;
/** After this a request that was to find out counts as failed. It may be a long call. */
export const FIND_OUT_MS = 10_000;

export function createBreaker(options: BreakerOptions): Breaker {
  let isClosed = true;
  let failures = 0;
  /** Given out in ascending order. */
  let ticket: Ticket = 0;
  /** Outcomes of requests with older tickets are of another time. */
  let firstTicket: Ticket = 0;
  /** The request that finds out; `undefined` when none does. */
  let slot: Ticket | undefined;
  let slotEndMs = 0;
  let retryMs = 0;
  /** In a row: the circuit opened, and each time that finding out failed. */
  let openings = 0;
  let closedMs = -Infinity;

  function open(nowMs: number): void {
    if (isClosed) {
      // One that falls again soon goes on with the back-off where it was.
      if (nowMs - closedMs >= STEADY_MS) openings = 0;
      isClosed = false;
      firstTicket = ++ticket;
    }
    slot = undefined;
    const backoffMs = Math.min(BACKOFF_MS_MIN * 2 ** Math.min(openings++, 10), BACKOFF_MS_MAX);
    retryMs = nowMs + options.jittered(backoffMs);
  }

  /** Takes the slot away from a request that has had it for too long. */
  function settle(nowMs: number): void {
    if (slot !== undefined && nowMs >= slotEndMs) open(slotEndMs);
  }

  function admits(nowMs: number, from: Origin): boolean {
    if (isClosed) return true;
    settle(nowMs);
    const fromMs = from === "own" ? retryMs : retryMs + options.ownFirstMs;
    return slot === undefined && from !== "watch" && nowMs >= fromMs;
  }

  return {
    admit(nowMs, from) {
      if (isClosed) return ticket;
      if (!admits(nowMs, from)) return undefined;
      slotEndMs = nowMs + FIND_OUT_MS;
      return slot = ++ticket;
    },
    admits,
    succeeded(of, nowMs) {
      if (of < firstTicket) return;
      settle(nowMs);
      failures = 0;
      if (isClosed) return;
      isClosed = true;
      closedMs = nowMs;
      slot = undefined;
    },
    failed(of, nowMs) {
      if (of < firstTicket) return;
      settle(nowMs);
      if (isClosed ? ++failures >= options.threshold : of === slot) open(nowMs);
    },
    left(of, nowMs) {
      settle(nowMs);
      if (of === slot) slot = undefined;
    },
    ticket: () => ticket,
    circuit(nowMs) {
      settle(nowMs);
      return isClosed ? "closed" : slot === undefined ? "open" : "half-open";
    },
    isCalm: () => isClosed && failures === 0,
    failures: () => failures,
    nextMs(nowMs) {
      settle(nowMs);
      return isClosed ? -Infinity : slot === undefined ? retryMs : slotEndMs;
    },
  };
}
