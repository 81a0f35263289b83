/**
 * How many servers are read at once.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { createSlots } from "../../src/catalog/slots.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { turnsPass } from "../support/fake_reader.ts";

function openWorld() {
  const timers = fakeTimers(fakeClock());
  const slots = createSlots(2, 2000, timers);
  const ends: (() => void)[] = [];
  const begin = () => slots.within(() => new Promise<void>((resolve) => ends.push(resolve)));
  return { timers, slots, ends, begin };
}

Deno.test("no more than the slots allow are done at once", async () => {
  const { ends, begin } = openWorld();
  for (let i = 0; i < 5; i++) void begin();
  await turnsPass(2);
  assertEquals(ends.length, 2);
});

Deno.test("whoever is done makes room for one", async () => {
  const { ends, begin } = openWorld();
  for (let i = 0; i < 5; i++) void begin();
  await turnsPass(2);
  ends[0]!();
  await turnsPass(2);
  assertEquals(ends.length, 3);
});

Deno.test("those that hang lose their slot to others", async () => {
  const { ends, begin, timers } = openWorld();
  for (let i = 0; i < 4; i++) void begin();
  await turnsPass(2);
  timers.advance(2000);
  await turnsPass(2);
  assertEquals(ends.length, 4);
});

Deno.test("one that hung and ends frees nothing twice", async () => {
  const { ends, begin, timers } = openWorld();
  void begin();
  await turnsPass(2);
  timers.advance(2000);
  ends[0]!();
  await turnsPass(2);
  for (let i = 0; i < 5; i++) void begin();
  await turnsPass(2);
  assertEquals(ends.length, 3);
});

Deno.test("a failure is passed on, and frees the slot", async () => {
  const { slots, ends, begin } = openWorld();
  await assertRejects(slots.within(() => Promise.reject(new Error("no"))), { message: "no" });
  void begin();
  void begin();
  await turnsPass(2);
  assertEquals(ends.length, 2);
});
