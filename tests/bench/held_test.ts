/**
 * Figures of what processes held: growth is told from a step, and missing sessions give no ratio.
 *
 * @module
 */

import { strictEqual as assertEquals } from "node:assert/strict";

import { growthBytesPerRound, heldOf } from "./held.ts";
import type { IdleSample } from "./idle.ts";

const readings = (...values: number[]) => values.map((rssBytes) => ({ rssBytes, openFiles: 20 }));

Deno.test("growthBytesPerRound() passes over one step and finds what every round leaves", () => {
  assertEquals(growthBytesPerRound(readings(150, 157, 157, 157, 157, 157)), 0);
  assertEquals(growthBytesPerRound(readings(150, 152, 153, 156, 158, 160)), 2);
});

Deno.test("heldOf() gives ratios to the relay, and none when sessions are missing", () => {
  const sample = (contender: IdleSample["contender"], heldBytes: number, wrong = 0) => {
    return { contender, sessions: 10, beforeBytes: 50, heldBytes, wrong, wrongSamples: [] };
  };
  const relay = sample("relay", 100);
  const [whole] = heldOf([sample("sallyport-jwt", 120), relay], undefined).idle;
  assertEquals(whole?.heldRatio, 1.2);
  assertEquals(whole?.sessionRatio, 1.4);
  const [missing] = heldOf([sample("sallyport-jwt", 60, 1), relay], undefined).idle;
  assertEquals(missing?.heldRatio, undefined);
  const [alone] = heldOf([sample("sallyport-jwt", 120), sample("relay", 100, 1)], undefined).idle;
  assertEquals(alone?.heldRatio, undefined);
});
