/**
 * Keyring: two keys open, one seals, and a sealed value belongs to its place.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createKeyring } from "../../src/storage/sealed.ts";

const FIRST = "first key of this test, long enough to be one";
const SECOND = "second key of this test, long enough to be one";
const PLACE = { table: "servers", row: "a", field: "auth" };
const PLAIN = 'a secret: \u0000 "wörd" 👩‍👩‍👧';

const first = createKeyring(FIRST, undefined);
const both = createKeyring(SECOND, FIRST);
const second = createKeyring(SECOND, undefined);

Deno.test("what was sealed opens", () => {
  assertEquals(first.open(first.seal(PLAIN, PLACE), PLACE), PLAIN);
});

Deno.test("nothing can be sealed", () => {
  assertEquals(first.open(first.seal("", PLACE), PLACE), "");
});

Deno.test("a sealed value names its key version, and not its content", () => {
  const [form, version, text] = first.seal(PLAIN, PLACE).split(".");
  assertEquals([form, version], ["s1", first.seal("", PLACE).split(".")[1]]);
  assert(!atob(text!.replaceAll("-", "+").replaceAll("_", "/")).includes("secret"));
});

Deno.test("each key has a version of its own, the same in each process", () => {
  const versionOf = (secret: string) =>
    createKeyring(secret, undefined).seal("", PLACE).split(".")[1];
  assertEquals(versionOf(FIRST), versionOf(FIRST));
  assert(versionOf(FIRST) !== versionOf(SECOND));
});

Deno.test("the previous key opens and never seals", () => {
  assertEquals(both.open(first.seal(PLAIN, PLACE), PLACE), PLAIN);
  const sealed = both.seal(PLAIN, PLACE);
  assertEquals([second.open(sealed, PLACE), first.open(sealed, PLACE)], [PLAIN, undefined]);
});

Deno.test("only what the current key has sealed is current", () => {
  const sealed = [both.seal("", PLACE), first.seal("", PLACE), "", "s1", "nonsense"];
  assertEquals(sealed.map(both.isCurrent), [true, false, false, false, false]);
});

for (
  const place of [
    { ...PLACE, table: "other" },
    { ...PLACE, row: "b" },
    { ...PLACE, field: "headers.auth" },
    { table: "servers", row: 'a","auth', field: "" },
    { table: "servers", row: "", field: "a" },
  ]
) {
  Deno.test(`what belongs to another place does not open for ${JSON.stringify(place)}`, () => {
    assertEquals(first.open(first.seal(PLAIN, PLACE), place), undefined);
  });
}

Deno.test("a value under the version of the other key does not open", () => {
  const [, version] = second.seal("", PLACE).split(".");
  const [form, , text] = first.seal(PLAIN, PLACE).split(".");
  assertEquals(both.open([form, version, text].join("."), PLACE), undefined);
});

Deno.test("nothing that was changed or cut off opens", () => {
  const sealed = first.seal(PLAIN, PLACE);
  const opened = [];
  for (let i = 0; i < sealed.length; i++) {
    const other = sealed[i] === "A" ? "B" : "A";
    const changed = sealed.slice(0, i) + other + sealed.slice(i + 1);
    // The last character of base64 has bits that mean nothing.
    if (i < sealed.length - 1 && first.open(changed, PLACE) !== undefined) opened.push(i);
    if (first.open(sealed.slice(0, i), PLACE) !== undefined) opened.push(-i);
  }
  assertEquals(opened, []);
});

for (
  const garbage of ["", ".", "s1..", "s1.0.AA", "s1.0000000000000000.A", "\0", "a".repeat(1e6)]
) {
  Deno.test(`"${garbage.slice(0, 30)}" opens as nothing`, () => {
    assertEquals(first.open(garbage, PLACE), undefined);
  });
}
