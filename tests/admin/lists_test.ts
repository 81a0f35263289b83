/**
 * Pages: complete, stable, bounded; cursors that were made up are refused.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { pageOf } from "../../src/admin/api/cursor.ts";
import { ADMIN, type AdminWorld, adminWorld, type Json } from "../support/admin_world.ts";

Deno.test("a list has 50 records on a page unless it is asked for another number", async () => {
  const { call } = await manyServers(60);
  const { json } = await call("GET", "/api/servers");
  assertEquals([json.items.length, typeof json.nextCursor], [50, "string"]);
});

Deno.test("the last page has no cursor, not even when it is full", async () => {
  const { call } = await manyServers(4);
  const { json } = await call("GET", "/api/servers?limit=4");
  assertEquals([json.items.length, "nextCursor" in json], [4, false]);
});

for (const limit of [1, 3, 7]) {
  Deno.test(`pages of ${limit} together are the list, in order`, async () => {
    const world = await manyServers(10);
    assertEquals(await allPages(world, limit), Array.from({ length: 10 }, (_, i) => `s${i}`));
  });
}

for (const limit of ["0", "501", "-1", "1.5", "x", "", "1e2", "5%20", "00000005", "%00"]) {
  Deno.test(`a limit of ${JSON.stringify(limit)} is refused`, async () => {
    const { call } = await adminWorld();
    const { status, json } = await call("GET", `/api/servers?limit=${limit}`);
    assertEquals([status, json.errors[0].path], [400, "limit"]);
  });
}

Deno.test("a limit of 500 is taken", async () => {
  const { call } = await manyServers(3);
  assertEquals((await call("GET", "/api/servers?limit=500")).json.items.length, 3);
});

Deno.test("what is removed between two pages makes no other record be left out", async () => {
  const world = await manyServers(6);
  const { call } = world;
  const first = await call("GET", "/api/servers?limit=3");
  // The one before the cursor, and the one that it stands for.
  await call("DELETE", "/api/servers/s0");
  await call("DELETE", "/api/servers/s2");
  const rest = await call("GET", `/api/servers?limit=3&cursor=${first.json.nextCursor}`);
  assertEquals(slugs(rest.json), ["s3", "s4", "s5"]);
});

Deno.test("what is added between two pages comes at the end, once", async () => {
  const world = await manyServers(4);
  const first = await world.call("GET", "/api/servers?limit=2");
  await world.call("POST", "/api/servers", { body: { name: "new" } });
  const rest = await world.call("GET", `/api/servers?cursor=${first.json.nextCursor}`);
  assertEquals(slugs(rest.json), ["s2", "s3", "new"]);
});

const encode = (value: unknown) => btoa(JSON.stringify(value)).replace(/=+$/, "");
const BAD_CURSORS: readonly (readonly [string, string])[] = [
  ["text", "hello"],
  ["nothing", ""],
  ["other characters", "%25%25%25"],
  ["padding", "W10%3D"],
  ["no list", encode({})],
  ["an empty list", encode([])],
  ["no place", encode(["servers"])],
  ["a place that is too short", encode(["servers", 1])],
  ["a place that is too long", encode(["servers", 1, "a", 2])],
  ["text in place of a number", encode(["servers", "1", "a"])],
  ["null in place of a number", encode(["servers", null, "a"])],
  ["an object in place of a number", encode(["servers", {}, "a"])],
  ["another list", encode(["upstreams", 1, "a"])],
  ["20 KB", "A".repeat(20_000)],
  ["broken JSON", "W3s"],
];

for (const [what, cursor] of BAD_CURSORS) {
  Deno.test(`a cursor of ${what} is refused`, async () => {
    const { call } = await manyServers(3);
    const { status, json } = await call("GET", `/api/servers?cursor=${cursor}`);
    assertEquals([status, json.errors[0].path], [400, "cursor"]);
  });
}

Deno.test("a cursor shows no more than the caller may see", async () => {
  const world = await adminWorld();
  for (const [name, teamId] of [["a", "red"], ["b", "blue"], ["c", "red"]]) {
    await world.call("POST", "/api/servers", { body: { name, visibility: "team", teamId } });
  }
  const { json } = await world.call("GET", "/api/servers?limit=1");
  const principal = { ...ADMIN, teams: ["red"] };
  const rest = await world.call("GET", `/api/servers?cursor=${json.nextCursor}`, { principal });
  assertEquals(slugs(rest.json), ["c"]);
});

for (const query of ["limit=1&limit=2", "search=x", "cursor=a&cursor=b", "__proto__=1"]) {
  Deno.test(`the query ${query} is refused`, async () => {
    const { call } = await adminWorld();
    assertEquals((await call("GET", `/api/servers?${query}`)).status, 400);
  });
}

Deno.test("a URL that takes no query refuses one", async () => {
  const { call } = await manyServers(1);
  assertEquals((await call("GET", "/api/servers/s0?full=1")).status, 400);
});

Deno.test("records in the same place by their numbers are told apart by what follows", () => {
  const records = ["b", "a", "c"];
  const placeOf = (record: string) => [1, record];
  const first = pageOf(records, { list: "x", cursor: undefined, limit: 2, placeOf });
  const rest = pageOf(records, { list: "x", cursor: first.nextCursor, limit: 2, placeOf });
  assertEquals([first.records, rest.records], [["a", "b"], ["c"]]);
});

Deno.test("a record that is too heavy for any page has one of its own", () => {
  const records = [1, 100, 2];
  const options = {
    list: "x",
    limit: 9,
    placeOf: (record: number) => [record === 100 ? 1.5 : record],
    weightOf: (record: number) => record,
    weightMax: 50,
  };
  const pages: (readonly number[])[] = [];
  let cursor: string | undefined;
  do {
    const page = pageOf(records, { ...options, cursor });
    pages.push(page.records);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  assertEquals(pages, [[1], [100], [2]]);
});

async function manyServers(count: number): Promise<AdminWorld> {
  const world = await adminWorld();
  for (let i = 0; i < count; i++) {
    await world.call("POST", "/api/servers", { body: { name: `s${i}` } });
  }
  return world;
}

async function allPages({ call }: AdminWorld, limit: number): Promise<readonly string[]> {
  const found: string[] = [];
  let cursor = "";
  do {
    const { json } = await call("GET", `/api/servers?limit=${limit}${cursor}`);
    found.push(...slugs(json));
    cursor = json.nextCursor === undefined ? "" : `&cursor=${json.nextCursor}`;
  } while (cursor !== "");
  return found;
}

function slugs(page: Json): readonly string[] {
  return page.items.map(({ slug }: Json) => slug);
}
