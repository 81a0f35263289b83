/**
 * The bars: what the gateway has promised about its own cost. The full run reports each as met or missed;
 * nothing is failed by them, since only a quiet machine can judge.
 *
 * @module
 */

import type { Results } from "./figures.ts";
import { growthBytesPerRound, type Held } from "./held.ts";
import { milliseconds } from "./markdown.ts";
import { sideRatio } from "./side.ts";

/** One promise and what was measured. */
export interface Bar {
  readonly what: string;
  readonly limit: string;
  /** Undefined when a contender or case that it needs did not take part. */
  readonly measured: string | undefined;
  readonly isMet: boolean | undefined;
}

const CPU_RATIO_MAX = 1.4;
const SPEED_RATIO_MIN = 5;
const ADDED_P50_MS_MAX = 0.25;
const LARGE_CPU_RATIO_MAX = 2;
const NOTIFICATION_CPU_US_MAX = 8;
const SESSION_CPU_RATIO_MAX = 1.6;
const SESSION_NOTIFICATION_CPU_US_MAX = 30;
const SESSIONS_PER_SECOND_MIN = 1_000;
const IDLE_RSS_RATIO_MAX = 1.5;
/** Less than any record of a session that was forgotten somewhere. */
const GROWTH_BYTES_PER_SESSION_MAX = 1_000;
/** What pools open and close by themselves; each session has two streams. */
const GROWTH_FILES_MAX = 32;
const START_MS_MAX = 700;
/** What the endpoint of all servers may cost, to that of one; and that of many, to that of few. */
const AGGREGATE_CPU_RATIO_MAX = 1.15;
const LONG_LIST_CPU_RATIO_MAX = 0.5;
/** What it may cost to know who calls, to asking nobody. */
const KNOWN_CPU_RATIO_MAX = 1.25;
/** What a call to a server of the other era may cost, to the same client's call within its era. */
const BRIDGED_CPU_RATIO_MAX = 1.25;
const FAIR_P99_RATIO_MAX = 1.5;
const AUDIT_CPU_RATIO_MAX = 1.03;
const FAULTY_LIST_MS_MAX = 300;
const FAULTY_READY_MS_MAX = 2_000;
const DISCOVERY_MS_MAX = 3_000;
const PAGE_MS_MAX = 20;
const PAUSE_MS_MAX = 20;
const SCALE_MB_MAX = 60;
const REST_CPU_RATIO_MAX = 1.6;
const IMPORT_MS_MAX = 5_000;
const CHECK_US_MAX = 100;

/** Holds the results of a run against all bars. */
export function barsOf(results: Results, held: Held, warmStartMs: number | undefined): Bar[] {
  return [
    ...statelessBars(results),
    ...sessionBars(results),
    ...holdingBars(held),
    ...aggregateBars(results),
    ...bridgeBars(results, held),
    atMost(
      "CPU per tools/call of 1 KiB by 1,000 principals, to nobody being known",
      sideRatio(held.sides, "callers-1k-32") ??
        results.cpuRatio("callers-1k-32", "mcp-callers", "mcp-open"),
      KNOWN_CPU_RATIO_MAX,
      times,
    ),
    ...auditBars(held),
    ...catalogBars(held),
    ...restBars(results, held),
    atMost(
      "Others' p99 beside a principal at ten times its limit, to being alone",
      held.fairness?.p99Ratio,
      FAIR_P99_RATIO_MAX,
      times,
    ),
    below("Warm start", warmStartMs, START_MS_MAX, whole),
  ];
}

