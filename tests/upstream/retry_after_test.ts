/**
 * `Retry-After` in all its forms, and in none.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { parseRetryAfter } from "../../src/upstream/retry_after.ts";

const NOW = Date.UTC(1994, 10, 6, 8, 49, 30);

const ROWS: readonly (readonly [what: string, value: string, ms: number])[] = [
  ["seconds", "120", 120_000],
  ["no seconds at all", "0", 0],
  ["seconds with space around them", " 7 ", 7_000],
  ["more seconds than are granted", "86400", LIMITS.retryAfterMs],
  ["more digits than a number has", "9".repeat(400), LIMITS.retryAfterMs],
  ["a date", "Sun, 06 Nov 1994 08:49:37 GMT", 7_000],
  ["a date of RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", 7_000],
  ["a date of asctime", "Sun Nov  6 08:49:37 1994", 7_000],
  ["a date that is past", "Sun, 06 Nov 1994 08:49:00 GMT", 0],
  ["a date that is far away", "Sun, 06 Nov 2094 08:49:37 GMT", LIMITS.retryAfterMs],
  ["a day that does not exist", "Sun, 99 Nov 1994 08:49:37 GMT", 0],
  ["nothing", "", 0],
  ["a negative number", "-5", 0],
  ["a fraction", "1.5", 0],
  ["an exponent", "1e3", 0],
  ["hexadecimal", "0x10", 0],
  ["words", "soon", 0],
  ["a number with a unit", "5s", 0],
  ["two values", "5, 10", 0],
  ["a date of another zone", "Sun, 06 Nov 1994 08:49:37 +0100", 0],
  ["a date as people write it", "2094-11-06T08:49:37Z", 0],
  ["a very long text", "x".repeat(1_000_000), 0],
];

for (const [what, value, ms] of ROWS) {
  Deno.test(`Retry-After with ${what} is ${ms} ms`, () => {
    assertEquals(parseRetryAfter(value, NOW), ms);
  });
}
