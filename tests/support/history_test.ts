/**
 * The checker finds each kind of breach, and nothing in a history that is as it should be.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Breach, findBreaches, type Happening, type HeardEvent } from "./history.ts";

const sent = (call: string, by = "alice"): Happening => ({ what: "sent", call, by });
const executed = (call: string, session?: string): Happening => ({
  what: "executed",
  call,
  session,
});
const answered = (call: string, names = [call], hasOwnId = true): Happening => ({
  what: "answered",
  call,
  names,
  hasOwnId,
});
const failed = (call: string, isNothingDone: boolean, names: string[] = []): Happening => ({
  what: "failed",
  call,
  error: "-31000",
  isNothingDone,
  names,
  hasOwnId: true,
});
const heard = (call: string, nth: number, id?: string, names = [call]): Happening => {
  const event: HeardEvent = { id, nth, names };
  return { what: "heard", call, event };
};

const CLEAN: readonly Happening[] = [
  sent("a1"),
  sent("b1", "bob"),
  executed("a1", "s1"),
  executed("b1", "s2"),
  heard("a1", 1, "e1"),
  heard("a1", 2, "e2"),
  // Again, after the connection was lost.
  heard("a1", 2, "e2"),
  heard("a1", 3, "e3"),
  answered("b1"),
  answered("a1"),
  sent("a2"),
  failed("a2", true),
  sent("a3"),
  executed("a3", "s1"),
  failed("a3", false),
  // Two principals may be given the same event id.
  sent("b2", "bob"),
  executed("b2", "s2"),
  heard("b2", 1, "e1"),
  answered("b2"),
];

const BREACHES: Readonly<Record<Breach, readonly Happening[]>> = {
  "answer of another principal": [
    sent("a"),
    sent("b", "bob"),
    executed("a"),
    executed("b"),
    answered("a", ["a", "b"]),
    answered("b"),
  ],
  "answer of another call": [
    sent("a"),
    sent("b"),
    executed("a"),
    executed("b"),
    heard("a", 1, undefined, ["b"]),
    answered("a"),
    answered("b"),
  ],
  "answer without its own name": [sent("a"), executed("a"), answered("a", [])],
  "answer under another id": [sent("a"), executed("a"), answered("a", ["a"], false)],
  "answered twice": [sent("a"), executed("a"), answered("a"), failed("a", false)],
  "never answered": [sent("a"), executed("a")],
  "executed twice": [sent("a"), executed("a"), executed("a"), answered("a")],
  "executed and never sent": [executed("a")],
  "success made up": [sent("a"), answered("a"), executed("a")],
  "failure made up": [sent("a"), failed("a", true), executed("a")],
  "session of two principals": [
    sent("a"),
    sent("b", "bob"),
    executed("a", "s"),
    executed("b", "s"),
    answered("a"),
    answered("b"),
  ],
  "event with two ids": [
    sent("a"),
    executed("a"),
    heard("a", 1, "e1"),
    heard("a", 1, "e2"),
    answered("a"),
  ],
  "id of two events": [
    sent("a"),
    executed("a"),
    heard("a", 1, "e1"),
    heard("a", 2, "e1"),
    answered("a"),
  ],
  "hole in a stream": [
    sent("a"),
    executed("a"),
    heard("a", 1, "e1"),
    heard("a", 3, "e3"),
    answered("a"),
  ],
};

Deno.test("findBreaches() finds nothing where all is well", () => {
  assertEquals(findBreaches(CLEAN), []);
});

for (const [breach, history] of Object.entries(BREACHES)) {
  Deno.test(`findBreaches() finds: ${breach}`, () => {
    assertEquals(findBreaches(history).map((one) => one.breach), [breach]);
  });
}

Deno.test("findBreaches() finds what comes again without an id to know it by", () => {
  const history = [sent("a"), executed("a"), heard("a", 1), heard("a", 1), answered("a")];
  assertEquals(findBreaches(history).map(({ breach }) => breach), ["hole in a stream"]);
});

Deno.test("findBreaches() finds an error that tells of somebody else", () => {
  const history = [sent("a"), sent("b", "bob"), failed("a", false, ["b"]), failed("b", false)];
  assertEquals(findBreaches(history).map(({ breach }) => breach), ["answer of another principal"]);
});
