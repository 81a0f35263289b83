/**
 * The seven weak spots of the store in the reference, as far as they concern a store: whom an
 * event id belongs to and the event that opens a stream are settled where ids are made.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { ALL_BYTES, type Case, ROOMY } from "./case.ts";

export function weakSpots(it: Case): void {
  it("weak spot (a): nothing is allocated for events that may never come", {
    eventsMax: Number.MAX_SAFE_INTEGER,
    bytesMax: Number.MAX_SAFE_INTEGER,
  }, async ({ open, end, kept }) => {
    await open("s");
    await end("s", { response: "a" });
    assertEquals(await kept("s"), ["1 a"]);
  });

  it("weak spot (b): streams do not pile up", { sessionStreamsMax: 3 }, async (fixture) => {
    const { store, clock, open, end } = fixture;
    const ids = Array.from({ length: 100 }, (_, i) => `${i}`);
    for (const id of ids) {
      await open(id);
      await end(id, { response: "a" });
    }
    const present = async () => {
      const states = await Promise.all(ids.map((id) => store.find(id)));
      return states.filter((state) => state !== undefined).length;
    };
    assertEquals(await present(), 3);
    clock.advance(ROOMY.ttlMs);
    await store.sweep();
    assertEquals(await present(), 0);
  });

  for (const eventsMax of [1, 5, 250]) {
    it(`weak spot (c): the settings count, be it ${eventsMax} events`, {
      eventsMax,
    }, async ({ open, append, kept }) => {
      await open("s");
      for (let i = 1; i <= 300; i++) await append("s", "a");
      assertEquals((await kept("s"))?.length, eventsMax);
    });
  }

  it(
    "weak spot (d): a stream is its session's, and no other session has it",
    {},
    async ({ all, open, append, kept }) => {
      await open("s", { session: "somebody's" });
      await append("s", "a");
      assertEquals(await all.find("other", "s"), undefined);
      assertEquals(await all.replay("other", "s", 0, ALL_BYTES), undefined);
      assertEquals(await all.append("other", "s", []), undefined);
      assertEquals(await all.claim("other", "s", "runner", "thief"), false);
      assertEquals(await kept("s"), ["1 a"]);
    },
  );

  it("weak spot (e): there is no event without a message", {}, async ({ open, append, kept }) => {
    await open("s");
    assertEquals(await append("s"), 0);
    assertEquals(await append("s", "a"), 1);
    assertEquals(await append("s"), 1);
    assertEquals(await kept("s"), ["1 a"]);
  });

  it("weak spot (f): many at once keep one order in all respects", {}, async (fixture) => {
    const { store, open, append, kept } = fixture;
    await open("s");
    const told: number[] = [];
    store.follow("s", (news) => told.push(news!.firstSeq));
    const resolved: (number | undefined)[] = [];
    await Promise.all(Array.from({ length: 500 }, async (_, i) => {
      resolved.push(await append("s", `call ${i + 1}`));
    }));
    const numbers = Array.from({ length: 500 }, (_, i) => i + 1);
    assertEquals(told, numbers);
    assertEquals(resolved, numbers);
    assertEquals(await kept("s"), numbers.map((seq) => `${seq} call ${seq}`));
  });

  it("EVT-04: weak spot (g): what is lost shows as a hole", { eventsMax: 2 }, async (fixture) => {
    const { store, open, append, kept } = fixture;
    await open("s");
    await append("s", "a", "b", "c", "d");
    assertEquals(await kept("s", 1), ["3 c", "4 d"]);
    assertEquals((await store.replay("s", 0, ALL_BYTES))?.lastSeq, 4);
  });
}
