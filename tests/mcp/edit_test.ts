/**
 * Several edits in the memory of a message give what they give in a copy.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Edit, edited, editedAround } from "../../src/mcp/edit.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const TEXT = "0123456789abcdefghijklmnopqrstuvwxyz";

/** The text as a view into a larger buffer, with this much room on each side. */
function placed(text: string, before: number, behind: number): Uint8Array {
  const bytes = encoder.encode(text);
  const all = new Uint8Array(before + bytes.length + behind).fill(0x2e);
  all.set(bytes, before);
  return all.subarray(before, before + bytes.length);
}

const SETS: Readonly<Record<string, readonly (readonly [number, number, string])[]>> = {
  "none": [],
  "one that shrinks": [[3, 9, "X"]],
  "one that grows": [[3, 4, "XXXXXX"]],
  "two at the start": [[0, 2, "X"], [3, 8, ""]],
  "two at the end": [[30, 33, ""], [34, 36, "YY"]],
  "one at each end": [[1, 3, "X"], [33, 35, "Z"]],
  "one at each end that grows": [[1, 3, "XXXX"], [33, 35, "ZZZZ"]],
  "three that touch": [[5, 6, "X"], [6, 7, ""], [7, 8, "YYY"]],
  "all of it": [[0, 36, "X"]],
};

for (const [what, spans] of Object.entries(SETS)) {
  for (const [before, behind] of [[0, 0], [100, 0], [0, 100], [100, 100], [1, 1]] as const) {
    Deno.test(`edits, ${what}, with ${before} bytes before and ${behind} behind`, () => {
      const edits: Edit[] = spans.map(([start, end, value]) => {
        return { start, end, value: encoder.encode(value) };
      });
      const expected = decoder.decode(edited(encoder.encode(TEXT), edits));
      const message = editedAround(placed(TEXT, before, behind), edits);
      assertEquals(decoder.decode(message), expected);
    });
  }
}

Deno.test("a message with room for its edits is not copied", () => {
  const bytes = placed(TEXT, 0, 0);
  const edits = [{ start: 1, end: 3, value: encoder.encode("X") }];
  assert(editedAround(bytes, edits).buffer === bytes.buffer);
});
