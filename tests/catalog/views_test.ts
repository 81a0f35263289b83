/**
 * Views of many servers, and what callers see of them: shared as far as they see the same, kept as far as
 * nothing changes.
 *
 * @module
 * @see security.md, AUTHZ-16, AUTHZ-19
 */
import { deepStrictEqual as assertEquals, notStrictEqual, strictEqual } from "node:assert/strict";
import { shown } from "../../src/catalog/binding.ts";
import type { Shelf } from "../../src/catalog/catalog.ts";
import { createViews } from "../../src/catalog/views.ts";
import { ALL, createView, EVERYTHING, ruleOfServer, type View } from "../../src/catalog/view.ts";
import type { Item, ItemKind } from "../../src/domain/item.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import type { Audience, VirtualServer } from "../../src/domain/server.ts";
import { anItem, itemChanges, someServerSettings } from "../support/catalog_rows.ts";
import { anUpstream, createMemoryCatalog } from "../support/memory_catalog.ts";

const ADMIN = { ...user("root"), isAdmin: true, teams: undefined };

function user(subject: string, ...teams: readonly string[]): Principal {
  const kind = "gateway_jwt" as const;
  return { ...ANONYMOUS, kind, subject, teams, seesOwn: teams.length > 0 };
}

function of(team: string): Audience {
  return { visibility: "team", team, owner: undefined };
}

function shelf(name: string, seq: number, items: readonly Partial<Item>[]): Shelf {
  const server = anUpstream({ id: name, name, slug: name, seq });
  return {
    server,
    offer: undefined,
    items: items.map((members, i) => ({
      ...anItem(`${name}-${i}`, {
        upstreamId: name,
        upstreamName: `t${i}`,
        exposedName: `${name}-t${i}`,
        seq: i + 1,
        ...members,
      }),
      revision: 1,
    })),
    isUnreadable: false,
    revision: 1,
    createdMs: 0,
    updatedMs: 0,
  };
}

async function viewsOf() {
  const catalog = await createMemoryCatalog([]);
  return createViews({ catalog, pace: () => Promise.resolve(), collided() {} });
}

function namesIn(caller: { readonly lists: View["lists"] }, kind: ItemKind = "tool"): string[] {
  return caller.lists[kind].flat().map(({ name }) => name);
}

Deno.test("callers see what is of both the server and the item theirs", async () => {
  const { seenBy } = await viewsOf();
  const view = createView(EVERYTHING, [
    shelf("a", 1, [{}, { audience: of("red") }, { audience: of("blue") }]),
  ]);
  const seen = [ANONYMOUS, user("r", "red"), user("b", "red", "blue"), ADMIN]
    .map((principal) => namesIn(seenBy(principal, view)));
  const all = ["a-t0", "a-t1", "a-t2"];
  assertEquals(seen, [["a-t0"], ["a-t0", "a-t1"], all, all]);
});

Deno.test("a thousand callers of 200 teams have one list for each team, and one of all that is not the team's", async () => {
  const { seenBy } = await viewsOf();
  const shelves = Array.from(
    { length: 100 },
    (_, s) =>
      shelf(
        `s${s}`,
        s,
        Array.from({ length: 20 }, (_, i) => i < 2 ? { audience: of(`team${s * 2 + i}`) } : {}),
      ),
  );
  const view = createView(EVERYTHING, shelves);
  const callers = Array.from({ length: 1000 }, (_, i) => user(`u${i}`, `team${i % 200}`));
  const views = callers.map((caller) => seenBy(caller, view));
  assertEquals(new Set(views).size, 200);
  // Each server as its own team sees it, as the other one does, and as everybody does.
  assertEquals(new Set(views.flatMap(({ lists }) => lists.tool)).size, 300);
});

Deno.test("what callers see is right when very many have been forgotten", async () => {
  const { seenBy } = await viewsOf();
  const count = LIMITS.callerViews * 2;
  const items = Array.from({ length: count }, (_, i) => ({ audience: of(`team${i}`) }));
  const view = createView(EVERYTHING, [shelf("a", 1, items)]);
  const callers = items.map((_, i) => user(`u${i}`, `team${i}`));
  for (let round = 0; round < 2; round++) {
    const seen = callers.map((caller) => namesIn(seenBy(caller, view)));
    assertEquals(seen, items.map((_, i) => [`a-t${i}`]));
  }
});

Deno.test("owners whose names look like other audiences are themselves", async () => {
  const { seenBy } = await viewsOf();
  const owners = ["a", "b", "a,private b", "team red"];
  const items = owners.map((owner) => ({
    audience: { visibility: "private", team: undefined, owner } as const,
  }));
  const view = createView(EVERYTHING, [shelf("a", 1, [...items, { audience: of("red") }])]);
  const seen = owners.map((owner) => namesIn(seenBy(user(owner, "some"), view)));
  assertEquals(seen, [["a-t0"], ["a-t1"], ["a-t2"], ["a-t3"]]);
});

