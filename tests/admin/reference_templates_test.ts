/**
 * What of the reference system's languages is the same here: Jinja templates as Mustache, jq filters
 * as JSONPath.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { NotTaken } from "../../src/admin/reference/entry.ts";
import { promptOfJinja } from "../../src/admin/reference/jinja.ts";
import { filterOfJq } from "../../src/admin/reference/jq_path.ts";
import { compileFilter } from "../../src/upstream/rest/filter.ts";

type Message = readonly ["user" | "assistant", string];

const TEMPLATES: readonly (readonly [template: string, ...Message[]])[] = [
  ["Hello", ["user", "Hello"]],
  ["{{who}} {{  who  }}{{\nwho\n}}", ["user", "{{who}} {{who}}{{who}}"]],
  ["# Assistant: Yes?", ["assistant", "Yes?"]],
  ["Begin\n# Assistant:\nGo on\n\n# User: now\nand then", ["user", "Begin"], [
    "assistant",
    "Go on",
  ], ["user", "now\nand then"]],
  ["# User:\r\na\r\n# Assistant:\r\nb\r\n", ["user", "a"], ["assistant", "b"]],
  [" # User: is no mark\n## User: nor this", ["user", "# User: is no mark\n## User: nor this"]],
  ["# User:\n# Assistant:\nx", ["assistant", "x"]],
  ["a{# a {{ comment }} {# b #}c", ["user", "ac"]],
  ['{"a": "{b}", }} %} #}', ["user", '{"a": "{b}", }} %} #}']],
];

for (const [template, ...messages] of TEMPLATES) {
  Deno.test(`as messages: ${JSON.stringify(template)}`, () => {
    const found = promptOfJinja(template).messages.map(({ role, text }) => [role, text]);
    assertEquals(found, messages);
  });
}

Deno.test("the names of all places are known, those of comments are not", () => {
  const { names } = promptOfJinja("{{ a }}{{b}}{{ a }}{# {{ c }} #}");
  assertEquals([...names], ["a", "b"]);
});

for (
  const template of [
    "{% if a %}x{% endif %}",
    "{%- raw %}",
    "{{ a | upper }}",
    "{{ a.b }}",
    "{{ a[0] }}",
    "{{ a() }}",
    "{{ 'a' }}",
    "{{- a -}}",
    "{{ a + b }}",
    "{{{ a }}}",
    "{{& a }}",
    "{{#a}}x{{/a}}",
    "{{> a }}",
    "{{! a }}",
    "{{=<% %>=}}",
    "{{ a-b }}",
    "{{ none }}",
    "{{ a",
    "{{}}",
    "{# a",
  ]
) {
  Deno.test(`no template here: ${template}`, () => {
    assertThrows(() => promptOfJinja(template), NotTaken);
  });
}

const REPLY = {
  items: [{ id: 1, "a b": { c: [2, 3] } }, { id: 4 }],
  "x-y": "z",
  deep: { one: { two: 5 } },
};

/** What jq 1.7 gives of `REPLY`. */
const PATHS: readonly (readonly [jq: string, outputs: readonly unknown[]])[] = [
  [".deep.one.two", [5]],
  [".items[].id", [1, 4]],
  [".items[1]", [{ id: 4 }]],
  [".items[-1].id", [4]],
  ['.["x-y"]', ["z"]],
  ['."x-y"', ["z"]],
  ['.items[0]["a b"].c[]', [2, 3]],
  ['.items.[0].["a b"].c', [[2, 3]]],
  [" .deep ", [{ one: { two: 5 } }]],
];

for (const [jq, outputs] of PATHS) {
  Deno.test(`JSONPath gives the same list as jq: ${jq}`, () => {
    const filter = compileFilter(filterOfJq(jq, false)!, () => undefined);
    assertEquals(JSON.parse(JSON.stringify(filter.apply(REPLY))), outputs);
  });
}

for (const [jq, [output]] of PATHS.filter(([jq]) => !jq.includes("[]"))) {
  Deno.test(`JMESPath gives what it leads to, and no list: ${jq}`, () => {
    const filter = compileFilter(filterOfJq(jq, true)!, () => undefined);
    assertEquals(JSON.parse(JSON.stringify(filter.apply(REPLY))), output);
  });
}

Deno.test("the path to all of it is no filter", () => {
  assertEquals([filterOfJq(".", false), filterOfJq(" . ", true)], ["", ""]);
});

for (
  const jq of [
    "",
    "items",
    ".items | length",
    ".items[] | select(.id > 1)",
    ".a, .b",
    "{a: .a}",
    "[.items[].id]",
    "..",
    ".a?",
    ".items[1:2]",
    '."a\\(.b)"',
    ".a // 1",
    ".a.",
    "$x",
    ".a b",
    "keys",
  ]
) {
  Deno.test(`no path: ${jq}`, () => assertEquals(filterOfJq(jq, false), undefined));
}
