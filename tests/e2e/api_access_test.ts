/**
 * Who gets into the management API and how it refuses: credentials, problem documents, versions,
 * what the config file declares, pages of other origins, and its own description.
 *
 * @module
 * @see contract.md, sections 6 and 8
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Api } from "../support/api_client.ts";
import { type ApiWorld, LEAN, openApiWorld } from "../support/api_world.ts";
import { aTool } from "../support/shelf_world.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken } from "../support/tokens.ts";

const ORIGIN = "https://console.example";

let world: ApiWorld;
let api: Api;

Deno.test.beforeAll(async () => {
  world = await openApiWorld({
    declared: { shop: { tools: [aTool("buy")] } },
    entries: { files: LEAN },
    servers: { ops: { tools: ["shop-*"] } },
    env: { ALLOWED_ORIGINS: ORIGIN },
  });
  api = world.api;
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

// ── Credentials ─────────────────────────────────────────────────────────────────────────────────

Deno.test("without a credential every URL is 401 with a challenge", async () => {
  for (const [method, path] of await operations()) {
    const { status, headers, json } = await api.call(method, path, { token: "" });
    assertEquals([path, status, json.code], [path, 401, "unauthenticated"]);
    const metadata = `${world.origin}/.well-known/oauth-protected-resource`;
    assert(headers.get("www-authenticate")?.includes(metadata), path);
  }
});

Deno.test("a credential for one server only is 403 everywhere, and nothing happens", async () => {
  const token = await mintToken({ is_admin: true, scopes: { server_id: "shop" } });
  const before = await versions();
  for (const [method, path] of await operations()) {
    const { status, json } = await api.call(method, path, { token });
    assertEquals([method, path, status, json.code], [method, path, 403, "forbidden"]);
  }
  assertEquals(await versions(), before);
});

const USERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "a plain user": {},
  "a user with every permission": { scopes: { permissions: ["*"] } },
};

for (const [who, claims] of Object.entries(USERS)) {
  Deno.test(`${who} changes nothing that others have made`, async () => {
    const token = await mintToken({ sub: "user@example.com", ...claims });
    const before = await versions();
    for (const [method, path] of await operations()) {
      if (method === "GET") continue;
      const { status } = await api.call(method, path, { token, body: {} });
      assertEquals([method, path, status >= 400 && status < 500], [method, path, true]);
    }
    assertEquals(await versions(), before);
  });
}

Deno.test("a token that names a team to which its subject does not belong is 403 everywhere", async () => {
  await using open = await openApiWorld();
  await haveTeams(open.origin, { other: [] });
  const token = await mintToken({ teams: ["t1"] });
  for (const [method, path] of await operations()) {
    const { status, text } = await open.api.call(method, path, { token });
    assertEquals([method, path, status], [method, path, 403]);
    assert(text.includes("Token invalid: User is no longer a member of the associated team"));
  }
});

Deno.test("an administrator whose token permits only reading cannot write", async () => {
  const scopes = { permissions: ["upstreams.read"] };
  const token = await mintToken({ is_admin: true, scopes });
  const body = { name: "x", url: "http://203.0.113.9/mcp" };
  assertEquals((await api.call("GET", "/upstreams", { token })).status, 200);
  const { status, headers } = await api.call("POST", "/upstreams", { token, body });
  assertEquals(status, 403);
  assert(headers.get("www-authenticate")?.includes('scope="upstreams.create"'));
});

Deno.test("without a credential the API is 401 where anonymous callers are allowed, too", async () => {
  await using open = await openApiWorld({ env: { MCP_REQUIRE_AUTH: "false" } });
  assertEquals((await open.api.call("GET", "/upstreams", { token: "" })).status, 401);
});

// ── Refusals ────────────────────────────────────────────────────────────────────────────────────

Deno.test("a refusal is a problem document that says what is wrong where", async () => {
  const body = { name: "", url: "nonsense", color: "red", timeout: "soon" };
  const { status, headers, json } = await api.call("POST", "/upstreams", { body });
  assertEquals([status, json.code], [400, "invalid_request"]);
  assertEquals(headers.get("content-type"), "application/problem+json");
  const paths = json.errors.map((one: { path: string }) => one.path).sort();
  assertEquals(paths, ["color", "name", "timeout", "url"]);
});

Deno.test("what the config file declares is read-only, and stays", async () => {
  const before = await versions();
  for (const path of ["/upstreams/shop", "/upstreams/files", "/servers/ops"]) {
    for (const [method, body] of [["PATCH", { title: "x" }], ["DELETE", undefined]] as const) {
      const { status, json } = await api.call(method, path, { body });
      assertEquals([path, method, status, json.code], [path, method, 409, "declared"]);
    }
  }
  assertEquals(await versions(), before);
});

Deno.test("a name whose slug is taken is 409, also by a virtual server", async () => {
  const { url } = world.stands.shop!;
  for (const name of ["Shop", "OPS!", "files"]) {
    const { status, json } = await api.call("POST", "/upstreams", { body: { name, url } });
    assertEquals([name, status, json.code], [name, 409, "conflict"]);
  }
});

Deno.test("of two changes to the version that both have seen, one is 412", async () => {
  const { headers } = await made("Versions");
  const match = { "If-Match": headers.get("etag")! };
  const replies = await Promise.all(
    ["A", "B"].map((title) =>
      api.call("PATCH", "/servers/versions", { body: { title }, headers: match })
    ),
  );
  const statuses = replies.map(({ status }) => status).sort();
  assertEquals(statuses, [200, 412]);
  assertEquals(replies.find(({ status }) => status === 412)!.json.code, "precondition_failed");
});

Deno.test("a version that is not there any more protects from deletion", async () => {
  const { headers } = await made("Protected");
  await api.must("PATCH", "/servers/protected", { title: "x" });
  const match = { "If-Match": headers.get("etag")! };
  assertEquals((await api.call("DELETE", "/servers/protected", { headers: match })).status, 412);
  assertEquals((await api.call("GET", "/servers/protected")).status, 200);
});

Deno.test("a record is found where its Location says", async () => {
  const { headers, json } = await made("Located");
  const found = await fetch(`${world.origin}${headers.get("location")}`, {
    headers: { Authorization: `Bearer ${await mintToken({ is_admin: true })}` },
  });
  assertEquals((await found.json()).id, json.id);
});

// ── Pages of other origins ──────────────────────────────────────────────────────────────────────

for (
  const [path, verb] of [
    ["/upstreams", "POST"],
    ["/upstreams/shop", "PATCH"],
    ["/upstreams/shop", "DELETE"],
    ["/servers/ops", "GET"],
    ["/upstreams/test", "POST"],
  ] as const
) {
  Deno.test(`a page of a listed origin may ${verb} ${path}`, async () => {
    const { status, headers } = await preflight(path, verb);
    assertEquals([status, headers.get("access-control-allow-origin")], [204, ORIGIN]);
    assert(listIn(headers, "access-control-allow-methods").includes(verb.toLowerCase()));
  });
}

for (const name of ["authorization", "content-type", "accept", "if-match"]) {
  Deno.test(`a page may send ${name}`, async () => {
    const { headers } = await preflight("/upstreams/shop", "PATCH");
    assert(listIn(headers, "access-control-allow-headers").includes(name));
  });
}

for (const name of ["etag", "location", "www-authenticate", "retry-after"]) {
  Deno.test(`a page may read ${name}`, async () => {
    const { headers } = await api.call("GET", "/upstreams/shop", { headers: { Origin: ORIGIN } });
    assert(listIn(headers, "access-control-expose-headers").includes(name));
  });
}

Deno.test("a page is not told of verbs that the URL does not take", async () => {
  const { headers } = await preflight("/upstreams", "DELETE");
  assertEquals(listIn(headers, "access-control-allow-methods"), ["get", "post", "head", "options"]);
});

Deno.test("a page of an origin that is not listed gets no permission", async () => {
  const { status, headers } = await preflight("/upstreams", "POST", "https://evil.example");
  assertEquals([status, headers.get("access-control-allow-origin")], [403, null]);
});

Deno.test("pages that are refused may read why", async () => {
  const headers = { Origin: ORIGIN };
  const reply = await api.call("GET", "/upstreams", { headers, token: "" });
  assertEquals([reply.status, reply.headers.get("access-control-allow-origin")], [401, ORIGIN]);
});

Deno.test("OPTIONS without an origin is 204 with what the URL takes", async () => {
  const { status, headers } = await api.call("OPTIONS", "/tools/x", { token: "" });
  assertEquals([status, headers.get("allow")], [204, "GET, PATCH, DELETE, HEAD, OPTIONS"]);
});

Deno.test("the MCP endpoints allow and show what they did before", async () => {
  const { headers } = await preflight("/../mcp", "POST");
  assertEquals(listIn(headers, "access-control-allow-headers").includes("if-match"), false);
  assert(listIn(headers, "access-control-allow-headers").includes("mcp-session-id"));
});

// ── Its own description ─────────────────────────────────────────────────────────────────────────

Deno.test("every operation that is described is there, and knows its verb", async () => {
  const all = await operations();
  assert(all.length >= 20);
  for (const [method, path] of all) {
    const { status, json } = await api.call(method, path, { headers: { "If-Match": '"none"' } });
    // A made-up id is missing; what is missing is the record, and not the URL.
    const isThere = status < 400 || status === 400 || status === 412 || status === 415 ||
      json.title !== "There is nothing here";
    assertEquals([method, path, isThere && status !== 405], [method, path, true]);
  }
});

Deno.test("the description is OpenAPI 3.1 and is not for callers without a credential", async () => {
  const { json } = await api.must("GET", "/openapi.json");
  assertEquals(json.openapi, "3.1.0");
  assertEquals((await api.call("GET", "/openapi.json", { token: "" })).status, 401);
});

/** Method and path of every operation, with an id that nothing has. */
async function operations(): Promise<readonly (readonly [string, string])[]> {
  const { json } = await api.must("GET", "/openapi.json");
  return Object.entries<object>(json.paths).flatMap(([path, item]) =>
    Object.keys(item).filter((key) => /^(?:get|post|patch|delete|put)$/.test(key)).map((method) =>
      [method.toUpperCase(), path.slice("/api".length).replace("{id}", "no-such-record")] as const
    )
  );
}

/** What there is, and when each was changed last. */
async function versions(): Promise<string[]> {
  const all = [...await api.all("/upstreams"), ...await api.all("/servers")];
  return all.map(({ id, updatedAt }) => `${id} ${updatedAt}`);
}

function made(name: string) {
  return api.must("POST", "/servers", { name });
}

async function preflight(path: string, verb: string, origin = ORIGIN) {
  const response = await fetch(`${world.origin}/api${path}`, {
    method: "OPTIONS",
    headers: {
      "Origin": origin,
      "Access-Control-Request-Method": verb,
      "Access-Control-Request-Headers": "authorization,if-match,content-type",
    },
  });
  await response.body?.cancel();
  return response;
}

function listIn(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? "").toLowerCase().split(", ");
}
