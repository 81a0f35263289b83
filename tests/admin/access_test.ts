/**
 * Who may use the management API, and for what.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { NONE, PERMISSIONS } from "../../src/admin/api/permissions.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import { InsufficientScope } from "../../src/mcp/dispatch.ts";
import {
  ADMIN,
  adminWorld,
  allOperations,
  anItem,
  anUpstream,
  urlOf,
} from "../support/admin_world.ts";

Deno.test("every operation has a row in the table of permissions, and every row an operation", async () => {
  const mounted = (await allOperations()).map(({ method, path }) => `${method} ${path}`);
  assertEquals([...PERMISSIONS.keys()].sort(), mounted.sort());
});

Deno.test("every permission is one of the contract's", () => {
  const known =
    /^(?:(?:upstreams|servers|tools|prompts|resources|teams|users|tokens)\.(?:read|create|update|delete)|sessions\.read|metrics\.read|audit\.read|admin)$/;
  assertEquals([...PERMISSIONS.values()].filter((one) => one !== NONE && !known.test(one)), []);
});

/** Without teams: the least that a user can be. */
const USER: Principal = {
  ...ADMIN,
  subject: "user@example.com",
  isAdmin: false,
  teams: [],
  seesOwn: false,
};

const STRANGERS: readonly (readonly [string, Principal, string])[] = [
  ["nobody in particular", ANONYMOUS, "401 unauthenticated"],
  ["a credential for one server only", { ...ADMIN, onlyServer: "alpha" }, "403 forbidden"],
];

for (const [who, principal, answer] of STRANGERS) {
  Deno.test(`${who} is refused everywhere in the API`, async () => {
    const { call } = await adminWorld();
    const answers = new Set<string>();
    for (const { method, path } of await allOperations()) {
      const { status, json } = await call(method, urlOf(path), { principal });
      answers.add(`${status} ${json.code}`);
    }
    assertEquals([...answers], [answer]);
  });

  Deno.test(`${who} learns of no URL whether it exists, nor what it takes`, async () => {
    const { call } = await adminWorld();
    const answers = [
      await call("GET", "/api/nothing", { principal }),
      await call("PUT", "/api/upstreams", { principal }),
      await call("GET", "/api", { principal }),
    ];
    const expected = Number(answer.slice(0, 3));
    assertEquals(answers.map(({ status }) => status), [expected, expected, expected]);
  });
}

Deno.test("AUTHZ-01: a user without any right gets no 2xx but for lists of what he may see", async () => {
  const { call, declare } = await adminWorld();
  const team = anUpstream({ name: "red", slug: "red", visibility: "team", team: "red" });
  await declare([anUpstream({ name: "open", slug: "open" }), team]);
  const good: string[] = [];
  for (const { method, path } of await allOperations()) {
    const body = method === "GET" || method === "DELETE" ? {} : { body: {} };
    const { status } = await call(method, urlOf(path, "red"), { principal: USER, ...body });
    if (status < 300) good.push(`${method} ${path}`);
  }
  const lists = ["upstreams", "servers", "tools", "prompts", "resources", "sessions"];
  const own = ["users", "teams", "tokens"];
  assertEquals(
    good.sort(),
    [...[...lists, ...own].map((noun) => `GET /api/${noun}`), "GET /api/openapi.json"].sort(),
  );
});

Deno.test("a user sees the public servers, and cannot change them", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/upstreams", { body: { name: "open", url: "https://a.example/mcp" } });
  const list = await call("GET", "/api/upstreams", { principal: USER });
  assertEquals(list.json.items.map(({ slug }: { slug: string }) => slug), ["open"]);
  for (const [method, path] of [["PATCH", ""], ["DELETE", ""], ["POST", "/refresh"]] as const) {
    const body = method === "PATCH" ? { body: { title: "x" } } : {};
    const url = `/api/upstreams/open${path}`;
    const { status } = await call(method, url, { principal: USER, ...body });
    assertEquals([method, path, status], [method, path, 403]);
  }
});

