/**
 * Argument checks: what fits passes, what does not is told in a sentence, and no schema makes a
 * tool unusable.
 *
 * @module
 * @see security.md, LIM-12 and LIM-13
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import {
  type ArgumentCheck,
  createArgumentCheck,
} from "../../src/policy/guardrails/argument_schema.ts";

const BEGINNING = "The arguments do not fit the schema of the tool: ";
const FITS = undefined;

for (
  const [what, schema, args, finding] of [
    ["no arguments where none are needed", { type: "object" }, undefined, FITS],
    [
      "no arguments where one is needed",
      { type: "object", required: ["path"] },
      undefined,
      'they must have the member "path".',
    ],
    ["null for arguments", { type: "object" }, null, "they must be object."],
    ["a wrong type", props({ n: { type: "integer" } }), { n: "1" }, '"/n" must be integer.'],
    ["nothing is converted", props({ n: { type: "boolean" } }), { n: 1 }, '"/n" must be boolean.'],
    ["a number below", props({ n: { minimum: 1 } }), { n: 0 }, '"/n" must be >= 1.'],
    [
      "a member that is not known",
      { ...props({ n: {} }), additionalProperties: false },
      { n: 1, "a\nb": 1 },
      'they must not have the member "a\\nb".',
    ],
    [
      "a value that is not listed",
      props({ n: { enum: ["a", 1] } }),
      { n: "b" },
      '"/n" must be one of ["a",1].',
    ],
    ["another value", props({ n: { const: "a" } }), { n: "b" }, '"/n" must be "a".'],
    ["a place further in", props({ a: { items: props({ "b/c": { type: "null" } }) } }), {
      a: [{ "b/c": 1 }],
    }, '"/a/0/b~1c" must be null.'],
    [
      "too short a text",
      props({ n: { minLength: 2 } }),
      { n: "🦊" },
      '"/n" must not have fewer than 2 characters.',
    ],
    ["a text that is long enough", props({ n: { minLength: 2 } }), { n: "🦊🦊" }, FITS],
    [
      "too long a text",
      props({ n: { maxLength: 2 } }),
      { n: "abc" },
      '"/n" must not have more than 2 characters.',
    ],
    ["a text of characters of two units", props({ n: { maxLength: 2 } }), { n: "🦊🦊" }, FITS],
    [
      "one of those too many",
      props({ n: { maxLength: 2 } }),
      { n: "🦊🦊🦊" },
      '"/n" must not have more than 2 characters.',
    ],
    ["the empty text", props({ n: { maxLength: 0, minLength: 0 } }), { n: "" }, FITS],
    [
      "text where none may be",
      props({ n: { maxLength: 0 } }),
      { n: "a" },
      '"/n" must not have more than 0 characters.',
    ],
    [
      "a text that does not match",
      props({ n: { pattern: "^[a-z]+$" } }),
      { n: "A" },
      '"/n" must match pattern "^[a-z]+$".',
    ],
    ["a text that matches somewhere", props({ n: { pattern: "b" } }), { n: "abc" }, FITS],
    ["a pattern with escapes", props({ n: { pattern: "^\\u0041\\/\\d$" } }), { n: "A/1" }, FITS],
    [
      "a format",
      props({ n: { format: "email" } }),
      { n: "nobody" },
      '"/n" must match format "email".',
    ],
    [
      "a time without a zone",
      props({ n: { format: "date-time" } }),
      { n: "2026-01-02T03:04:05" },
      FITS,
    ],
    ["a leap day", props({ n: { format: "date-time" } }), { n: "2028-02-29T23:59:59.5Z" }, FITS],
    [
      "the last second of a day with a leap second",
      props({ n: { format: "date-time" } }),
      { n: "2026-06-30t23:59:60z" },
      FITS,
    ],
    [
      "an offset without a colon",
      props({ n: { format: "date-time" } }),
      { n: "2026-01-02 03:04:05+0130" },
      FITS,
    ],
    ...[
      "2026-02-29T03:04:05Z",
      "2026-13-01T03:04:05Z",
      "2026-01-00T03:04:05Z",
      "2026-01-02T24:00:00Z",
      "2026-01-02T03:60:05Z",
      "2026-01-02T03:04:05.Z",
      "2026-01-02T03:04:05+24:00",
      "2026-01-02T03:04:05Z\n",
      "x2026-01-02T03:04:05Z",
    ].map((n): [string, object, unknown, string] => [
      `no time: ${JSON.stringify(n)}`,
      props({ n: { format: "date-time" } }),
      { n },
      '"/n" must match format "date-time".',
    ]),
    ["a format that nobody knows", props({ n: { format: "colour" } }), { n: "?" }, FITS],
    ["equal items", props({ n: { uniqueItems: true } }), {
      n: [{ a: 1, b: [2] }, { b: [2], a: 1 }],
    }, '"/n" must not have equal items.'],
    ["items that only look equal", props({ n: { uniqueItems: true } }), {
      n: [1, "1", true, "true", [1], null],
    }, FITS],
    ["equal items where they may be", props({ n: { uniqueItems: false } }), { n: [1, 1] }, FITS],
    [
      "an object that is listed",
      props({ n: { enum: [{ a: 1, b: 2 }] } }),
      { n: { b: 2, a: 1 } },
      FITS,
    ],
    [
      "an object that is not listed",
      props({ n: { enum: [{ a: 1 }] } }),
      { n: { a: 2 } },
      '"/n" must be equal to one of the allowed values.',
    ],
    [
      "a value of a long list",
      props({ n: { enum: Array.from({ length: 500 }, (_, i) => `v${i}`) } }),
      { n: "v499" },
      FITS,
    ],
    [
      "no value of a long list",
      props({ n: { enum: Array.from({ length: 500 }, (_, i) => `v${i}`) } }),
      { n: "v500" },
      '"/n" must be equal to one of the allowed values.',
    ],
    [
      "no alternative",
      props({ n: { anyOf: [{ type: "string" }, props({ b: { type: "string" } })] } }),
      { n: { b: 1 } },
      '"/n" must fit one of several schemas; for the nearest, "/n/b" must be string.',
    ],
    [
      "two alternatives at once",
      { oneOf: [{ minProperties: 0 }, { maxProperties: 9 }] },
      {},
      "they must fit exactly one of several schemas.",
    ],
    ["a recursive value", { ...props({ child: { $ref: "#" } }), required: ["id"] }, {
      id: 1,
      child: { id: 2, child: {} },
    }, '"/child/child" must have the member "id".'],
    ["a definition", { $defs: { n: { type: "null" } }, ...props({ n: { $ref: "#/$defs/n" } }) }, {
      n: 1,
    }, '"/n" must be null.'],
    [
      "a definition by anchor",
      { $defs: { n: { $anchor: "n", type: "null" } }, ...props({ n: { $ref: "#n" } }) },
      { n: 1 },
      '"/n" must be null.',
    ],
    [
      "a definition by id",
      {
        $id: "https://a.example/s",
        $defs: { n: { $id: "n", type: "null" } },
        ...props({ n: { $ref: "n" } }),
      },
      { n: 1 },
      '"/n" must be null.',
    ],
    [
      "a definition where nobody looks for one",
      { components: { n: { type: "null" } }, ...props({ n: { $ref: "#/components/n" } }) },
      { n: 1 },
      '"/n" must be null.',
    ],
    [
      "a name of every object",
      { required: ["toString", "constructor"] },
      {},
      'they must have the member "toString".',
    ],
    [
      "an argument that is named like a method",
      props({ constructor: { type: "string" } }),
      {},
      FITS,
    ],
    [
      "arguments called __proto__",
      { ...props({ a: {} }), additionalProperties: false },
      JSON.parse('{"__proto__":{"a":1}}'),
      'they must not have the member "__proto__".',
    ],
    [
      "null where OpenAPI allows it",
      props({ n: { type: "string", nullable: true } }),
      { n: null },
      FITS,
    ],
    [
      "a property called like a keyword",
      props({ default: { type: "null" }, enum: { type: "null" }, title: { type: "null" } }),
      { default: 1 },
      '"/default" must be null.',
    ],
    [
      "examples that are no schema",
      { examples: [{ type: 1 }], default: { $ref: 1 }, ...props({ n: { type: "null" } }) },
      { n: 1 },
      '"/n" must be null.',
    ],
    ["unevaluated members", { allOf: [props({ a: {} })], unevaluatedProperties: false }, {
      a: 1,
      b: 1,
    }, 'they must not have the member "b".'],
    [
      "required after others",
      { dependentRequired: { a: ["b"] } },
      { a: 1 },
      "they must have property b when property a is present.",
    ],
    ["a schema of nothing", {}, { anything: 1 }, FITS],
  ] satisfies [string, object, unknown, string | undefined][]
) {
  Deno.test(`${what}: ${finding ?? "passes"}`, () => {
    const world = open();
    const found = world.check({}, JSON.stringify(schema), args);
    assertEquals([found, world.reasons], [finding && BEGINNING + finding, []]);
  });
}

// Dialects: each row passes or not only if it is read in the right one.
for (
  const [what, schema, args, fits] of [
    ["2020-12 by default", props({ n: { prefixItems: [{ type: "null" }] } }), { n: [1] }, false],
    [
      "2020-12",
      {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        ...props({ n: { prefixItems: [{ type: "null" }] } }),
      },
      { n: [1] },
      false,
    ],
    [
      "2019-09",
      {
        $schema: "https://json-schema.org/draft/2019-09/schema",
        ...props({ n: { items: [{ type: "null" }], unevaluatedItems: false } }),
      },
      { n: [null, 1] },
      false,
    ],
    [
      "draft-07",
      {
        $schema: "http://json-schema.org/draft-07/schema#",
        ...props({ n: { items: [{ type: "null" }] } }),
      },
      { n: [1] },
      false,
    ],
    [
      "draft-07 over https",
      {
        $schema: "https://json-schema.org/draft-07/schema",
        ...props({ n: { prefixItems: [{ type: "null" }] } }),
      },
      { n: [1] },
      true,
    ],
    [
      "a reference alone in draft-07",
      {
        $schema: "http://json-schema.org/draft-07/schema#",
        definitions: { n: {} },
        ...props({ n: { $ref: "#/definitions/n", type: "null" } }),
      },
      { n: 1 },
      true,
    ],
    [
      "a reference and more in 2020-12",
      { $defs: { n: {} }, ...props({ n: { $ref: "#/$defs/n", type: "null" } }) },
      { n: 1 },
      false,
    ],
    [
      "draft-06",
      {
        $schema: "http://json-schema.org/draft-06/schema#",
        ...props({ n: { exclusiveMinimum: 1 } }),
      },
      { n: 1 },
      false,
    ],
    [
      "draft-06, which has no conditions",
      {
        $schema: "http://json-schema.org/draft-06/schema#",
        ...props({ n: { if: true, then: false }, then: { type: "null" } }),
      },
      { n: 1 },
      true,
    ],
    [
      "2019-09 by fit",
      { $recursiveAnchor: true, ...props({ n: { $recursiveRef: "#" } }), required: ["n"] },
      { n: {} },
      false,
    ],
    [
      "draft-04",
      {
        $schema: "http://json-schema.org/draft-04/schema#",
        ...props({ n: { minimum: 1, exclusiveMinimum: true } }),
      },
      { n: 1 },
      false,
    ],
    ["draft-04 by fit", props({ n: { minimum: 1, exclusiveMinimum: true } }), { n: 1 }, false],
    [
      "draft-04 by fit, where it says draft-07",
      {
        $schema: "http://json-schema.org/draft-07/schema#",
        ...props({ n: { minimum: 1, exclusiveMinimum: true } }),
      },
      { n: 1 },
      false,
    ],
    ["draft-07 by fit", props({ n: { items: [{ type: "null" }], additionalItems: false } }), {
      n: [null, 1],
    }, false],
    [
      "draft-04 with an id",
      {
        id: "http://a.example/s",
        $schema: "http://json-schema.org/draft-04/schema#",
        ...props({ id: { type: "null" } }),
      },
      { id: 1 },
      false,
    ],
  ] satisfies [string, object, unknown, boolean][]
) {
  Deno.test(`a schema is read as ${what}`, () => {
    const world = open();
    const found = world.check({}, JSON.stringify(schema), args);
    assertEquals([found === undefined, world.reasons], [fits, []]);
  });
}

for (
  const [what, text] of [
    ["not JSON", "{"],
    ["empty", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["a number", "1"],
    ["of an unknown dialect", '{"$schema":"https://a.example/own","type":"null"}'],
    ["of a dialect that is no text", '{"$schema":7,"type":"null"}'],
    ["of an unknown type", '{"type":"file"}'],
    ["broken inside", '{"properties":[1],"type":"null"}'],
    ["one that refers to nothing", '{"$ref":"#/$defs/none","type":"null"}'],
    ["one that refers to another host", '{"$ref":"http://127.0.0.1:1/schema","type":"null"}'],
    ["one that refers to a file", '{"$ref":"file:///etc/passwd","type":"null"}'],
    [
      "one that refers to a dialect",
      '{"$ref":"http://json-schema.org/draft-07/schema#","type":"null"}',
    ],
    ["one that refers to itself", '{"$ref":"#"}'],
    ["one that refers to itself twice", '{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}'],
    [
      "one that refers to itself in a circle",
      '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}',
    ],
    [
      "one of two equal ids",
      '{"$defs":{"a":{"$id":"x","type":"null"},"b":{"$id":"x"}},"type":"null"}',
    ],
    ["too large", JSON.stringify({ type: "null", title: "t".repeat(LIMITS.schemaChars) })],
    ["nested too deep", `${'{"not":'.repeat(100)}{}${"}".repeat(100)}`],
    ["nested deep enough to exhaust a stack", `${'{"not":'.repeat(30_000)}{}${"}".repeat(30_000)}`],
    [
      "of ten thousand alternatives",
      JSON.stringify({ anyOf: Array.from({ length: 10_000 }, (_, i) => ({ const: i })) }),
    ],
    [
      "of ten thousand properties",
      JSON.stringify(
        props(
          Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`p${i}`, { type: "null" }])),
        ),
      ),
    ],
    [
      "of ten thousand dependencies",
      JSON.stringify({
        dependentRequired: Object.fromEntries(
          Array.from({ length: 10_000 }, (_, i) => [`p${i}`, ["a"]]),
        ),
      }),
    ],
    [
      "one whose negation holds a pattern beyond us",
      '{"not":{"properties":{"a":{"pattern":"(?=x)"}}}}',
    ],
  ] satisfies [string, string][]
) {
  Deno.test(`a schema that is ${what} lets everything pass and is reported once`, () => {
    const world = open();
    const key = {};
    const found = [{}, { a: "y" }, undefined].map((args) => world.check(key, text, args));
    assertEquals([found, world.reasons.length], [[FITS, FITS, FITS], 1]);
  });
}

Deno.test("where nobody else checks, what cannot be checked does not fit", () => {
  const { check } = createArgumentCheck({ unusable: () => {}, isStrict: true, subject: "Values" });
  const endless = JSON.stringify({ $ref: "#" });
  assertEquals([check({}, "{", {}), check({}, endless, {}), check({}, "{}", {})], [
    "Values: they cannot be checked.",
    "Values: they cannot be checked.",
    undefined,
  ]);
});

Deno.test("why a schema cannot be checked by is told before it is used", () => {
  const { faultOf } = createArgumentCheck({ unusable: () => {} });
  const foreign = JSON.stringify({ $ref: "https://a.example/schema" });
  assertEquals([faultOf("{}"), faultOf("[]"), typeof faultOf(foreign)], [
    undefined,
    "The schema is not an object",
    "string",
  ]);
});

Deno.test("a reason is bounded and says for which schema", () => {
  const told: [string, object][] = [];
  const { check } = createArgumentCheck({ unusable: (...report) => told.push(report) });
  const key = { name: "the key" };
  check(key, JSON.stringify({ $ref: `#/${"x".repeat(10_000)}` }), {});
  assertEquals([told.length, told[0]![0].length, told[0]![1] === key], [1, 300, true]);
});

// Each of these took minutes, or for ever, somewhere.
for (
  const [what, schema, args, isReported] of [
    ["a catastrophic pattern", props({ a: { pattern: "^(a+)+$" } }), {
      a: `${"a".repeat(60_000)}!`,
    }, false],
    ["a pattern of large repeats", props({ a: { pattern: "\\pL{1000}".repeat(100) } }), {
      a: "a".repeat(60_000),
    }, true],
    ["a pattern of nested repeats", props({ a: { pattern: "((a{30}){30}){30}" } }), {
      a: "a".repeat(60_000),
    }, true],
    [
      "a pattern that is nested deep",
      props({ a: { pattern: `${"(".repeat(900)}a${")*".repeat(900)}` } }),
      { a: "a".repeat(60_000) },
      true,
    ],
    [
      "many names and patterns of names",
      {
        patternProperties: Object.fromEntries(
          Array.from({ length: 40 }, (_, i) => [`(a+)+b${i}`, { type: "null" }]),
        ),
      },
      Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`${"a".repeat(90)}${i}`, 1])),
      true,
    ],
    [
      "a schema that doubles with each level of the arguments",
      { allOf: [props({ a: { $ref: "#" } }), props({ a: { $ref: "#" } })] },
      nested(60),
      true,
    ],
    [
      "alternatives that double with each level",
      {
        anyOf: [props({ a: { $ref: "#" }, b: false }), props({ a: { $ref: "#" } })],
        ...props({ a: { $ref: "#" } }),
      },
      nested(60),
      true,
    ],
    ["definitions that double with each step", doubling("$ref", "$defs"), {}, true],
    [
      "definitions that double in draft-07",
      { $schema: "http://json-schema.org/draft-07/schema#", ...doubling("$ref", "definitions") },
      {},
      true,
    ],
    [
      "dynamic references that double",
      {
        $dynamicAnchor: "x",
        allOf: [props({ a: { $dynamicRef: "#x" } }), props({ a: { $dynamicRef: "#x" } })],
      },
      nested(60),
      true,
    ],
    [
      "schemas hidden where none are expected",
      {
        x: {
          properties: {
            anyOf: [
              props({ a: { $ref: "#/x/properties" } }),
              props({ a: { $ref: "#/x/properties" }, b: {} }),
            ],
          },
        },
        allOf: [{ $ref: "#/x/properties" }, { $ref: "#/x/properties", minProperties: 0 }],
      },
      nested(60),
      false,
    ],
    [
      "schemas hidden in an enum",
      { enum: [{ allOf: [{ $ref: "#/enum/0" }] }], allOf: [{ $ref: "#/enum/0" }] },
      {},
      true,
    ],
    ["many items that are compared", props({ a: { uniqueItems: true } }), {
      a: Array.from({ length: 49_000 }, (_, i) => ({ i })),
    }, true],
    ["large items that are compared", props({ a: { uniqueItems: true } }), {
      a: Array.from({ length: 40 }, (_, i) => `${"é".repeat(100_000)}${i}`),
    }, true],
    [
      "many names that are counted often",
      { anyOf: Array.from({ length: 100 }, () => ({ maxProperties: 1 })) },
      Object.fromEntries(Array.from({ length: 49_000 }, (_, i) => [`k${i}`, 1])),
      true,
    ],
    [
      "a long text that is measured often",
      props({
        a: { allOf: Array.from({ length: 200 }, (_, i) => ({ maxLength: 3_000_000 + i })) },
      }),
      { a: "é".repeat(4_000_000) },
      true,
    ],
    [
      "many items and alternatives",
      props({ a: { items: { anyOf: Array.from({ length: 200 }, (_, i) => ({ const: i })) } } }),
      { a: Array.from({ length: 49_000 }, () => 199) },
      true,
    ],
    [
      "many items that are looked for often",
      props({
        a: {
          allOf: Array.from(
            { length: 60 },
            (_, i) => ({ contains: { const: i }, minContains: 0, maxContains: 3 }),
          ),
        },
      }),
      { a: Array.from({ length: 49_000 }, () => 600) },
      true,
    ],
    [
      "many items and references of draft-07",
      {
        $schema: "http://json-schema.org/draft-07/schema#",
        definitions: { n: { not: { const: 1 } } },
        ...props({
          a: { allOf: Array.from({ length: 60 }, () => ({ items: { $ref: "#/definitions/n" } })) },
        }),
      },
      { a: Array.from({ length: 49_000 }, () => 600) },
      true,
    ],
    [
      "many items of formats",
      props({
        a: {
          items: {
            anyOf: [
              ...["email", "ipv6", "uri", "hostname"].map((format) => ({ format })),
              { minLength: 1 },
            ],
          },
        },
      }),
      { a: Array.from({ length: 10_000 }, () => "a-".repeat(1_000)) },
      true,
    ],
  ] satisfies [string, object, unknown, boolean][]
) {
  Deno.test(`LIM-12, LIM-13: ${what} ${isReported ? "are let pass and reported" : "come to an end"}`, () => {
    const world = open();
    world.check({}, JSON.stringify(schema), args);
    assertEquals(world.reasons.length, isReported ? 1 : 0, world.reasons.join());
  });
}

Deno.test("LIM-13: a check that took too long does not keep others from being checked", () => {
  const world = open();
  const key = {};
  const text = JSON.stringify({
    allOf: [props({ a: { $ref: "#" } }), props({ a: { $ref: "#" } })],
    type: "object",
  });
  world.check(key, text, nested(60));
  assertEquals(world.check(key, "", { a: 1 }), `${BEGINNING}"/a" must be object.`);
});

for (
  const [what, schema, args, finding] of [
    [
      "is not matched",
      props({ a: { pattern: "^(?!x)" }, b: { type: "null" } }),
      { a: "x" },
      FITS,
    ],
    [
      "leaves the other rules",
      props({ a: { pattern: "^(?!x)" }, b: { type: "null" } }),
      { a: "x", b: 1 },
      '"/b" must be null.',
    ],
    [
      "of names leaves those of the others",
      { patternProperties: { "^(?!x)": { type: "null" }, "^y": { type: "null" } } },
      { x: 1, y: 1 },
      '"/y" must be null.',
    ],
    [
      "of names forbids no names",
      { patternProperties: { "^(?!x)": {} }, additionalProperties: false },
      { y: 1 },
      FITS,
    ],
    [
      "of names forbids no names that others do not list",
      { patternProperties: { "^(?!x)": {}, "^y": { type: "null" } }, additionalProperties: false },
      { z: 1 },
      FITS,
    ],
  ] satisfies [string, object, unknown, string | undefined][]
) {
  Deno.test(`LIM-12: a pattern beyond us ${what}, and is reported`, () => {
    const world = open();
    const found = world.check({}, JSON.stringify(schema), args);
    assertEquals([found, world.reasons.length], [finding && BEGINNING + finding, 1]);
  });
}

Deno.test("a text too long for its pattern passes", () => {
  const text = JSON.stringify(props({ a: { pattern: "^b$" } }));
  assertEquals(open().check({}, text, { a: "a".repeat(LIMITS.patternedChars + 1) }), FITS);
});

Deno.test("a text too long for its pattern is not refused by a negation", () => {
  const text = JSON.stringify({ not: props({ a: { pattern: "^b" } }) });
  assertEquals(open().check({}, text, { a: "a".repeat(LIMITS.patternedChars + 1) }), FITS);
});

Deno.test("arguments are not changed", () => {
  const args = Object.freeze({ n: Object.freeze(["1"]) });
  const schema = props({
    n: { items: { type: ["string", "number"], default: 1 } },
    m: { default: 2 },
  });
  open().check({}, JSON.stringify({ ...schema, additionalProperties: false }), args);
  assertEquals(args, { n: ["1"] });
});

Deno.test("nothing in a schema or in arguments reaches other objects", () => {
  const text = '{"__proto__":{"polluted":1},"properties":{"__proto__":{"const":{"__proto__":1}},' +
    '"a":{"enum":[{"__proto__":{"polluted":1}}],"default":{"__proto__":{"polluted":1}}}}}';
  open().check(
    {},
    text,
    JSON.parse('{"__proto__":{"polluted":1},"a":{"__proto__":{"polluted":1}}}'),
  );
  assertEquals("polluted" in {}, false);
});

Deno.test("a schema cannot ask for an answer that comes later", () => {
  const text = JSON.stringify({ $async: true, type: "null" });
  assertEquals(open().check({}, text, {}), `${BEGINNING}they must be null.`);
});

Deno.test("text in a schema is never code", () => {
  const evil = `"'\`\${globalThis.isRun=true}\n\u2028*/];globalThis.isRun=true;//`;
  const schema = {
    required: [evil],
    ...props({ [evil]: { const: evil, pattern: evil, format: evil, enum: [evil] } }),
    $defs: { [evil]: {} },
    [evil]: evil,
  };
  open().check({}, JSON.stringify(schema), { [evil]: 1 });
  assertEquals("isRun" in globalThis, false);
});