function statelessBars(results: Results): Bar[] {
  const large = (name: "call-64k-8" | "call-1m-8", size: string) =>
    atMost(
      `CPU per tools/call of ${size}, to pass-through`,
      results.cpuRatio(name, "sallyport", "pass-through"),
      LARGE_CPU_RATIO_MAX,
      times,
    );
  return [
    atMost(
      "CPU per tools/call of 1 KiB with JWT, 32 connections, to pass-through",
      results.cpuRatio("call-1k-32", "sallyport-jwt", "pass-through"),
      CPU_RATIO_MAX,
      times,
    ),
    atLeast(
      "Calls per second of the same, to the naive gateway",
      results.speedRatio("call-1k-32", "sallyport-jwt", "naive"),
      SPEED_RATIO_MIN,
      times,
    ),
    atMost(
      "Median latency added to tools/call of 1 KiB with JWT, 1 connection",
      results.addedP50Ms("call-1k-1", "sallyport-jwt", "direct"),
      ADDED_P50_MS_MAX,
      (value) => `${value.toFixed(3)} ms`,
    ),
    large("call-64k-8", "64 KiB"),
    large("call-1m-8", "1 MiB"),
    atMost(
      "CPU per progress notification",
      results.of("notify-4", "sallyport")?.cpuUsPerUnit,
      NOTIFICATION_CPU_US_MAX,
      microseconds,
    ),
  ];
}

function sessionBars(results: Results): Bar[] {
  const notification = (name: "sallyport-jwt" | "sallyport-memory", store: string, limit: number) =>
    atMost(
      `CPU per progress notification in a session, event store ${store}`,
      results.of("session-notify-32", name)?.cpuUsPerUnit,
      limit,
      microseconds,
    );
  return [
    atMost(
      "CPU per tools/call of 1 KiB in a session, with JWT, to pass-through",
      results.cpuRatio("session-call-1k-32", "sallyport-jwt", "pass-through"),
      SESSION_CPU_RATIO_MAX,
      times,
    ),
    notification("sallyport-jwt", "SQLite", SESSION_NOTIFICATION_CPU_US_MAX),
    notification("sallyport-memory", "in memory", NOTIFICATION_CPU_US_MAX),
    atLeast(
      "Sessions opened per second",
      results.of("session-open-32", "sallyport-jwt")?.unitsPerSecond,
      SESSIONS_PER_SECOND_MIN,
      (value) => Math.round(value).toLocaleString("en-US"),
    ),
  ];
}

function holdingBars({ idle, growth }: Held): Bar[] {
  const row = idle.find(({ contender }) => contender === "sallyport-jwt");
  const first = growth?.holdings.at(0);
  const last = growth?.holdings.at(-1);
  const isGateway = growth?.contender === "sallyport-jwt" && growth.wrong === 0 && first && last;
  return [
    atMost(
      "RSS of the whole process with idle sessions, to relay",
      row?.heldRatio,
      IDLE_RSS_RATIO_MAX,
      times,
    ),
    atMost(
      "RSS left behind by each session opened and ended",
      isGateway ? growthBytesPerRound(growth.holdings) / growth.sessionsPerRound : undefined,
      GROWTH_BYTES_PER_SESSION_MAX,
      (value) => `${Math.round(value)} B`,
    ),
    atMost(
      "Open files added by all of them",
      isGateway ? last.openFiles - first.openFiles : undefined,
      GROWTH_FILES_MAX,
      String,
    ),
  ];
}

function aggregateBars(results: Results): Bar[] {
  const call = "mcp-call-1k-32";
  const ratio = (what: string, measured: number | undefined) =>
    atMost(what, measured, AGGREGATE_CPU_RATIO_MAX, times);
  const toVerbatim = (name: "mcp-1" | "mcp-20" | "mcp-200", servers: string) =>
    ratio(
      `CPU per tools/call through /mcp with ${servers}, to the verbatim endpoint`,
      results.cpuRatio(call, name, "sallyport-jwt"),
    );
  return [
    toVerbatim("mcp-1", "1 upstream server"),
    toVerbatim("mcp-20", "20 upstream servers"),
    toVerbatim("mcp-200", "200 upstream servers"),
    ratio("The same with 200, to that with 1", results.cpuRatio(call, "mcp-200", "mcp-1")),
    ratio(
      "CPU per tools/call through /mcp in a session, to the verbatim endpoint",
      results.cpuRatio("mcp-session-call-1k-32", "mcp-session", "sallyport-jwt"),
    ),
    atMost(
      "CPU per tools/list of 400 tools on /mcp, to pass-through",
      results.cpuRatio("mcp-list-400-8", "mcp-20", "pass-through"),
      LONG_LIST_CPU_RATIO_MAX,
      times,
    ),
  ];
}

