/**
 * Export and import through the API of real gateways: from one on SQLite to two on PostgreSQL, and
 * what is refused to whom.
 *
 * @module
 * @see contract.md, section 8, "Export and import"; security.md, SEC-05, SEC-06, AUD-07
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { AuditRecord } from "../../src/events/audit.ts";
import { openFolder } from "../../src/platform/folder.ts";
import { type Api, type Loose, openApi } from "../support/api_client.ts";
import { type ApiWorld, LOOPBACK_ALLOWED, openApiWorld } from "../support/api_world.ts";
import { auditRecords } from "../support/audit_world.ts";
import { callModern } from "../support/modern.ts";
import { aTool } from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { pathOf } from "../support/spawn.ts";
import { PASSPHRASE } from "../support/transfer_world.ts";
import { startTwoReplicas, twoReplicasTest } from "../support/two_replicas.ts";
import { until } from "../support/until.ts";

const SECRET = "canary-upstream-5ad1";
const NOTE = { uri: "note://a", name: "A", text: "one" };
/** Another replica knows it within. */
const SOON_MS = 5_000;

/** Something of most kinds, by single calls. Gives the API token that was made. */
async function furnish({ must }: Api): Promise<string> {
  const { json: team } = await must("POST", "/teams", { name: "Platform" });
  await must("PUT", `/teams/${team.id}/members/ann@example.com`, { role: "member" });
  await must("POST", "/users", { email: "ann@example.com", fullName: "Ann" });
  await must("POST", "/users", { email: "gone@example.com" });
  await must("DELETE", "/users/gone@example.com");
  const url = "https://down.example.com/mcp";
  const auth = { type: "bearer", token: SECRET };
  await must("POST", "/upstreams", { name: "Down", url, auth, enabled: false });
  await must("POST", "/resources", NOTE);
  await must("POST", "/servers", { name: "Notes", resources: ["note://*"], description: "N" });
  await must("POST", "/revocations", { jti: "stolen", reason: "Lost" });
  const { json } = await must("POST", "/tokens", { name: "ci", teams: "*" });
  return json.token;
}

const TOOLS = ["buy", "sell", "look"];

/** A server whose tools are changed: one has another name, one is switched off. */
async function changeTools(world: ApiWorld): Promise<void> {
  const { must, all } = world.api;
  const { url } = world.stand("shop", { tools: TOOLS.map((name) => aTool(name)) });
  await must("POST", "/upstreams", { name: "Shop", url });
  const found = () => all("/tools?upstream=shop");
  const [buy, sell] = await until("the tools", async () => {
    const tools = await found();
    return tools.length === TOOLS.length && tools;
  });
  await must("PATCH", `/tools/${buy.id}`, { name: "purchase", title: "Purchase" });
  await must("PATCH", `/tools/${sell.id}`, { enabled: false });
}

/** Names of the server's tools in `/mcp`. */
async function toolsAt(origin: string, token: string): Promise<readonly string[]> {
  const { response } = await callModern(origin, { path: "/mcp", token, method: "tools/list" });
  const { tools }: Loose = response.result;
  return tools.map(({ name }: Loose) => name).filter((name: string) => /shop|purchase/.test(name));
}

async function textAt(origin: string, token: string): Promise<unknown> {
  const call = { path: "/mcp", token, method: "resources/read", params: { uri: NOTE.uri } };
  const { response } = await callModern(origin, call);
  return (response.result as Loose)?.contents?.[0]?.text;
}

function withoutIds(records: readonly Loose[]): Loose[] {
  return records.map(({ id: _, createdAt: _at, updatedAt: _then, since: _since, ...rest }) => ({
    ...rest,
    teamId: rest.teamId === undefined ? undefined : "some",
  }));
}

twoReplicasTest("a configuration moves from SQLite to two replicas on PostgreSQL", async () => {
  await using source = await openApiWorld();
  await using target = await startTwoReplicas({}, LOOPBACK_ALLOWED);
  const token = await furnish(source.api);
  await changeTools(source);
  const { json: document, text } = await source.api.must("POST", "/export", {
    passphrase: PASSPHRASE,
  });
  assert.ok(!text.includes(SECRET));
  const api = await openApi(() => target.a);
  const there = await openApi(() => target.b);
  const { json: report } = await api.must("POST", "/import", {
    document,
    passphrase: PASSPHRASE,
    strategy: "fail",
  });
  assertEquals(new Set(report.records.map(({ action }: Loose) => action)), new Set(["created"]));
  await until("the resource there", async () => await textAt(target.b, token) === "one", SOON_MS);
  const seen = new Set<string>();
  await until("what is discovered there", async () => {
    const names = await toolsAt(target.b, token);
    for (const name of names) seen.add(name);
    return names.length === TOOLS.length - 1;
  }, SOON_MS);
  // Not even for a moment was anything of it as it is at its server.
  assertEquals([...seen].sort(), ["purchase", "shop-look"]);
  for (const noun of ["teams", "users", "resources", "servers", "tokens", "revocations"]) {
    const made = (await there.all(`/${noun}`)).filter(({ upstreamId }) => upstreamId === undefined);
    const records = withoutIds(made);
    assertEquals(records, withoutIds(await source.api.all(`/${noun}`)), noun);
  }
  const servers = (await there.all("/upstreams")).filter(({ declared }) => !declared);
  assertEquals(servers.map(({ slug, auth }) => [slug, auth.token]), [
    ["down", "*****"],
    ["shop", undefined],
  ]);

  const again = await api.call("POST", "/import", { body: { document, strategy: "fail" } });
  assertEquals([again.status, again.json.code], [409, "conflict"]);
  const skipped = await there.must("POST", "/import", { document });
  assertEquals(
    new Set(skipped.json.records.map(({ action }: Loose) => action)),
    new Set(["skipped"]),
  );
});

