/**
 * Who may use the management API, and for what.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { NONE, PERMISSIONS } from "../../src/admin/api/permissions.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import { InsufficientScope } from "../../src/mcp/dispatch.ts";
import { ADMIN, adminWorld, allOperations, anItem, anUpstream } from "../support/admin_world.ts";

Deno.test("every operation has a row in the table of permissions, and every row an operation", async () => {
  const mounted = (await allOperations()).map(({ method, path }) => `${method} ${path}`);
  assertEquals([...PERMISSIONS.keys()].sort(), mounted.sort());
});

Deno.test("every permission is one of the contract's", () => {
  const known =
    /^(?:(?:upstreams|servers|tools|prompts|resources)\.(?:read|create|update|delete)|sessions\.read|metrics\.read)$/;
  assertEquals([...PERMISSIONS.values()].filter((one) => one !== NONE && !known.test(one)), []);
});

const STRANGERS: readonly (readonly [string, Principal])[] = [
  ["nobody in particular", ANONYMOUS],
  ["a user", { ...ADMIN, isAdmin: false }],
  ["a user with every permission", { ...ADMIN, isAdmin: false, permissions: ["*", "admin"] }],
  ["an administrator's credential for one server only", { ...ADMIN, onlyServer: "alpha" }],
];

for (const [who, principal] of STRANGERS) {
  Deno.test(`${who} is refused everywhere in the API`, async () => {
    const { call } = await adminWorld();
    const answers = new Set<string>();
    for (const { method, path } of await allOperations()) {
      const { status, json } = await call(method, path.replace("{id}", "x"), { principal });
      answers.add(`${status} ${json.code}`);
    }
    assertEquals([...answers], ["403 forbidden"]);
  });

  Deno.test(`${who} learns of no URL whether it exists, nor what it takes`, async () => {
    const { call } = await adminWorld();
    const answers = [
      await call("GET", "/api/nothing", { principal }),
      await call("PUT", "/api/upstreams", { principal }),
      await call("GET", "/api", { principal }),
    ];
    assertEquals(answers.map(({ status }) => status), [403, 403, 403]);
  });
}

Deno.test("a refused caller's body is not even read", async () => {
  const { call } = await adminWorld();
  const body = new ReadableStream({
    pull: () => {
      throw new Error("somebody read it");
    },
  }, { highWaterMark: 0 });
  const { status } = await call("POST", "/api/upstreams", { principal: ANONYMOUS, raw: body });
  assertEquals(status, 403);
});

Deno.test("a credential without the permission is told which one is missing, on every route", async () => {
  const { call } = await adminWorld();
  const principal = { ...ADMIN, permissions: ["tools.execute"] };
  const missing: [string, unknown][] = [];
  for (const { method, path } of await allOperations()) {
    const { thrown } = await call(method, path.replace("{id}", "x"), { principal });
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