Deno.test("a finding never repeats a value, and stays short", () => {
  const schema = props({ a: { type: "number", enum: [1] } });
  const world = open();
  const found = world.check({}, JSON.stringify(schema), { a: "a secret" });
  const long = world.check({}, JSON.stringify({ additionalProperties: false }), {
    ["é".repeat(9_000)]: 1,
  });
  assertEquals([found?.includes("secret"), long!.length < 400], [false, true]);
});

Deno.test("one schema cannot refer to what another defines", () => {
  const world = open();
  const id = "https://a.example/shared";
  world.check({}, JSON.stringify({ $id: id, $defs: { n: { $id: `${id}/n`, type: "null" } } }), {});
  world.check({}, JSON.stringify(props({ n: { $ref: `${id}/n` } })), { n: 1 });
  assertEquals(world.reasons.length, 1);
});

Deno.test("two schemas of one id are two", () => {
  const world = open();
  const found = ["string", "number"].map((type) =>
    world.check({}, JSON.stringify({ $id: "https://a.example/s", ...props({ n: { type } }) }), {
      n: 1,
    })
  );
  assertEquals(found, [`${BEGINNING}"/n" must be string.`, FITS]);
});

Deno.test("a schema is compiled once for all keys that share its text", () => {
  const world = open();
  const text = '{"$ref":"#/none"}';
  for (let i = 0; i < 5; i++) world.check({}, text, {});
  assertEquals(world.reasons.length, 1);
});

