/**
 * What is asked: the list of cases, and of whom.
 *
 * @module
 */

import type { ContenderName } from "./contenders.ts";
import { LONG_SERVERS, manyToolNames, TOOL_NAMES } from "./payload.ts";
import { RECORD_TOOL } from "./record.ts";
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
  /** Which of the contender's addresses is asked, when it is not that of the era. */
  readonly at?: "long";
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
  | "session-cycle-32"
  | "mcp-call-1k-32"
  | "mcp-list-400-8"
  | "mcp-session-call-1k-32"
  | "bridge-call-1k-32"
  | "bridge-session-call-1k-32"
  | "callers-1k-32"
  | "rest-call-1k-32";

/**
 * What is not a case of load: sessions that are only there, and sessions that come and go; servers that
 * do not answer among others, a server with very many tools, a document of very many operations, the
 * check of arguments, a principal far over its limit, and pairs of contenders at the same time.
 */
export const HOLDING_NAMES = [
  "session-idle",
  "session-growth",
  "mcp-faulty-20",
  "mcp-discovery-5000",
  "fair-10-times",
  "scale-50000",
  "bridge-side-by-side",
  "callers-side-by-side",
  "audit-side-by-side",
  "rest-side-by-side",
  "import-1000",
  "validation-10k",
] as const;

export type HoldingName = typeof HOLDING_NAMES[number];

const NOTIFICATIONS = 1000;
const OPENERS = 32;
const STATELESS: readonly ContenderName[] = ["direct", "pass-through", "naive", "sallyport"];
const WITH_TOKEN: readonly ContenderName[] = [...STATELESS, "sallyport-jwt"];
const SESSION: readonly ContenderName[] = ["direct", "pass-through", "sallyport-jwt"];
const WITH_MEMORY: readonly ContenderName[] = [...SESSION, "sallyport-memory"];

/** Endpoints of all servers; before them the verbatim one, which they are told against. */
const ALL_SERVERS: readonly ContenderName[] = [
  "pass-through",
  "sallyport-jwt",
  "mcp-1",
  "mcp-20",
  "mcp-200",
];
const LONG_LIST: readonly ContenderName[] = ["direct", "pass-through", "mcp-20"];
const ALL_IN_SESSION: readonly ContenderName[] = ["pass-through", "sallyport-jwt", "mcp-session"];
/** Between the eras; before it the gateway within the client's era, which it is told against. */
const BRIDGED: readonly ContenderName[] = ["pass-through", "sallyport-jwt", "sallyport-bridge"];

/** A gateway that knows none of its callers; after it one that knows all, which is told against it. */
const KNOWN: readonly ContenderName[] = ["pass-through", "mcp-open", "mcp-callers"];

/** An HTTP API, with the gateway before it; and a relay before a server that answers the same. */
const OF_API: readonly ContenderName[] = ["pass-through", "sallyport-rest"];

/** All cases of load, in the order in which they are measured and printed. */
export const CASES: readonly BenchCase[] = [
  callText("call-1k-1", 1024, 1, WITH_TOKEN),
  callText("call-1k-32", 1024, 32, WITH_TOKEN),
  list("list-1", TOOL_NAMES, 1, STATELESS),
  list("list-32", TOOL_NAMES, 32, STATELESS),
  callText("call-64k-8", 64 * 1024, 8, STATELESS),
  callText("call-1m-8", 1024 * 1024, 8, STATELESS),
  notify("notify-4", 4, STATELESS),
  callText("session-call-1k-32", 1024, 32, SESSION, "session"),
  notify("session-notify-32", 32, WITH_MEMORY, "session"),
  open("session-open-32", "opened, all ended afterwards", false),
  open("session-cycle-32", "opened and ended, one after the other", true),
  through(callText("mcp-call-1k-32", 1024, 32, ALL_SERVERS)),
  through(callText("mcp-session-call-1k-32", 1024, 32, ALL_IN_SESSION, "session")),
  through(list("mcp-list-400-8", manyToolNames(LONG_SERVERS), 8, LONG_LIST, "long")),
  bridged(callText("bridge-call-1k-32", 1024, 32, BRIDGED)),
  bridged(callText("bridge-session-call-1k-32", 1024, 32, BRIDGED, "session")),
  known(callText("callers-1k-32", 1024, 32, KNOWN)),
  callRecord("rest-call-1k-32", 1024, 32, OF_API),
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

function callRecord(
  name: CaseName,
  bytes: number,
  connections: number,
  contenders: readonly ContenderName[],
): BenchCase {
  const asks = {
    kind: "request",
    era: "stateless",
    method: "tools/call",
    tool: RECORD_TOOL,
    args: { bytes },
    expect: { kind: "record", bytes },
  } as const;
  const title = titleOf(`REST tool: tools/call, ${sizeOf(bytes)} of JSON`, connections, asks.era);
  return { name, title, asks, connections, unit: "request", unitsPerRequest: 1, contenders };
}

function list(
  name: CaseName,
  names: readonly string[],
  connections: number,
  contenders: readonly ContenderName[],
  at?: RequestAsked["at"],
): BenchCase {
  return {
    name,
    title: titleOf(`tools/list, ${names.length} tools`, connections, "stateless"),
    asks: {
      kind: "request",
      era: "stateless",
      ...(at === undefined ? {} : { at }),
      method: "tools/list",
      expect: { kind: "tools", names },
    },
    connections,
    unit: "request",
    unitsPerRequest: 1,
    contenders,
  };
}

/** The same case, asked at the endpoint of all servers where there is one. */
function through(which: BenchCase): BenchCase {
  return { ...which, title: `All servers: ${which.title}` };
}

/** The same case, asked at a server of the other era where the contender is a bridge. */
function bridged(which: BenchCase): BenchCase {
  return { ...which, title: `Between the eras: ${which.title}` };
}

/** The same case, asked by many principals where callers are known. */
function known(which: BenchCase): BenchCase {
  return { ...which, title: `1,000 principals: ${which.title}` };
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
