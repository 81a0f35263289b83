/**
 * Which elements of a list are shown, and why the others are not.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, match as assertMatch } from "node:assert/strict";
import { foundItem } from "../../src/catalog/found_item.ts";
import type { ItemKind } from "../../src/domain/item.ts";
import { aPrompt, aResource, aTemplate, aTool } from "../support/fake_reader.ts";

const RIGHT: readonly (readonly [kind: ItemKind, name: string, text: string])[] = [
  ["tool", "plain", aTool("plain")],
  ["tool", "käse 🧀", aTool("käse 🧀")],
  ["tool", "__proto__", aTool("__proto__")],
  ["tool", "x".repeat(1024), aTool("x".repeat(1024))],
  ["tool", "n", '{"name":"n","inputSchema":{"type":"object","maximum":1.0e400},"later":[1]}'],
  ["prompt", "p", aPrompt("p", { arguments: [{ name: "a", required: true }] })],
  ["resource", "ui://a", aResource("ui://a", { size: 7, mimeType: "text/html" })],
  ["template", "a://{x}", aTemplate("a://{x}")],
];

for (const [kind, name, text] of RIGHT) {
  Deno.test(`a ${kind} is kept exactly as it was sent: ${text.slice(0, 60)}`, () => {
    assertEquals(foundItem(kind, { text }, true), { name, definition: text });
  });
}

const WRONG: readonly (readonly [kind: ItemKind, text: string, flaw: RegExp])[] = [
  ["tool", "null", /not an object/],
  ["tool", "[]", /not an object/],
  ["tool", '"a"', /not an object/],
  ["tool", "{}", /"name" is not a text/],
  ["tool", '{"name":7}', /"name" is not a text/],
  ["tool", '{"__proto__":{"name":"a","inputSchema":{"type":"object"}}}', /"name" is not a text/],
  ["tool", aTool(""), /"name" is empty/],
  ["tool", aTool("x".repeat(1025)), /longer than 1024 bytes/],
  ["tool", aTool("é".repeat(513)), /longer than 1024 bytes/],
  ["tool", aTool("a\0b"), /cannot be sent/],
  ["tool", aTool("a\ud800"), /cannot be sent/],
  ["tool", '{"name":"a"}', /"inputSchema" is not a schema/],
  ["tool", aTool("a", { inputSchema: null }), /"inputSchema" is not a schema/],
  ["tool", aTool("a", { inputSchema: [] }), /"inputSchema" is not a schema/],
  ["tool", aTool("a", { inputSchema: { type: "string" } }), /"inputSchema" is not a schema/],
  ["tool", aTool("a", { outputSchema: true }), /"outputSchema" is not an object/],
  ["tool", aTool("a", { description: {} }), /"description" is not a text/],
  ["tool", aTool("a", { title: null }), /"title" is not a text/],
  ["tool", aTool("a", { annotations: "none" }), /"annotations" is not an object/],
  ["tool", aTool("a", { icons: [7] }), /"icons" is not a list of objects/],
  ["tool", aTool("a", { _meta: [] }), /"_meta" is not an object/],
  ["prompt", aPrompt("a", { arguments: {} }), /"arguments" is not a list/],
  ["prompt", aPrompt("a", { arguments: [{}] }), /"arguments" is not a list/],
  ["resource", '{"uri":"a://b"}', /"name" is not a text/],
  ["resource", '{"name":"b"}', /"uri" is not a text/],
  ["resource", aResource("a://b", { size: "1" }), /"size" is not a number/],
  ["template", aResource("a://b"), /"uriTemplate" is not a text/],
];

for (const [kind, text, flaw] of WRONG) {
  Deno.test(`a ${kind} is left out: ${text.slice(0, 60)}`, () => {
    const found = foundItem(kind, { text }, true);
    assertMatch("flaw" in found ? found.flaw : "", flaw);
  });
}

Deno.test("a header annotation matters only in the era that has them", () => {
  const text = aTool("a", {
    inputSchema: { type: "object", properties: { b: { type: "number", "x-mcp-header": "B" } } },
  });
  assertEquals("flaw" in foundItem("tool", { text }, false), false);
  assertEquals("flaw" in foundItem("tool", { text }, true), true);
});
