/**
 * `/api/servers`: virtual servers made, shown, changed, removed.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { ADMIN, adminWorld, anItem, anUpstream, type Json } from "../support/admin_world.ts";
import { aVirtualServer } from "../support/memory_catalog.ts";

Deno.test("POST answers 201 with the whole record, its place and its version", async () => {
  const { call } = await adminWorld();
  const { status, headers, json } = await call("POST", "/api/servers", { body: { name: "Ops!" } });
  const { id, ...record } = json;
  assertEquals([status, headers.get("location")], [201, `/api/servers/${id}`]);
  assertEquals(headers.get("etag"), `"${id}.1"`);
  assertEquals(record, {
    slug: "ops",
    name: "Ops!",
    tools: [],
    prompts: [],
    resources: [],
    naming: "prefixed",
    visibility: "public",
    owner: "root@example.com",
    overrides: { tools: {}, prompts: {}, resources: {} },
    enabled: true,
    declared: false,
    createdAt: "2026-08-01T00:00:00.000Z",
    updatedAt: "2026-08-01T00:00:00.000Z",
  });
});

Deno.test("everything that can be given comes back as it was given", async () => {
  const { call } = await adminWorld();
  const given = {
    name: "Ops",
    slug: "operations",
    title: "Operations",
    description: "Two\nlines",
    instructions: "Ask first",
    tools: ["a-*"],
    prompts: ["*"],
    resources: ["file:///{path}"],
    naming: "verbatim",
    visibility: "team",
    teamId: "red",
    owner: "alice@example.com",
    overrides: {
      tools: {
        "a-x": { name: "x", title: "X", description: "d", annotations: { readOnlyHint: true } },
      },
      prompts: {},
      resources: { "file:///a": { name: "A file" } },
    },
    enabled: false,
  };
  const { json } = await call("POST", "/api/servers", { body: given });
  assertEquals({ ...json, ...given }, json);
});

const REFUSED: readonly (readonly [string, object, string])[] = [
  ["an id of its own", { id: "x" }, "id"],
  ["that it is declared", { declared: false }, "declared"],
  ["a slug with capitals", { slug: "Ops" }, "slug"],
  ["a slug with a slash", { slug: "a/b" }, "slug"],
  ["an empty slug", { slug: "" }, "slug"],
  ["a name without letters", { name: "--" }, "name"],
  ["an unknown naming", { naming: "short" }, "naming"],
  ["an empty pattern", { tools: [""] }, "tools.0"],
  ["501 patterns", { tools: Array.from({ length: 501 }, (_, i) => `t${i}`) }, "tools"],
  ["a pattern of 1025 characters", { prompts: ["a".repeat(1025)] }, "prompts.0"],
  ["patterns that are a text", { resources: "*" }, "resources"],
  ["overrides of something else", { overrides: { templates: {} } }, "overrides.templates"],
  [
    "an override with more",
    { overrides: { tools: { a: { enabled: false } } } },
    "overrides.tools.a.enabled",
  ],
  [
    "a tool's name with a space",
    { overrides: { tools: { a: { name: "a b" } } } },
    "overrides.tools.a.name",
  ],
  [
    "a tool's name of 65 characters",
    { overrides: { tools: { a: { name: "a".repeat(65) } } } },
    "overrides.tools.a.name",
  ],
  [
    "annotations that are a list",
    { overrides: { tools: { a: { annotations: [] } } } },
    "overrides.tools.a.annotations",
  ],
];

for (const [what, members, path] of REFUSED) {
  Deno.test(`${what} is refused, naming ${path}, and nothing is kept`, async () => {
    const { call, catalog } = await adminWorld();
    const { status, json } = await call("POST", "/api/servers", {
      body: { name: "a", ...members },
    });
    assertEquals([status, json.errors[0].path, catalog.servers().length], [400, path, 0]);
  });
}

Deno.test("the slug cannot be changed", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/servers", { body: { name: "a" } });
  const { status, json } = await call("PATCH", "/api/servers/a", { body: { slug: "b" } });
  assertEquals([status, json.errors[0].path], [400, "slug"]);
});

Deno.test("a slug that is taken is a conflict that names it, whichever kind of server has it", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/upstreams", { body: { name: "Ops", url: "https://a.example/mcp" } });
  const { status, json } = await call("POST", "/api/servers", { body: { name: "x", slug: "ops" } });
  assertEquals([status, json.code, json.title.includes('"ops"')], [409, "conflict", true]);
});

Deno.test("PATCH changes the members that are given, and null clears", async () => {
  const { call } = await adminWorld();
  const body = { name: "a", title: "T", description: "D", tools: ["x"], prompts: ["y"] };
  const { json } = await call("POST", "/api/servers", { body });
  const change = { title: null, prompts: null, instructions: "I" };
  const { json: after } = await call("PATCH", "/api/servers/a", { body: change });
  const { title: _, ...rest } = json;
  assertEquals(after, { ...rest, prompts: [], instructions: "I" });
});

for (const method of ["PATCH", "DELETE"]) {
  Deno.test(`${method} of a server that the config file declares is a conflict`, async () => {
    const { call, catalog } = await adminWorld();
    const { id: _, seq: __, ...declaration } = aVirtualServer({ name: "ops", slug: "ops" });
    await catalog.declare({ upstreams: [], servers: [declaration] });
    const body = method === "PATCH" ? { body: { title: "x" } } : {};
    const { status, json } = await call(method, "/api/servers/ops", body);
    assertEquals([status, json.code], [409, "declared"]);
  });
}

Deno.test("DELETE answers 204, and the server is gone", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/servers", { body: { name: "a" } });
  const gone = await call("DELETE", "/api/servers/a");
  const after = await call("GET", "/api/servers/a");
  assertEquals([gone.status, gone.text, after.status], [204, "", 404]);
});

Deno.test("names of the upstream servers that collide are refused with the list of all", async () => {
  const { call } = await twoServers();
  const body = { name: "v", naming: "verbatim", tools: ["*"], prompts: ["*"] };
  const { status, json } = await call("POST", "/api/servers", { body });
  assertEquals([status, json.code], [409, "conflict"]);
  assertEquals(json.errors, [
    { path: "tools", message: '"search" would be the name of "alpha-search", "beta-search"' },
    { path: "prompts", message: '"hello" would be the name of "alpha-hello", "beta-hello"' },
  ]);
});

Deno.test("the names of /mcp do not collide", async () => {
  const { call } = await twoServers();
  const body = { name: "v", naming: "prefixed", tools: ["*"], prompts: ["*"] };
  assertEquals((await call("POST", "/api/servers", { body })).status, 201);
});

Deno.test("a pattern that leaves one of them out avoids the collision", async () => {
  const { call } = await twoServers();
  const body = { name: "v", naming: "verbatim", tools: ["alpha-*", "beta-only"] };
  assertEquals((await call("POST", "/api/servers", { body })).status, 201);
});

Deno.test("another name for one of them avoids the collision", async () => {
  const { call } = await twoServers();
  const overrides = { tools: { "beta-search": { name: "search2" } } };
  const body = { name: "v", naming: "verbatim", tools: ["*"], overrides };
  assertEquals((await call("POST", "/api/servers", { body })).status, 201);
});

Deno.test("another name that an item has already is refused", async () => {
  const { call } = await twoServers();
  const overrides = { tools: { "beta-only": { name: "alpha-search" } } };
  const body = { name: "v", naming: "prefixed", tools: ["*"], overrides };
  const { status, json } = await call("POST", "/api/servers", { body });
  assertEquals([status, json.errors.length], [409, 1]);
});

Deno.test("two items that get one other name are refused", async () => {
  const { call } = await twoServers();
  const overrides = { tools: { "beta-only": { name: "x" }, "beta-search": { name: "x" } } };
  const body = { name: "v", tools: ["*"], overrides };
  assertEquals((await call("POST", "/api/servers", { body })).status, 409);
});

Deno.test("a change that makes names collide is refused, and the server stays as it was", async () => {
  const { call } = await twoServers();
  await call("POST", "/api/servers", { body: { name: "v", tools: ["*"] } });
  const { status } = await call("PATCH", "/api/servers/v", { body: { naming: "verbatim" } });
  const { json } = await call("GET", "/api/servers/v");
  assertEquals([status, json.naming], [409, "prefixed"]);
});

Deno.test("a server that discovery has made ambiguous can still be switched off", async () => {
  const world = await adminWorld();
  await world.call("POST", "/api/servers", {
    body: { name: "v", naming: "verbatim", tools: ["*"] },
  });
  await stocked(world);
  const { status } = await world.call("PATCH", "/api/servers/v", { body: { enabled: false } });
  assertEquals(status, 200);
});

Deno.test("items that are hidden or switched off have no names that could collide", async () => {
  const { call, tables, catalog } = await twoServers();
  const { server: { id } } = catalog.upstream("beta")!;
  for (const item of await tables.items.listOf(id)) {
    await tables.items.update(item.id, undefined, { enabled: false });
  }
  await catalog.refresh();
  const body = { name: "v", naming: "verbatim", tools: ["*"], prompts: ["*"] };
  assertEquals((await call("POST", "/api/servers", { body })).status, 201);
});

Deno.test("a list of collisions does not name what the caller cannot see", async () => {
  const world = await adminWorld();
  await stocked(world, { visibility: "team", team: "blue" });

  const principal = { ...ADMIN, teams: ["red"] };
  const body = { name: "v", naming: "verbatim", tools: ["*"] };
  const { status, text, json } = await world.call("POST", "/api/servers", { principal, body });
  assertEquals([status, text.includes("beta")], [409, false]);
  assertEquals(
    json.errors.map(({ message }: Json) => message),
    ['"search" would be the name of "alpha-search", others'],
  );
});

async function twoServers() {
  const world = await adminWorld();
  await stocked(world);
  return world;
}

async function stocked(
  world: Awaited<ReturnType<typeof adminWorld>>,
  beta: Parameters<typeof anUpstream>[0] = {},
): Promise<void> {
  await world.declare([anUpstream(), anUpstream({ name: "beta", slug: "beta", ...beta })]);
  for (const slug of ["alpha", "beta"]) {
    const { server } = world.catalog.upstream(slug)!;
    const items = [anItem(server, "search"), anItem(server, "hello", { kind: "prompt" })];
    const resource = anItem(server, "file:///a", {
      kind: "resource",
      exposedName: `file:///a#${slug}`,
    });
    await world.stock(server.id, [
      ...items,
      resource,
      ...slug === "beta" ? [anItem(server, "only")] : [],
    ]);
  }
}
