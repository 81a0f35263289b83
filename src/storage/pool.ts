/**
 * Places that few may have at a time; whoever comes when all are taken waits a little.
 *
 * @module
 */
import { LIMITS } from "../domain/limits.ts";
import type { Timer, Timers } from "../platform/timers.ts";
import { ConnectionFailure } from "./fault.ts";

export interface Pool<P> {
  /** @throws {ConnectionFailure} when none becomes free in time */
  readonly take: () => Promise<P>;
  /** Those that are there, taken or not. */
  readonly all: () => Iterable<P>;
  readonly close: () => void;
}

interface Waiting<P> {
  readonly got: (place: P) => void;
  readonly timer: Timer;
}

/** @param make `given` is called when whoever took the place has given it back */
export function createPool<P>(
  timers: Timers,
  sizeMax: number,
  make: (given: () => void) => P,
): Pool<P> {
  const free: P[] = [];
  const places = new Set<P>();
  const waiting: Waiting<P>[] = [];
  let isClosed = false;

  function give(place: P): void {
    const next = waiting.shift();
    if (next === undefined) return void free.push(place);
    next.timer.cancel();
    next.got(place);
  }

  function add(): P {
    const place: P = make(() => give(place));
    places.add(place);
    return place;
  }

  return {
    async take() {
      if (isClosed) throw new ConnectionFailure("The pool is closed");
      const place = free.pop() ?? (places.size < sizeMax ? add() : undefined);
      if (place !== undefined) return place;
      return await new Promise((got, failed) => {
        const timer = timers.after(LIMITS.databasePoolMs, () => {
          waiting.splice(waiting.indexOf(entry), 1);
          failed(new ConnectionFailure("All connections are in use"));
        });
        const entry = { got, timer };
        waiting.push(entry);
      });
    },
    all: () => places,
    close: () => void (isClosed = true),
  };
}
