/**
 * Lists read page by page: whole, in part, or not at all.
 *
 * @module
 */
import {
  deepStrictEqual as assertEquals,
  match as assertMatch,
  rejects as assertRejects,
} from "node:assert/strict";
import { createDropReport } from "../../src/catalog/dropped.ts";
import { readList } from "../../src/catalog/reading.ts";
import { GatewayError } from "../../src/domain/errors.ts";
import { createPace } from "../../src/platform/pace.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { aPage, aTool, createFakeReader, type FakeList } from "../support/fake_reader.ts";
import { anUpstream } from "../support/memory_catalog.ts";

async function read(list: FakeList | readonly string[], clock = fakeClock()) {
  const reader = createFakeReader({ alpha: { lists: { tool: list } } });
  const dropped = createDropReport();
  const { monotonic } = clock;
  const reading = await readList(
    { reader, monotonic, pace: createPace(monotonic) },
    { server: anUpstream(), kind: "tool", isStateless: false, endMs: monotonic() + 60_000 },
    dropped,
  );
  return {
    ...reading,
    names: reading.items.map(({ name }) => name),
    dropped: dropped.list(),
    reader,
  };
}

/** Tools `t<from>` … one before `t<to>`. */
function tools(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => aTool(`t${from + i}`));
}

Deno.test("all pages are read, in order", async () => {
  const pages: Record<string, ReturnType<typeof aPage>> = {
    "": aPage([aTool("b"), aTool("a")], { nextCursor: "2" }),
    "2": aPage([], { nextCursor: "3" }),
    "3": aPage([aTool("c")]),
  };
  const { names, cut } = await read((cursor = "") => pages[cursor]!);
  assertEquals(names, ["b", "a", "c"]);
  assertEquals(cut, undefined);
});

Deno.test("a server without the method has an empty list, read whole", async () => {
  const { names, cut } = await read(() => undefined);
  assertEquals([names, cut], [[], undefined]);
});

Deno.test("a page that fails fails the list", async () => {
  await assertRejects(
    read((cursor) => {
      if (cursor !== undefined) throw new GatewayError("upstream_timeout", "Too late");
      return aPage([aTool("a")], { nextCursor: "2" });
    }),
    { code: "upstream_timeout" },
  );
});

Deno.test("a method that is unknown from the second page on fails the list", async () => {
  await assertRejects(
    read((cursor) => cursor === undefined ? aPage([aTool("a")], { nextCursor: "2" }) : undefined),
    { code: "upstream_protocol" },
  );
});

Deno.test("a repeated cursor ends the reading, and what was read is kept", async () => {
  let page = 0;
  const { names, cut, reader } = await read(() =>
    aPage([aTool(`t${page++}`)], { nextCursor: page % 2 ? "a" : "b" })
  );
  assertEquals(names, ["t0", "t1", "t2"]);
  assertMatch(cut ?? "", /cursor is repeated/);
  assertEquals(reader.asked.length, 3);
});

Deno.test("10,001 items are 10,000 and a report, and still the whole list", async () => {
  const { names, cut, dropped } = await read(tools(0, 10_001));
  assertEquals(names.length, 10_000);
  assertEquals(cut, undefined);
  assertEquals(dropped, [{ kind: "tool", name: "t10000", reason: "There are more than 10000" }]);
});

Deno.test("exactly 10,000 items over several pages are all of the list", async () => {
  const { names, cut, dropped } = await read((cursor) =>
    cursor === undefined ? aPage(tools(0, 10_000), { nextCursor: "2" }) : aPage([])
  );
  assertEquals([names.length, cut, dropped], [10_000, undefined, []]);
});

Deno.test("a list that never ends is cut at 10,000 items", async () => {
  let page = 0;
  const { names, cut, reader, dropped } = await read(() => {
    page++;
    return aPage(tools(page * 3000, (page + 1) * 3000), { nextCursor: String(page) });
  });
  assertEquals(names.length, 10_000);
  assertMatch(cut ?? "", /more than 10000/);
  assertEquals(reader.asked.length, 4);
  assertEquals(dropped.length, 100);
  assertMatch(dropped.at(-1)!.reason, /^1901 more were left out$/);
});

Deno.test("empty pages that never end are cut", async () => {
  let page = 0;
  const { cut, reader } = await read(() => aPage([], { nextCursor: String(++page) }));
  assertMatch(cut ?? "", /more than 2000 pages/);
  assertEquals(reader.asked.length, 2000);
});

Deno.test("a list that takes too long is cut", async () => {
  const clock = fakeClock();
  let page = 0;
  const { names, cut } = await read(() => {
    clock.advance(25_000);
    return aPage([aTool(`t${++page}`)], { nextCursor: String(page) });
  }, clock);
  assertEquals(names, ["t1", "t2", "t3"]);
  assertMatch(cut ?? "", /takes too long/);
});

Deno.test("a page with more than can be looked at is cut", async () => {
  const { names, cut } = await read(() => aPage([aTool("a")], { isCut: true }));
  assertEquals(names, ["a"]);
  assertMatch(cut ?? "", /more than 10000/);
});

Deno.test("the first of two items of one name counts, and the other is reported", async () => {
  const { items, dropped } = await read([aTool("a", { title: "1" }), aTool("a", { title: "2" })]);
  assertEquals(items, [{ name: "a", definition: aTool("a", { title: "1" }) }]);
  assertEquals(dropped, [
    { kind: "tool", name: "a", reason: "An earlier one of the list has the same name" },
  ]);
});

Deno.test("names of more than 1 MiB together are cut off", async () => {
  const long = (i: number) => aTool(`${i}-`.padEnd(1000, "x"));
  const { names, cut, dropped } = await read(Array.from({ length: 1100 }, (_, i) => long(i)));
  assertEquals(names.length, 1048);
  assertEquals(cut, undefined);
  assertMatch(dropped[0]!.reason, /names of the list/);
});

Deno.test("definitions of more than 32 MiB together are cut off", async () => {
  const description = "x".repeat(200_000);
  const all = Array.from({ length: 200 }, (_, i) => aTool(`t${i}`, { description }));
  const { names, dropped } = await read(all);
  assertEquals(names.length, 167);
  assertMatch(dropped[0]!.reason, /definitions of the list/);
});

Deno.test("a flawed item is left out, and the others are not", async () => {
  const { names, dropped } = await read([aTool("a"), "7", aTool("b\0c"), aTool("d")]);
  assertEquals(names, ["a", "d"]);
  assertEquals(dropped.map(({ name }) => name), ["", "b\ufffdc"]);
});

Deno.test("a report never holds more than 200 characters of a name", async () => {
  const { dropped } = await read([aTool("🧀".repeat(600))]);
  assertEquals(dropped[0]!.name.length <= 200, true);
  assertEquals(dropped[0]!.name.isWellFormed(), true);
});

Deno.test("hints of a list are the shortest time and the strictest scope of its pages", async () => {
  const { ttlMs, cacheScope } = await read((cursor) =>
    cursor === undefined
      ? aPage([], { nextCursor: "2", ttlMs: 5000, cacheScope: "public" })
      : aPage([], { ttlMs: 3000, cacheScope: "private" })
  );
  assertEquals([ttlMs, cacheScope], [3000, "private"]);
});