/** Side by side where that was measured: rounds one after the other differ by more than the bar. */
function bridgeBars(results: Results, { sides }: Held): Bar[] {
  const ratio = (what: string, name: "bridge-call-1k-32" | "bridge-session-call-1k-32") =>
    atMost(
      `CPU per tools/call of 1 KiB with JWT, ${what}, to the same era`,
      sideRatio(sides, name) ?? results.cpuRatio(name, "sallyport-bridge", "sallyport-jwt"),
      BRIDGED_CPU_RATIO_MAX,
      times,
    );
  return [
    ratio("2026-07-28 at a server of 2025-11-25", "bridge-call-1k-32"),
    ratio("2025-11-25 at a server of 2026-07-28", "bridge-session-call-1k-32"),
  ];
}

function auditBars({ sides }: Held): Bar[] {
  const value = sideRatio(sides, "mcp-call-1k-32");
  return [
    atMost("CPU per tools/call through /mcp, to AUDIT=false", value, AUDIT_CPU_RATIO_MAX, times),
  ];
}

function catalogBars({ faulty, discovery, scale }: Held): Bar[] {
  return [
    below("tools/list with a server that hangs, p99", faulty?.p99Ms, FAULTY_LIST_MS_MAX, whole),
    below("Ready in spite of it", faulty?.readyMs, FAULTY_READY_MS_MAX, whole),
    below("5,000 tools discovered", discovery?.discoveryMs, DISCOVERY_MS_MAX, whole),
    below("A page of their list, p99", discovery?.pageP99Ms, PAGE_MS_MAX, milliseconds),
    atMost(
      "Longest pause while they are discovered",
      discovery?.discoveryPauseMs,
      PAUSE_MS_MAX,
      milliseconds,
    ),
    below(
      "RSS added by 50,000 items, 10,000 users and 1,000 teams",
      scale && (scale.heldBytes - scale.emptyBytes) / 1e6,
      SCALE_MB_MAX,
      (value) => `${Math.round(value)} MB`,
    ),
    atMost(
      "Longest pause when something of them changes",
      scale && Math.max(...scale.pauses.map(({ pauseMs }) => pauseMs)),
      PAUSE_MS_MAX,
      milliseconds,
    ),
  ];
}

function restBars(results: Results, { sides, imported, validation }: Held): Bar[] {
  const name = "rest-call-1k-32";
  return [
    atMost(
      "CPU per call of a REST tool, 1 KiB of JSON, with JWT, to pass-through",
      sideRatio(sides, name) ?? results.cpuRatio(name, "sallyport-rest", "pass-through"),
      REST_CPU_RATIO_MAX,
      times,
    ),
    below("A document of 1,000 operations imported", imported?.importMs, IMPORT_MS_MAX, whole),
    below(
      "CPU of checking an argument object of 10 KB, after the first call",
      validation?.cpuUs,
      CHECK_US_MAX,
      microseconds,
    ),
  ];
}

const whole = (ms: number) => `${Math.round(ms)} ms`;
const times = (value: number) => `${value.toFixed(2)}×`;
const microseconds = (value: number) => `${value.toFixed(1)} µs`;

type Format = (value: number) => string;

function atMost(what: string, value: number | undefined, limit: number, format: Format): Bar {
  return bar(what, `≤ ${format(limit)}`, value, format, (it) => it <= limit);
}

function atLeast(what: string, value: number | undefined, limit: number, format: Format): Bar {
  return bar(what, `≥ ${format(limit)}`, value, format, (it) => it >= limit);
}

function below(what: string, value: number | undefined, limit: number, format: Format): Bar {
  return bar(what, `< ${format(limit)}`, value, format, (it) => it < limit);
}

function bar(
  what: string,
  limit: string,
  value: number | undefined,
  format: Format,
  holds: (value: number) => boolean,
): Bar {
  if (value === undefined) return { what, limit, measured: undefined, isMet: undefined };
  return { what, limit, measured: format(value), isMet: holds(value) };
}
