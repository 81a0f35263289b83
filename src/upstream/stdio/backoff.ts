/**
 * How long a server that does not stay alive is left alone before it is started again.
 *
 * @module
 */
import type { StdioUpstream } from "../../domain/server.ts";
import { DialError } from "../../platform/dial.ts";

export interface Backoff {
  /**
   * @throws {DialError} `upstream_unavailable` when it is too early to start the server, saying when
   *   it is not any more, and why it failed last
   */
  readonly check: (server: StdioUpstream) => void;
  /**
   * @param startedMs when what failed was started: of several that fail together, one counts
   * @param why one sentence, which may be shown
   * @param isBroken whether it never worked; otherwise the next one is tried soon
   */
  readonly failed: (
    server: StdioUpstream,
    startedMs: number,
    why: string,
    isBroken: boolean,
  ) => void;
  readonly worked: (server: StdioUpstream) => void;
}

interface State {
  readonly failures: number;
  readonly failedMs: number;
  readonly untilMs: number;
  readonly why: string;
}

const MS_MIN = 100;
const MS_MAX = 30_000;
/** A failure that long after the last wait has nothing to do with it. */
const FORGET_MS = 60_000;

/** @param jittered adds a little to a time */
export function createBackoff(now: () => number, jittered: (ms: number) => number): Backoff {
  /** A server that was changed is another object, and begins anew. */
  const states = new WeakMap<StdioUpstream, State>();
  return {
    check(server) {
      const state = states.get(server);
      if (state === undefined || now() >= state.untilMs) return;
      const seconds = Math.ceil((state.untilMs - now()) / 100) / 10;
      const text = `The upstream server is started again in ${seconds} s at the earliest`;
      throw new DialError("upstream_unavailable", `${text}: ${state.why}`);
    },
    failed(server, startedMs, why, isBroken) {
      const before = states.get(server);
      if (before !== undefined && startedMs < before.failedMs) return;
      const isRecent = before !== undefined && now() - before.untilMs < FORGET_MS;
      const failures = isBroken && isRecent ? before.failures + 1 : 1;
      const waitMs = Math.min(jittered(MS_MIN * 2 ** Math.min(failures - 1, 20)), MS_MAX);
      states.set(server, { failures, failedMs: now(), untilMs: now() + waitMs, why });
    },
    worked: (server) => void states.delete(server),
  };
}
