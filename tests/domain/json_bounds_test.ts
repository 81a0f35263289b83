/**
 * Bounds of parsed values: counted exactly, whatever the depth.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { isBoundedJson } from "../../src/domain/json_bounds.ts";

const BOUNDS = { depth: 2, nodes: 4 };

for (
  const [json, isBounded] of [
    ["1", true],
    ["null", true],
    ['"text"', true],
    ["[]", true],
    ["{}", true],
    ["[[]]", true],
    ["[[1]]", true],
    ["[[[]]]", false],
    ['{"a":{"b":1}}', true],
    ['{"a":{"b":{}}}', false],
    ['{"a":[{}]}', false],
    ["[1,2,3,4]", true],
    ["[1,2,3,4,5]", false],
    ["[[1],[2]]", true],
    ["[[1],[2,3]]", false],
    ['{"__proto__":{"__proto__":{}}}', false],
  ] satisfies [string, boolean][]
) {
  Deno.test(`${json} is ${isBounded ? "" : "not "}within 2 levels and 4 nodes`, () => {
    assertEquals(isBoundedJson(JSON.parse(json), BOUNDS), isBounded);
  });
}

Deno.test("a hundred thousand levels are refused, not followed", () => {
  const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
  assertEquals(isBoundedJson(deep, { depth: 1_000_000, nodes: 10 }), false);
});

Deno.test("a hundred thousand levels within bounds do not exhaust the stack", () => {
  const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
  assertEquals(isBoundedJson(deep, { depth: 1_000_000, nodes: 1_000_000 }), true);
});
