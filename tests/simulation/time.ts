/**
 * Time of a simulation: all that will happen, in order, and processes that may stop and die in it.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Clock } from "../../src/platform/clock.ts";
import { TICK_MS, type Timer, type Timers } from "../../src/platform/timers.ts";

export interface Schedule {
  readonly nowMs: () => number;
  readonly after: (delayMs: number, happen: () => void) => Timer;
  /** Moves time to what comes next, and lets all that follows from it at once happen too. */
  readonly step: () => Promise<void>;
  /** When that is; `Infinity` for never. */
  readonly nextMs: () => number;
  /** Moves time alone. */
  readonly skip: (ms: number) => void;
}

interface Happening {
  readonly atMs: number;
  readonly happen: () => void;
  isCancelled: boolean;
}

/** What is due at one time happens in the order in which it was planned. */
export function createSchedule(): Schedule {
  let now = 0;
  /** The next one is the last. */
  const coming: Happening[] = [];

  function placeOf(atMs: number): number {
    let [low, high] = [0, coming.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (coming[middle]!.atMs > atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function next(): Happening | undefined {
    while (coming.at(-1)?.isCancelled) coming.pop();
    return coming.at(-1);
  }

  return {
    nowMs: () => now,
    after(delayMs, happen) {
      const one = { atMs: now + Math.max(0, delayMs), happen, isCancelled: false };
      coming.splice(placeOf(one.atMs), 0, one);
      return { cancel: () => void (one.isCancelled = true) };
    },
    async step() {
      const one = next();
      if (one === undefined) return;
      coming.pop();
      now = Math.max(now, one.atMs);
      one.happen();
      await new Promise<void>((resolve) => void setImmediate(() => resolve()));
    },
    nextMs: () => next()?.atMs ?? Infinity,
    skip: (ms) => void (now += ms),
  };
}

/** A process that code runs in: its clock, its timers, and what reaches it from outside. */
export interface Process {
  readonly clock: Clock;
  readonly timers: Timers;
  /** What comes over a connection; later, while the process is stopped. */
  readonly arrive: (delayMs: number, happen: () => void) => void;
  /** It does nothing, and its clocks go on. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly isPaused: () => boolean;
  readonly kill: () => void;
  readonly isDead: () => boolean;
  /** Moves its wall clock only. */
  readonly jump: (ms: number) => void;
  readonly timersOpen: () => number;
}

/** Midnight of some day. */
const WALL_MS = Date.UTC(2026, 7, 1);

export function createProcess(schedule: Schedule): Process {
  const { nowMs } = schedule;
  let wallMs = WALL_MS;
  let state: "runs" | "paused" | "dead" = "runs";
  /** What became due while it was stopped. */
  const late: { readonly timers: (() => void)[]; readonly arrivals: (() => void)[] } = {
    timers: [],
    arrivals: [],
  };
  const open = new Set<Timer>();

  function due(happen: () => void, kind: keyof typeof late): void {
    if (state === "runs") happen();
    else if (state === "paused") late[kind].push(happen);
  }

  return {
    clock: { now: () => Math.floor(wallMs + nowMs()), monotonic: nowMs },
    timers: {
      after(delayMs, fire) {
        // Never early, and late by up to a tick, as those of the gateway.
        const atMs = Math.ceil((nowMs() + delayMs) / TICK_MS) * TICK_MS;
        let isCancelled = false;
        const planned = schedule.after(atMs - nowMs(), () =>
          due(() => {
            if (isCancelled) return;
            open.delete(timer);
            fire();
          }, "timers"));
        const timer: Timer = {
          cancel() {
            isCancelled = true;
            open.delete(timer);
            planned.cancel();
          },
        };
        open.add(timer);
        return timer;
      },
    },
    arrive: (delayMs, happen) => void schedule.after(delayMs, () => due(happen, "arrivals")),
    pause() {
      if (state === "runs") state = "paused";
    },
    resume() {
      if (state !== "paused") return;
      state = "runs";
      // As an event loop does: what is late by its clock first, then what waits at its sockets.
      for (const happen of [...late.timers.splice(0), ...late.arrivals.splice(0)]) {
        schedule.after(0, () => due(happen, "arrivals"));
      }
    },
    isPaused: () => state === "paused",
    kill: () => void (state = "dead"),
    isDead: () => state === "dead",
    jump: (ms) => void (wallMs += ms),
    timersOpen: () => open.size,
  };
}

/** A connection in one direction: what goes in first comes out first. */
export function createLine(schedule: Schedule, delayMs: () => number) {
  let lastMs = 0;
  /** @param arrive as `Process.arrive`, or `Schedule.after` */
  return (arrive: (delayMs: number, happen: () => void) => unknown, happen: () => void): void => {
    lastMs = Math.max(lastMs, schedule.nowMs() + delayMs());
    arrive(lastMs - schedule.nowMs(), happen);
  };
}
