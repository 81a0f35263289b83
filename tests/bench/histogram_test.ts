/**
 * Percentiles of the histogram are those of the values, to within a bucket.
 *
 * @module
 */

import { ok as assert, strictEqual as assertEquals } from "node:assert/strict";

import { createHistogram } from "./histogram.ts";

Deno.test("percentileMs() is within 0.3 % of the true percentile", () => {
  const histogram = createHistogram();
  for (let us = 1; us <= 100_000; us++) histogram.add(us / 1000);
  for (const share of [0.5, 0.99]) {
    const truth = 100 * share;
    assert(Math.abs(histogram.percentileMs(share) - truth) < truth * 0.003);
  }
});

Deno.test("percentileMs() of nothing is 0, and absurd latencies stay in the last bucket", () => {
  const histogram = createHistogram();
  assertEquals(histogram.percentileMs(0.5), 0);
  histogram.add(1e9);
  assert(histogram.percentileMs(0.5) > 60_000);
});
