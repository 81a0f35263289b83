/**
 * Hearing at once what is appended.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { News } from "../../../src/events/store.ts";
import { messages, textOf } from "../../support/event_model.ts";
import type { Case, StoreOfStreams } from "./case.ts";

export function following(it: Case): void {
  it("a follower hears of each append(), in order", {}, async ({ store, open, append, end }) => {
    await open("s");
    await append("s", "before");
    const heard: (News | undefined)[] = [];
    store.follow("s", (news) => heard.push(news));
    await Promise.all([append("s", "a", "b"), append("s"), end("s", { response: "c" })]);
    assertEquals(heard, [
      { firstSeq: 2, events: messages(["a", "b"]), isEnded: false },
      { firstSeq: 4, events: [], isEnded: false },
      { firstSeq: 4, events: messages([{ response: "c" }]), isEnded: true },
    ]);
  });

  it("a follower has heard by the time that append() resolves", {}, async (fixture) => {
    const { store, open, append } = fixture;
    await open("s");
    const order: string[] = [];
    store.follow("s", (news) => order.push(`heard ${news?.firstSeq}`));
    await Promise.all(
      [1, 2, 3].map((seq) => append("s", `${seq}`).then(() => order.push(`kept ${seq}`))),
    );
    for (const seq of [1, 2, 3]) {
      assertEquals(order.indexOf(`heard ${seq}`) < order.indexOf(`kept ${seq}`), true);
    }
    assertEquals(order.filter((text) => text.startsWith("kept")), ["kept 1", "kept 2", "kept 3"]);
  });

  it("a follower hears nothing of other streams, nor of what is refused", {}, async (fixture) => {
    const { store, open, append } = fixture;
    await open("s");
    await open("t");
    const heard: unknown[] = [];
    store.follow("s", (news) => heard.push(news));
    await append("t", "a");
    await store.append("s", messages(["b"]), { runner: "other" });
    assertEquals(heard, []);
  });

  it("who has stopped following hears nothing more", {}, async ({ store, open, append }) => {
    await open("s");
    const heard: string[] = [];
    let stopSecond = () => {};
    const stopFirst = store.follow("s", () => {
      heard.push("first");
      stopSecond();
    });
    stopSecond = store.follow("s", () => heard.push("second"));
    store.follow("s", () => heard.push("third"));
    await append("s", "a");
    stopFirst();
    stopFirst();
    await append("s", "b");
    assertEquals(heard, ["first", "third", "third"]);
  });

  it("a follower may append, and all hear of it in order", {}, async ({ store, open, append }) => {
    await open("s");
    let answered: Promise<unknown> | undefined;
    store.follow("s", () => answered ??= append("s", "b"));
    const heard: (number | undefined)[] = [];
    store.follow("s", (news) => heard.push(news?.firstSeq));
    await append("s", "a");
    await answered;
    assertEquals(heard, [1, 2]);
  });

  it("EVT-05: a replay and what follows it have no gap, no repetition and one order", {
    eventsMax: 10_000,
  }, async ({ store, open }) => {
    await open("s");
    const written = (async () => {
      let answers: Promise<unknown>[] = [];
      for (let first = 1, size = 1; first <= 10_000; first += size, size = 1 + first % 20) {
        const texts = Array.from({ length: Math.min(size, 10_001 - first) }, (_, i) => {
          return `event ${first + i}`;
        });
        answers.push(store.append("s", messages(texts), { ends: first + size > 10_000 }));
        if (first % 3 !== 0) continue;
        await Promise.all(answers);
        answers = [];
      }
      await Promise.all(answers);
    })();
    const seen: string[] = [];
    for (let reader = 0; reader < 3; reader++) seen.push(...await tail(store, "s", 0));
    await written;
    const all = Array.from({ length: 10_000 }, (_, i) => `${i + 1} event ${i + 1}`);
    assertEquals(seen.length, 30_000);
    assertEquals(seen, [...all, ...all, ...all]);
  });
}

/** What a connection does: reads what is kept in slices, then lives on what it hears. */
async function tail(store: StoreOfStreams, id: string, afterSeq: number): Promise<string[]> {
  const seen: string[] = [];
  const heard: News[] = [];
  let wake = () => {};
  let nextSeq = afterSeq + 1;
  const stop = store.follow(id, (news) => {
    if (news !== undefined) heard.push(news);
    wake();
  });
  for (let isEnded = false; !isEnded;) {
    const replay = (await store.replay(id, nextSeq - 1, 500))!;
    for (const event of replay.events) {
      assertEquals(event.seq, nextSeq++);
      seen.push(textOf(event));
    }
    if (nextSeq <= replay.lastSeq) continue;
    isEnded = replay.isEnded;
    while (!isEnded) {
      const news = heard.shift();
      if (news === undefined) {
        await new Promise<void>((resolve) => wake = resolve);
        continue;
      }
      // Heard while the replay was on its way; or more than was replayed in between.
      assertEquals(news.firstSeq <= nextSeq, true);
      for (const [i, event] of news.events.entries()) {
        if (news.firstSeq + i < nextSeq) continue;
        seen.push(textOf({ seq: nextSeq++, message: event.message }));
      }
      isEnded = news.isEnded;
    }
  }
  stop();
  return seen;
}
