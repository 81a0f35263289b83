/**
 * What is asked: the list of cases, and of whom.
 *
 * @module
 */

import type { ContenderName } from "./contenders.ts";
import { TOOL_NAMES } from "./payload.ts";
import type { Expectation } from "./types.ts";

/** One case of load: a request, or the opening of sessions, and the number of connections that do it. */
export interface BenchCase {
  readonly name: CaseName;
  readonly title: string;
  readonly asks: RequestAsked | SessionsAsked;
  readonly connections: number;
  /** What throughput and CPU time are given per: a request, or each notification in its answer. */
  readonly unit: "request" | "notification" | "session";
  readonly unitsPerRequest: number;
  /** Who takes part. */
  readonly contenders: readonly ContenderName[];
}

/** A request that is repeated. */
export interface RequestAsked {
  readonly kind: "request";
  /** In the session era every connection has a session, opened before anything is counted. */
  readonly era: "stateless" | "session";
  readonly method: "tools/call" | "tools/list";
  readonly tool?: string;
  readonly args?: Readonly<Record<string, number | boolean>>;
  readonly expect: Expectation;
}

/** Sessions of the session era, one after the other on each connection. */
export interface SessionsAsked {
  readonly kind: "sessions";
  /** Whether each is ended before the next is opened; otherwise all are, after the window. */
  readonly endsEach: boolean;
}

export type CaseName =
  | "call-1k-1"
  | "call-1k-32"
  | "list-1"
  | "list-32"
  | "call-64k-8"
  | "call-1m-8"
  | "notify-4"
  | "session-call-1k-32"
  | "session-notify-32"
  | "session-open-32"
  | "session-cycle-32";

/** What is not load: sessions that are only there, and sessions that come and go. */
export const HOLDING_NAMES = ["session-idle", "session-growth"] as const;

export type HoldingName = typeof HOLDING_NAMES[number];

const NOTIFICATIONS = 1000;
const OPENERS = 32;
const STATELESS: readonly ContenderName[] = ["direct", "pass-through", "naive", "sallyport"];
const WITH_TOKEN: readonly ContenderName[] = [...STATELESS, "sallyport-jwt"];
const SESSION: readonly ContenderName[] = ["direct", "pass-through", "sallyport-jwt"];
const WITH_MEMORY: readonly ContenderName[] = [...SESSION, "sallyport-memory"];

/** All cases of load, in the order in which they are measured and printed. */
export const CASES: readonly BenchCase[] = [
  callText("call-1k-1", 1024, 1, WITH_TOKEN),
  callText("call-1k-32", 1024, 32, WITH_TOKEN),
  list("list-1", 1),
  list("list-32", 32),
  callText("call-64k-8", 64 * 1024, 8, STATELESS),
  callText("call-1m-8", 1024 * 1024, 8, STATELESS),
  notify("notify-4", 4, STATELESS),
  callText("session-call-1k-32", 1024, 32, SESSION, "session"),
  notify("session-notify-32", 32, WITH_MEMORY, "session"),
  open("session-open-32", "opened, all ended afterwards", false),
  open("session-cycle-32", "opened and ended, one after the other", true),
];

function callText(
  name: CaseName,
  bytes: number,
  connections: number,
  contenders: readonly ContenderName[],
  era: RequestAsked["era"] = "stateless",
): BenchCase {
  return {
    name,
    title: titleOf(`tools/call, ${sizeOf(bytes)}`, connections, era),
    asks: {
      kind: "request",
      era,
      method: "tools/call",
      tool: "text",
      args: { bytes },
      expect: { kind: "text", bytes },
    },
    connections,
    unit: "request",
    unitsPerRequest: 1,
    contenders,
  };
}

function list(name: CaseName, connections: number): BenchCase {
  const count = TOOL_NAMES.length;
  return {
    name,
    title: titleOf(`tools/list, ${count} tools`, connections, "stateless"),
    asks: {
      kind: "request",
      era: "stateless",
      method: "tools/list",
      expect: { kind: "tools", count },
    },
    connections,
    unit: "request",
    unitsPerRequest: 1,
    contenders: STATELESS,
  };
}

/** In the session era the upstream's events have ids, as those of ordinary servers do. */
function notify(
  name: CaseName,
  connections: number,
  contenders: readonly ContenderName[],
  era: RequestAsked["era"] = "stateless",
): BenchCase {
  const count = NOTIFICATIONS;
  const hasEventIds = era === "session";
  return {
    name,
    title: titleOf(`tools/call with ${count} progress notifications`, connections, era),
    asks: {
      kind: "request",
      era,
      method: "tools/call",
      tool: "notify",
      args: hasEventIds ? { count, ids: true } : { count },
      expect: { kind: "progress", count, hasEventIds },
    },
    connections,
    unit: "notification",
    unitsPerRequest: count,
    contenders,
  };
}

function open(name: CaseName, what: string, endsEach: boolean): BenchCase {
  return {
    name,
    title: titleOf(`sessions ${what}`, OPENERS, "session"),
    asks: { kind: "sessions", endsEach },
    connections: OPENERS,
    unit: "session",
    unitsPerRequest: 1,
    contenders: SESSION,
  };
}

function titleOf(what: string, connections: number, era: RequestAsked["era"]): string {
  const on = connections === 1 ? "1 connection" : `${connections} connections`;
  return `${era === "session" ? "2025-11-25: " : ""}${what}, ${on}`;
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${bytes / 1024} KiB` : `${bytes / 1024 / 1024} MiB`;
}
