/**
 * The JSON scan accepts what `JSON.parse` accepts, and says truly where the members stand.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  throws as assertThrows,
} from "node:assert/strict";
import {
  elementsOf,
  findMember,
  type JsonBounds,
  type JsonScan,
  JsonScanError,
  membersAt,
  nameOf,
  scanJson,
} from "../../src/mcp/json_scan.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { type Seeded, seeded } from "../support/seeded.ts";

const LOOSE: JsonBounds = { depth: 1000, nodes: 1e6, keyBytes: 1e6, uniqueNames: false };

const MUTANTS = 20_000;

const CORPUS = [
  "0",
  "null",
  '""',
  " [ ] ",
  "-0.5e+10",
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":[1,2]}}}',
  '{"result":{"content":[{"type":"text","text":"a \\"quoted\\" \\u00e9\\n word"}]},"id":"x"}',
  '{"a":{"b":{"c":[true,false,null,1e5,-0,0.1,"\\ud834\\udd1e"]}},"b":"\\\\\\/\\b\\f\\n\\r\\t"}',
  '{\r\n  "größe": "Straße 1 — ☃ 𝄞",\n\t"leer": {}\r\n}',
  `{"text":"${"long enough for whole words at a time ".repeat(4)}","n":12}`,
  `["${"x".repeat(61)}","${"é".repeat(40)}"]`,
];

/** What breaks readers: structure, escapes, control characters, odd and broken UTF-8. */
const SPLINTERS = [
  ...'{}[]:,"\\/-+.eE019 \t\r\n\0\x01\x1f\x7f\v\f'.split("").map(bytesOf),
  ...'true null \\u \\u00 \\ud800 \\x NaN 1e // /* {} [] " : ", 00 01 -- 1. .5 \u2028 \u00a0 \ufeff'
    .split(" ").map(bytesOf),
  ...[[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]
    .map((bytes) => new Uint8Array(bytes)),
];

Deno.test("scanJson() accepts exactly what JSON.parse accepts", () => {
  const random = seeded("scanJson() against JSON.parse");
  for (let i = 0; i < MUTANTS; i++) {
    const bytes = mutant(random);
    assertEquals(accepts(bytes), parses(bytes), `${i}: ${JSON.stringify(lossy(bytes))}`);
  }
});

Deno.test("scanJson() does not depend on where the bytes stand in memory", () => {
  const random = seeded("scanJson() at every alignment");
  for (let i = 0; i < MUTANTS / 10; i++) {
    const bytes = mutant(random);
    const verdicts = [0, 1, 2, 3].map((offset) => accepts(placedAt(offset, bytes)));
    assertEquals(new Set(verdicts).size, 1, `${i}: ${JSON.stringify(lossy(bytes))}`);
  }
});

Deno.test("scanJson() does not read past its bytes", () => {
  const whole = bytesOf('{"a":1}  ,"b":2}'.padEnd(80));
  assertEquals(scanJson(whole.subarray(0, 7), LOOSE).members.length, 1);
});

for (const text of CORPUS) {
  Deno.test(`no beginning of ${JSON.stringify(text.slice(0, 24))} but the whole is taken for JSON`, () => {
    const bytes = bytesOf(text);
    for (let length = 0; length <= bytes.length; length++) {
      const part = bytes.subarray(0, length);
      assertEquals(accepts(part), parses(part), `${length} bytes`);
    }
  });
}

for (const text of ['"\\u00e9"', '"\\n"', "-0.5e+1", "true"]) {
  Deno.test(`every byte at every place of ${text} is judged like JSON.parse does`, () => {
    const bytes = bytesOf(text);
    for (let at = 0; at < bytes.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = bytes.with(at, byte);
        assertEquals(accepts(changed), parses(changed), `byte ${byte} at ${at}`);
      }
    }
  });
}

for (let place = 0; place < 70; place += 3) {
  Deno.test(`a control character at place ${place} of a string is refused`, () => {
    const text = `"${"a".repeat(place)}\n${"a".repeat(70 - place)}"`;
    assertEquals(accepts(bytesOf(text)), false);
  });
}

Deno.test("the members of the outermost object are named in order, doubled ones too", () => {
  const text = ' { "a" : 1 , "b":{"c":[2, 3]},"a":null, "d" : "x" } ';
  assertEquals(spelled(text), ['"a"=1', '"b"={"c":[2, 3]}', '"a"=null', '"d"="x"']);
});

Deno.test("member positions give the same values as JSON.parse, whatever the spelling", () => {
  const random = seeded("member positions");
  for (let i = 0; i < MUTANTS; i++) {
    const bytes = mutant(random);
    if (!accepts(bytes)) continue;
    const value: unknown = JSON.parse(textOf(bytes)!);
    const scan = scanJson(bytes, LOOSE);
    assertEquals(scan.isArray, Array.isArray(value));
    assertEquals(scan.isObject, typeof value === "object" && value !== null && !scan.isArray);
    if (scan.isObject) assertEquals(rebuilt(bytes, scan), value, lossy(bytes));
  }
});

