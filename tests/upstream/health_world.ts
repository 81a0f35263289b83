/**
 * Upstream servers that do what a test says, behind the client that guards them. Time stands still
 * until it is advanced, and no back-off has chance in it.
 *
 * @module
 */
import type { StdioUpstream, UpstreamServer } from "../../src/domain/server.ts";
import { DialError } from "../../src/platform/dial.ts";
import type { UpstreamRequest } from "../../src/upstream/client.ts";
import type { ServerHealth } from "../../src/upstream/condition.ts";
import { createGuardedClient } from "../../src/upstream/health.ts";
import type { UpstreamReply } from "../../src/upstream/reply.ts";
import { HeldBack } from "../../src/upstream/verdict.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { anUpstream } from "../support/memory_catalog.ts";

type Behave = (request: UpstreamRequest) => Promise<UpstreamReply>;

export interface HealthWorldOptions {
  readonly unhealthyThreshold?: number;
  readonly isProbed?: boolean;
  readonly random?: () => number;
}

export function healthWorld(
  { unhealthyThreshold = 3, isProbed = false, random = () => 0 }: HealthWorldOptions = {},
) {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const changes: string[] = [];
  const changed = ({ name }: UpstreamServer, { status }: ServerHealth) =>
    void changes.push(`${name} is ${status}`);
  let behave: Behave = () => Promise.resolve(aReply());
  let remove = () => Promise.resolve(200);
  let sent = 0;
  const guarded = createGuardedClient(
    {
      send(_, request) {
        sent++;
        return behave(request);
      },
      remove() {
        sent++;
        return remove();
      },
    },
    { clock, random, changed },
    { unhealthyThreshold, isProbed },
  );
  const server = anUpstream();

  /** What became of one request: `ok`, `held back`, or the message of the failure. */
  function outcome(members: Partial<UpstreamRequest> = {}, to: UpstreamServer = server) {
    return guarded.send(to, aRequest(members)).then(() => "ok", told);
  }

  return {
    clock,
    timers,
    guarded,
    server,
    changes,
    outcome,
    /** Requests that were let through so far. */
    sent: () => sent,
    answers: (reply: Partial<UpstreamReply> = {}) =>
      void (behave = () => Promise.resolve(aReply(reply))),
    fails: (error: unknown) => void (behave = () => Promise.reject(error)),
    behaves: (as: Behave) => void (behave = as),
    removes: (as: () => Promise<number>) => void (remove = as),
    removed: () => guarded.remove(server, { headers: "" }, 1_000).then(String, told),
    /** Leaves the circuit open, just now. */
    async open(failures = unhealthyThreshold) {
      behave = () => Promise.reject(unreachable());
      for (let i = 0; i < failures; i++) await outcome();
    },
    state: () => guarded.stateOf(server),
    circuit: () => guarded.stateOf(server).circuit,
  };
}

export type HealthWorld = ReturnType<typeof healthWorld>;

function told(error: unknown): string {
  if (error instanceof HeldBack) return "held back";
  return error instanceof Error ? error.message : "something else";
}

/** What nobody waits for any more than for its outcome. */
export function aRequest(members: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    body: new Uint8Array(),
    headers: "",
    idempotent: false,
    caller: "user ada",
    firstMs: 30_000,
    silenceMs: 60_000,
    totalMs: 3_600_000,
    abort: new AbortController(),
    ...members,
  };
}

/** As a tool call has it: silence is all that is limited. */
export const PATIENT = { firstMs: 60_000, silenceMs: 60_000 } as const;

export function aReply(members: Partial<UpstreamReply> = {}): UpstreamReply {
  return {
    status: 200,
    isStream: false,
    isOwned: true,
    sessionId: () => undefined,
    lastEventId: () => undefined,
    retryMs: () => undefined,
    next: () => Promise.resolve(undefined),
    take: () => undefined,
    close: () => {},
    ...members,
  };
}

export function unreachable(): DialError {
  return new DialError("upstream_unavailable", "The upstream server could not be reached");
}

export function aStdioServer(): StdioUpstream {
  const { transport: _, url: __, headers: ___, auth: ____, ...common } = anUpstream();
  return { ...common, transport: "stdio", command: "server", args: [], env: {}, cwd: undefined };
}
