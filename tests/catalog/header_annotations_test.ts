/**
 * Which `x-mcp-header` annotations a client can follow.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, match as assertMatch } from "node:assert/strict";
import { flawOfHeaders, headersIn } from "../../src/catalog/header_annotations.ts";

/** The schema of arguments that are these. */
function schemaOf(properties: object): object {
  return { type: "object", properties };
}

const RIGHT: Readonly<Record<string, object>> = {
  "a schema without any": schemaOf({ a: { type: "array", items: { type: "object" } } }),
  "a text": schemaOf({ a: { type: "string", "x-mcp-header": "Region" } }),
  "an integer and a boolean": schemaOf({
    a: { type: "integer", "x-mcp-header": "A" },
    b: { type: "boolean", "x-mcp-header": "B" },
  }),
  "an argument in an argument": schemaOf({
    a: schemaOf({ b: { type: "string", "x-mcp-header": "B" } }),
  }),
  "every character of a token": schemaOf({
    a: { type: "string", "x-mcp-header": "!#$%&'*+-.^_`|~09azAZ" },
  }),
  "an argument of this name": schemaOf({ "x-mcp-header": { type: "object" } }),
  "a definition of this name": { type: "object", $defs: { "x-mcp-header": { type: "object" } } },
  "a value that looks like one": schemaOf({
    a: { type: "object", default: { "x-mcp-header": 7 }, enum: [{ "x-mcp-header": "" }] },
  }),
};

for (const [what, schema] of Object.entries(RIGHT)) {
  Deno.test(`annotations are right: ${what}`, () => {
    assertEquals(flawOfHeaders(schema), undefined);
  });
}

const annotated = { type: "string", "x-mcp-header": "A" };

const WRONG: Readonly<Record<string, readonly [schema: object, flaw: RegExp]>> = {
  "an empty name": [schemaOf({ a: { type: "string", "x-mcp-header": "" } }), /not the name/],
  "a name with a space": [
    schemaOf({ a: { type: "string", "x-mcp-header": "a b" } }),
    /not the name/,
  ],
  "a name with a colon": [
    schemaOf({ a: { type: "string", "x-mcp-header": "a:" } }),
    /not the name/,
  ],
  "a name with a line break": [
    schemaOf({ a: { type: "string", "x-mcp-header": "a\r\nX: 1" } }),
    /not the name/,
  ],
  "a name that ends with a line break": [
    schemaOf({ a: { type: "string", "x-mcp-header": "a\n" } }),
    /not the name/,
  ],
  "a name beyond ASCII": [schemaOf({ a: { type: "string", "x-mcp-header": "é" } }), /not the name/],
  "no text": [schemaOf({ a: { type: "string", "x-mcp-header": null } }), /not the name/],
  "an object": [schemaOf({ a: { type: "object", "x-mcp-header": "A" } }), /something else/],
  "an array": [schemaOf({ a: { type: "array", "x-mcp-header": "A" } }), /something else/],
  "a number": [schemaOf({ a: { type: "number", "x-mcp-header": "A" } }), /something else/],
  "no type": [schemaOf({ a: { "x-mcp-header": "A" } }), /something else/],
  "several types": [
    schemaOf({ a: { type: ["string", "null"], "x-mcp-header": "A" } }),
    /something else/,
  ],
  "the whole": [{ type: "object", "x-mcp-header": "A" }, /something else/],
  "one name twice": [schemaOf({ a: annotated, b: annotated }), /twice/],
  "one name in two spellings": [
    schemaOf({ a: annotated, b: { type: "string", "x-mcp-header": "a" } }),
    /twice/,
  ],
  "elements of an array": [schemaOf({ a: { type: "array", items: annotated } }), /can be found/],
  "a choice": [{ type: "object", anyOf: [schemaOf({ a: annotated })] }, /can be found/],
  "a definition": [{ type: "object", $defs: { a: annotated } }, /can be found/],
  "a pattern of names": [
    { type: "object", patternProperties: { "^a": annotated } },
    /can be found/,
  ],
  "a condition": [{ type: "object", if: schemaOf({ a: annotated }) }, /can be found/],
  "further arguments": [{ type: "object", additionalProperties: annotated }, /can be found/],
};

for (const [what, [schema, flaw]] of Object.entries(WRONG)) {
  Deno.test(`annotations are wrong: ${what}`, () => {
    assertMatch(flawOfHeaders(schema) ?? "", flaw);
  });
}

Deno.test("the headers of a schema are found where arguments are", () => {
  const schema = {
    type: "object",
    properties: {
      a: { type: "string", "x-mcp-header": "A" },
      b: { type: "object", properties: { c: { type: "integer", "x-mcp-header": "C" } } },
      d: { type: "string", default: { "x-mcp-header": "D" } },
    },
  };
  assertEquals(headersIn(schema), [
    { header: "A", path: ["a"] },
    { header: "C", path: ["b", "c"] },
  ]);
});

Deno.test("a schema with a flaw has no headers", () => {
  const properties = {
    a: { type: "string", "x-mcp-header": "A" },
    b: { type: "string", "x-mcp-header": "no token" },
  };
  assertEquals(headersIn({ type: "object", properties }), []);
});
