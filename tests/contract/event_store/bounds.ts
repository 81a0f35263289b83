/**
 * What is kept of a stream that gets more than it may hold.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { NewEvent } from "../../../src/events/store.ts";
import { keptOf, messages, textOf } from "../../support/event_model.ts";
import { seeded } from "../../support/seeded.ts";
import type { Case } from "./case.ts";

export function bounding(it: Case): void {
  it("EVT-06: the newest events are kept", { eventsMax: 3 }, async ({ open, append, kept }) => {
    await open("s");
    for (const text of ["a", "b", "c", "d", "e"]) await append("s", text);
    assertEquals(await kept("s"), ["3 c", "4 d", "5 e"]);
  });

  it("an append() can be partly out of bounds", { eventsMax: 3 }, async (fixture) => {
    const { open, append, kept } = fixture;
    await open("s");
    await append("s", "a", "b");
    await append("s", "c", "d");
    assertEquals(await kept("s"), ["2 b", "3 c", "4 d"]);
    await append("s", "e", "f", "g", "h", "i");
    assertEquals(await kept("s"), ["7 g", "8 h", "9 i"]);
  });

  it("EVT-06: the newest bytes are kept", { bytesMax: 10 }, async ({ open, append, kept }) => {
    await open("s");
    await append("s", "aaaa", "bb", "c");
    assertEquals(await kept("s"), ["1 aaaa", "2 bb", "3 c"]);
    await append("s", "dddd");
    assertEquals(await kept("s"), ["2 bb", "3 c", "4 dddd"]);
    await append("s", "eeeee");
    assertEquals(await kept("s"), ["3 c", "4 dddd", "5 eeeee"]);
    await append("s", "ffffff");
    assertEquals(await kept("s"), ["6 ffffff"]);
  });

  it("what exceeds the bytes alone is a number without an event", { bytesMax: 10 }, async (f) => {
    await f.open("s");
    await f.append("s", "a");
    assertEquals(await f.append("s", "much too long"), 2);
    assertEquals(await f.kept("s"), []);
    assertEquals((await f.store.find("s"))?.lastSeq, 2);
    await f.append("s", "c");
    assertEquals(await f.kept("s"), ["3 c"]);
  });

  it("a final response is kept even above the bytes", { bytesMax: 10 }, async (fixture) => {
    const { open, append, end, kept } = fixture;
    await open("s");
    await append("s", "a");
    assertEquals(await end("s", { response: "much too long" }), 2);
    assertEquals(await kept("s"), ["2 much too long"]);
  });

  it("a response is kept however much comes after it", { eventsMax: 2 }, async (fixture) => {
    const { open, append, kept } = fixture;
    await open("s");
    await append("s", "a", { response: "b" }, "c");
    for (const text of ["d", "e", "f"]) await append("s", text);
    assertEquals(await kept("s"), ["2 b", "5 e", "6 f"]);
    assertEquals(await kept("s", 2), ["5 e", "6 f"]);
  });

  it(
    "a response within an append() larger than the bounds is kept",
    { eventsMax: 2 },
    async (f) => {
      await f.open("s");
      await f.append("s", "a", { response: "b" }, "c", "d", "e");
      assertEquals(await f.kept("s"), ["2 b", "4 d", "5 e"]);
    },
  );

  for (const round of ["at the first", "at the second", "at the third"]) {
    it(`the rule holds for whatever comes in whatever pieces, ${round} try`, {
      eventsMax: 7,
      bytesMax: 60,
    }, async ({ store, open, append, kept }) => {
      const random = seeded("event store contract");
      const model: NewEvent[] = [];
      await open("s");
      for (let turn = 0; turn < 300; turn++) {
        const texts = Array.from({ length: random.below(11) }, () => {
          const text = "x".repeat(1 + random.below(random.pick([5, 20, 90])));
          return random.below(15) === 0 ? { response: text } : text;
        });
        // Several in one turn of the event loop, or one.
        const half = random.below(texts.length + 1);
        await Promise.all([
          append("s", ...texts.slice(0, half)),
          append("s", ...texts.slice(half)),
        ]);
        if (random.below(10) === 0) await store.sweep();
        model.push(...messages(texts));
        const afterSeq = random.below(model.length + 1);
        const expected = keptOf(model, 7, 60).filter(({ seq }) => seq > afterSeq).map(textOf);
        assertEquals(await kept("s", afterSeq), expected);
      }
    });
  }
}
