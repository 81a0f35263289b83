/**
 * A connection's place in a stream: every event once and in order, whether it comes in time or is
 * read back; what is lost is told; and it ends with the stream.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../../src/domain/limits.ts";
import { textOf } from "../../support/bytes.ts";
import type { Text } from "../../support/event_model.ts";
import { LARGE, openStream, readToEnd, textIn, turn } from "../../support/reader_world.ts";
import { seeded } from "../../support/seeded.ts";

// ── What is there, and what comes ───────────────────────────────────────────────────────────────

Deno.test("what is kept comes first, then what is stored, each once and in order", async () => {
  const { append, open, take } = await openStream();
  await append("a", "b");
  const { reader } = open();
  assertEquals(await take(reader), ["1 a", "2 b"]);
  await append("c");
  assertEquals(await take(reader), ["3 c"]);
  await append("d", "e");
  await append("f");
  assertEquals(await take(reader), ["4 d", "5 e", "6 f"]);
});

Deno.test("a reader that waits gets what is stored at once", async () => {
  const { append, open, take } = await openStream();
  const { reader } = open();
  const taken = take(reader);
  await append("a");
  assertEquals(await taken, ["1 a"]);
});

Deno.test("a reader begins behind the event that it is told", async () => {
  const { append, open, take } = await openStream();
  await append("a", "b", "c");
  const { reader } = open({ afterSeq: 2 });
  await append("d");
  assertEquals(await take(reader), ["3 c", "4 d"]);
});

Deno.test("F25: a reader does not go back when the store is behind what its client has", async () => {
  const { append, open, take } = await openStream();
  await append("a");
  const { reader } = open({ afterSeq: 3 });
  const taken = take(reader);
  await append("b");
  await append("c");
  await append("d");
  assertEquals(await taken, ["4 d"]);
});

Deno.test("a reader that is up to date reads nothing back", async () => {
  const { append, open, take, replays } = await openStream();
  await append("a");
  const { reader } = open();
  await take(reader);
  const before = replays();
  for (const text of ["b", "c", "d"]) {
    await append(text);
    await take(reader);
  }
  assertEquals(replays(), before);
});

Deno.test("EVT-05: what is stored while the store is read comes once, behind what was read", async () => {
  const { append, open, take, hold } = await openStream();
  await append("a");
  const { reader } = open();
  const held = hold();
  const taken = take(reader);
  await held.isReading;
  await append("b");
  await append("c");
  held.release();
  assertEquals([await taken, await take(reader)], [["1 a"], ["2 b", "3 c"]]);
});

Deno.test("a reader that falls behind catches up: every event once and in order", async () => {
  const { append, open, takeAll } = await openStream();
  const { reader } = open();
  const texts = Array.from({ length: 20 }, (_, i) => `${i}${LARGE}`);
  for (const text of texts) await append(text);
  await append({ response: "end" });
  assertEquals(
    (await takeAll(reader, 21)).map(short),
    [...texts, "end"].map((text, i) => short(`${i + 1} ${text}`)),
  );
});

Deno.test("no batch holds much more than may wait for a client", async () => {
  const { append, open } = await openStream();
  const { reader } = open();
  for (let i = 0; i < 30; i++) await append(LARGE);
  for (let seq = 0; seq < 30; seq = reader.seq()) {
    const events = (await reader.next())!;
    const bytes = events.reduce((sum, { data }) => sum + data!.length, 0);
    assert(bytes < LIMITS.streamBufferBytes + LARGE.length, `${bytes} bytes after ${seq}`);
  }
});

Deno.test("EVT-05: however storing and reading mix, every event comes once and in order", async () => {
  const random = seeded("reader: storing and reading");
  for (let round = 0; round < 100; round++) {
    const { append, end, open, hold } = await openStream();
    let stored = 0;
    const store = () => {
      const size = random.below(6) === 0 ? LARGE : "";
      return append(...Array.from({ length: random.below(4) }, () => `n${++stored}${size}`));
    };
    await store();
    const reading = readToEnd(open().reader);
    for (let step = 0; step < 30; step++) {
      const held = hold();
      await store();
      if (random.below(2) === 0) await turn();
      await store();
      held.release();
      if (random.below(3) === 0) await turn();
    }
    await end();
    const expected = Array.from({ length: stored }, (_, i) => `${i + 1} n${i + 1}`);
    assertEquals((await reading).map(short), expected, `round ${round}`);
  }
});

Deno.test("a reader says how far it has come", async () => {
  const { append, open, take } = await openStream();
  await append("a", "b");
  const { reader } = open({ afterSeq: 1 });
  const before = reader.seq();
  await take(reader);
  await append("c");
  assertEquals([before, reader.seq()], [1, 2]);
});

for (const isOfCall of [true, false]) {
  Deno.test(`a reader says whether it is of a call: ${isOfCall}`, async () => {
    const { open } = await openStream();
    assertEquals(open({ isOfCall }).reader.isOfCall, isOfCall);
  });
}

// ── What is lost ────────────────────────────────────────────────────────────────────────────────

Deno.test("what is no longer kept is told first, as a warning, with how much it is", async () => {
  const { append, open } = await openStream({ eventsMax: 2 });
  await append("a", "b", "c", "d", "e");
  const { reader } = open({ afterSeq: 1 });
  const [gap, ...rest] = (await reader.next())!;
  assertEquals({ id: gap!.id, message: JSON.parse(textOf(gap!.data)!) }, {
    id: "e3",
    message: {
      jsonrpc: "2.0",
      method: "notifications/message",
      params: { level: "warning", logger: "sallyport", data: { gap: true, lost: 2 } },
    },
  });
  assertEquals(rest.map(textIn), ["4 d", "5 e"]);
});

Deno.test("a hole between events that are kept is told where it is", async () => {
  const { append, open, take } = await openStream({ eventsMax: 1 });
  await append({ response: "a" }, "b", "c", { response: "d" }, "e");
  assertEquals(await take(open().reader), ["1 a", "3 lost 2", "4 d", "5 e"]);
});

Deno.test("when nothing is left that is told too, and what comes then follows", async () => {
  const { append, open, take, store, clock } = await openStream({ ttlMs: 1_000, runner: "" });
  await append("a", "b", "c");
  clock.advance(1_001);
  await store.sweep();
  const { reader } = open();
  assertEquals(await take(reader), ["3 lost 3"]);
  await append("d");
  assertEquals(await take(reader), ["4 d"]);
});

Deno.test("who has got everything is told of no loss", async () => {
  const { append, open, take } = await openStream({ eventsMax: 1 });
  await append("a", "b", "c");
  assertEquals(await take(open({ afterSeq: 2 }).reader), ["3 c"]);
});

Deno.test("what is lost while a reader is behind is told when it goes on", async () => {
  const { append, open, take, hold } = await openStream({ eventsMax: 2 });
  await append("a", "b", "c");
  const { reader } = open();
  const held = hold();
  const taken = take(reader);
  await held.isReading;
  await append("d", "e", "f", "g");
  held.release();
  assertEquals(await taken, ["1 lost 1", "2 b", "3 c"]);
  assertEquals(await take(reader), ["5 lost 2", "6 f", "7 g"]);
});

Deno.test("who is up to date loses nothing, however little is kept", async () => {
  const { append, open, take } = await openStream({ eventsMax: 1 });
  const { reader } = open();
  await append("a");
  await take(reader);
  await append("b", "c");
  await append("d");
  assertEquals(await take(reader), ["2 b", "3 c", "4 d"]);
});

Deno.test("EVT-04: however much is lost, what comes and what is told add up", async () => {
  const random = seeded("reader: losing");
  for (let round = 0; round < 200; round++) {
    const { append, open, takeAll } = await openStream({ eventsMax: 1 + random.below(5) });
    const { reader } = open();
    let stored = 0;
    const seen: string[] = [];
    for (let step = 0; step < 20; step++) {
      const texts = Array.from({ length: random.below(8) }, (): Text => {
        return random.below(4) === 0 ? { response: `n${++stored}` } : `n${++stored}`;
      });
      await append(...texts);
      if (random.below(3) === 0) await takeAll(reader, stored, seen);
    }
    await takeAll(reader, stored, seen);
    let at = 0;
    for (const text of seen) {
      const [seq, word, count] = text.split(" ");
      const step = word === "lost" ? Number(count) : 1;
      assert(step > 0);
      assertEquals(Number(seq), at += step, `round ${round}: ${seen.join(", ")}`);
    }
    assertEquals(at, stored);
  }
});

// ── The end of a stream ─────────────────────────────────────────────────────────────────────────

Deno.test("a stream that has ended is read to its end, and closed", async () => {
  const { append, end, open, take } = await openStream();
  await append("a");
  await end({ response: "b" });
  const { reader, stopped } = open();
  assertEquals([await take(reader), await take(reader)], [["1 a", "2 b"], undefined]);
  assertEquals(stopped(), 1);
});

Deno.test("who has the end already finds the stream closed", async () => {
  const { end, open, take } = await openStream();
  await end("a", { response: "b" });
  assertEquals(await take(open({ afterSeq: 2 }).reader), undefined);
});

Deno.test("a stream that ends while it is read is closed behind its last event", async () => {
  const { append, end, open, take } = await openStream();
  const { reader } = open();
  await append("a");
  await take(reader);
  await append("b");
  await end({ response: "c" });
  assertEquals([await take(reader), await take(reader)], [["2 b", "3 c"], undefined]);
});

Deno.test("a stream that ends without another event is closed", async () => {
  const { append, end, open, take } = await openStream();
  await append("a");
  const { reader } = open();
  await take(reader);
  const taken = take(reader);
  await end();
  assertEquals(await taken, undefined);
});

Deno.test("a stream whose end comes while a reader is behind is read to its end", async () => {
  const { append, end, open, takeAll, take } = await openStream();
  const { reader } = open();
  for (let i = 0; i < 10; i++) await append(LARGE);
  await end({ response: "end" });
  assertEquals((await takeAll(reader, 11)).at(-1), "11 end");
  assertEquals(await take(reader), undefined);
});

Deno.test("a stream that nobody knows is closed", async () => {
  const { open, take, store } = await openStream();
  await store.erase("session");
  const { reader, stopped } = open();
  assertEquals([await take(reader), stopped()], [undefined, 1]);
});

Deno.test("a stream that is erased is closed for who waits for it", async () => {
  const { append, open, take, store } = await openStream();
  await append("a");
  const { reader, stopped } = open();
  await take(reader);
  const taken = take(reader);
  await store.erase("session");
  assertEquals([await taken, stopped()], [undefined, 1]);
});

Deno.test("a stream that is erased is closed, whatever of it has not been read", async () => {
  const { append, open, take, store } = await openStream();
  const { reader } = open();
  await append("a");
  await take(reader);
  await append("b");
  await store.erase("session");
  assertEquals(await take(reader), undefined);
});

function short(text: string): string {
  return text.replaceAll("x", "");
}
