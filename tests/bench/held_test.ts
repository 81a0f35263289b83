/**
 * Figures of what processes held: growth is told from a step, and missing sessions give no ratio.
 *
 * @module
 */

import { strictEqual as assertEquals } from "node:assert/strict";

import { discoveryOf, faultyOf, growthBytesPerRound, idleOf } from "./held.ts";
import type { IdleSample } from "./idle.ts";

const readings = (...values: number[]) => values.map((rssBytes) => ({ rssBytes, openFiles: 20 }));

Deno.test("growthBytesPerRound() passes over one step and finds what every round leaves", () => {
  assertEquals(growthBytesPerRound(readings(150, 157, 157, 157, 157, 157)), 0);
  assertEquals(growthBytesPerRound(readings(150, 152, 153, 156, 158, 160)), 2);
});

Deno.test("idleOf() gives ratios to the relay, and none when sessions are missing", () => {
  const sample = (contender: IdleSample["contender"], heldBytes: number, wrong = 0) => {
    return { contender, sessions: 10, beforeBytes: 50, heldBytes, wrong, wrongSamples: [] };
  };
  const relay = sample("relay", 100);
  const [whole] = idleOf([sample("sallyport-jwt", 120), relay]);
  assertEquals(whole?.heldRatio, 1.2);
  assertEquals(whole?.sessionRatio, 1.4);
  const [missing] = idleOf([sample("sallyport-jwt", 60, 1), relay]);
  assertEquals(missing?.heldRatio, undefined);
  const [alone] = idleOf([sample("sallyport-jwt", 120), sample("relay", 100, 1)]);
  assertEquals(alone?.heldRatio, undefined);
});

Deno.test("faultyOf() gives medians of the rounds, and nothing when answers were wrong", () => {
  const sample = (readyMs: number, wrong = 0) => {
    return { readyMs, lists: 10, p50Ms: 1, p99Ms: 2 * readyMs, wrong, wrongSamples: [] };
  };
  const figures = faultyOf([sample(5), sample(9), sample(6)]);
  assertEquals(figures?.readyMs, 6);
  assertEquals(figures?.p99Ms, 12);
  assertEquals(figures?.lists, 30);
  assertEquals(faultyOf([sample(5), sample(6, 1)]), undefined);
  assertEquals(faultyOf([]), undefined);
});

Deno.test("discoveryOf() gives no figures for a list that was not whole", () => {
  const result = (discoveryMs: number, wrong = 0) => ({
    discoveryMs,
    againMs: 1,
    pages: 5,
    firstPageMs: 1,
    pageP50Ms: 1,
    pageP99Ms: 1,
    quietPauseMs: 1,
    discoveryPauseMs: 1,
    againPauseMs: 1,
    wrong,
    wrongSamples: [],
  });
  assertEquals(discoveryOf([result(3), result(1), result(2)])?.discoveryMs, 2);
  assertEquals(discoveryOf([result(3), result(1, 1)]), undefined);
});
