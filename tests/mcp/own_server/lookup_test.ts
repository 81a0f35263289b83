/**
 * The gateway's own items are found by name and id, as they are now.
 *
 * @module
 */
import { strictEqual as assertEquals } from "node:assert/strict";
import { createOwnLookup } from "../../../src/mcp/own_server/lookup.ts";
import type { ItemRow } from "../../../src/storage/catalog_tables.ts";
import { anItem } from "../../support/catalog_rows.ts";

const TOOL: ItemRow = { ...anItem("a"), revision: 1 };
const PROMPT: ItemRow = { ...anItem("b", { kind: "prompt", upstreamName: "a" }), revision: 1 };

Deno.test("items of two kinds may have one name", () => {
  const { named } = createOwnLookup(() => [TOOL, PROMPT]);
  assertEquals(named("tool", TOOL.upstreamName), TOOL);
  assertEquals(named("prompt", "a"), PROMPT);
  assertEquals(named("template", "a"), undefined);
});

Deno.test("what is no name is no item", () => {
  const { named, withId } = createOwnLookup(() => [TOOL]);
  assertEquals(named("tool", undefined), undefined);
  assertEquals(named("tool", { length: 1 }), undefined);
  assertEquals(withId(undefined), undefined);
});

Deno.test("after a change the items are those that there are then", () => {
  let items: readonly ItemRow[] = [TOOL];
  const { named, withId } = createOwnLookup(() => items);
  assertEquals(withId(TOOL.id), TOOL);
  const changed = { ...TOOL, revision: 2 };
  items = [changed];
  assertEquals(withId(TOOL.id), changed);
  items = [];
  assertEquals(named("tool", TOOL.upstreamName), undefined);
});
