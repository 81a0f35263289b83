/**
 * Slices: all of it, in order, never too much at once.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { allPages, slicesOf } from "../../src/storage/slices.ts";

const lengths = (count: number, chars: number) =>
  [...slicesOf(Array(count).fill(0), () => chars)].map(({ length }) => length);

Deno.test("slices are powers of two, so that their statements are few", () => {
  assertEquals(lengths(LIMITS.databaseSliceRows + 7, 1), [LIMITS.databaseSliceRows, 4, 2, 1]);
});

Deno.test("nothing has no slices", () => {
  assertEquals(lengths(0, 1), []);
});

Deno.test("large entries make small slices, and the largest stands alone", () => {
  assertEquals(lengths(5, LIMITS.databaseSliceChars / 2), [2, 2, 1]);
  assertEquals(lengths(2, LIMITS.databaseSliceChars * 10), [1, 1]);
});

Deno.test("slices hold everything in order", () => {
  const entries = Array.from({ length: 1000 }, (_, i) => i);
  const slices = [...slicesOf(entries, (i) => i * 100)];
  assertEquals(slices.flat(), entries);
});

for (const count of [0, 1, 7, 8, 9, 500]) {
  Deno.test(`all pages of ${count} entries are read once, in order`, async () => {
    const entries = Array.from({ length: count }, (_, i) => i);
    const read = await allPages<number>((after = -1, limit) => {
      const page = entries.slice(after + 1, after + 1 + limit);
      return Promise.resolve({ entries: page, chars: 100 * page.length });
    });
    assertEquals(read, entries);
  });
}

Deno.test("pages of large entries are short, and of one entry at least", async () => {
  const limits: number[] = [];
  await allPages<number>((after = 0, limit) => {
    limits.push(limit);
    const entries = after < 20 ? Array(limit).fill(after + limit) : [];
    return Promise.resolve({ entries, chars: LIMITS.databasePageChars * 2 * entries.length });
  });
  assertEquals(new Set(limits.slice(1)), new Set([1]));
});
