/**
 * Members are added and taken away, and what is left is JSON with all the others as they were.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { insertion } from "../../../src/mcp/bridge/splice.ts";
import { withoutMembers } from "../../../src/mcp/removal.ts";
import { edited, inOrder } from "../../../src/mcp/edit.ts";
import { deepMembersAt, hasName, membersAt, nameOf } from "../../../src/mcp/json_scan.ts";
import { bytesOf, textOf } from "../../support/bytes.ts";

const GONE = ["x", "y"].map((name) => nameOf(name));

for (
  const [before, after] of [
    [`{}`, `{"n":0}`],
    [`{"x":1}`, `{"n":0}`],
    [`{"x":1,"y":2}`, `{"n":0}`],
    [`{"x":1,"a":2}`, `{"n":0,"a":2}`],
    [`{"a":2,"x":1}`, `{"n":0,"a":2}`],
    [`{"a":2,"x":1,"b":3}`, `{"n":0,"a":2,"b":3}`],
    [`{"x":1,"a":2,"y":{"x":1},"b":3,"x":0}`, `{"n":0,"a":2,"b":3}`],
    [`{ "a" : 2 , "x" : 1 , "y" : 5 }`, `{"n":0, "a" : 2 }`],
    [`{"\\u0078":1,"a":{"x":1}}`, `{"n":0,"a":{"x":1}}`],
  ] as const
) {
  Deno.test(`without x and y, and with n, ${before} is ${after}`, () => {
    const bytes = bytesOf(before);
    const members = membersAt(bytes, 0);
    const isGone = (member: typeof members[number]) =>
      GONE.some((name) => hasName(bytes, member, name));
    const edits = [
      ...withoutMembers(members, isGone),
      insertion(0, '"n":0', !members.every(isGone)),
    ];
    assertEquals(textOf(edited(bytes, inOrder(edits))), after);
  });
}

Deno.test("deepMembersAt() gives the members, and those of objects in them, where they stand", () => {
  const text = ` { "a" : { "b" : [1, {"c":2}], "d":"}" } , "e":[{}], "f":{} } `;
  const bytes = bytesOf(text);
  const of = ({ nameStart, end }: { nameStart: number; end: number }) => text.slice(nameStart, end);
  const found = deepMembersAt(bytes, 1).map((one) => [of(one), one.parts.map(of)]);
  assertEquals(found, [
    [`"a" : { "b" : [1, {"c":2}], "d":"}" }`, [`"b" : [1, {"c":2}]`, `"d":"}"`]],
    [`"e":[{}]`, []],
    [`"f":{}`, []],
  ]);
});
