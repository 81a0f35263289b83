/**
 * Every fault of the list is made by a test that prints what it cost, and the README says where.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { ROWS, tableOf } from "./rows.ts";

for (const { id, file } of ROWS) {
  Deno.test(`${id} is made in ${file}, and its figure printed`, async () => {
    const text = await Deno.readTextFile(new URL(file, import.meta.url));
    const names = text.matchAll(/^\s*(?:\w*[tT]est\(|name: )?\s*["`]((?:F\d\d(?:, )?)+): /gm);
    assert(
      [...names].some(([, ids]) => ids!.split(", ").includes(id)),
      `No test begins with ${id}`,
    );
    assert(new RegExp(`figure\\(\\s*"${id}"`).test(text), `No figure of ${id}`);
  });
}

Deno.test("no fault is listed twice", () => {
  assertEquals(new Set(ROWS.map(({ id }) => id)).size, ROWS.length);
});

Deno.test("the README shows the list", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", import.meta.url));
  assert(readme.includes(tableOf(ROWS)), `The table should be\n\n${tableOf(ROWS)}`);
});
