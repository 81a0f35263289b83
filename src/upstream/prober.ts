/**
 * Asks upstream servers whether they live: those of which nothing was heard for a while, those that
 * something speaks against, and those that are away, when the circuit breaker says so.
 *
 * @module
 * @see issue 4, point 8
 */
import { LIMITS } from "../domain/limits.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Clock } from "../platform/clock.ts";
import type { Timer, Timers } from "../platform/timers.ts";
import type { GuardedClient } from "./health.ts";

export interface Prober {
  readonly start: () => void;
  /** Begins no more checks; those under way end by themselves. */
  readonly stop: () => void;
}

export interface ProberDeps {
  /** What the requests of `ping` go through. */
  readonly guarded: Pick<GuardedClient, "conditionOf">;
  /** A sign of life, in the session that there is; has an end of its own. */
  readonly ping: (server: UpstreamServer) => Promise<void>;
  /** All there are now. */
  readonly servers: () => Iterable<UpstreamServer>;
  readonly clock: Clock;
  readonly timers: Timers;
  /** From 0 to below 1. */
  readonly random: () => number;
}

export interface ProberOptions {
  /** From one sign of life to the next check; 0 for no checks at all. */
  readonly intervalMs: number;
  /** After which a check has failed, although it still runs. */
  readonly deadlineMs: number;
}

/** What is known of the checks of one server. */
interface Round {
  /** When the last one ended, or the server was first seen here. */
  atMs: number;
  /** From then to the next one, while all is well. */
  waitMs: number;
  isRunning: boolean;
}

/** How often it is looked who is due: sooner than callers may try a server that was away. */
const LOOK_MS = 250;
/** From one failed check to the next, until the server is given up or back. */
const AGAIN_MS = 1_000;

export function createProber(deps: ProberDeps, options: ProberOptions): Prober {
  const { clock, timers, guarded } = deps;
  const { intervalMs, deadlineMs } = options;
  const rounds = new WeakMap<UpstreamServer, Round>();
  let open = 0;
  let timer: Timer | undefined;

  function look(): void {
    timer = timers.after(LOOK_MS, look);
    const nowMs = clock.monotonic();
    const due: { readonly server: UpstreamServer; readonly atMs: number }[] = [];
    for (const server of deps.servers()) {
      // A child process is not to be started, nor kept from idling, for the sake of a check.
      if (!server.enabled || server.transport === "stdio") continue;
      const atMs = dueMs(server, nowMs);
      if (atMs <= nowMs) due.push({ server, atMs });
    }
    // Whoever has waited longest: many that hang must not keep the others from their turn.
    due.sort((a, b) => a.atMs - b.atMs);
    for (const { server } of due.slice(0, LIMITS.healthChecksAtOnce - open)) check(server);
  }

  function dueMs(server: UpstreamServer, nowMs: number): number {
    const { atMs, waitMs, isRunning } = roundOf(server, nowMs);
    if (isRunning) return Infinity;
    const { seenMs = -Infinity, isDoubtful, notBeforeMs } = guarded.conditionOf(server).outlook();
    if (notBeforeMs > nowMs) return Infinity;
    return isDoubtful ? atMs + Math.min(AGAIN_MS, intervalMs) : Math.max(atMs, seenMs) + waitMs;
  }

  function roundOf(server: UpstreamServer, nowMs: number): Round {
    let round = rounds.get(server);
    if (round === undefined) {
      // All servers become known at once, to all replicas: their checks are spread.
      round = { atMs: nowMs, waitMs: intervalMs * deps.random(), isRunning: false };
      rounds.set(server, round);
    }
    return round;
  }

  /** A failure is one, however it is told. */
  async function ping(server: UpstreamServer): Promise<void> {
    await deps.ping(server);
  }

  function check(server: UpstreamServer): void {
    const round = roundOf(server, clock.monotonic());
    const condition = guarded.conditionOf(server);
    round.isRunning = true;
    open++;
    let isInTime = true;
    const giveUp = () => {
      isInTime = false;
      open--;
      condition.overdue();
    };
    const deadline = timers.after(deadlineMs, giveUp);
    const ended = (error: unknown) => {
      deadline.cancel();
      if (isInTime) open--;
      condition.checked(error);
      round.isRunning = false;
      round.atMs = clock.monotonic();
      round.waitMs = intervalMs * (1 + deps.random() / 5);
    };
    ping(server).then(() => ended(undefined), ended);
  }

  return {
    start() {
      if (intervalMs > 0) timer ??= timers.after(LOOK_MS, look);
    },
    stop() {
      timer?.cancel();
      timer = undefined;
    },
  };
}
