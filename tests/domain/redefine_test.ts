/**
 * Changed definitions: the named members are new, every other byte is the server's.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import { type DefinitionChange, shownDefinition } from "../../src/domain/redefine.ts";

for (
  const [what, definition, change, shown] of [
    ["no change", '{"name":"a"}', {}, '{"name":"a"}'],
    ["undefined members", ' {"name" : "a"} ', { name: undefined }, ' {"name" : "a"} '],
    ["a new name", '{"name":"a","x":1}', { name: "b" }, '{"name":"b","x":1}'],
    ["spaces around", ' { "name" : "a" , "x":1 } ', { name: "b" }, ' { "name" : "b" , "x":1 } '],
    ["an added title", '{"name":"a"}', { title: "A" }, '{"name":"a","title":"A"}'],
    ["an added title and spaces", '{ "name":"a" }', { title: "A" }, '{ "name":"a","title":"A" }'],
    ["an empty object", "{}", { title: "A" }, '{"title":"A"}'],
    ["an empty object with spaces", " { } ", { title: "A" }, ' {"title":"A" } '],
    [
      "one replaced, one added",
      '{"description":"old","name":"a"}',
      { name: "b", title: "B", description: "new" },
      '{"description":"new","name":"b","title":"B"}',
    ],
    ["an empty description", '{"description":"old"}', { description: "" }, '{"description":""}'],
    [
      "numbers that parsing would change",
      '{"name":"a","n":[1.0,1e400,-0,12345678901234567890,1E+2]}',
      { name: "b" },
      '{"name":"b","n":[1.0,1e400,-0,12345678901234567890,1E+2]}',
    ],
    [
      "escapes and members of the same name further in",
      '{"_meta":{"name":"a\\u0041\\"}"},"name":"a","l":["]","\\\\"]}',
      { name: "b" },
      '{"_meta":{"name":"a\\u0041\\"}"},"name":"b","l":["]","\\\\"]}',
    ],
    [
      "a value with brackets in text",
      '{"t":"}{][","name":"a"}',
      { name: "b" },
      '{"t":"}{][","name":"b"}',
    ],
    ["a value that is a number", '{"name":1,"x":true}', { name: "b" }, '{"name":"b","x":true}'],
    ["a value that is null", '{"title":null}', { title: "T" }, '{"title":"T"}'],
    ["a value that is an object", '{"title":{"a":[1]}}', { title: "T" }, '{"title":"T"}'],
    ["a name written with escapes", '{"n\\u0061me":"a"}', { name: "b" }, '{"n\\u0061me":"b"}'],
    [
      "a member that stands there twice",
      '{"name":"a","name":"c"}',
      { name: "b" },
      '{"name":"b","name":"b"}',
    ],
    [
      "text that needs escapes",
      '{"name":"a"}',
      { title: '"\n\u0000\ud800' },
      '{"name":"a","title":"\\"\\n\\u0000\\ud800"}',
    ],
    ["a URI", '{"uri":"a:b","name":"n"}', { uri: "a:b#s" }, '{"uri":"a:b#s","name":"n"}'],
    [
      "a template",
      '{"uriTemplate":"a:{b}"}',
      { uriTemplate: "a:{b}#s" },
      '{"uriTemplate":"a:{b}#s"}',
    ],
    [
      "annotations laid over others",
      '{"annotations":{"readOnlyHint":false,"x":1.0},"name":"a"}',
      { annotations: { readOnlyHint: true, title: "T" } },
      '{"annotations":{"readOnlyHint":true,"x":1.0,"title":"T"},"name":"a"}',
    ],
    [
      "annotations where there are none",
      '{"name":"a"}',
      { annotations: { readOnlyHint: true } },
      '{"name":"a","annotations":{"readOnlyHint":true}}',
    ],
    [
      "annotations over something else",
      '{"annotations":null}',
      { annotations: { audience: ["user"], priority: 0.5 } },
      '{"annotations":{"audience":["user"],"priority":0.5}}',
    ],
    ["empty annotations", '{"name":"a"}', { annotations: {} }, '{"name":"a"}'],
    [
      "a member named __proto__",
      '{"__proto__":{"name":"x"},"name":"a"}',
      { name: "b", annotations: JSON.parse('{"__proto__":{"polluted":true}}') },
      '{"__proto__":{"name":"x"},"name":"b","annotations":{"__proto__":{"polluted":true}}}',
    ],
  ] satisfies [string, string, DefinitionChange, string][]
) {
  Deno.test(`a definition is shown right with ${what}`, () => {
    assertEquals(shownDefinition(definition, change), shown);
  });
}

Deno.test("nothing that a definition or a change says reaches other objects", () => {
  shownDefinition('{"__proto__":{"polluted":1}}', {
    annotations: JSON.parse('{"__proto__":{"polluted":1}}'),
  });
  assertEquals("polluted" in {}, false);
});

Deno.test("a definition of a hundred thousand levels does not exhaust the stack", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  assertEquals(
    shownDefinition(`{"x":${deep},"name":"a"}`, { name: "b" }),
    `{"x":${deep},"name":"b"}`,
  );
});

Deno.test("a text of a million backslashes ends where it ends", () => {
  const text = "\\\\".repeat(500_000);
  assertEquals(
    shownDefinition(`{"x":"${text}","name":"a"}`, { name: "b" }),
    `{"x":"${text}","name":"b"}`,
  );
});

for (
  const text of [
    "",
    " ",
    "{",
    "[]",
    '"name"',
    "null",
    '{"name"',
    '{"name":',
    '{"name":}',
    '{"name":"a"',
    '{"name":"a",',
    '{"name":"a" "x":1}',
    '{"x":[1,2}',
    '{"x":{"y":1}',
    '{"x":"\\"}',
    "{name:1}",
    "{,}",
  ]
) {
  Deno.test(`${JSON.stringify(text)} is not changed but refused`, () => {
    assertThrows(
      () => shownDefinition(text, { name: "b" }),
      (error) => error instanceof GatewayError && error.code === "internal",
    );
  });
}
