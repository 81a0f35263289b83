/**
 * What a discovery changes about the items of a server.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { reconcile } from "../../src/catalog/reconcile.ts";
import type { Item } from "../../src/domain/item.ts";
import { createPace } from "../../src/platform/pace.ts";
import { fakeClock } from "../support/fake_clock.ts";

const NOW_MS = 1_000_000;
const GRACE_MS = 1000;

function known(upstreamName: string, seq: number, more: Partial<Item> = {}): Item {
  return {
    id: `id-${upstreamName}`,
    kind: "tool",
    upstreamId: "up",
    upstreamName,
    exposedName: `old-${upstreamName}`,
    foundMs: 5,
    seq,
    definition: `{"name":"${upstreamName}"}`,
    title: undefined,
    description: undefined,
    enabled: true,
    missingSinceMs: undefined,
    audience: undefined,
    ...more,
  };
}

function found(...names: string[]) {
  return names.map((name) => ({ name, definition: `{"name":"${name}"}` }));
}

function changes(before: readonly Item[], items: ReturnType<typeof found>, cut?: string) {
  return reconcile(before, { kind: "tool", items, cut }, {
    upstreamId: "up",
    nowMs: NOW_MS,
    graceMs: GRACE_MS,
    newId: () => "new",
    nameOf: (name) => `alpha-${name}`,
    pace: createPace(fakeClock().monotonic),
  });
}

const NOTHING = { inserted: [], updated: [], removed: [] };

Deno.test("what is as it was changes nothing, in whatever order it comes", async () => {
  assertEquals(await changes([known("a", 1), known("b", 2)], found("b", "a")), NOTHING);
});

Deno.test("what is new comes last, in its own order", async () => {
  const { inserted } = await changes([known("a", 7)], found("c", "a", "b"));
  assertEquals(inserted.map(({ upstreamName, seq }) => [upstreamName, seq]), [["c", 8], ["b", 9]]);
});

Deno.test("what is new is as it was found", async () => {
  const { inserted } = await changes([], found("a"));
  assertEquals(inserted, [
    known("a", 1, { id: "new", exposedName: "alpha-a", foundMs: NOW_MS }),
  ]);
});

Deno.test("another definition keeps all else, what administrators have set included", async () => {
  const before = known("a", 3, { title: "Mine", enabled: false });
  const { updated } = await changes([before], [{ name: "a", definition: "{}" }]);
  assertEquals(updated, [{ ...before, definition: "{}" }]);
});

Deno.test("what is not found is hidden, and keeps id, name and place", async () => {
  const before = known("a", 3);
  assertEquals(await changes([before], []), {
    ...NOTHING,
    updated: [{ ...before, missingSinceMs: NOW_MS }],
  });
});

Deno.test("what is still not found stays hidden since the first time", async () => {
  const before = known("a", 1, { missingSinceMs: NOW_MS - GRACE_MS + 1 });
  assertEquals(await changes([before], []), NOTHING);
});

Deno.test("what is not found for the grace time is removed", async () => {
  const before = known("a", 1, { missingSinceMs: NOW_MS - GRACE_MS });
  assertEquals(await changes([before], []), { ...NOTHING, removed: ["id-a"] });
});

Deno.test("what is found again is as it was", async () => {
  const before = known("a", 3, { missingSinceMs: 5 });
  assertEquals(await changes([before], found("a")), {
    ...NOTHING,
    updated: [{ ...before, missingSinceMs: undefined }],
  });
});

Deno.test("a place is not given again while its item is hidden", async () => {
  const { inserted } = await changes([known("a", 3, { missingSinceMs: NOW_MS })], found("b"));
  assertEquals(inserted[0]?.seq, 4);
});

Deno.test("a list that was cut hides and removes nothing", async () => {
  const before = [known("a", 1), known("b", 2, { missingSinceMs: 0 })];
  assertEquals(await changes(before, [], "It does not end"), NOTHING);
});

Deno.test("a list that was cut never grows beyond 10,000 items", async () => {
  const before = Array.from({ length: 9_999 }, (_, i) => known(`t${i}`, i + 1));
  const { inserted } = await changes(before, found("x", "y", "z"), "It does not end");
  assertEquals(inserted.map(({ upstreamName }) => upstreamName), ["x"]);
});

Deno.test("of what is hidden, only the last 10,000 are kept", async () => {
  const before = Array.from(
    { length: 10_001 },
    (_, i) => known(`t${i}`, i + 1, { missingSinceMs: NOW_MS - (i === 5 ? 500 : 100) }),
  );
  const { removed, updated } = await changes(before, found("x"));
  assertEquals([removed, updated], [["id-t5"], []]);
});
