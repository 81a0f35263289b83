/**
 * Secret box: what was sealed here for this opens, and nothing else does.
 *
 * @module
 */
import {
  deepStrictEqual as assertEquals,
  notDeepStrictEqual as assertNotEquals,
} from "node:assert/strict";
import { createSecretBox, SEAL_BYTES } from "../../src/platform/secret_box.ts";

const SECRET = "a secret of this test, long enough";
const PLAIN = new TextEncoder().encode("what is kept \u0000 to itself");

const box = createSecretBox(SECRET, "sessions");
const sealed = box.seal(PLAIN, "session 1");

Deno.test("what was sealed opens for what it belongs to", () => {
  assertEquals(new Uint8Array(box.open(sealed, "session 1")!), PLAIN);
});

Deno.test("what was sealed opens after a restart with the same secret", () => {
  const later = createSecretBox(SECRET, "sessions");
  assertEquals(new Uint8Array(later.open(sealed, "session 1")!), PLAIN);
});

Deno.test("nothing can be sealed, and opens as nothing", () => {
  const nothing = box.seal(new Uint8Array(0), "session 1");
  assertEquals(nothing.length, SEAL_BYTES);
  assertEquals(box.open(nothing, "session 1")?.length, 0);
});

Deno.test("every byte of a large value comes back", () => {
  const large = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
  assertEquals(new Uint8Array(box.open(box.seal(large, "x"), "x")!), large);
});

Deno.test("sealing adds as many bytes as it says", () => {
  assertEquals(sealed.length, PLAIN.length + SEAL_BYTES);
});

Deno.test("sealing leaves the value as it was", () => {
  const value = PLAIN.slice();
  box.seal(value, "session 1");
  assertEquals(value, PLAIN);
});

for (const belongsTo of ["session 2", "session 1 ", "Session 1", ""]) {
  Deno.test(`what belongs to "session 1" does not open for "${belongsTo}"`, () => {
    assertEquals(box.open(sealed, belongsTo), undefined);
  });
}

Deno.test("a box of another purpose opens nothing", () => {
  assertEquals(createSecretBox(SECRET, "signals").open(sealed, "session 1"), undefined);
});

Deno.test("a box with another secret opens nothing", () => {
  assertEquals(createSecretBox(`${SECRET}!`, "sessions").open(sealed, "session 1"), undefined);
});

Deno.test("with any bit changed it does not open", () => {
  const opened = [];
  for (let i = 0; i < sealed.length * 8; i++) {
    const changed = sealed.slice();
    changed[i >> 3]! ^= 1 << (i & 7);
    if (box.open(changed, "session 1") !== undefined) opened.push(i);
  }
  assertEquals(opened, []);
});

Deno.test("cut off anywhere, or with a byte too many, it does not open", () => {
  const opened = [];
  for (let length = 0; length < sealed.length; length++) {
    if (box.open(sealed.subarray(0, length), "session 1")) opened.push(length);
    if (box.open(sealed.subarray(sealed.length - length), "session 1")) opened.push(-length);
  }
  if (box.open(Uint8Array.of(...sealed, 0), "session 1")) opened.push("longer");
  assertEquals(opened, []);
});

Deno.test("no nonce is used twice: the same value never seals to the same bytes", () => {
  const nonces = Array.from({ length: 1_000 }, () => box.seal(PLAIN, "x").slice(0, 12).toHex());
  assertEquals(new Set(nonces).size, nonces.length);
});

Deno.test("the key is the same for the same purpose, and another for each purpose", () => {
  assertEquals(box.key, createSecretBox(SECRET, "sessions").key);
  assertEquals(box.key.length, 32);
  assertNotEquals(box.key, createSecretBox(SECRET, "signals").key);
  assertNotEquals(box.key, createSecretBox(`${SECRET}!`, "sessions").key);
});

Deno.test("what is sealed alike is the same each time, and differs with all that it depends on", () => {
  const alike = [
    box.sealAlike(PLAIN, "session 1"),
    box.sealAlike(PLAIN, "session 1"),
    box.sealAlike(PLAIN, "session 2"),
    box.sealAlike(PLAIN.slice(1), "session 1"),
    createSecretBox(SECRET, "signals").sealAlike(PLAIN, "session 1"),
  ].map((bytes) => bytes.toHex());
  assertEquals([alike[0] === alike[1], new Set(alike).size], [true, 4]);
});

Deno.test("what is sealed alike opens for what it belongs to, and for nothing else", () => {
  const alike = box.sealAlike(PLAIN, "session 1");
  const opened = [box.open(alike, "session 1"), box.open(alike, "session 2")];
  assertEquals(opened.map((bytes) => bytes && new Uint8Array(bytes)), [PLAIN, undefined]);
});
