/**
 * Who is the only replica, and what becomes of one that is not any more.
 *
 * @module
 */
import {
  deepStrictEqual as assertEquals,
  ok as assert,
  rejects as assertRejects,
} from "node:assert/strict";
import { createSole } from "../../src/app/sole.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { until } from "../support/until.ts";

const SECOND_MS = 1_000;

function openWorld() {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const reasons: string[] = [];
  const sole = createSole({ clock, timers, giveUp: (reason) => void reasons.push(reason) });
  /** The database says it with each question, every second. */
  const told = (isSole: boolean, seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      sole.note(isSole);
      clock.advance(SECOND_MS);
    }
  };
  return { timers, sole, told, reasons };
}

Deno.test("a start waits for a process that has just ended", async () => {
  const { timers, sole } = openWorld();
  sole.note(false);
  let asked = 0;
  const taken = sole.taken(() => Promise.resolve(sole.note(++asked === 2)));
  for (const count of [1, 2]) {
    timers.advance(SECOND_MS);
    await until("a question", () => asked === count);
  }
  await taken;
});

Deno.test("a start ends when another process stays", async () => {
  const { told, sole } = openWorld();
  told(false, 4);
  await assertRejects(sole.taken(() => Promise.resolve()), /REDIS_URL/);
});

Deno.test("whoever has lost its place gives up when another one stays there, and not before", () => {
  const { told, reasons } = openWorld();
  told(true, 1);
  told(false, 30);
  assertEquals(reasons, []);
  told(false, 2);
  assert(reasons.length > 0);
});

Deno.test("a lost connection that the server still holds open costs nobody his place", () => {
  const { told, reasons } = openWorld();
  for (let i = 0; i < 3; i++) {
    told(true, 1);
    told(false, 20);
  }
  assertEquals(reasons, []);
});
