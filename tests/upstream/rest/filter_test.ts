/**
 * Filters: what they give, and that no filter takes long, whatever it is applied to.
 *
 * @module
 * @see RFC 9535; security.md, LIM-12, TOOL-10
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { createPatterns } from "../../../src/policy/guardrails/pattern.ts";
import { compileFilter } from "../../../src/upstream/rest/filter.ts";

const filter = (text: string) => compileFilter(text, createPatterns());

const STORE = {
  books: [
    { title: "A", price: 8, tags: ["x"], by: { name: "é" } },
    { title: "B", price: 12, tags: [] },
    { title: "Cc", price: 22, isbn: "0-1" },
  ],
  "a b": { "c.d": null },
};

for (
  const [text, value] of [
    ["$", [STORE]],
    ["$.books[*].title", ["A", "B", "Cc"]],
    ["$..price", [8, 12, 22]],
    ["$.books[-1:].title", ["Cc"]],
    ["$['a b']['c.d']", [null]],
    ["$.books[?@.price < 10].title", ["A"]],
    ["$.books[?@.isbn && !@.tags].title", ["Cc"]],
    ["$.books[?length(@.title) == 2].price", [22]],
    ["$.books[?count(@.tags[*]) == 1].title", ["A"]],
    ["$.books[?match(@.title, '[AB]')].price", [8, 12]],
    ["$.books[?match(@.title, 'C')].price", []],
    ["$.books[?search(@.title, 'C')].price", [22]],
    ["$.books[?@.by == $.books[0].by].title", ["A"]],
    ["$.books[?value(@..name) == 'é'].title", ["A"]],
    ["books[].title", ["A", "B", "Cc"]],
    ["books[?price > `10`] | [0].title", "B"],
    ["{n: length(books), first: books[0].by.name}", { n: 3, first: "é" }],
    ['"a b"."c.d"', null],
    ["sort_by(books, &price)[-1].title", "Cc"],
    ["map(&price, books)", [8, 12, 22]],
    ["books[*].tags[]", ["x"]],
    ["join('-', books[].title)", "A-B-Cc"],
    ["to_string(books[0].tags)", '["x"]'],
    ["contains(books[0].tags, 'x')", true],
    ["constructor", null],
    ["__proto__", null],
    ["books[0].toString", null],
  ] as const
) {
  Deno.test(`${text} gives ${JSON.stringify(value).slice(0, 60)}`, () => {
    assertEquals(filter(text).apply(STORE), value);
  });
}

for (
  const text of [
    "$[",
    "$.a..",
    "$$",
    "$.a[?nope(@)]",
    "a[",
    "a.",
    "nope(a)",
    "{",
    "pad_left(a, `9`)",
  ]
) {
  Deno.test(`${text} is no filter`, () => void assertThrows(() => filter(text), Error));
}

for (const text of ["length(books[0].price)", "sum(books[].title)"]) {
  Deno.test(`${text}, where it does not fit, is a failure`, () => {
    assertThrows(() => filter(text).apply(STORE), { code: "upstream_protocol" });
  });
}

const BIG = {
  list: Array.from({ length: 2_000 }, (_, id) => ({ id, deep: { deep: { list: [id] } } })),
  text: "a".repeat(50_000),
};

for (
  const text of [
    "$..[?@..[?@..id]]",
    "$..*..*..*..*",
    "$.list[?@.deep == $.list]",
    "$.list[?count($..*) > 1]",
    "$.list[?length($.text) > 1]",
    "$.list[?search($.text, '(a*)*b')]",
    "$.list[?search($.text, '(a|aa)+$')]",
    "list[?deep == $.list]",
    "list[*].to_string($)",
    "map(&map(&id, $.list), list)",
    "list[].[$.text, $.list] | [].to_string(@)",
    "join(text, list[].to_string(id))",
    `list${" | [@, @][]".repeat(40)}`,
    `{a: @, b: @}${" | {a: @, b: @}".repeat(40)}`,
    "let $x = list in $x[*].to_string($x)",
  ]
) {
  Deno.test(`LIM-12: ${text.slice(0, 60)} comes to an end`, () => {
    assertThrows(() => filter(text).apply(BIG), {
      code: "upstream_protocol",
      message: "Filtering the reply takes too long",
    });
  });
}

for (const text of ["$..id", "list[].deep.deep.list[]", "$.list[?@.id > 1990].deep"]) {
  Deno.test(`${text} is well within the bounds`, () => void filter(text).apply(BIG));
}

Deno.test("one filter that took too long does not keep the next from being applied", () => {
  const one = filter("$..*..*..*");
  assertThrows(() => one.apply(BIG), { code: "upstream_protocol" });
  assertEquals(one.apply({ a: { b: { c: 1 } } }), [1]);
});
