/**
 * Numbers, order, and what is read back.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { StreamEvent } from "../../../src/events/store.ts";
import { messages, textOf } from "../../support/event_model.ts";
import { ALL_BYTES, type Case } from "./case.ts";

export function ordering(it: Case): void {
  it("events are numbered from 1 in the order of append()", {}, async ({ open, append, kept }) => {
    await open("s");
    assertEquals(await append("s", "a", "b"), 2);
    assertEquals(await append("s", "c"), 3);
    assertEquals(await kept("s"), ["1 a", "2 b", "3 c"]);
  });

  it("a new stream has no events", {}, async ({ store, open }) => {
    assertEquals(await open("s", { note: "what to go on with" }), true);
    assertEquals(await store.find("s"), {
      runner: "runner",
      note: "what to go on with",
      upstreamEventId: undefined,
      lastSeq: 0,
      isEnded: false,
    });
    assertEquals(await store.replay("s", 0, ALL_BYTES), {
      events: [],
      lastSeq: 0,
      isEnded: false,
    });
  });

  it("open() leaves a stream alone that is there already", {}, async ({ open, append, kept }) => {
    await open("s");
    await append("s", "a");
    assertEquals(await open("s"), false);
    assertEquals(await kept("s"), ["1 a"]);
  });

  it("of two open() at once the first wins", {}, async ({ store, open }) => {
    assertEquals(
      await Promise.all([open("s", { note: "first" }), open("s", { note: "second" })]),
      [true, false],
    );
    assertEquals((await store.find("s"))?.note, "first");
  });

  it("what is asked for at once is done in the order of the calls", {}, async (fixture) => {
    const { store, open, append, end, kept } = fixture;
    const answers = await Promise.all([
      append("s", "too early"),
      open("s"),
      append("s", "a"),
      kept("s"),
      append("s", "b"),
      store.claim("s", "runner", "other"),
      store.append("s", messages(["c"]), { runner: "runner" }),
      store.append("s", messages(["c"]), { runner: "other" }),
      end("s", "d"),
      append("s", "too late"),
      store.find("s").then((state) => state?.lastSeq),
      kept("s"),
      store.erase("session"),
      kept("s"),
      open("s"),
      append("s", "anew"),
    ]);
    const all = ["1 a", "2 b", "3 c", "4 d"];
    assertEquals(answers, [
      ...[undefined, true, 1, ["1 a"], 2, true, undefined, 3, 4, undefined, 4, all],
      ...[undefined, undefined, true, 1],
    ]);
  });

  it("streams are separate, however their events interleave", {}, async (fixture) => {
    const { open, append, kept } = fixture;
    await open("s");
    await open("t");
    await Promise.all([append("s", "a"), append("t", "b"), append("s", "c"), append("t", "d")]);
    assertEquals(await append("s", "e"), 3);
    assertEquals(await kept("s"), ["1 a", "2 c", "3 e"]);
    assertEquals(await kept("t"), ["1 b", "2 d"]);
  });

  it("messages are kept byte for byte", {}, async ({ store, open }) => {
    await open("s");
    const bytes = Uint8Array.from({ length: 3_000 }, (_, i) => i % 256);
    const views = [bytes.subarray(1, 300), bytes, bytes.subarray(2_999)];
    await store.append("s", views.map((message) => ({ message, isResponse: false })));
    const replay = await store.replay("s", 0, ALL_BYTES);
    assertEquals(replay?.events.map((event) => [...event.message]), views.map((view) => [...view]));
  });
}

export function replaying(it: Case): void {
  it("replay() gives what comes after a number", {}, async ({ open, append, kept }) => {
    await open("s");
    await append("s", "a", "b");
    await append("s", "c", "d");
    assertEquals(await kept("s", 1), ["2 b", "3 c", "4 d"]);
    assertEquals(await kept("s", 3), ["4 d"]);
    assertEquals(await kept("s", 4), []);
    assertEquals(await kept("s", 99), []);
  });

  it("replay() in slices goes on without a gap", { eventsMax: 500 }, async (fixture) => {
    const { store, open, append } = fixture;
    await open("s");
    for (let i = 0; i < 60; i++) {
      await append("s", ...Array.from({ length: i % 21 }, (_, k) => `${i}.${k}`));
    }
    const all = (await store.replay("s", 0, ALL_BYTES))!;
    const seen: StreamEvent[] = [];
    let slices = 0;
    for (let afterSeq = 0; afterSeq < all.lastSeq; slices++) {
      const { events } = (await store.replay("s", afterSeq, 40))!;
      assertEquals(bytesOf(events) <= 40, true);
      seen.push(...events);
      afterSeq = events.at(-1)!.seq;
    }
    assertEquals(seen.map(textOf), all.events.map(textOf));
    assertEquals(slices > 20, true);
  });

  it("replay() gives at least one event, however long", {}, async ({ store, open, append }) => {
    await open("s");
    await append("s", "a long one", "b");
    const replay = await store.replay("s", 0, 1);
    assertEquals(replay?.events.map(textOf), ["1 a long one"]);
    assertEquals(replay?.lastSeq, 2);
  });

  it("replay() tells whether more can come", {}, async ({ store, open, end }) => {
    await open("s");
    assertEquals((await store.replay("s", 0, ALL_BYTES))?.isEnded, false);
    await end("s", "a");
    assertEquals((await store.replay("s", 1, ALL_BYTES))?.isEnded, true);
  });

  it("there is nothing to say of a stream that never was", {}, async ({ store, append }) => {
    assertEquals(await store.replay("s", 0, ALL_BYTES), undefined);
    assertEquals(await store.find("s"), undefined);
    assertEquals(await store.claim("s", "", "runner"), false);
    assertEquals(await append("s", "a"), undefined);
  });
}

function bytesOf(events: readonly StreamEvent[]): number {
  return events.reduce((sum, event) => sum + event.message.length, 0);
}
