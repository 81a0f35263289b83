/**
 * Texts with places for values: what they become, what is refused, and what it may cost.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { flawOfText, parseText } from "../../src/catalog/text_template.ts";
import { LIMITS } from "../../src/domain/limits.ts";

const NAMES = new Set(["a", "b", "x.y", "__proto__", "constructor"]);
const VALUES = new Map([["a", "<A & {{b}}>"], ["x.y", "dotted"]]);

const RENDERED: readonly (readonly [text: string, expected: string])[] = [
  ["", ""],
  ["no places", "no places"],
  ["{{a}}", "<A & {{b}}>"],
  ["{{{a}}} {{&a}} {{ a }}", "<A & {{b}}> <A & {{b}}> <A & {{b}}>"],
  ["[{{b}}]", "[]"],
  ["{{x.y}}", "dotted"],
  ["{{#a}}there{{/a}}{{#b}}not{{/b}}", "there"],
  ["{{^a}}not{{/a}}{{^b}}there{{/b}}", "there"],
  ["{{#a}}{{^b}}{{x.y}}{{/b}}{{/a}}", "dotted"],
  ["{{! a comment }}x", "x"],
  ["{{#a}}\nline\n{{/a}}\nend", "line\nend"],
  ["{{=<% %>=}}{{a}} <%a%>", "{{a}} <A & {{b}}>"],
  ["{{__proto__}}{{constructor}}", ""],
];

for (const [text, expected] of RENDERED) {
  Deno.test(`${JSON.stringify(text)} becomes ${JSON.stringify(expected)}`, () => {
    assertEquals(flawOfText(text, NAMES), undefined);
    assertEquals(parseText(text).render(VALUES, 1000), expected);
  });
}

const FLAWED: readonly string[] = [
  "{{unknown}}",
  "{{toString}}",
  "{{.}}",
  "{{}}",
  "{{a.length}}",
  "{{#a}}{{length}}{{/a}}",
  "{{> other}}",
  "{{a",
  "{{#a}}",
  "{{/a}}",
  "{{#a}}{{/b}}",
  "{{=x=}}",
];

for (const text of FLAWED) {
  Deno.test(`${JSON.stringify(text)} is refused`, () => {
    assertEquals(typeof flawOfText(text, NAMES), "string");
  });
}

Deno.test("sections nest so deep, and no deeper", () => {
  const nested = (depth: number) => "{{#a}}".repeat(depth) + "{{/a}}".repeat(depth);
  assertEquals(flawOfText(nested(LIMITS.templateDepth - 1), NAMES), undefined);
  assertEquals(flawOfText(nested(50_000), NAMES), "has too many places for values");
  assertEquals(flawOfText(nested(100), NAMES), "has sections nested too deeply");
});

Deno.test("so many places are taken, and no more", () => {
  assertEquals(flawOfText("{{a}}".repeat(LIMITS.templateTags - 1), NAMES), undefined);
  assertEquals(typeof flawOfText("{{a}}".repeat(LIMITS.templateTags), NAMES), "string");
});

Deno.test("what comes out is bounded, before it is put together", () => {
  const { render } = parseText("{{a}}{{a}}");
  const values = new Map([["a", "x".repeat(50)]]);
  assertEquals(render(values, 100).length, 100);
  assertThrows(() => render(values, 99), { code: "invalid_params" });
});