Deno.test("AUTHZ-11: a member makes private servers, which nobody else sees, and no others", async () => {
  const { call } = await adminWorld();
  const member = { ...USER, teams: ["t1", "red"], seesOwn: true };
  const other = { ...member, subject: "other@example.com" };
  const make = (more: object) =>
    call("POST", "/api/upstreams", {
      principal: member,
      body: { name: "mine", url: "https://a.example/mcp", ...more },
    });
  for (
    const more of [
      { visibility: "public" },
      { visibility: "team", teamId: "red" },
      { owner: "other@example.com" },
    ]
  ) {
    assertEquals([more, (await make(more)).status], [more, 403]);
  }
  const made = await make({});
  assertEquals([made.status, made.json.visibility, made.json.owner], [
    201,
    "private",
    "user@example.com",
  ]);
  const seen = async (principal: Principal) =>
    (await call("GET", "/api/upstreams/mine", { principal })).status;
  assertEquals([await seen(member), await seen(other), await seen(USER)], [200, 404, 404]);
  const raised = await call("PATCH", "/api/upstreams/mine", {
    principal: member,
    body: { visibility: "public" },
  });
  assertEquals(raised.status, 403);
});

Deno.test("an owner of a team makes and changes what is the team's, a member does not", async () => {
  const { call } = await adminWorld();
  const member = { ...USER, teams: ["t1", "red"], seesOwn: true };
  const owner = { ...member, subject: "lead@example.com", ownedTeams: ["t1", "red"] };
  const body = { name: "ours", url: "https://a.example/mcp", visibility: "team", teamId: "t1" };
  assertEquals((await call("POST", "/api/upstreams", { principal: member, body })).status, 403);
  assertEquals((await call("POST", "/api/upstreams", { principal: owner, body })).status, 201);
  const change = (principal: Principal) =>
    call("PATCH", "/api/upstreams/ours", { principal, body: { title: "x" } });
  assertEquals([(await change(member)).status, (await change(owner)).status], [403, 200]);
});

Deno.test("whoever may change a server's URL does not learn its secrets by that", async () => {
  const { call } = await adminWorld();
  const owner = { ...USER, teams: ["t1"], ownedTeams: ["t1"], seesOwn: true };
  const body = {
    name: "ours",
    url: "https://a.example/mcp",
    visibility: "team",
    teamId: "t1",
    headers: { "X-Key": "secret" },
    auth: { type: "bearer", token: "secret" },
  };
  await call("POST", "/api/upstreams", { body });
  const patch = (change: object) =>
    call("PATCH", "/api/upstreams/ours", { principal: owner, body: change });
  const moved = await patch({ url: "https://evil.example/mcp" });
  assertEquals([moved.status, moved.json.errors.map(({ path }: { path: string }) => path)], [
    400,
    ["headers", "auth"],
  ]);
  const masked = await patch({
    url: "https://evil.example/mcp",
    headers: { "X-Key": "*****" },
    auth: { type: "bearer", token: "*****" },
  });
  assertEquals(masked.status, 400);
  assertEquals((await patch({ url: "https://a.example/other" })).status, 200);
  const anew = await patch({
    url: "https://b.example/mcp",
    headers: {},
    auth: { type: "none" },
  });
  assertEquals(anew.status, 200);
});

Deno.test("a refused caller's body is not even read", async () => {
  const { call } = await adminWorld();
  const body = new ReadableStream({
    pull: () => {
      throw new Error("somebody read it");
    },
  }, { highWaterMark: 0 });
  const { status } = await call("POST", "/api/upstreams", { principal: ANONYMOUS, raw: body });
  assertEquals(status, 401);
});

