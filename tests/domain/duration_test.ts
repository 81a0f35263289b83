/**
 * Durations as people write them.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { formatDuration, parseDuration } from "../../src/domain/duration.ts";

for (
  const [text, ms] of [
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["2d", 172_800_000],
    [
      "250ms",
      250,
    ],
    ["7", 7_000],
    ["1.5s", 1_500],
    [" 3 s ", 3_000],
  ] as const
) {
  Deno.test(`${JSON.stringify(text)} is ${ms} ms`, () => assertEquals(parseDuration(text), ms));
}

for (const text of ["", "s", "-1s", "1w", "1s 2m", "1e3", "Infinity", "0x10", "1,5s"]) {
  Deno.test(`${JSON.stringify(text)} is no duration`, () => {
    assertThrows(() => parseDuration(text), /must be a duration/);
  });
}

for (const ms of [0, 1, 250, 1_000, 1_500, 90_000, 86_400_000]) {
  Deno.test(`${ms} ms is read as what it is written as`, () => {
    assertEquals(parseDuration(formatDuration(ms)), ms);
  });
}
