/**
 * Globs: what a pattern chooses, as a table of cases.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { globMatcher } from "../../src/domain/glob.ts";

for (
  const [pattern, text, isChosen] of [
    ["get_user", "get_user", true],
    ["get_user", "get_users", false],
    ["get_user", "forget_user", false],
    ["get_user", "Get_User", false],
    ["get_user", "", false],
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["*", "anything/at all", true],
    ["***", "anything", true],
    ["get_*", "get_user", true],
    ["get_*", "get_", true],
    ["get_*", "get", false],
    ["get_*", "forget_user", false],
    ["*_user", "get_user", true],
    ["*_user", "get_users", false],
    ["*user*", "user", true],
    ["*user*", "get_users", true],
    ["*user*", "get_use", false],
    ["a*b*c", "abc", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "acb", false],
    ["a*b*c", "abcb", false],
    ["a**c", "abc", true],
    ["aba*aba", "aba", false],
    ["aba*aba", "ababa", false],
    ["aba*aba", "abaaba", true],
    ["*ab*b", "ab", false],
    ["*ab*b", "abb", true],
    ["file:///*", "file:///a/b/c.txt", true],
    ["file:///*/c.txt", "file:///a/b/c.txt", true],
    ["*", "line\nbreak", true],
    ["a*z", "a\n\u2028z", true],
    ["*🦊*", "the 🦊!", true],
    ["a.c", "abc", false],
    ["a?c", "abc", false],
    ["[ab]", "a", false],
    ["{a,b}", "a", false],
    ["\\*", "*", false],
    ["\\*", "\\anything", true],
    ["(a+)+*", "(a+)+$", true],
    ["__proto__", "__proto__", true],
    ["constructor", "toString", false],
  ] satisfies [string, string, boolean][]
) {
  Deno.test(`"${pattern}" ${isChosen ? "chooses" : "does not choose"} ${JSON.stringify(text)}`, () => {
    assertEquals(globMatcher([pattern])(text), isChosen);
  });
}

Deno.test("no pattern chooses nothing", () => {
  assertEquals(globMatcher([])(""), false);
});

Deno.test("one fitting pattern of several is enough", () => {
  const matches = globMatcher(["a", "b*", "*c"]);
  assertEquals(["a", "bx", "xc", "xa", "cx"].map(matches), [true, true, true, false, false]);
});

Deno.test("changing the list of patterns later changes nothing", () => {
  const patterns = ["a", "b*"];
  const matches = globMatcher(patterns);
  patterns.push("c");
  patterns.length = 0;
  assertEquals([matches("a"), matches("b1"), matches("c")], [true, true, false]);
});

Deno.test("a pattern of many stars over a long text that almost fits is answered", () => {
  const pattern = `${"a*".repeat(10_000)}b`;
  assertEquals(globMatcher([pattern])(`${"a".repeat(1_000_000)}c`), false);
});

Deno.test("globs agree with a plain matcher on every short text", () => {
  const texts = words("ab", 6);
  const differing = words("ab*", 4).flatMap((pattern) => {
    const matches = globMatcher([pattern]);
    return texts.filter((text) => matches(text) !== fitsPlainly(pattern, text))
      .map((text) => `${pattern} on ${text}`);
  });
  assertEquals(differing, []);
});

/** By definition, one character at a time; exponential, for short texts only. */
function fitsPlainly(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern[0] === "*") {
    return fitsPlainly(pattern.slice(1), text) ||
      (text !== "" && fitsPlainly(pattern, text.slice(1)));
  }
  return pattern[0] === text[0] && fitsPlainly(pattern.slice(1), text.slice(1));
}

/** Every word over these letters, up to a length. */
function words(letters: string, lengthMax: number): readonly string[] {
  const all = [""];
  for (let at = 0; all[at]!.length < lengthMax; at++) {
    for (const letter of letters) all.push(all[at]! + letter);
  }
  return all;
}