Deno.test("a key stands for its schema, whatever text comes with it", () => {
  const world = open();
  const key = {};
  world.check(key, '{"type":"null"}', {});
  assertEquals(world.check(key, "not JSON", {}), `${BEGINNING}they must be null.`);
});

Deno.test("a schema that was forgotten is compiled again", () => {
  const world = open();
  const key = {};
  const text = JSON.stringify(props({ n: { type: "null" } }));
  world.check(key, text, {});
  for (let i = 0; i < 2 * LIMITS.schemasCompiled; i++) world.check({}, `{"title":"${i}"}`, {});
  assertEquals(world.check(key, text, { n: 1 }), `${BEGINNING}"/n" must be null.`);
});

interface World extends ArgumentCheck {
  readonly reasons: string[];
}

function open(): World {
  const reasons: string[] = [];
  return { reasons, ...createArgumentCheck({ unusable: (reason) => reasons.push(reason) }) };
}

function props(properties: Record<string, unknown>) {
  return { properties };
}

/** `{a: {a: …}}` */
function nested(levels: number): object {
  let value = {};
  for (let i = 0; i < levels; i++) value = { a: value };
  return value;
}

/** Each definition refers to the next one twice. */
function doubling(reference: string, place: string): object {
  const to = (i: number) => ({ [reference]: `#/${place}/d${i}` });
  const definitions = Array.from(
    { length: 30 },
    (_, i) => [`d${i}`, { allOf: [to(i + 1), to(i + 1)] }],
  );
  return { ...to(0), [place]: { ...Object.fromEntries(definitions), d30: {} } };
}
