/**
 * One replica at a time, where replicas have no Redis: sessions, events and rates are one process's
 * own then, and two would deny each other's.
 *
 * @module
 * @see docs/decisions/0035-one-replica-without-redis.md
 */
import { jittered } from "../platform/random.ts";
import { sleep, type Timers } from "../platform/timers.ts";
import type { Platform } from "./base.ts";

/** A process that has just ended may still have its place. */
const START_MS = 3_000;
const AGAIN_MS = 200;
/** Longer than PostgreSQL needs to see that a lost connection of ours is no more. */
const LOST_MS = 30_000;

const REFUSAL =
  "Another replica uses the PostgreSQL of DATABASE_URL: give all of them REDIS_URL, " +
  "or end the other one";

export interface Sole {
  /** Told by the database whether this process is the only one. */
  readonly note: (isSole: boolean) => void;
  /** Resolves when it is. @throws {Error} when another one is, and stays */
  readonly taken: (ask: () => Promise<unknown>) => Promise<void>;
}

export interface SoleDeps extends Pick<Platform, "clock" | "giveUp"> {
  readonly timers: Timers;
}

export function createSole({ clock, timers, giveUp }: SoleDeps): Sole {
  let hasBeen = false;
  /** Since when it is known that another one is. */
  let refusedMs: number | undefined;
  return {
    note(isSole) {
      hasBeen ||= isSole;
      if (isSole) refusedMs = undefined;
      else refusedMs ??= clock.monotonic();
      if (hasBeen && refusedMs !== undefined && clock.monotonic() - refusedMs > LOST_MS) {
        giveUp(REFUSAL);
      }
    },
    async taken(ask) {
      while (refusedMs !== undefined) {
        if (clock.monotonic() - refusedMs > START_MS) throw new Error(REFUSAL);
        await sleep(timers, jittered(AGAIN_MS));
        await ask();
      }
    },
  };
}
