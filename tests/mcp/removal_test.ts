/**
 * Members and elements taken out of a message: what is left is JSON again.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { edited } from "../../src/mcp/edit.ts";
import { elementsOf, membersAt } from "../../src/mcp/json_scan.ts";
import { withoutMembers, withoutParts } from "../../src/mcp/removal.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const COUNT = 6;

/** Every choice of what stays. */
const CHOICES = Array.from(
  { length: 2 ** COUNT },
  (_, bits) => Array.from({ length: COUNT }, (_, i) => (bits >> i & 1) === 1),
);

Deno.test("whatever members are taken out of an object, the others stay", () => {
  const bytes = encoder.encode('{ "0" : 0, "1":1 ,"2":{"0":[]}, "3":"," , "4":4,"5":5 }');
  const all = Object.entries(JSON.parse(decoder.decode(bytes)));
  const members = membersAt(bytes, 0);
  for (const stays of CHOICES) {
    const edits = withoutMembers(members, (member) => !stays[members.indexOf(member)]);
    const left = JSON.parse(decoder.decode(edited(bytes, edits)));
    assertEquals(Object.entries(left), all.filter((_, i) => stays[i]));
  }
});

Deno.test("whatever elements are taken out of a list, the others stay", () => {
  const bytes = encoder.encode('[ 0, [1] ,{"2":2}, "3," , 4,5 ]');
  const all = JSON.parse(decoder.decode(bytes));
  const parts = elementsOf(bytes);
  for (const stays of CHOICES) {
    const edits = withoutParts(parts, (part) => !stays[parts.indexOf(part)]);
    const left = JSON.parse(decoder.decode(edited(bytes, edits)));
    assertEquals(left, all.filter((_: unknown, i: number) => stays[i]));
  }
});
