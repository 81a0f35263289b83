/**
 * When a server is read: one at a time, merged, and again.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createTurns } from "../../src/catalog/turns.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { turnsPass } from "../support/fake_reader.ts";

/** Runs that end when the test says so; their outcomes are 1, 2, 3 … */
function openWorld(againMs = 60_000) {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const ends: (() => void)[] = [];
  const turns = createTurns({
    timers,
    monotonic: clock.monotonic,
    run() {
      const outcome = ends.length + 1;
      return new Promise<{ outcome: number; againMs: number }>((resolve) =>
        ends.push(() => resolve({ outcome, againMs }))
      );
    },
  });
  return {
    turns,
    timers,
    clock,
    runs: () => ends.length,
    async end() {
      ends.at(-1)!();
      await turnsPass(3);
    },
  };
}

Deno.test("a run begins at once when none is on its way", () => {
  const { turns, runs } = openWorld();
  void turns.ask();
  assertEquals(runs(), 1);
});

Deno.test("all who ask during a run get exactly one further run", async () => {
  const { turns, runs, end } = openWorld();
  const first = turns.ask();
  const others = [turns.ask(), turns.ask(), turns.ask()];
  await end();
  await end();
  assertEquals([await first, ...await Promise.all(others), runs()], [1, 2, 2, 2, 2]);
});

Deno.test("the first notice begins a run at once", () => {
  const { turns, runs } = openWorld();
  turns.notice();
  assertEquals(runs(), 1);
});

Deno.test("a storm of notices is one run per 250 ms", async () => {
  const { turns, runs, end, timers } = openWorld();
  for (let ms = 0; ms < 990; ms += 10) {
    for (let i = 0; i < 100; i++) turns.notice();
    await end();
    timers.advance(10);
  }
  assertEquals(runs(), 4);
});

Deno.test("a notice during a run is heeded after it", async () => {
  const { turns, runs, end, timers } = openWorld();
  void turns.ask();
  turns.notice();
  await end();
  timers.advance(250);
  assertEquals(runs(), 2);
});

Deno.test("a server that never stops announcing gets half of the time at most", async () => {
  const { turns, runs, end, timers } = openWorld();
  turns.notice();
  timers.advance(4000);
  turns.notice();
  await end();
  timers.advance(3999);
  assertEquals(runs(), 1);
  timers.advance(1);
  assertEquals(runs(), 2);
});

Deno.test("a run that was asked for makes up for a notice that waits", async () => {
  const { turns, runs, end, timers } = openWorld();
  turns.notice();
  await end();
  turns.notice();
  void turns.ask();
  await end();
  timers.advance(10_000);
  assertEquals(runs(), 2);
});

Deno.test("a run comes again when its time is over", async () => {
  const { turns, runs, end, timers } = openWorld(5000);
  void turns.ask();
  await end();
  timers.advance(4999);
  assertEquals(runs(), 1);
  timers.advance(1);
  assertEquals(runs(), 2);
});

Deno.test("the time until the next run counts from the last one, whoever asked for it", async () => {
  const { turns, runs, end, timers } = openWorld(5000);
  void turns.ask();
  await end();
  timers.advance(4000);
  void turns.ask();
  await end();
  timers.advance(4999);
  assertEquals(runs(), 2);
});

Deno.test("nothing runs any more when it is stopped, and no timer is left", async () => {
  const { turns, runs, end, timers } = openWorld(5000);
  turns.notice();
  await end();
  turns.notice();
  turns.stop();
  turns.notice();
  timers.advance(10_000);
  assertEquals([runs(), timers.open()], [1, 0]);
});

Deno.test("a run that ends after the stop leaves no timer", async () => {
  const { turns, end, timers } = openWorld(5000);
  turns.notice();
  turns.notice();
  turns.stop();
  await end();
  await turns.settled();
  assertEquals(timers.open(), 0);
});
