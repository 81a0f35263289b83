/**
 * A page taken apart: every element as it was written, and what bounds it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, match as assertMatch } from "node:assert/strict";
import type { ItemKind } from "../../../src/domain/item.ts";
import { pageOf } from "../../../src/mcp/own/pages.ts";
import { scanUpstream, sortMembers } from "../../../src/mcp/upstream_message.ts";
import { bytesOf } from "../../support/bytes.ts";

async function page(result: string, kind: ItemKind = "tool") {
  const message = bytesOf(`{"jsonrpc":"2.0","id":1,"result":${result}}`);
  const found = sortMembers(message, scanUpstream(message).members);
  const answer = { status: 200, sessionId: undefined, message, code: undefined };
  return await pageOf({ ...answer, result: found.result! }, kind, () => Promise.resolve());
}

async function only(element: string) {
  const { items } = await page(`{"tools":[${element}]}`);
  assertEquals(items.length, 1);
  return items[0]!;
}

Deno.test("numbers, escapes and the order of members stay as they were written", async () => {
  const text = '{"z":1.0,"n":123456789012345678901,"name":"\\u0061\\/","e":1E400,"é":"😀"}';
  assertEquals(await only(text), { text });
});

Deno.test("an element over several lines stands on one", async () => {
  assertEquals(await only('{\r\n  "name": "a\\nb"\n}'), { text: '{    "name": "a\\nb" }' });
});

Deno.test("what is no object is left for others to refuse", async () => {
  const { items } = await page('{"tools":[7,null,"x",[],true]}');
  assertEquals(items, ["7", "null", '"x"', "[]", "true"].map((text) => ({ text })));
});

const FLAWED: Readonly<Record<string, readonly [element: string, flaw: RegExp]>> = {
  "a name twice": ['{"name":"a","name":"b"}', /doubled/],
  "a name twice in two spellings": ['{"name":"a","n\\u0061me":"b"}', /doubled/],
  "a name twice deep inside": ['{"name":"a","s":{"x":[{"y":1,"y":2}]}}', /doubled/],
  "a long member name": [`{"name":"a","${"k".repeat(2000)}":1}`, /name is too long/],
  "too many members": [`{"name":"a","x":[${Array(60_000).fill("0").join()}]}`, /more than 50000/],
  "too many bytes": [`{"name":"a","x":"${"y".repeat(270_000)}"}`, /larger than 256 KiB/],
};

for (const [what, [element, flaw]] of Object.entries(FLAWED)) {
  Deno.test(`an element with ${what} is flawed, and named`, async () => {
    const listed = await only(element);
    assertMatch("flaw" in listed ? `${listed.name}: ${listed.flaw}` : "", flaw);
    assertEquals("flaw" in listed && listed.name, "a");
  });
}

Deno.test("an element of exactly 256 KiB is kept", async () => {
  const frame = '{"name":"a","x":""}';
  const text = frame.replace('""', `"${"y".repeat(256 * 1024 - frame.length)}"`);
  assertEquals("text" in await only(text), true);
});

Deno.test("a page is cut behind 10,001 elements", async () => {
  const { items, isCut } = await page(`{"tools":[${Array(500_000).fill("0").join()}]}`);
  assertEquals([items.length, isCut], [10_001, true]);
});

Deno.test("a page of 10,001 elements is whole", async () => {
  const { items, isCut } = await page(`{"tools":[${Array(10_001).fill("0").join()}]}`);
  assertEquals([items.length, isCut], [10_001, false]);
});

for (const cursor of ['""', "null"]) {
  Deno.test(`the cursor ${cursor} ends the list`, async () => {
    assertEquals((await page(`{"tools":[],"nextCursor":${cursor}}`)).nextCursor, undefined);
  });
}

const HINTS: readonly (readonly [members: string, ttlMs: unknown, cacheScope: unknown])[] = [
  ['"ttlMs":5000.9,"cacheScope":"public"', 5000, "public"],
  ['"ttlMs":0,"cacheScope":"private"', 0, "private"],
  ['"ttlMs":1e300', 86_400_000, undefined],
  ['"ttlMs":-1,"cacheScope":"everybody"', undefined, undefined],
  ['"ttlMs":"5","cacheScope":null', undefined, undefined],
];

for (const [members, ttlMs, cacheScope] of HINTS) {
  Deno.test(`hints are taken where they mean something: ${members}`, async () => {
    const hints = await page(`{"tools":[],${members}}`);
    assertEquals([hints.ttlMs, hints.cacheScope], [ttlMs, cacheScope]);
  });
}

const LISTS: Readonly<Record<ItemKind, string>> = {
  tool: "tools",
  prompt: "prompts",
  resource: "resources",
  template: "resourceTemplates",
};

for (const [kind, member] of Object.entries(LISTS)) {
  Deno.test(`the list of a page is in "${member}"`, async () => {
    assertEquals((await page(`{"${member}":[{}]}`, kind as ItemKind)).items, [{ text: "{}" }]);
  });
}
