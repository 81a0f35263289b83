/**
 * Places that are taken in turns: who waits, whose turn it is, and who is told to come back.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals, rejects } from "node:assert/strict";
import { createTurns } from "../../src/upstream/turns.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { seeded } from "../support/seeded.ts";

const WAIT_MS = 1_000;

class Busy extends Error {}

function open({ places = 1, waitingMax = 100 } = {}) {
  const timers = fakeTimers(fakeClock());
  const options = { places, waitingMax, waitMs: WAIT_MS, tooBusy: () => new Busy() };
  const turns = createTurns(timers, options);
  /** Who had a place, or was told that it is busy, in order. */
  const log: string[] = [];
  function wait(caller: string, label = caller): AbortController {
    const abort = new AbortController();
    turns.wait(caller, abort.signal).then(
      () => log.push(label),
      (error) => log.push(`${label}: ${error instanceof Busy ? "busy" : error}`),
    );
    return abort;
  }
  async function give(times = 1): Promise<readonly string[]> {
    for (let i = 0; i < times; i++) turns.give();
    await settled();
    return log;
  }
  return { turns, timers, log, wait, give };
}

/** What was resolved has been heard of. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

Deno.test("so many places are there, and no more", () => {
  const { turns } = open({ places: 3 });
  assertEquals(Array.from({ length: 5 }, turns.take), [true, true, true, false, false]);
});

Deno.test("a place that was given back can be taken", () => {
  const { turns } = open();
  turns.take();
  turns.give();
  assertEquals([turns.take(), turns.take()], [true, false]);
});

Deno.test("two callers with one place between them take turns", async () => {
  const { turns, wait, give } = open();
  turns.take();
  for (let i = 0; i < 4; i++) wait("a");
  for (let i = 0; i < 4; i++) wait("b");
  assertEquals(await give(8), ["a", "b", "a", "b", "a", "b", "a", "b"]);
});

Deno.test("a caller that has just come waits for one turn of each other, however many they have", async () => {
  const { turns, wait, give } = open();
  turns.take();
  for (let i = 0; i < 50; i++) wait("flood");
  wait("late");
  assertEquals((await give(2)).indexOf("late"), 1);
});

Deno.test("those of one caller have their turns in the order in which they came", async () => {
  const { turns, wait, give } = open();
  turns.take();
  for (const label of ["1", "2", "3"]) wait("a", label);
  assertEquals(await give(3), ["1", "2", "3"]);
});

Deno.test("nobody takes a place before those who wait", async () => {
  const { turns, wait, give } = open();
  turns.take();
  wait("a");
  await give();
  assertEquals(turns.take(), false);
});

Deno.test("who waits too long is told that it is busy", async () => {
  const { turns, timers, wait, log } = open();
  turns.take();
  wait("a");
  timers.advance(WAIT_MS - 1);
  await settled();
  assertEquals(log, []);
  timers.advance(1);
  await settled();
  assertEquals([log, turns.waiting()], [["a: busy"], 0]);
});

Deno.test("who leaves has no turn any more, and does not count", async () => {
  const { turns, wait, give } = open();
  turns.take();
  const leaver = wait("a", "leaver");
  wait("a", "stayer");
  leaver.abort("left");
  assertEquals(turns.waiting(), 1);
  assertEquals(await give(), ["leaver: left", "stayer"]);
});

Deno.test("the last of a caller that leaves takes its caller's turn along", async () => {
  const { turns, wait, give } = open();
  turns.take();
  wait("a").abort("left");
  wait("b");
  assertEquals((await give())[1], "b");
});

Deno.test("who has left before does not even wait", async () => {
  const { turns } = open();
  turns.take();
  await rejects(turns.wait("a", AbortSignal.abort(new Error("left"))), /left/);
  assertEquals(turns.waiting(), 0);
});

Deno.test("who leaves after its turn keeps its place until it gives it back", async () => {
  const { turns, wait, give } = open();
  turns.take();
  const abort = wait("a");
  await give();
  abort.abort("left");
  assertEquals(turns.take(), false);
});

Deno.test("nothing is left of those who waited", async () => {
  const { turns, timers, wait, give } = open();
  turns.take();
  for (let i = 0; i < 10; i++) wait(`caller ${i}`);
  for (let i = 0; i < 10; i++) wait("leaver").abort("left");
  await give(11);
  assertEquals([turns.waiting(), timers.open(), turns.take()], [0, 0, true]);
});

Deno.test("no more wait than fit: the caller that has all of them is told at once", async () => {
  const { turns, wait, log } = open({ waitingMax: 3 });
  turns.take();
  for (let i = 1; i <= 5; i++) wait("a", `${i}`);
  await settled();
  assertEquals([log, turns.waiting()], [["4: busy", "5: busy"], 3]);
});

Deno.test("in a full queue the longest line makes room for a caller with a shorter one", async () => {
  const { turns, wait, log } = open({ waitingMax: 3 });
  turns.take();
  for (let i = 1; i <= 3; i++) wait("flood", `${i}`);
  wait("late");
  await settled();
  assertEquals([log, turns.waiting()], [["3: busy"], 3]);
});

Deno.test("in a full queue nobody makes room for a line that would be as long as the longest", async () => {
  const { turns, wait, log } = open({ waitingMax: 3 });
  turns.take();
  for (const caller of ["a", "b", "c", "a"]) wait(caller);
  await settled();
  assertEquals(log, ["a: busy"]);
});

Deno.test("places are neither lost nor made up, whoever comes, goes and is late", async () => {
  const { below, pick } = seeded("turns");
  for (let run = 0; run < 50; run++) {
    const places = 1 + below(4);
    const timers = fakeTimers(fakeClock());
    const options = { places, waitingMax: 1 + below(8), waitMs: 100, tooBusy: () => new Busy() };
    const turns = createTurns(timers, options);
    let held = 0;
    const aborts: AbortController[] = [];
    for (let step = 0; step < 300; step++) {
      const move = below(10);
      if (move < 5) {
        const abort = new AbortController();
        aborts.push(abort);
        if (turns.take()) held++;
        else turns.wait(pick(["a", "b", "c"]), abort.signal).then(() => held++, () => {});
      } else if (move < 8 && held > 0) {
        held--;
        turns.give();
      } else if (move === 8 && aborts.length > 0) pick(aborts).abort("left");
      else timers.advance(below(60));
      await settled();
      assert(held <= places && turns.waiting() <= options.waitingMax);
      assert(turns.waiting() === 0 || held === places, "a place is free and somebody waits");
    }
    for (; held > 0; held--) {
      turns.give();
      await settled();
    }
    assertEquals([turns.waiting(), timers.open()], [0, 0]);
  }
});