Deno.test("an array has no members", () => {
  assertEquals(scanJson(bytesOf('[{"a":1}]'), LOOSE).members, []);
});

for (const text of ['{\n"a":1}', '{"a":1}\r', '{"a":[1,\n2]}']) {
  Deno.test(`${JSON.stringify(text)} has line breaks between its tokens`, () => {
    assertEquals(scanJson(bytesOf(text), LOOSE).hasLineBreaks, true);
  });
}

Deno.test("an escaped line break in a string is none between tokens", () => {
  assertEquals(scanJson(bytesOf('{"a":"\\n\\r"}\t '), LOOSE).hasLineBreaks, false);
});

Deno.test("nesting at the bound is accepted", () => {
  scanJson(nested(5), { ...LOOSE, depth: 5 });
});

Deno.test("nesting above the bound is out of bounds", () => {
  assertOutOfBounds(nested(6), { ...LOOSE, depth: 5 });
});

Deno.test("objects count as levels like arrays", () => {
  assertOutOfBounds(bytesOf('{"a":{"b":{}}}'), { ...LOOSE, depth: 2 });
});

Deno.test("members and elements at the bound are accepted", () => {
  scanJson(bytesOf('{"a":[1,2],"b":{"c":3}}'), { ...LOOSE, nodes: 5 });
});

Deno.test("members and elements above the bound are out of bounds", () => {
  assertOutOfBounds(bytesOf('{"a":[1,2],"b":{"c":3}}'), { ...LOOSE, nodes: 4 });
});

Deno.test("a member name at the bound is accepted", () => {
  scanJson(bytesOf('{"éa":1}'), { ...LOOSE, keyBytes: 3 });
});

Deno.test("a member name above the bound, in bytes, is out of bounds", () => {
  assertOutOfBounds(bytesOf('{"éab":1}'), { ...LOOSE, keyBytes: 3 });
});

Deno.test("malformed text is not called out of bounds", () => {
  assertThrows(() => scanJson(bytesOf("{"), LOOSE), { outOfBounds: false });
});

Deno.test("a million brackets are refused at once", () => {
  assertOutOfBounds(bytesOf("[".repeat(1e6)), { ...LOOSE, depth: 64 });
});

for (const count of [2, 3, 12, 13, 14, 40]) {
  Deno.test(`${count} different names are accepted`, () => {
    scanUnique(names(count));
  });

  Deno.test(`a doubled name among ${count} is refused, wherever it stands`, () => {
    for (let first = 0; first < count; first++) {
      for (let second = first + 1; second < count; second++) {
        const doubled = names(count).with(second, names(count)[first]!);
        assertThrows(() => scanUnique(doubled), JsonScanError, `${first} and ${second}`);
      }
    }
  });

  Deno.test(`a name spelled with an escape is the same name among ${count}`, () => {
    const doubled = names(count).with(count - 1, "\\u006e0");
    assertThrows(() => scanUnique(doubled), JsonScanError);
  });
}

Deno.test("names that only differ in case, length or form are different names", () => {
  scanUnique(["a", "A", "aa", "", "á", "a\\u0301", "\\u0000", "0"]);
});

for (
  const text of [
    '{"a":{"b":1,"b":2}}',
    '[{"b":1,"b":2}]',
    '{"a":{"x":1,"y":{"b":1,"c":{},"b":2}},"z":1}',
    '{"a":[{"c":1},{"b":1,"\\u0062":2}]}',
  ]
) {
  Deno.test(`a doubled name is found at every depth: ${text}`, () => {
    assertOutOfBounds(bytesOf(text), { ...LOOSE, uniqueNames: true });
  });
}

Deno.test("the same name in different objects is no double", () => {
  scanJson(bytesOf('{"a":{"a":{"a":1},"b":{"a":1}},"b":[{"a":1},{"a":1}]}'), {
    ...LOOSE,
    uniqueNames: true,
  });
});

Deno.test("findMember() knows a name spelled with escapes", () => {
  const bytes = bytesOf('{"x":1,"m\\u0065thod":"a"}');
  const member = findMember(bytes, scanJson(bytes, LOOSE).members, nameOf("method"))!;
  assertEquals(textOf(bytes.subarray(member.start, member.end)), '"a"');
});

for (const text of ['{"methods":1}', '{"Method":1}', '{"metho":1}', '{"\\\\method":1}', "{}"]) {
  Deno.test(`findMember() finds no "method" in ${text}`, () => {
    const bytes = bytesOf(text);
    assertEquals(findMember(bytes, scanJson(bytes, LOOSE).members, nameOf("method")), undefined);
  });
}

