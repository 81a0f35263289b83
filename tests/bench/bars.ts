/**
 * The bars: what the gateway has promised about its own cost. The full run reports each as met or missed;
 * nothing is failed by them, since only a quiet machine can judge.
 *
 * @module
 */

import type { Results } from "./figures.ts";

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
const START_MS_MAX = 700;

/** Holds the results of a run against all bars. */
export function barsOf(results: Results, warmStartMs: number | undefined): Bar[] {
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
      (value) => `${value.toFixed(1)} µs`,
    ),
    below("Warm start", warmStartMs, START_MS_MAX, (value) => `${Math.round(value)} ms`),
  ];
}

const times = (value: number) => `${value.toFixed(2)}×`;

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
