/**
 * `ETag` and `If-Match`: no change is lost to somebody who has not seen it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { ADMIN, type AdminWorld, adminWorld, anItem, anUpstream } from "../support/admin_world.ts";

interface Case {
  readonly path: string;
  readonly change: object;
  readonly make: (world: AdminWorld) => Promise<unknown>;
}

const CASES: readonly Case[] = [
  {
    path: "/api/upstreams/a",
    change: { title: "T" },
    make: ({ call }) =>
      call("POST", "/api/upstreams", { body: { name: "a", url: "https://a.example/mcp" } }),
  },
  {
    path: "/api/servers/a",
    change: { title: "T" },
    make: ({ call }) => call("POST", "/api/servers", { body: { name: "a" } }),
  },
  {
    path: "/api/tools/alpha-tool-x",
    change: { title: "T" },
    async make(world) {
      await world.declare([anUpstream()]);
      const { server } = world.catalog.upstream("alpha")!;
      await world.stock(server.id, [anItem(server, "x")]);
    },
  },
];

for (const { path, change, make } of CASES) {
  Deno.test(`${path}: the version that was read may be changed, and is another one then`, async () => {
    const { call } = await made(make);
    const tag = (await call("GET", path)).headers.get("etag")!;
    const headers = { "If-Match": tag };
    const { status, headers: after } = await call("PATCH", path, { body: change, headers });
    assertEquals([status, after.get("etag") === tag], [200, false]);
    assertEquals(after.get("etag"), (await call("GET", path)).headers.get("etag"));
  });

  Deno.test(`${path}: a version that is not there any more is 412, and nothing is changed`, async () => {
    const { call } = await made(make);
    const headers = { "If-Match": (await call("GET", path)).headers.get("etag")! };
    await call("PATCH", path, { body: change });
    const { status, json } = await call("PATCH", path, { body: { title: "Lost" }, headers });
    assertEquals([status, json.code], [412, "precondition_failed"]);
    assertEquals((await call("GET", path)).json.title, "T");
  });

  Deno.test(`${path}: of 10 changes of one version, one is made`, async () => {
    const { call } = await made(make);
    const headers = { "If-Match": (await call("GET", path)).headers.get("etag")! };
    const all = await Promise.all(
      Array.from(
        { length: 10 },
        (_, i) => call("PATCH", path, { body: { title: `${i}` }, headers }),
      ),
    );
    assertEquals(all.map(({ status }) => status).sort(), [200, ...Array(9).fill(412)]);
  });

  Deno.test(`${path}: a change that comes in between is not overwritten by one that has not seen it`, async () => {
    const world = await made(make);
    const headers = { "If-Match": (await world.call("GET", path)).headers.get("etag")! };
    world.beforeWrite = () => world.call("PATCH", path, { body: { title: "First" } });
    const { status } = await world.call("PATCH", path, { body: { title: "Second" }, headers });
    assertEquals([status, (await world.call("GET", path)).json.title], [412, "First"]);
  });

  Deno.test(`${path}: a change that comes in between is kept where the other says nothing of it`, async () => {
    const world = await made(make);
    world.beforeWrite = () => world.call("PATCH", path, { body: { title: "First" } });
    const { status } = await world.call("PATCH", path, { body: { enabled: false } });
    const { title, enabled } = (await world.call("GET", path)).json;
    assertEquals([status, title, enabled], [200, "First", false]);
  });

  for (const value of ["*", '"other", TAG', 'TAG,\t"other"']) {
    Deno.test(`${path}: If-Match ${value.replace(/\t/, " ")} fits`, async () => {
      const { call } = await made(make);
      const tag = (await call("GET", path)).headers.get("etag")!;
      const headers = { "If-Match": value.replace("TAG", tag) };
      assertEquals((await call("PATCH", path, { body: change, headers })).status, 200);
    });
  }

  for (const value of ['"other"', "W/TAG", '""']) {
    Deno.test(`${path}: If-Match ${value} does not fit`, async () => {
      const { call } = await made(make);
      const tag = (await call("GET", path)).headers.get("etag")!;
      const headers = { "If-Match": value.replace("TAG", tag) };
      assertEquals((await call("PATCH", path, { body: change, headers })).status, 412);
    });
  }

  for (const value of ["abc", '"abc', '"a" "b"', ",", '"a",', "TAG;x"]) {
    Deno.test(`${path}: If-Match ${value} is malformed`, async () => {
      const { call } = await made(make);
      const headers = { "If-Match": value };
      assertEquals((await call("PATCH", path, { body: change, headers })).status, 400);
    });
  }
}

for (const { path, make } of CASES.slice(0, 2)) {
  Deno.test(`${path}: a version that is not there any more cannot be removed`, async () => {
    const { call } = await made(make);
    const headers = { "If-Match": '"old"' };
    const { status } = await call("DELETE", path, { headers });
    assertEquals([status, (await call("GET", path)).status], [412, 200]);
  });

  Deno.test(`${path}: a version that goes while it is removed is not removed`, async () => {
    const world = await made(make);
    const headers = { "If-Match": (await world.call("GET", path)).headers.get("etag")! };
    world.beforeWrite = () => world.call("PATCH", path, { body: { title: "First" } });
    const { status } = await world.call("DELETE", path, { headers });
    assertEquals([status, (await world.call("GET", path)).status], [412, 200]);
  });

  Deno.test(`${path}: a record that is removed while it is changed is gone`, async () => {
    const world = await made(make);
    world.beforeWrite = () => world.call("DELETE", path);
    const { status } = await world.call("PATCH", path, { body: { title: "x" } });
    assertEquals([status, (await world.call("GET", path)).status], [404, 404]);
  });

  Deno.test(`${path}: whoever may not see it any more when it is changed gets 404`, async () => {
    const world = await made(make);
    await world.call("PATCH", path, { body: { visibility: "team", teamId: "red" } });
    world.beforeRead = () => world.call("PATCH", path, { body: { teamId: "blue" } });
    const principal = { ...ADMIN, teams: ["red"] };
    const body = { visibility: "public" };
    const { status } = await world.call("PATCH", path, { principal, body });
    assertEquals([status, (await world.call("GET", path)).json.visibility], [404, "team"]);
  });

  Deno.test(`${path}: whoever may not see it any more when it is removed gets 404`, async () => {
    const world = await made(make);
    await world.call("PATCH", path, { body: { visibility: "team", teamId: "red" } });
    world.beforeRead = () => world.call("PATCH", path, { body: { teamId: "blue" } });
    const principal = { ...ADMIN, teams: ["red"] };
    const { status } = await world.call("DELETE", path, { principal });
    assertEquals([status, (await world.call("GET", path)).status], [404, 200]);
  });

  Deno.test(`${path}: the version of a record that was removed does not fit its successor`, async () => {
    const world = await made(make);
    const headers = { "If-Match": (await world.call("GET", path)).headers.get("etag")! };
    await world.call("DELETE", path);
    await make(world);
    const { status } = await world.call("DELETE", path, { headers });
    assertEquals(status, 412);
  });
}

Deno.test("discovery is no change of a server's record", async () => {
  const world = await made(CASES[0]!.make);
  const before = await world.call("GET", "/api/upstreams/a");
  await world.stock(before.json.id, [anItem(before.json, "x")]);
  const after = await world.call("GET", "/api/upstreams/a");
  assertEquals(after.headers.get("etag"), before.headers.get("etag"));
});

async function made(make: Case["make"]): Promise<AdminWorld> {
  const world = await adminWorld();
  await make(world);
  return world;
}
