/**
 * Ids from the system's generator.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { randomText } from "../../src/platform/random.ts";

const IDS = 100_000;
const BYTES = 24;
/** A fair bit is further off than this once in ten billion times. */
const OFF_MAX = 6.5 * Math.sqrt(IDS) / 2;

Deno.test("SESS-01: of 100,000 ids none comes twice, and every bit is as often set as not", () => {
  const ids = Array.from({ length: IDS }, () => randomText(BYTES));
  const set = new Uint32Array(8 * BYTES);
  for (const id of ids) {
    const bytes = Uint8Array.fromBase64(id, { alphabet: "base64url" });
    for (let bit = 0; bit < set.length; bit++) set[bit]! += bytes[bit >> 3]! >> (bit & 7) & 1;
  }
  assertEquals(new Set(ids).size, IDS);
  assert(set.every((count) => Math.abs(count - IDS / 2) < OFF_MAX), String(set));
});
