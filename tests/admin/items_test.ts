/**
 * `/api/tools`, `/api/prompts`, `/api/resources`: what was discovered, shown and changed.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Item } from "../../src/domain/item.ts";
import { adminWorld, anItem, anUpstream, type Json } from "../support/admin_world.ts";

Deno.test("a tool is shown with what was discovered and what was made of it", async () => {
  const { call } = await stocked();
  const { status, headers, json } = await call("GET", "/api/tools/alpha-tool-search");
  assertEquals([status, headers.get("etag")], [200, '"alpha-tool-search.1"']);
  assertEquals(json, {
    id: "alpha-tool-search",
    kind: "tool",
    name: "alpha-search",
    upstreamName: "search",
    upstreamId: json.upstreamId,
    description: "Does search",
    enabled: true,
    visibility: "public",
    missing: false,
    definition: { name: "search", description: "Does search" },
  });
});

Deno.test("resources and templates are one list, each with its own kind of URI", async () => {
  const { call } = await stocked();
  const { json } = await call("GET", "/api/resources?upstream=alpha");
  assertEquals(
    json.items.map(({ kind, name, uri, uriTemplate, alias }: Json) => ({
      kind,
      name,
      uri,
      uriTemplate,
      alias,
    })),
    [
      { kind: "resource", name: "a://r", uri: "a://r", uriTemplate: undefined, alias: undefined },
      {
        kind: "template",
        name: "a://{t}",
        uri: undefined,
        uriTemplate: "a://{t}",
        alias: "a://{t}#alpha",
      },
    ],
  );
});

Deno.test("an item is found under its own noun only", async () => {
  const { call } = await stocked();
  const found = await Promise.all(
    ["tools", "prompts", "resources"].map((noun) => call("GET", `/api/${noun}/alpha-tool-search`)),
  );
  assertEquals(found.map(({ status }) => status), [200, 404, 404]);
});

for (
  const [query, names] of [
    ["", ["alpha-search", "alpha-write", "beta-search"]],
    ["upstream=beta", ["beta-search"]],
    ["upstream=nothing", []],
    ["q=SEARCH", ["alpha-search", "beta-search"]],
    ["q=writ&upstream=alpha", ["alpha-write"]],
    ["q=%5B(*", []],
  ] as const
) {
  Deno.test(`/api/tools?${query} lists ${names.join(", ") || "nothing"}`, async () => {
    const { call } = await stocked();
    const { json } = await call("GET", `/api/tools?${query}`);
    assertEquals(json.items.map(({ name }: Json) => name), names);
  });
}

Deno.test("the filter takes the id of a server, too", async () => {
  const { call, catalog } = await stocked();
  const { id } = catalog.upstream("beta")!.server;
  const { json } = await call("GET", `/api/tools?upstream=${id}`);
  assertEquals(json.items.length, 1);
});

Deno.test("a tool can be renamed, described, switched off: the answer and the next read say so", async () => {
  const { call, catalog } = await stocked();
  const body = { name: "find.it/all-1", title: "Find", description: "Finds", enabled: false };
  const { status, json } = await call("PATCH", "/api/tools/alpha-tool-search", { body });
  assertEquals([status, { ...json, ...body }], [200, json]);
  assertEquals((await call("GET", "/api/tools/alpha-tool-search")).json, json);
  const item = catalog.upstream("alpha")!.items.find(({ id }) => id === "alpha-tool-search");
  assertEquals(item?.exposedName, "find.it/all-1");
});

Deno.test("items of a declared server can be changed: the config file does not speak of them", async () => {
  const { call } = await stocked();
  const { status } = await call("PATCH", "/api/tools/alpha-tool-search", { body: { title: "x" } });
  assertEquals(status, 200);
});

Deno.test("null takes every change back", async () => {
  const { call } = await stocked();
  const { json } = await call("GET", "/api/tools/alpha-tool-search");
  const body = { name: "other", title: "T", description: "D" };
  await call("PATCH", "/api/tools/alpha-tool-search", { body });
  const nothing = { name: null, title: null, description: null };
  const back = await call("PATCH", "/api/tools/alpha-tool-search", { body: nothing });
  assertEquals(back.json, json);
});

Deno.test("the first name is given back in another form when it is taken by now", async () => {
  const { call } = await stocked();
  await call("PATCH", "/api/tools/alpha-tool-search", { body: { name: "other" } });
  await call("PATCH", "/api/tools/alpha-tool-write", { body: { name: "alpha-search" } });
  const { status, json } = await call("PATCH", "/api/tools/alpha-tool-search", {
    body: { name: null },
  });
  assertEquals([status, /^alpha-search-[0-9a-f]{8}$/.test(json.name)], [200, true]);
});

Deno.test("a name that another tool has is a conflict, and nothing is changed", async () => {
  const { call } = await stocked();
  const body = { name: "beta-search", title: "T" };
  const { status, json } = await call("PATCH", "/api/tools/alpha-tool-search", { body });
  const { json: after } = await call("GET", "/api/tools/alpha-tool-search");
  assertEquals([status, json.code, json.errors[0].path], [409, "conflict", "name"]);
  assertEquals([after.name, after.title], ["alpha-search", undefined]);
});

Deno.test("a tool and a prompt may have one name", async () => {
  const { call } = await stocked();
  const body = { name: "alpha-search" };
  const { status } = await call("PATCH", "/api/prompts/alpha-prompt-hello", { body });
  assertEquals(status, 200);
});

Deno.test("its own name is not taken", async () => {
  const { call } = await stocked();
  const body = { name: "alpha-search" };
  assertEquals((await call("PATCH", "/api/tools/alpha-tool-search", { body })).status, 200);
});

Deno.test("of two tools that are given one name at once, one gets it", async () => {
  const { call } = await stocked();
  const body = { name: "the-one" };
  const ids = ["alpha-tool-search", "alpha-tool-write", "beta-tool-search"];
  const all = await Promise.all(ids.map((id) => call("PATCH", `/api/tools/${id}`, { body })));
  assertEquals(all.map(({ status }) => status).sort(), [200, 409, 409]);
});

for (const name of ["", "a b", "a".repeat(65), "ü", "a\n", "a:b"]) {
  Deno.test(`${JSON.stringify(name.slice(0, 8))} is no name for a tool`, async () => {
    const { call } = await stocked();
    const { status } = await call("PATCH", "/api/tools/alpha-tool-search", { body: { name } });
    assertEquals(status, 400);
  });
}

for (const member of ["id", "kind", "upstreamId", "upstreamName", "definition", "missing", "seq"]) {
  Deno.test(`${member} of a tool cannot be set`, async () => {
    const { call } = await stocked();
    const body = { [member]: "x" };
    const { status, json } = await call("PATCH", "/api/tools/alpha-tool-search", { body });
    assertEquals([status, json.errors[0].path], [400, member]);
  });
}

Deno.test("a resource keeps its URI: no name can be given to it", async () => {
  const { call } = await stocked();
  const body = { name: "x" };
  const { status } = await call("PATCH", "/api/resources/alpha-resource-a___r", { body });
  assertEquals(status, 400);
});

Deno.test("a resource can be described and switched off", async () => {
  const { call } = await stocked();
  const body = { description: "D", enabled: false };
  const { json } = await call("PATCH", "/api/resources/alpha-resource-a___r", { body });
  assertEquals([json.description, json.enabled], ["D", false]);
});

for (const noun of ["tools/alpha-tool-search", "resources/alpha-template-a____t_"]) {
  Deno.test(`DELETE /api/${noun} is refused: it would come back`, async () => {
    const { call } = await stocked();
    const { status, json } = await call("DELETE", `/api/${noun}`);
    assertEquals([status, json.code, json.title.includes("disable")], [409, "discovered", true]);
  });
}

Deno.test("a tool that its server does not offer any more is shown as missing", async () => {
  const world = await stocked();
  const { server } = world.catalog.upstream("alpha")!;
  await world.stock(server.id, [anItem(server, "gone", { missingSinceMs: 1 })]);
  const { json } = await world.call("GET", "/api/tools?q=gone");
  assertEquals(json.items.map(({ missing }: Json) => missing), [true]);
});

Deno.test("a page of large definitions ends early, and no item is lost", async () => {
  const world = await stocked();
  const { server } = world.catalog.upstream("beta")!;
  const definition = JSON.stringify({ name: "x", description: "y".repeat(200_000) });
  const large = (i: number): Item => anItem(server, `l${i}`, { seq: 10 + i, definition });
  await world.stock(server.id, Array.from({ length: 30 }, (_, i) => large(i)));
  const names: string[] = [];
  let cursor = "";
  let longest = 0;
  do {
    const { text, json } = await world.call("GET", `/api/tools?upstream=beta&limit=500${cursor}`);
    names.push(...json.items.map(({ upstreamName }: Json) => upstreamName));
    longest = Math.max(longest, text.length);
    cursor = json.nextCursor && `&cursor=${json.nextCursor}`;
  } while (cursor);
  assertEquals(names, ["search", ...Array.from({ length: 30 }, (_, i) => `l${i}`)]);
  assertEquals(longest < 5_000_000, true);
});

Deno.test("a definition with members called like parts of JavaScript is shown as it is", async () => {
  const world = await stocked();
  const { server } = world.catalog.upstream("beta")!;
  const definition = '{"name":"p","__proto__":{"title":"x"},"constructor":1,"title":7}';
  await world.stock(server.id, [anItem(server, "p", { seq: 9, definition })]);
  const { status, text, json } = await world.call("GET", "/api/tools?q=beta-p");
  assertEquals([status, json.items.length, text.includes('"constructor":1')], [200, 1, true]);
  assertEquals(json.items[0].title, undefined);
});

async function stocked() {
  const world = await adminWorld();
  await world.declare([anUpstream(), anUpstream({ name: "beta", slug: "beta" })]);
  const alpha = world.catalog.upstream("alpha")!.server;
  const beta = world.catalog.upstream("beta")!.server;
  await world.stock(alpha.id, [
    anItem(alpha, "search"),
    anItem(alpha, "write", { seq: 2 }),
    anItem(alpha, "hello", { kind: "prompt" }),
    anItem(alpha, "a://r", { kind: "resource" }),
    anItem(alpha, "a://{t}", { kind: "template", exposedName: "a://{t}#alpha" }),
  ]);
  await world.stock(beta.id, [anItem(beta, "search")]);
  return world;
}