Deno.test("a credential without the permission is told which one is missing, on every route", async () => {
  const { call } = await adminWorld();
  const principal = { ...ADMIN, permissions: ["tools.execute"] };
  const missing: [string, unknown][] = [];
  for (const { method, path } of await allOperations()) {
    const { thrown } = await call(method, urlOf(path), { principal });
    const scope = thrown instanceof InsufficientScope ? thrown.scope : NONE;
    missing.push([`${method} ${path}`, scope]);
  }
  assertEquals(new Map(missing.sort()), new Map([...PERMISSIONS].sort()));
});

Deno.test("a credential with just the permission is served", async () => {
  const { call } = await adminWorld();
  for (const noun of ["upstreams", "servers", "tools", "prompts", "resources", "sessions"]) {
    const { status } = await call("GET", `/api/${noun}`, {
      principal: { ...ADMIN, permissions: [`${noun}.read`] },
    });
    assertEquals([noun, status], [noun, 200]);
  }
});

Deno.test("an administrator of one team sees its records and the public ones, and no others", async () => {
  const world = await narrowedWorld();
  const { json } = await world.call("GET", "/api/upstreams", { principal: RED });
  assertEquals(json.items.map(({ slug }: { slug: string }) => slug), ["open", "red"]);
});

Deno.test("an administrator of one team gets the same 404 for a hidden record as for none, on every verb", async () => {
  const world = await narrowedWorld();
  const texts = new Map<string, Set<string>>();
  const item = "blue-tool-x";
  const paths = [
    ["GET", "/api/upstreams/", "blue"],
    ["PATCH", "/api/upstreams/", "blue"],
    ["DELETE", "/api/upstreams/", "blue"],
    ["POST", "/api/upstreams/", "blue/refresh"],
    ["GET", "/api/tools/", item],
    ["PATCH", "/api/tools/", item],
    ["DELETE", "/api/tools/", item],
  ] as const;
  for (const [method, path, hidden] of paths) {
    const body = method === "PATCH" ? { body: { title: "x" } } : {};
    for (const id of [hidden, hidden.replace(/^[^/]+/, "nothing")]) {
      const { status, text } = await world.call(method, path + id, { principal: RED, ...body });
      const of = `${method} ${path}`;
      texts.set(of, (texts.get(of) ?? new Set()).add(`${status} ${text}`));
    }
  }
  assertEquals([...texts].filter(([, answers]) => answers.size !== 1), []);
  assertEquals([...texts].filter(([, answers]) => ![...answers][0]!.startsWith("404 ")), []);
});

Deno.test("an administrator of one team lists no item of a hidden server, even by its name", async () => {
  const world = await narrowedWorld();
  const all = await world.call("GET", "/api/tools", { principal: RED });
  const byName = await world.call("GET", "/api/tools?upstream=blue", { principal: RED });
  assertEquals([all.json.items.length, byName.json.items.length], [0, 0]);
});

Deno.test("an administrator of one team cannot make a record that only another team would see", async () => {
  const { call } = await narrowedWorld();
  const body = { name: "new", url: "https://a.example/mcp", visibility: "team", teamId: "blue" };
  const { status } = await call("POST", "/api/upstreams", { principal: RED, body });
  assertEquals(status, 403);
});

Deno.test("an administrator of one team cannot move a record out of its own sight", async () => {
  const { call } = await narrowedWorld();
  const body = { name: "mine", url: "https://a.example/mcp", visibility: "team", teamId: "red" };
  await call("POST", "/api/upstreams", { principal: RED, body });
  const moved = await call("PATCH", "/api/upstreams/mine", {
    principal: RED,
    body: { teamId: "blue" },
  });
  assertEquals(moved.status, 403);
});

const RED: Principal = { ...ADMIN, subject: "lead@example.com", teams: ["red"] };

async function narrowedWorld() {
  const world = await adminWorld();
  const team = (name: string) => anUpstream({ name, slug: name, visibility: "team", team: name });
  await world.declare([anUpstream({ name: "open", slug: "open" }), team("red"), team("blue")]);
  const { server } = world.catalog.upstream("blue")!;
  await world.stock(server.id, [anItem(server, "x")]);
  return world;
}