Deno.test("membersAt() reads an object inside of a message", () => {
  const bytes = bytesOf('{"params":{"_meta":{"a":1}, "b":2}}');
  const [params] = scanJson(bytes, LOOSE).members;
  const inner = membersAt(bytes, params!.start);
  assertEquals(inner.map((m) => textOf(bytes.subarray(m.nameStart, m.nameEnd))), [
    '"_meta"',
    '"b"',
  ]);
});

Deno.test("membersAt() gives nothing for a value that is no object", () => {
  const bytes = bytesOf('{"params":[1]}');
  assertEquals(membersAt(bytes, scanJson(bytes, LOOSE).members[0]!.start), []);
});

for (
  const [text, elements] of [
    ["[]", []],
    [" [ \n ] ", []],
    ["[1]", ["1"]],
    ['\t[ {"a":[1,2]} ,\r\n"b" ]', ['{"a":[1,2]}', '"b"']],
    ['[[],[[ ]],{},""]', ["[]", "[[ ]]", "{}", '""']],
    ['["],[",{"]":","},"\\"]"]', ['"],["', '{"]":","}', '"\\"]"']],
    ["[-1.5e+3,true,false,null,0]", ["-1.5e+3", "true", "false", "null", "0"]],
  ] satisfies [string, string[]][]
) {
  Deno.test(`elementsOf() gives the elements of ${JSON.stringify(text)} as they are written`, () => {
    assertEquals(spelledElements(bytesOf(text)), elements);
  });
}

Deno.test("elementsOf() gives the same values as JSON.parse, wherever the bytes stand", () => {
  const random = seeded("elementsOf() against JSON.parse");
  const space = () => random.pick(["", "", " ", "\n\t "]);
  for (let i = 0; i < MUTANTS / 10; i++) {
    const parts = Array.from({ length: random.below(6) }, () => space() + random.pick(CORPUS));
    const text = `${space()}[${parts.join(`${space()},`)}${space()}]${space()}`;
    const bytes = placedAt(random.below(4), bytesOf(text));
    assertEquals(spelledElements(bytes).map((element) => JSON.parse(element)), JSON.parse(text));
  }
});

function accepts(bytes: Uint8Array): boolean {
  try {
    scanJson(bytes, LOOSE);
    return true;
  } catch (error) {
    assert(error instanceof JsonScanError, String(error));
    return false;
  }
}

function parses(bytes: Uint8Array): boolean {
  try {
    JSON.parse(textOf(bytes)!);
    return true;
  } catch {
    return false;
  }
}

/** One of the corpus with up to four small wounds. */
function mutant({ below, pick }: Seeded): Uint8Array {
  let bytes: Uint8Array = bytesOf(pick(CORPUS));
  for (let wounds = below(5); wounds > 0; wounds--) {
    const at = below(bytes.length + 1);
    const cut = pick([0, 0, 1, 1, 2, below(12)]);
    const put = pick([new Uint8Array(0), pick(SPLINTERS), pick(SPLINTERS)]);
    const parts = [bytes.subarray(0, at), put, bytes.subarray(at + cut)];
    bytes = new Uint8Array(parts.flatMap((part) => [...part]));
  }
  return bytes;
}

function placedAt(offset: number, bytes: Uint8Array): Uint8Array {
  const home = new Uint8Array(offset + bytes.length);
  home.set(bytes, offset);
  return home.subarray(offset);
}

function rebuilt(bytes: Uint8Array, { members }: JsonScan): unknown {
  const valueAt = (start: number, end: number) => JSON.parse(textOf(bytes.subarray(start, end))!);
  return Object.fromEntries(
    members.map((m) => [valueAt(m.nameStart, m.nameEnd), valueAt(m.start, m.end)]),
  );
}

function spelled(text: string): string[] {
  const bytes = bytesOf(text);
  return scanJson(bytes, LOOSE).members.map(({ nameStart, nameEnd, start, end }) =>
    `${text.slice(nameStart, nameEnd)}=${text.slice(start, end)}`
  );
}

function spelledElements(bytes: Uint8Array): string[] {
  scanJson(bytes, LOOSE);
  return elementsOf(bytes).map(({ start, end }) => textOf(bytes.subarray(start, end))!);
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `n${at}`);
}

/** @param names as they stand between the quotes */
function scanUnique(names: readonly string[]): void {
  const text = `{${names.map((name) => `"${name}":0`).join(",")}}`;
  scanJson(bytesOf(text), { ...LOOSE, uniqueNames: true });
}

function nested(levels: number): Uint8Array {
  return bytesOf("[".repeat(levels) + "]".repeat(levels));
}

function assertOutOfBounds(bytes: Uint8Array, bounds: JsonBounds): void {
  assertThrows(() => scanJson(bytes, bounds), { name: "JsonScanError", outOfBounds: true });
}

function lossy(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