Deno.test("exports and imports are for administrators, are recorded, and are read strictly", async () => {
  await using world = await openApiWorld();
  const { call, must } = world.api;
  await furnish(world.api);
  const { text } = await must("GET", "/export");
  assert.ok(!text.includes(SECRET));
  const document = JSON.parse(text);

  const plain = await mintToken({ sub: "ann@example.com", teams: ["platform"] });
  const narrow = await mintToken({
    sub: "root@example.com",
    is_admin: true,
    scopes: { permissions: ["tools.create", "tools.read"] },
  });
  const body = { document };
  const answers = [
    await call("GET", "/export", { token: plain }),
    await call("POST", "/export", { token: plain, body: { passphrase: PASSPHRASE } }),
    await call("GET", "/export", { token: narrow }),
    await call("POST", "/import", { token: narrow, body }),
    await call("POST", "/import", { token: plain, body: { document, strategy: "update" } }),
    await call("GET", "/export", { token: "" }),
    await call("POST", "/export", { body: { passphrase: "short" } }),
    await call("GET", `/export?passphrase=${encodeURIComponent(PASSPHRASE)}`),
    await call("POST", "/import", { body: { document: { sallyport: 1, tools: 1 } } }),
    await call("POST", "/import", { body: { document, strategy: "merge" } }),
    await call("POST", "/import", { body: { document: "x".repeat(8 * 2 ** 20) } }),
  ].map(({ status, json }) => `${status} ${json.code}`);
  assertEquals(answers, [
    "403 forbidden",
    "403 forbidden",
    "403 forbidden",
    "403 forbidden",
    "403 forbidden",
    "401 unauthenticated",
    "400 invalid_request",
    "400 invalid_request",
    "400 invalid_request",
    "400 invalid_request",
    "413 too_large",
  ]);
  const pad = " ".repeat(128 * 1024);
  for (const name of ["__proto__", "\\u005f_proto__"]) {
    const raw = `{"document":{"sallyport":1,"users":[{"email":"a@b.c","${name}":{}}]}${pad}}`;
    const response = await fetch(`${world.origin}/api/import`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${await mintToken({ sub: "root@example.com", is_admin: true })}`,
      },
      body: raw,
    });
    assertEquals([response.status, (await response.json()).title], [
      400,
      'No member can be called "__proto__"',
    ]);
  }
  const found = (): readonly AuditRecord[] =>
    auditRecords(openFolder(`${world.dataDir}/audit`)).filter(({ method }) =>
      method?.endsWith("/api/export") || method?.endsWith("/api/import")
    );
  const shown = await until("the records", () => found().length >= 3 && found());
  const told = new Set(shown.map(({ action, method }) => `${action} ${method}`));
  for (const one of ["admin.read GET /api/export", "admin.start POST /api/import"]) {
    assert.ok(told.has(one), [...told].join());
  }
});

Deno.test("an export document of the reference system is imported by each strategy", async () => {
  await using world = await openApiWorld();
  const { call, must, all } = world.api;
  const document = JSON.parse(
    await Deno.readTextFile(pathOf("fixtures/reference-export/complete.json")),
  );
  const counts = async (body: object) => {
    const { json } = await must("POST", "/import", { document, ...body });
    return Object.groupBy(json.records as Loose[], ({ action }) => action);
  };
  const dry = await counts({ dryRun: true });
  assertEquals([Object.keys(dry), await all("/tools")], [["created"], []]);
  const { length } = dry.created!;
  assertEquals((await counts({ strategy: "fail" })).created?.length, length);
  assertEquals((await counts({ strategy: "skip" })).skipped?.length, length);
  assertEquals((await counts({ strategy: "update" })).unchanged?.length, length);
  const refused = await call("POST", "/import", { body: { document, strategy: "fail" } });
  assertEquals([refused.status, refused.json.code], [409, "conflict"]);
  const before = (await all("/tools")).filter(({ upstreamId }) => upstreamId === undefined);
  const { renamed = [] } = await counts({ strategy: "rename" });
  const tools = renamed.filter(({ kind }) => kind === "tool").map(({ newName }) => newName);
  assertEquals(tools, before.map(({ name }) => `${name}-2`));
});
