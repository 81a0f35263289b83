/**
 * Texts that no database takes come back as they were.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { keptText, textOf } from "../../src/storage/text.ts";
import { HARD_TEXTS } from "../contract/catalog_tables/case.ts";

for (const text of HARD_TEXTS) {
  Deno.test(`${JSON.stringify(text.slice(0, 40))} comes back from what can be kept`, () => {
    const kept = keptText(text);
    assertEquals([kept.isWellFormed(), kept.includes("\0")], [true, false]);
    assertEquals(textOf(kept), text);
  });
}

Deno.test("no two texts are kept as the same", () => {
  const kept = new Set(HARD_TEXTS.flatMap((text) => [text, keptText(text)]).map(keptText));
  assertEquals(kept.size, new Set(HARD_TEXTS.flatMap((text) => [text, keptText(text)])).size);
});

Deno.test("ordinary texts are kept as they are", () => {
  assertEquals(keptText("wörd 👩‍👩‍👧\n"), "wörd 👩‍👩‍👧\n");
});
