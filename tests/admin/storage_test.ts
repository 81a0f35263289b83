/**
 * The management API over a database: what the fakes of the other tests promise holds there.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { systemClock } from "../../src/platform/clock.ts";
import { createTimers } from "../../src/platform/timers.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createKeyring } from "../../src/storage/sealed.ts";
import { createCatalogTables } from "../../src/storage/tables/catalog.ts";
import { type AdminWorld, adminWorld, anItem } from "../support/admin_world.ts";

const NEW = { name: "a", url: "https://a.example/mcp" };

Deno.test("a server is made, changed under its version, and removed", () =>
  inDatabase(async ({ call }) => {
    const body = { ...NEW, title: "T", timeout: 5, headers: { a: "b" }, teamId: "red" };
    const made = await call("POST", "/api/upstreams", { body });
    const headers = { "If-Match": made.headers.get("etag")! };
    const change = { title: null, timeout: null, teamId: null, tags: ["x"] };
    const changed = await call("PATCH", "/api/upstreams/a", { body: change, headers });
    const late = await call("PATCH", "/api/upstreams/a", { body: { title: "late" }, headers });
    const { title: _, timeout: __, teamId: ___, ...rest } = made.json;
    assertEquals([made.status, changed.status, late.status], [201, 200, 412]);
    assertEquals(changed.json, { ...rest, tags: ["x"] });
    assertEquals((await call("DELETE", "/api/upstreams/a")).status, 204);
    assertEquals((await call("GET", "/api/upstreams")).json.items, []);
  }));

Deno.test("a mask keeps what the database has sealed", () =>
  inDatabase(async ({ call, catalog }) => {
    const auth = { type: "basic", username: "u", password: "CANARY" };
    await call("POST", "/api/upstreams", { body: { ...NEW, auth, headers: { a: "CANARY" } } });
    const body = { auth: { ...auth, password: "*****" }, headers: { A: "*****" } };
    await call("PATCH", "/api/upstreams/a", { body });
    const { server } = catalog.upstream("a")!;
    assertEquals("auth" in server && [server.auth, server.headers], [auth, {
      A: "CANARY",
    }]);
  }));

Deno.test("one space of slugs: of ten of each kind made at once, one is, and the others say which slug", () =>
  inDatabase(async ({ call }) => {
    const all = await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) =>
          i % 2 === 0
            ? call("POST", "/api/upstreams", { body: NEW })
            : call("POST", "/api/servers", { body: { name: "a" } }),
      ),
    );
    assertEquals(all.map(({ status }) => status).sort(), [201, ...Array(19).fill(409)]);
    const refused = all.filter(({ status }) => status === 409);
    assertEquals(refused.filter(({ json }) => !json.title.includes('"a"')), []);
  }));

Deno.test("changes of different members at once are all kept", () =>
  inDatabase(async ({ call }) => {
    await call("POST", "/api/servers", { body: { name: "a" } });
    const changes = [{ title: "T" }, { description: "D" }, { tools: ["x"] }, { enabled: false }];
    const all = await Promise.all(changes.map((body) => call("PATCH", "/api/servers/a", { body })));
    const { title, description, tools, enabled } = (await call("GET", "/api/servers/a")).json;
    assertEquals(all.map(({ status }) => status), [200, 200, 200, 200]);
    assertEquals({ title, description, tools, enabled }, Object.assign({}, ...changes));
  }));

Deno.test("a tool gets another name and its own back, and no name that is taken", () =>
  inDatabase(async (world) => {
    const { call } = world;
    const { json } = await call("POST", "/api/upstreams", { body: NEW });
    await world.stock(json.id, [anItem(json, "x"), anItem(json, "y", { seq: 2 })]);
    const rename = (id: string, name: string | null) =>
      call("PATCH", `/api/tools/a-tool-${id}`, { body: { name } });
    const answers = [
      await rename("x", "find"),
      await rename("y", "find"),
      await rename("x", null),
      await rename("y", "find"),
    ];
    assertEquals(answers.map(({ status, json }) => [status, json.name]), [
      [200, "find"],
      [409, undefined],
      [200, "a-x"],
      [200, "find"],
    ]);
  }));

Deno.test("what a tool is described as is taken back by null", () =>
  inDatabase(async (world) => {
    const { json } = await world.call("POST", "/api/upstreams", { body: NEW });
    await world.stock(json.id, [anItem(json, "x")]);
    const before = await world.call("GET", "/api/tools/a-tool-x");
    const change = { title: "T", description: "D" };
    await world.call("PATCH", "/api/tools/a-tool-x", { body: change });
    const nothing = { title: null, description: null };
    const after = await world.call("PATCH", "/api/tools/a-tool-x", { body: nothing });
    assertEquals(after.json, before.json);
  }));

Deno.test("discovery is no change of a server's record", () =>
  inDatabase(async (world) => {
    const { json, headers } = await world.call("POST", "/api/upstreams", { body: NEW });
    await world.stock(json.id, [anItem(json, "x")]);
    const after = await world.call("GET", "/api/upstreams/a");
    assertEquals(after.headers.get("etag"), headers.get("etag"));
  }));

const SECRET = "only-for-tests-0123456789-abcdefghij-XYZ";

async function inDatabase(test: (world: AdminWorld) => Promise<void>): Promise<void> {
  const timers = createTimers(systemClock.monotonic);
  const database = openDatabase({ kind: "sqlite", path: ":memory:" }, { timers });
  try {
    await migrate(database, { clock: systemClock });
    const keyring = createKeyring(SECRET, undefined);
    await test(await adminWorld((clock) => createCatalogTables(database, { clock, keyring })));
  } finally {
    await database.close();
  }
}
