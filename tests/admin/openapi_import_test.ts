/**
 * `POST /api/tools/import/openapi`: what it makes, changes and removes, and for whom.
 *
 * @module
 * @see contract.md, section 8, "OpenAPI import"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import type { Principal } from "../../src/domain/principal.ts";
import {
  ADMIN,
  type AdminWorld,
  adminWorld,
  DENIED_HOST,
  type Json,
} from "../support/admin_world.ts";

const PATH = "/api/tools/import/openapi";
const USER: Principal = { ...ADMIN, subject: "ann@example.com", isAdmin: false, teams: [] };

function aDocument(paths: Json = undefined, more: Json = {}) {
  return {
    openapi: "3.1.0",
    info: { title: "Pets" },
    servers: [{ url: "https://api.example.com" }],
    paths: paths ?? {
      "/pets": {
        get: { operationId: "listPets", description: "All" },
        post: { operationId: "addPet" },
      },
    },
    ...more,
  };
}

async function imported(world: AdminWorld, body: Json, principal = ADMIN): Promise<Json> {
  const { status, json } = await world.call("POST", PATH, { body, principal });
  assertEquals(status, 200, JSON.stringify(json));
  return json;
}

const names = (list: Json[]) => list.map(({ name }) => name);

async function toolsOf(world: AdminWorld, principal = ADMIN): Promise<Json[]> {
  return (await world.call("GET", "/api/tools", { principal })).json.items;
}

Deno.test("operations become tools, and the report names them", async () => {
  const world = await adminWorld();
  const report = await imported(world, { document: aDocument() });
  const tools = await toolsOf(world);
  assertEquals(report.created, tools.map(({ id, name }) => ({ id, name })));
  assertEquals(tools.map(({ name, method, url, visibility }) => [name, method, url, visibility]), [
    ["listPets", "GET", "https://api.example.com/pets", "public"],
    ["addPet", "POST", "https://api.example.com/pets", "public"],
  ]);
});

Deno.test("text is taken as well as an object", async () => {
  const world = await adminWorld();
  const document = "openapi: 3.0.0\nservers: [{url: https://a.example}]\npaths: {/a: {get: {}}}\n";
  assertEquals(names((await imported(world, { document })).created), ["get_a"]);
});

Deno.test("the same document changes nothing", async () => {
  const world = await adminWorld();
  await imported(world, { document: aDocument() });
  const before = await toolsOf(world);
  const { created, changed, removed, unchanged } = await imported(world, { document: aDocument() });
  assertEquals([created, changed, removed, unchanged], [[], [], [], 2]);
  assertEquals(await toolsOf(world), before);
});

Deno.test("a later document changes, adds and removes; ids, visibility and switches stay", async () => {
  const world = await adminWorld();
  const { created: [list] } = await imported(world, { document: aDocument() });
  const own = { visibility: "private", enabled: false };
  await world.call("PATCH", `/api/tools/${list.id}`, { body: own });
  const paths = {
    "/pets": {
      get: { operationId: "listPets", description: "Some", parameters: [aQuery("limit")] },
      put: { operationId: "putPets" },
    },
  };
  const report = await imported(world, { document: aDocument(paths) });
  assertEquals([names(report.created), report.changed, names(report.removed)], [
    ["putPets"],
    [{ id: list.id, name: "listPets", members: ["description", "inputSchema", "parameters"] }],
    ["addPet"],
  ]);
  const { json } = await world.call("GET", `/api/tools/${list.id}`);
  const { visibility, enabled, description, parameters } = json;
  assertEquals({ visibility, enabled, description, parameters }, {
    ...own,
    description: "Some",
    parameters: [{ name: "limit", in: "query" }],
  });
});

function aQuery(name: string) {
  return { name, in: "query", schema: { type: "integer" } };
}

Deno.test("what was changed here stays: name, title, description, filter, credentials", async () => {
  const world = await adminWorld();
  const { created: [list] } = await imported(world, { document: aDocument() });
  const auth = { type: "bearer", token: "t-1" };
  const own = { name: "pets", title: "Pets!", description: "Ours", filter: "[0]", auth };
  await world.call("PATCH", `/api/tools/${list.id}`, { body: own });
  const paths = { "/animals": { get: { operationId: "listPets", description: "Others" } } };
  const report = await imported(world, { document: aDocument(paths) });
  assertEquals(report.changed, [
    { id: list.id, name: "pets", members: ["description", "url"] },
  ]);
  const { json } = await world.call("GET", `/api/tools/${list.id}`);
  const { name, title, description, filter, url } = json;
  assertEquals({ name, title, description, filter, auth: json.auth, url }, {
    ...own,
    auth: { type: "bearer", token: "*****" },
    url: "https://api.example.com/animals",
  });
});

Deno.test("credentials for one address are not sent to another", async () => {
  const world = await adminWorld();
  const { created: [list] } = await imported(world, { document: aDocument() });
  const auth = { type: "bearer", token: "t-1" };
  await world.call("PATCH", `/api/tools/${list.id}`, { body: { auth } });
  const { notes } = await imported(world, {
    document: aDocument(),
    baseUrl: "https://other.example.com",
  });
  const { json } = await world.call("GET", `/api/tools/${list.id}`);
  assertEquals(json.auth, { type: "none" });
  assertEquals(notes, [
    { tool: "listPets", note: "Its address has changed: credentials have to be given again" },
  ]);
});

Deno.test("credentials of an import are in its tools, sealed, and not in its report", async () => {
  const world = await adminWorld();
  const auth = { type: "bearer", token: "CANARY-1" };
  const report = await imported(world, { document: aDocument(), auth });
  const again = await imported(world, {
    document: aDocument(),
    auth: { ...auth, token: "CANARY-2" },
  });
  assertEquals(again.changed.map(({ members }: Json) => members), [["auth"], ["auth"]]);
  assertEquals(JSON.stringify([report, again]).includes("CANARY"), false);
  assertEquals((await toolsOf(world)).map((tool) => tool.auth), [
    { type: "bearer", token: "*****" },
    { type: "bearer", token: "*****" },
  ]);
});

Deno.test("another document, or the same with another prefix, has tools of its own", async () => {
  const world = await adminWorld();
  await imported(world, { document: aDocument() });
  await imported(world, { document: aDocument(), prefix: "b_" });
  const paths = { "/c": { get: { operationId: "c" } } };
  const { removed } = await imported(world, {
    document: aDocument(paths, { info: { title: "C" } }),
  });
  assertEquals(removed, []);
  assertEquals(names(await toolsOf(world)), ["listPets", "addPet", "b_listPets", "b_addPet", "c"]);
});

Deno.test("a name that another tool has is left to it", async () => {
  const world = await adminWorld();
  const inputSchema = { type: "object" };
  const url = "https://other.example.com/";
  await world.call("POST", "/api/tools", {
    body: { name: "addPet", method: "GET", url, inputSchema },
  });
  const { created, skipped } = await imported(world, { document: aDocument() });
  assertEquals([names(created), skipped], [["listPets"], [
    {
      method: "POST",
      path: "https://api.example.com/pets",
      reason: 'Another tool has the name "addPet"',
    },
  ]]);
});

Deno.test("a user's import is the user's own, and does not touch what others have", async () => {
  const world = await adminWorld();
  await imported(world, { document: aDocument() });
  const { created, removed, skipped } = await imported(world, { document: aDocument() }, USER);
  assertEquals([created, removed, skipped.length], [[], [], 2]);
  const mine = { document: aDocument(), prefix: "my_" };
  assertEquals(names((await imported(world, mine, USER)).created), ["my_listPets", "my_addPet"]);
  const shown = (await toolsOf(world, USER)).filter(({ name }) => name.startsWith("my_"));
  assertEquals(shown.map(({ visibility, owner }) => [visibility, owner]), [
    ["private", USER.subject],
    ["private", USER.subject],
  ]);
});

Deno.test("only administrators import for all", async () => {
  const world = await adminWorld();
  const body = { document: aDocument(), visibility: "public" };
  assertEquals((await world.call("POST", PATH, { body, principal: USER })).status, 403);
});

Deno.test("a credential that may only create changes and removes nothing", async () => {
  const world = await adminWorld();
  await imported(world, { document: aDocument() });
  const principal = { ...ADMIN, permissions: ["tools.create", "tools.read"] };
  const body = { document: aDocument({ "/pets": { get: { operationId: "listPets" } } }) };
  const { status } = await world.call("POST", PATH, { body, principal });
  assertEquals([status, names(await toolsOf(world))], [403, ["listPets", "addPet"]]);
});

Deno.test("SSRF-01: a base URL that the egress policy refuses is refused", async () => {
  const world = await adminWorld();
  const body = { document: aDocument(), baseUrl: `http://${DENIED_HOST}/` };
  const { status, json } = await world.call("POST", PATH, { body });
  assertEquals([status, json.code], [400, "egress_denied"]);
});

Deno.test("SSRF-01: a server in a document that the policy refuses costs its operations only", async () => {
  const world = await adminWorld();
  const denied = { operationId: "denied", servers: [{ url: `http://${DENIED_HOST}` }] };
  const paths = { "/a": { get: { operationId: "a" }, post: denied } };
  const { created, skipped } = await imported(world, { document: aDocument(paths) });
  assertEquals([names(created), skipped.length], [["a"], 1]);
});

Deno.test("SSRF-01: a token endpoint that the policy refuses is refused", async () => {
  const world = await adminWorld();
  const auth = {
    type: "oauth_client_credentials",
    tokenUrl: `http://${DENIED_HOST}/`,
    clientId: "a",
    clientSecret: "b",
  };
  const { json } = await world.call("POST", PATH, { body: { document: aDocument(), auth } });
  assertEquals(json.code, "egress_denied");
});

Deno.test("a document is fetched, and relative servers are relative to its place", async () => {
  const world = await adminWorld();
  const asked: string[] = [];
  world.fetchText = (url) => {
    asked.push(url);
    return Promise.resolve(JSON.stringify(aDocument(undefined, { servers: [{ url: "/v1" }] })));
  };
  await imported(world, { url: "https://docs.example.com/a/openapi.json" });
  assertEquals(asked, ["https://docs.example.com/a/openapi.json"]);
  assertEquals((await toolsOf(world))[0].url, "https://docs.example.com/v1/pets");
});

Deno.test("a document that cannot be fetched is told without what is there", async () => {
  const world = await adminWorld();
  world.fetchText = () =>
    Promise.reject(new GatewayError("upstream_unavailable", "The URL answered HTTP 500"));
  const { status, json } = await world.call("POST", PATH, { body: { url: "https://a.example/" } });
  assertEquals([status >= 500, json.detail ?? json.title], [true, "The URL answered HTTP 500"]);
});

for (
  const [what, body, path] of [
    ["neither document nor URL", {}, ""],
    ["both", { document: {}, url: "https://a.example" }, ""],
    ["no URL", { url: "a" }, "url"],
    ["a base URL that is none", { document: aDocument(), baseUrl: "a" }, "baseUrl"],
    ["a prefix with spaces", { document: aDocument(), prefix: "a b" }, "prefix"],
    [
      "a mask for a secret",
      { document: aDocument(), auth: { type: "bearer", token: "*****" } },
      "auth.token",
    ],
    ["a member that is not known", { document: aDocument(), more: 1 }, "more"],
  ] as const
) {
  Deno.test(`an import with ${what} is 400`, async () => {
    const world = await adminWorld();
    const { status, json } = await world.call("POST", PATH, { body });
    assertEquals([status, json.errors[0].path], [400, path]);
  });
}

Deno.test("what is no document is 400", async () => {
  const world = await adminWorld();
  for (const document of ["", "a: [", { swagger: "2.0" }, {}]) {
    const { status, json } = await world.call("POST", PATH, { body: { document } });
    assertEquals([status, json.code], [400, "invalid_request"]);
  }
});

Deno.test("a document may have more values than any other request", async () => {
  const world = await adminWorld();
  const paths = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`/${i}`, {
    get: { operationId: `get${i}`, tags: Array(60).fill("x") },
  }]));
  const { created } = await imported(world, { document: aDocument(paths) });
  assertEquals(created.length, 1_000);
});
