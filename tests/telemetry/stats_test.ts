/**
 * Counts and latencies of calls.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createStats } from "../../src/telemetry/stats.ts";

const OPTIONS = { methods: ["tools/call"], upstreamsMax: 2 };

Deno.test("without calls everything is 0, and nothing is listed", () => {
  const nothing = { calls: 0, errors: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0 };
  assertEquals(createStats(7, OPTIONS).snapshot(), {
    sinceMs: 7,
    total: nothing,
    methods: [],
    upstreams: [],
  });
});

Deno.test("percentiles are right to within a tenth, from fractions of a millisecond to an hour", () => {
  for (const scale of [0.2, 1, 50, 3_000, 30_000]) {
    const stats = createStats(0, OPTIONS);
    for (let i = 1; i <= 100; i++) stats.record("x", "u", i * scale, false);
    const { p50Ms, p95Ms, p99Ms } = stats.snapshot().total;
    const off = [p50Ms / 50, p95Ms / 95, p99Ms / 99].map((ratio) => Math.abs(ratio / scale - 1));
    assertEquals([scale, off.filter((one) => one > 0.1)], [scale, []]);
  }
});

Deno.test("one slow call in a thousand does not move the 99th percentile", () => {
  const stats = createStats(0, OPTIONS);
  for (let i = 0; i < 999; i++) stats.record("x", "u", 1, false);
  stats.record("x", "u", 60_000, false);
  assertEquals(stats.snapshot().total.p99Ms < 2, true);
});

for (const ms of [0, -5, NaN, Infinity, 1e300]) {
  Deno.test(`a latency of ${ms} is counted and spoils nothing`, () => {
    const stats = createStats(0, OPTIONS);
    stats.record("x", "u", ms, true);
    const { calls, errors, p50Ms } = stats.snapshot().total;
    assertEquals([calls, errors, Number.isFinite(p50Ms)], [1, 1, true]);
  });
}

Deno.test("methods that nobody knows are one, so callers cannot fill the memory with names", () => {
  const stats = createStats(0, OPTIONS);
  for (let i = 0; i < 10_000; i++) stats.record(`made/up/${i}`, "u", 1, false);
  stats.record("tools/call", "u", 1, false);
  const counted = stats.snapshot().methods.map(([method, { calls }]) => [method, calls]);
  assertEquals(counted, [["tools/call", 1], ["other", 10_000]]);
});

Deno.test("a method that is called like a part of JavaScript is a name like any other", () => {
  const stats = createStats(0, OPTIONS);
  stats.record("__proto__", "constructor", 1, false);
  const { methods, upstreams } = stats.snapshot();
  assertEquals([methods[0]![0], upstreams[0]![0]], ["other", "constructor"]);
});

Deno.test("servers beyond the bound count in the total only", () => {
  const stats = createStats(0, OPTIONS);
  for (const upstream of ["a", "b", "c", "a"]) stats.record("x", upstream, 1, false);
  const { total, upstreams } = stats.snapshot();
  assertEquals(upstreams.map(([id, { calls }]) => [id, calls]), [["a", 2], ["b", 1]]);
  assertEquals(total.calls, 4);
});

Deno.test("a server that is forgotten makes room for another", () => {
  const stats = createStats(0, OPTIONS);
  for (const upstream of ["a", "b"]) stats.record("x", upstream, 1, false);
  stats.forget("a");
  stats.record("x", "c", 1, false);
  assertEquals(stats.snapshot().upstreams.map(([id]) => id), ["b", "c"]);
});

Deno.test("a snapshot stays as it was when it was taken", () => {
  const stats = createStats(0, OPTIONS);
  const before = stats.snapshot();
  stats.record("x", "u", 1, false);
  assertEquals([before.total.calls, before.upstreams.length], [0, 0]);
});