Deno.test("a change of one server leaves the lists of all others what they were", async () => {
  const { seenBy } = await viewsOf();
  const [a, b] = [shelf("a", 1, [{}, { audience: of("red") }]), shelf("b", 2, [{}])];
  const before = createView(EVERYTHING, [a, b]);
  const after = createView(EVERYTHING, [a, shelf("b", 2, [{ title: "Other" }])], before);
  const [first, second] = [before, after].map((view) => seenBy(ANONYMOUS, view).lists.tool);
  strictEqual(first![0], second![0]);
  notStrictEqual(first![1], second![1]);
});

Deno.test("the name of a hidden item stays taken", () => {
  const settings = { ...someServerSettings({ tools: ["*"], naming: "verbatim" }) };
  const server: VirtualServer = {
    ...settings,
    id: "v",
    slug: "v",
    name: "v",
    declared: false,
    seq: 9,
  };
  const view = createView(ruleOfServer(server), [
    shelf("a", 1, [{ audience: of("red") }]),
    shelf("b", 2, [{}]),
  ]);
  assertEquals(view.collisions.map(({ name }) => name), ["t0"]);
  assertEquals(view.find(ANONYMOUS, "tool", "t0"), undefined);
  assertEquals(view.find(user("r", "red"), "tool", "t0")?.server.id, "a");
});

Deno.test("what is hidden is not found through a template, however it is spelled", () => {
  const view = createView(EVERYTHING, [shelf("a", 1, [
    { kind: "resource", upstreamName: "x://red", audience: of("red") },
    { kind: "template", upstreamName: "x://{any}", exposedName: "x://{any}" },
    { kind: "template", upstreamName: "y://{a}", exposedName: "y://{a}", audience: of("red") },
    { kind: "template", upstreamName: "y://{+b}", exposedName: "y://{+b}" },
  ])]);
  const found = (principal: Principal, uri: string) =>
    view.resolve(principal, uri).map(({ binding }) => binding.name);
  const uris = ["x://red", "x://%72ed", "x://blue", "y://{a}", "y://1"];
  assertEquals(uris.map((uri) => found(ANONYMOUS, uri)), [
    [],
    [],
    ["x://{any}"],
    [],
    ["y://{+b}"],
  ]);
  assertEquals(found(user("r", "red"), "x://red"), ["x://red", "x://{any}"]);
});

/** A catalog whose `/mcp` is not made at once. */
async function largeCatalog() {
  const catalog = await createMemoryCatalog([anUpstream({ name: "a" })]);
  const { id } = catalog.upstreams()[0]!.server;
  const inserted = Array.from(
    { length: LIMITS.viewItemsAtOnce + 1 },
    (_, i) =>
      anItem(`i${i}`, { upstreamId: id, upstreamName: `t${i}`, exposedName: `a-t${i}`, seq: i }),
  );
  await catalog.tables.items.apply(id, itemChanges({ inserted }));
  await catalog.refresh();
  return catalog;
}

Deno.test("a large view is made in slices, and is what it would be at once", async () => {
  const catalog = await largeCatalog();
  let turns = 0;
  const pace = () => Promise.resolve(void turns++);
  const views = createViews({ catalog, pace, collided() {} });
  await views.ready(ALL);
  assertEquals(turns > LIMITS.viewItemsAtOnce / 100, true);
  assertEquals(views.ready(ALL), undefined);
  const texts = (view: View) => view.lists.tool.flat().map(shown);
  assertEquals(texts(views.of(ALL)!), texts(createView(EVERYTHING, catalog.upstreams())));
});

Deno.test("what changes while a large view is made is in it, whoever asks", async () => {
  const catalog = await largeCatalog();
  let turns = 0;
  const title = () => views.of(ALL)!.find(ANONYMOUS, "tool", "a-t0")?.item.title;
  const pace = async () => {
    if (++turns !== 5) return;
    await catalog.tables.items.update("i0", undefined, { title: "New" });
    await catalog.refresh();
    assertEquals(title(), "New");
  };
  const views = createViews({ catalog, pace, collided() {} });
  await views.ready(ALL);
  assertEquals([turns > 5, title()], [true, "New"]);
});

Deno.test("a small view is never waited for", async () => {
  const catalog = await createMemoryCatalog([anUpstream({ name: "a" })]);
  const views = createViews({ catalog, pace: () => Promise.resolve(), collided() {} });
  assertEquals(views.ready(ALL), undefined);
});
