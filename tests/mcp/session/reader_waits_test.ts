/**
 * A connection that waits, and that is waited for: how it begins, how it is hung up and stopped, and
 * when a client that takes nothing is given up. What it hands out is in `reader_test.ts`.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { EventStore } from "../../../src/events/store.ts";
import { RETRY_MS } from "../../../src/mcp/session/reader.ts";
import { LARGE, type Opened, openStream, readToEnd, turn } from "../../support/reader_world.ts";

const STALLED_MS = LIMITS.stalledClientMs;

// ── Priming and hanging up ──────────────────────────────────────────────────────────────────────

for (const afterSeq of [0, 2]) {
  Deno.test(`a reader that primes begins with an event without data, behind event ${afterSeq}`, async () => {
    const { append, open, take } = await openStream();
    await append("a", "b", "c");
    const { reader } = open({ primes: true, afterSeq });
    const primed = { id: `e${afterSeq}`, data: undefined, retryMs: RETRY_MS };
    assertEquals(await reader.next(), [primed]);
    assertEquals(await take(reader), ["1 a", "2 b", "3 c"].slice(afterSeq));
  });
}

for (
  const [who, takesEmptyEvents, id] of [
    ["a client that can resume from empty events", true, "e2"],
    ["an older client", false, undefined],
  ] as const
) {
  Deno.test(`${who} gets what is there, then the time to wait, then the end`, async () => {
    const { append, open, take } = await openStream();
    await append("a");
    const { reader, stopped } = open({ takesEmptyEvents });
    await append("b");
    reader.hangUp(2_500);
    assertEquals(await take(reader), ["1 a", "2 b"]);
    assertEquals(await reader.next(), [{ id, data: undefined, retryMs: 2_500 }]);
    assertEquals([await reader.next(), stopped()], [undefined, 1]);
  });

  Deno.test(`${who} that waits is told at once to come back`, async () => {
    const { append, open, take } = await openStream();
    await append("a", "b");
    const { reader } = open({ takesEmptyEvents });
    await take(reader);
    const last = reader.next();
    reader.hangUp(0);
    assertEquals(await last, [{ id, data: undefined, retryMs: 0 }]);
  });

  Deno.test(`${who} that is behind is given everything before`, async () => {
    const { append, open, takeAll } = await openStream();
    const { reader } = open({ takesEmptyEvents });
    for (let i = 0; i < 10; i++) await append(LARGE);
    reader.hangUp(2_500);
    assertEquals((await takeAll(reader, 10)).length, 10);
    assertEquals((await reader.next())?.map(({ retryMs }) => retryMs), [2_500]);
  });
}

Deno.test("a reader that primes does so before it hangs up", async () => {
  const { open } = await openStream();
  const { reader } = open({ primes: true, takesEmptyEvents: true });
  reader.hangUp(2_500);
  const seen = [await reader.next(), await reader.next(), await reader.next()];
  assertEquals(seen.map((events) => events?.map(({ id, retryMs }) => [id, retryMs])), [
    [["e0", RETRY_MS]],
    [["e0", 2_500]],
    undefined,
  ]);
});

Deno.test("what was wanted last is what the client is told", async () => {
  const { open } = await openStream();
  const { reader } = open();
  reader.hangUp(2_500);
  reader.hangUp(10);
  assertEquals((await reader.next())?.map(({ retryMs }) => retryMs), [10]);
});

Deno.test("nobody is asked to come back to a stream that has ended", async () => {
  const { end, open, take } = await openStream();
  await end({ response: "a" });
  const { reader } = open({ takesEmptyEvents: true });
  reader.hangUp(2_500);
  assertEquals([await take(reader), await take(reader)], [["1 a"], undefined]);
});

Deno.test("who comes back after that goes on where it was", async () => {
  const { append, open, take } = await openStream();
  await append("a");
  const { reader } = open();
  reader.hangUp(0);
  const seen = await readToEnd(reader);
  await append("b");
  assertEquals([seen, await take(open({ afterSeq: reader.seq() }).reader)], [["1 a"], ["2 b"]]);
});

// ── Stopping ────────────────────────────────────────────────────────────────────────────────────

Deno.test("a reader that is stopped while it waits is over, and says so once", async () => {
  const { open, append, take } = await openStream();
  const { reader, stopped } = open();
  const taken = take(reader);
  await turn();
  reader.stop();
  reader.stop();
  await append("a");
  assertEquals([await taken, await take(reader), stopped()], [undefined, undefined, 1]);
});

Deno.test("a reader that is stopped while the store is read hands out nothing more", async () => {
  const { open, append, take, hold } = await openStream();
  await append("a");
  const { reader } = open({ primes: true });
  await reader.next();
  const held = hold();
  const taken = take(reader);
  await held.isReading;
  reader.stop();
  held.release();
  assertEquals(await taken, undefined);
});

Deno.test("a reader that is stopped hands out nothing of what waits for it", async () => {
  const { open, append, take } = await openStream();
  await append("a");
  const { reader } = open();
  await take(reader);
  await append("b");
  reader.stop();
  assertEquals([await take(reader), reader.seq()], [undefined, 1]);
});

Deno.test("to hang up a reader that is stopped changes nothing", async () => {
  const { open, take } = await openStream();
  const { reader } = open();
  reader.stop();
  reader.hangUp(5);
  assertEquals(await take(reader), undefined);
});

Deno.test("two readers of a stream do not disturb each other", async () => {
  const { open, append, take } = await openStream();
  await append("a");
  const [one, other] = [open().reader, open().reader];
  await Promise.all([take(one), take(other)]);
  one.stop();
  await append("b");
  assertEquals(await take(other), ["2 b"]);
});

// ── Room for more ───────────────────────────────────────────────────────────────────────────────

Deno.test("while a client keeps up there is room at once", async () => {
  const { append, open, take, timers } = await openStream();
  await append("a");
  const { reader } = open();
  await take(reader);
  for (let i = 0; i < 10; i++) {
    await append(LARGE);
    await reader.room();
    await take(reader);
  }
  assertEquals(timers.open(), 0);
});

Deno.test("while less waits than may there is room, whether anybody reads or not", async () => {
  const { fill, append, open, timers } = await openStream();
  const { reader } = open();
  await fill(reader, 2);
  await reader.room();
  await append("a");
  await reader.room();
  assertEquals(timers.open(), 0);
});

Deno.test("when as much waits as may there is room once it is taken", async () => {
  const { fill, open, take, timers } = await openStream();
  const { reader } = open();
  await fill(reader, 3);
  const room = watched(reader.room());
  await turn();
  const wasRoom = room.isOver();
  await take(reader);
  await room.promise;
  assertEquals([wasRoom, timers.open()], [false, 0]);
});

Deno.test("for who is behind there is room only when it has caught up", async () => {
  const { append, open, take, takeAll } = await openStream();
  const { reader } = open();
  for (let i = 0; i < 12; i++) await append(LARGE);
  const room = watched(reader.room());
  await take(reader);
  await turn();
  const wasRoom = room.isOver();
  await takeAll(reader, 12);
  await room.promise;
  assertEquals(wasRoom, false);
});

Deno.test("a client that takes nothing for too long is cut off", async () => {
  const { fill, open, take, timers } = await openStream();
  const { reader, cuts, stopped } = open();
  await fill(reader, 3);
  const room = reader.room();
  timers.advance(STALLED_MS);
  await room;
  assertEquals([cuts(), stopped(), await take(reader), timers.open()], [1, 1, undefined, 0]);
});

Deno.test("it is not cut off before", async () => {
  const { fill, open, timers } = await openStream();
  const { reader, cuts } = open();
  await fill(reader, 3);
  const room = reader.room();
  timers.advance(STALLED_MS - 1);
  await turn();
  const before = cuts();
  reader.stop();
  await room;
  assertEquals([before, cuts()], [0, 0]);
});

Deno.test("a client that never begins to read is cut off", async () => {
  const { append, open, timers } = await openStream();
  const { reader, cuts } = open();
  await append("a");
  const room = reader.room();
  timers.advance(STALLED_MS);
  await room;
  assertEquals(cuts(), 1);
});

Deno.test("a client that takes something now and then is not cut off, however slow", async () => {
  const { append, open, take, timers } = await openStream();
  const { reader, cuts } = open();
  for (let i = 0; i < 100; i++) await append(LARGE);
  const room = reader.room();
  for (let i = 0; i < 10; i++) {
    timers.advance(STALLED_MS - 1);
    await take(reader);
    await turn();
  }
  const before = { cuts: cuts(), isBehind: reader.seq() < 100 };
  timers.advance(STALLED_MS);
  await room;
  assertEquals([before, cuts()], [{ cuts: 0, isBehind: true }, 1]);
});

Deno.test("all who wait for room are let go when the client takes something", async () => {
  const { fill, open, take, timers } = await openStream();
  const { reader } = open();
  await fill(reader, 3);
  const rooms = [reader.room(), reader.room(), reader.room()];
  await take(reader);
  await Promise.all(rooms);
  assertEquals(timers.open(), 0);
});

for (
  const [what, stop] of [
    ["is stopped", ({ reader }: Opened) => Promise.resolve(reader.stop())],
    ["is erased", (_: Opened, store: EventStore) => store.erase("session")],
  ] as const
) {
  Deno.test(`nobody waits for room when the stream ${what}`, async () => {
    const { fill, open, timers, store } = await openStream();
    const opened = open();
    await fill(opened.reader, 3);
    const rooms = [opened.reader.room(), opened.reader.room()];
    await stop(opened, store);
    await Promise.all(rooms);
    assertEquals([opened.cuts(), timers.open()], [0, 0]);
  });
}

Deno.test("a client that was cut off finds the rest when it comes back", async () => {
  const { fill, open, takeAll, timers } = await openStream();
  const { reader } = open();
  await fill(reader, 5);
  const room = reader.room();
  timers.advance(STALLED_MS);
  await room;
  const seen = await takeAll(open({ afterSeq: reader.seq() }).reader, 6);
  assertEquals(seen.map((text) => text.split(" ")[0]), ["2", "3", "4", "5", "6"]);
});

function watched(promise: Promise<void>) {
  let isOver = false;
  return { promise: promise.then(() => void (isOver = true)), isOver: () => isOver };
}
