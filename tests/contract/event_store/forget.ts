/**
 * When streams and events go.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { writerOf } from "../../../src/events/store.ts";
import { messages } from "../../support/event_model.ts";
import { fakeClock } from "../../support/fake_clock.ts";
import { ALL_BYTES, type Case, type OpenStore, ROOMY, shortcuts } from "./case.ts";

export function expiring(it: Case): void {
  it(
    "EVT-07: a stream is forgotten its time after the last event",
    { ttlMs: 1_000 },
    async (fixture) => {
      const { store, clock, open, append, end, kept } = fixture;
      await open("s");
      await append("s", "a");
      clock.advance(900);
      await end("s", "b");
      clock.advance(999);
      await store.sweep();
      assertEquals(await kept("s"), ["1 a", "2 b"]);
      clock.advance(1);
      await store.sweep();
      assertEquals(await store.find("s"), undefined);
    },
  );

  it("of a live stream the old events are forgotten, and no number is used again", {
    ttlMs: 1_000,
  }, async ({ store, clock, open, append, kept }) => {
    await open("s", { runner: "" });
    await store.append("s", messages(["a", { response: "b" }]), { upstreamEventId: "up" });
    clock.advance(600);
    await append("s", "c");
    clock.advance(400);
    await store.sweep();
    assertEquals(await kept("s"), ["3 c"]);
    clock.advance(600);
    await store.sweep();
    assertEquals(await kept("s"), []);
    assertEquals((await store.find("s"))?.upstreamEventId, "up");
    assertEquals(await append("s", "d"), 4);
    assertEquals(await kept("s"), ["4 d"]);
  });

  it("old events are forgotten also when they were kept as responses", {
    ttlMs: 1_000,
    eventsMax: 2,
  }, async ({ store, clock, open, append, kept }) => {
    await open("s", { runner: "" });
    await append("s", { response: "a" }, "b");
    clock.advance(500);
    await append("s", { response: "c" }, "d", "e", "f");
    assertEquals(await kept("s"), ["1 a", "3 c", "5 e", "6 f"]);
    clock.advance(500);
    await store.sweep();
    assertEquals(await kept("s"), ["3 c", "5 e", "6 f"]);
  });

  for (const [whose, runner] of [["nobody's", ""], ["a writer's", writerOf("one")]] as const) {
    it(
      `a stream of no call stays, however long nothing comes: ${whose}`,
      { ttlMs: 1_000 },
      async (f) => {
        await f.open("s", { runner });
        for (let i = 0; i < 5; i++) {
          f.clock.advance(5_000);
          await f.store.sweep();
        }
        assertEquals(await f.append("s", "a"), 1);
      },
    );
  }

  it("a stream of no call that is claimed by a writer stays too", { ttlMs: 1_000 }, async (f) => {
    await f.open("s", { runner: writerOf("one") });
    assertEquals(await f.store.claim("s", writerOf("one"), writerOf("two")), true);
    for (let i = 0; i < 5; i++) {
      f.clock.advance(5_000);
      await f.store.sweep();
    }
    assertEquals(await f.append("s", "a"), 1);
  });

  it("a call that nobody runs any more is forgotten", { ttlMs: 1_000 }, async (fixture) => {
    const { store, clock, open, append } = fixture;
    await open("never used");
    await open("left");
    clock.advance(500);
    await append("left", "a");
    clock.advance(500);
    await store.sweep();
    assertEquals(await store.find("never used"), undefined);
    assertEquals((await store.find("left"))?.lastSeq, 1);
    clock.advance(500);
    await store.sweep();
    assertEquals(await store.find("left"), undefined);
  });

  it("a call that is appended to or claimed in time stays", { ttlMs: 1_000 }, async (fixture) => {
    const { store, clock, open, append } = fixture;
    await open("s", { runner: "a" });
    await open("t", { runner: "a" });
    for (const [from, to] of ["ab", "bc", "cd", "de"]) {
      clock.advance(900);
      // Of no events: a sign of life.
      assertEquals(await append("s"), 0);
      assertEquals(await store.claim("t", from!, to!), true);
      await store.sweep();
    }
    assertEquals((await store.find("s"))?.lastSeq, 0);
    assertEquals((await store.find("t"))?.runner, "e");
  });

  it("who follows a stream hears that its time is over", { ttlMs: 1_000 }, async (fixture) => {
    const { store, clock, open, end } = fixture;
    await open("s");
    await end("s", "a");
    const heard: unknown[] = [];
    store.follow("s", (news) => heard.push(news));
    clock.advance(1_000);
    await store.sweep();
    await store.sweep();
    assertEquals(heard, [undefined]);
  });
}

export function forgetting(it: Case): void {
  it("EVT-07: erase() forgets all streams of a session and no other", {}, async (fixture) => {
    const { store, open, append, end } = fixture;
    await open("s");
    await open("t");
    await open("other", { session: "other" });
    await append("s", "a");
    await end("t", "b");
    await append("other", "c");
    await store.erase("session");
    for (const id of ["s", "t"]) {
      assertEquals(await store.find(id), undefined);
      assertEquals(await store.replay(id, 0, ALL_BYTES), undefined);
      assertEquals(await append(id, "late"), undefined);
      assertEquals(await store.claim(id, "runner", "new"), false);
    }
    assertEquals((await store.find("other"))?.lastSeq, 1);
  });

  it("who follows a stream hears once that it is erased", {}, async ({ store, open, append }) => {
    await open("s");
    const heard: (number | undefined)[] = [];
    store.follow("s", (news) => heard.push(news?.firstSeq));
    await Promise.all([append("s", "a"), store.erase("session"), store.erase("session")]);
    await open("s");
    await append("s", "b");
    assertEquals(heard, [1, undefined]);
  });

  it("erase() of many long streams leaves nothing of them", { eventsMax: 2_000 }, async (f) => {
    for (const id of ["s", "t"]) {
      await f.open(id);
      for (let i = 0; i < 1_000; i++) await f.append(id, `${i}`);
    }
    await f.store.erase("session");
    assertEquals(await f.kept("s"), undefined);
    assertEquals(await f.open("s"), true);
    assertEquals(await f.kept("s"), []);
  });

  it("EVT-06: a session with too many streams loses the oldest that has ended", {
    sessionStreamsMax: 2,
  }, async ({ store, open, end }) => {
    const present = async () => {
      const ids = ["s", "t", "u", "v", "w"];
      const states = await Promise.all(ids.map((id) => store.find(id)));
      return ids.filter((_, i) => states[i] !== undefined).join("");
    };
    await open("s");
    await open("t");
    await open("u");
    assertEquals(await present(), "stu");
    await end("u", "a");
    await end("t", "b");
    await open("v");
    assertEquals(await present(), "suv");
    await open("w", { session: "other" });
    assertEquals(await present(), "suvw");
  });

  it("a stream that ends counts as ended for the next one", { sessionStreamsMax: 1 }, async (f) => {
    await f.open("s");
    await Promise.all([f.end("s", "a"), f.open("t")]);
    assertEquals(await f.store.find("s"), undefined);
  });

  it("a session's oldest stream goes at once, however long it is", {
    sessionStreamsMax: 1,
    eventsMax: 2_000,
  }, async ({ store, open, append, end }) => {
    await open("s");
    for (let i = 0; i < 1_000; i++) await append("s", "a");
    await end("s");
    await open("t");
    assertEquals(await store.find("s"), undefined);
  });

  it(
    "streams count for what all hold, also without events",
    { totalBytesMax: 20_000 },
    async (f) => {
      const ids = Array.from({ length: 100 }, (_, i) => `${i}`);
      for (const id of ids) {
        await f.open(id, { session: id });
        await f.end(id);
        f.clock.advance(1);
      }
      await f.store.sweep();
      assertEquals(await f.store.find("0"), undefined);
      assertEquals((await f.store.find("99"))?.isEnded, true);
    },
  );

  it("what is gone does not count any more, however it went", {
    eventsMax: 3,
    ttlMs: 1_000,
    sessionStreamsMax: 3,
    totalBytesMax: 200_000,
  }, async ({ store, clock, open, append, end }) => {
    const text = "x".repeat(20_000);
    await open("live", { runner: "", session: "long" });
    for (let round = 0; round < 5; round++) {
      await append("live", { response: text }, text);
      for (let i = 0; i < 5; i++) await append("live", text);
      for (const id of ["erased", "surplus", "s", "t", "u"]) {
        await open(id, { session: id === "erased" ? id : "short" });
        await end(id, text);
      }
      await store.erase("erased");
      clock.advance(1_000);
      await store.sweep();
    }
    const ids = Array.from({ length: 12 }, (_, i) => `${i}`);
    for (const id of ids) {
      await open(id, { session: id });
      await end(id, text);
      clock.advance(1);
    }
    await store.sweep();
    const states = await Promise.all(ids.map((id) => store.find(id)));
    assertEquals(states.findIndex((state) => state !== undefined), 3);
  });

  it(
    "EVT-06: the oldest ended streams go when all hold too much",
    { totalBytesMax: 100_000 },
    async (f) => {
      const text = "x".repeat(20_000);
      await f.open("live");
      await f.append("live", text);
      for (const id of ["s", "t", "u", "v"]) await f.open(id);
      // Those that ended first go first, not those that were opened first.
      for (const id of ["t", "s", "u", "v"]) {
        f.clock.advance(1);
        await f.end(id, text);
      }
      await f.store.sweep();
      const states = await Promise.all(["live", "t", "s", "u", "v"].map((id) => f.store.find(id)));
      assertEquals(states.map((state) => state?.lastSeq), [1, undefined, 1, 1, 1]);
    },
  );

  it("live streams stay, however much they hold", { totalBytesMax: 10_000 }, async (fixture) => {
    const { store, open, append, kept } = fixture;
    await open("s");
    await append("s", "x".repeat(20_000));
    await store.sweep();
    assertEquals((await kept("s"))?.length, 1);
  });

  it("sweep() of the same turn as appends loses none of them", {}, async (fixture) => {
    const { store, open, append, kept } = fixture;
    await open("s");
    const answers = [append("s", "a"), store.sweep(), store.sweep(), append("s", "b")];
    assertEquals(await Promise.all(answers), [1, undefined, undefined, 2]);
    assertEquals(await kept("s"), ["1 a", "2 b"]);
  });

  it("sweep() amid appends loses no event and no number", {}, async (fixture) => {
    const { store, clock, open, append, kept } = fixture;
    await open("s", { runner: "" });
    await append("s", "old");
    clock.advance(ROOMY.ttlMs);
    let isSwept = false;
    let isLast = false;
    const expected: string[] = [];
    const appended = (async () => {
      for (let seq = 2; !isLast; seq++) {
        isLast = isSwept;
        expected.push(`${seq} ${seq}`);
        assertEquals(await append("s", `${seq}`), seq);
      }
    })();
    await Promise.all([store.sweep(), store.sweep()]);
    isSwept = true;
    await appended;
    assertEquals(await kept("s"), expected);
  });
}

/** Not of a store whose streams are forgotten by themselves. */
export function sweeping(it: Case, openStore: OpenStore): void {
  it("sweep() lets others work in between", {}, async () => {
    const wall = fakeClock();
    let readings = 0;
    const clock = { now: wall.now, monotonic: () => readings++ };
    await using opened = await openStore(ROOMY, clock);
    const { store, open, append, end } = shortcuts(opened);
    for (let i = 0; i < 50; i++) {
      await open(`${i}`, { session: `${i}` });
      await end(`${i}`, "a");
    }
    wall.advance(ROOMY.ttlMs);
    await open("live");
    const swept = store.sweep();
    assertEquals(await append("live", "b"), 1);
    assertEquals((await store.find("49"))?.lastSeq, 1);
    await swept;
    assertEquals(await store.find("49"), undefined);
  });
}
