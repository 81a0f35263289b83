/**
 * Rates as people write them.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { parseRate } from "../../src/domain/rate.ts";

for (
  const [text, count, periodMs] of [
    ["100/s", 100, 1_000],
    ["1000/m", 1000, 60_000],
    ["5000/h", 5000, 3_600_000],
    ["1/h", 1, 3_600_000],
    [" 10 / s ", 10, 1_000],
    ["1000000/s", 1_000_000, 1_000],
  ] as const
) {
  Deno.test(`"${text}" is ${count} in ${periodMs} ms`, () => {
    const rate = parseRate(text);
    assertEquals([rate.count, rate.periodMs], [count, periodMs]);
  });
}

for (
  const text of [
    "",
    "100",
    "/s",
    "100/",
    "0/s",
    "-1/s",
    "1.5/s",
    "1e3/s",
    "100/d",
    "100/S",
    "100/ms",
    "100/s/s",
    "100 per second",
    "1000001/s",
    "999999999999999/h",
    "∞/s",
  ]
) {
  Deno.test(`"${text}" is no rate`, () => {
    assertThrows(() => parseRate(text), /must/);
  });
}
