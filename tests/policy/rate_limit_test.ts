/**
 * Budgets of rates: what they let through, and what they remember.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { parseRate } from "../../src/domain/rate.ts";
import { createLocalRateLimiter } from "../../src/policy/rate_limit.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { seeded } from "../support/seeded.ts";

function open(rate: string, keysMax?: number) {
  const clock = fakeClock();
  const limiter = createLocalRateLimiter(parseRate(rate), clock.monotonic, keysMax);
  /** How many of so many are let through at once. */
  const taken = (key: string, tries: number) =>
    Array.from({ length: tries }, () => limiter.take(key)).filter((waitMs) => waitMs === 0).length;
  return { clock, limiter, taken };
}

Deno.test("a whole budget can be spent at once, and no more", () => {
  assertEquals(open("5/s").taken("a", 9), 5);
});

Deno.test("what is refused is told how long it is to the next", () => {
  const { limiter, taken } = open("4/s");
  taken("a", 4);
  assertEquals(limiter.take("a"), 250);
});

Deno.test("after that time there is one, and one only", () => {
  const { limiter, taken, clock } = open("3/m");
  taken("a", 3);
  clock.advance(limiter.take("a"));
  assertEquals(taken("a", 5), 1);
});

Deno.test("what is refused costs nothing", () => {
  const { taken, clock } = open("10/s");
  taken("a", 1_000);
  clock.advance(500);
  assertEquals(taken("a", 1_000), 5);
});

Deno.test("a budget does not grow beyond its size", () => {
  const { taken, clock } = open("5/s");
  taken("a", 1);
  clock.advance(3_600_000);
  assertEquals(taken("a", 100), 5);
});

Deno.test("one key does not spend another one's budget", () => {
  const { taken } = open("5/s");
  taken("a", 100);
  assertEquals(taken("b", 100), 5);
});

Deno.test("over any time a key gets its budget and what has come back, as a model says", () => {
  const { below, pick } = seeded("rate limiter");
  for (let run = 0; run < 200; run++) {
    const rate = pick(["1/s", "3/s", "7/s", "100/s", "1000/s", "7/m", "1000/m", "11/h", "5000/h"]);
    const { count, periodMs } = parseRate(rate);
    const { clock, limiter } = open(rate);
    const keys = ["a", "b", "c"];
    const model = new Map(keys.map((key) => [key, { units: count * periodMs, atMs: 0 }]));
    const steps = [1, 10, 100, 1_000, Math.ceil(periodMs / count), periodMs];
    for (let step = 0; step < 300; step++) {
      if (below(3) === 0) clock.advance(below(pick(steps) + 1));
      const key = pick(keys);
      const wanted = modelTake(model.get(key)!, clock.monotonic(), count, periodMs);
      const given = limiter.take(key);
      assert(Math.abs(given - wanted) < 1e-2, `${rate}: ${given} ms instead of ${wanted} ms`);
      assertEquals(given === 0, wanted === 0);
    }
  }
});

/** In whole numbers: one of the budget is `periodMs` units, and each millisecond brings `count`. */
function modelTake(
  bucket: { units: number; atMs: number },
  nowMs: number,
  count: number,
  periodMs: number,
): number {
  bucket.units = Math.min(count * periodMs, bucket.units + (nowMs - bucket.atMs) * count);
  bucket.atMs = nowMs;
  if (bucket.units < periodMs) return (periodMs - bucket.units) / count;
  bucket.units -= periodMs;
  return 0;
}

Deno.test("of 10,000 keys no more are kept than fit", () => {
  const { limiter } = open("5/s", 1_000);
  for (let key = 0; key < 10_000; key++) {
    limiter.take(`key ${key}`);
    assert(limiter.size() <= 1_000, `${limiter.size()} keys`);
  }
});

Deno.test("keys that nobody uses are forgotten", () => {
  const { limiter, taken, clock } = open("5/s");
  for (let key = 0; key < 10_000; key++) limiter.take(`key ${key}`);
  // Somebody always comes: nothing is swept without.
  for (let minute = 0; minute < 3; minute++) {
    clock.advance(61_000);
    taken("the one who comes", 1);
  }
  assertEquals(limiter.size(), 1);
});

Deno.test("keys are forgotten by the first who comes after a long silence", () => {
  const { limiter, clock } = open("5/s");
  for (let key = 0; key < 10_000; key++) limiter.take(`key ${key}`);
  clock.advance(3_600_000);
  limiter.take("another");
  assertEquals(limiter.size(), 1);
});

for (const rate of ["5/s", "5/m", "5/h"]) {
  Deno.test(`a budget of ${rate} that is spent is not forgotten before it is whole again`, () => {
    const { limiter, clock } = open(rate);
    const { periodMs } = parseRate(rate);
    const spend = () => {
      while (limiter.take("spender") === 0);
    };
    spend();
    let got = 0;
    for (let passedMs = 0; passedMs < 3 * periodMs; passedMs += periodMs / 10) {
      clock.advance(periodMs / 10);
      limiter.take("another");
      if (limiter.take("spender") === 0) got++;
    }
    assert(got <= 15, `${got} in three periods`);
  });
}

Deno.test("a key in use is not forgotten for the sake of others", () => {
  const { limiter, taken } = open("5/h", 100);
  taken("spender", 5);
  for (let key = 0; key < 1_000; key++) {
    limiter.take(`key ${key}`);
    if (key % 20 === 0) assertEquals(taken("spender", 1), 0);
  }
});
