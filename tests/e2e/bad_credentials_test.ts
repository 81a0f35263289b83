/**
 * Who is let in: tokens of the gateway's own issuer, good and bad, and the challenge for the others.
 *
 * @module
 */

import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Hostile, startHostile } from "../support/hostile.ts";
import { callModern, type ModernCall, type ModernReply } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf, requestBytes, sendRaw } from "../support/raw_http.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";

const PATH = "/servers/hostile/mcp";

let upstream: Hostile;
let gateway: Gateway;

Deno.test.beforeAll(async () => {
  upstream = await startHostile();
  gateway = await startGateway({
    config: { mcpServers: { hostile: { type: "http", url: `${upstream.origin}/mcp` } } },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
});

Deno.test.afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

const call = (more: ModernCall = {}): Promise<ModernReply> =>
  callModern(gateway.origin, { path: PATH, params: { name: "ok", arguments: {} }, ...more });

const now = () => Math.floor(Date.now() / 1000);

type Claims = Readonly<Record<string, unknown>>;

for (
  const [what, claims] of Object.entries<() => Claims>({
    "the usual claims": () => ({}),
    "an end 30 s ago, within the skew": () => ({ iat: now() - 600, exp: now() - 30 }),
    "an iat 30 s ahead, within the skew": () => ({ iat: now() + 30 }),
    "a subject of 255 characters": () => ({ sub: "s".repeat(255) }),
  })
) {
  Deno.test(`a token with ${what} is let in`, async () => {
    assertEquals((await call({ token: await mintToken(claims()) })).status, 200);
  });
}

for (
  const [what, claims] of Object.entries<() => Claims>({
    "an end 2 min ago": () => ({ iat: now() - 600, exp: now() - 120 }),
    "no end": () => ({ exp: undefined }),
    "an end that is a string": () => ({ exp: String(now() + 600) }),
    "an nbf 2 min ahead": () => ({ nbf: now() + 120 }),
    "an nbf that is a string": () => ({ nbf: "0" }),
    "an iat 2 min ahead": () => ({ iat: now() + 120 }),
    "an iat that is a string": () => ({ iat: "0" }),
    "no jti": () => ({ jti: undefined }),
    "another audience": () => ({ aud: "someone-else" }),
    "no audience": () => ({ aud: undefined }),
    "another issuer": () => ({ iss: "someone-else" }),
    "no issuer": () => ({ iss: undefined }),
    "no subject": () => ({ sub: undefined }),
    "an empty subject": () => ({ sub: "" }),
    "a subject that is a number": () => ({ sub: 7 }),
    "a subject of 256 characters": () => ({ sub: "s".repeat(256) }),
    "teams that are a number": () => ({ teams: 7 }),
    "teams that hold a number": () => ({ teams: [7] }),
    "is_admin that is a string": () => ({ is_admin: "true" }),
    "scopes that are a string": () => ({ scopes: "tools.execute" }),
    "permissions that are a string": () => ({ scopes: { permissions: "tools.execute" } }),
    "a server_id that is a number": () => ({ scopes: { server_id: 7 } }),
  })
) {
  Deno.test(`a token with ${what} is 401`, async () => {
    assertEquals((await call({ token: await mintToken(claims()) })).status, 401);
  });
}

for (
  const [what, make] of Object.entries<() => string | Promise<string>>({
    "signed with another key": () =>
      mintToken({}, { secret: "another-secret-of-32-characters!!!!" }),
    "with an unknown kid": () => mintToken({}, { header: { kid: "nope" } }),
    "with alg none": () => unsigned({ alg: "none", typ: "JWT" }),
    "with alg None": () => unsigned({ alg: "None", typ: "JWT" }),
    "with a critical header that nobody knows": () =>
      unsigned({ alg: "HS256", crit: ["mischief"], mischief: 1 }),
    "whose signature was cut": async () => (await mintToken()).slice(0, -4),
    "whose payload was changed": async () => {
      const [header, , signature] = (await mintToken()).split(".");
      return `${header}.${base64Url({ sub: "admin@example.com", is_admin: true })}.${signature}`;
    },
    "that is no JWT": () => "nonsense",
    "of an API token that does not exist": () => `spt_${"0".repeat(40)}`,
    "over 8 KiB": () => mintToken({ filler: "f".repeat(8 * 1024) }),
  })
) {
  Deno.test(`a bearer ${what} is 401`, async () => {
    assertEquals((await call({ token: await make() })).status, 401);
  });
}

Deno.test("no credential is 401", async () => {
  assertEquals((await call()).status, 401);
});

Deno.test("another scheme is 401", async () => {
  assertEquals((await call({ headers: { "Authorization": "Basic YTpi" } })).status, 401);
});

Deno.test("two Authorization headers are 400, even when both are good", async () => {
  const value = `Bearer ${await mintToken()}`;
  assertEquals((await call({ headers: { "Authorization": [value, value] } })).status, 400);
});

Deno.test("two bearers in one header are refused", async () => {
  const value = `Bearer ${await mintToken()}`;
  const { status } = await call({ headers: { "Authorization": `${value}, ${value}` } });
  assert(status === 400 || status === 401, `status ${status}`);
});

Deno.test("a token in the query is no credential", async () => {
  const { status } = await call({ path: `${PATH}?access_token=${await mintToken()}` });
  assert(status === 400 || status === 401, `status ${status}`);
});

Deno.test("the client's token is not passed to the upstream", async () => {
  const token = await mintToken();
  await call({ token });
  assert(!JSON.stringify(await upstream.stats()).includes(token));
});

Deno.test("all bodies of 401 are alike", async () => {
  const replies = [
    await call(),
    await call({ token: "nonsense" }),
    await call({ token: await mintToken({ exp: now() - 600 }) }),
    await call({ token: await mintToken({ aud: "someone-else" }) }),
    await call({ token: `spt_${"0".repeat(40)}` }),
  ];
  const bodies = replies.map(({ text }) =>
    text.replace(/"(correlationId|instance|requestId)":"[^"]*"/g, "")
  );
  assertEquals(new Set(bodies).size, 1);
});

Deno.test("401 comes with a Bearer challenge that names the metadata document", async () => {
  assert.match(await challenge(), /^Bearer .*resource_metadata="http:\/\/[^"]+"/);
});

Deno.test("the metadata document is served, and its resource is the endpoint's URL", async () => {
  const reply = await get(await metadataUrl());
  assertEquals(reply.status, 200);
  assertEquals(JSON.parse(reply.text).resource, `${gateway.origin}${PATH}`);
});

Deno.test("the metadata document is open to all origins", async () => {
  const reply = await get(await metadataUrl(), ["Origin: http://anyone.example"]);
  assertEquals(headerOf(reply, "access-control-allow-origin"), "*");
});

Deno.test("the metadata document says that tokens belong in the header", async () => {
  const reply = await get(await metadataUrl());
  assertEquals(JSON.parse(reply.text).bearer_methods_supported, ["header"]);
});

Deno.test("without a credential an unknown server is 401 like a known one", async () => {
  assertEquals((await call({ path: "/servers/unknown/mcp" })).status, 401);
});

Deno.test("with a credential an unknown server is 404", async () => {
  const token = await mintToken();
  assertEquals((await call({ path: "/servers/unknown/mcp", token })).status, 404);
});

async function challenge(): Promise<string> {
  return headerOf(await call(), "www-authenticate") ?? "";
}

async function metadataUrl(): Promise<string> {
  return /resource_metadata="([^"]+)"/.exec(await challenge())![1]!;
}

function get(url: string, headers: readonly string[] = []) {
  const { host, pathname } = new URL(url);
  return sendRaw(
    gateway.origin,
    requestBytes(`GET ${pathname} HTTP/1.1`, [`Host: ${host}`, "Connection: close", ...headers]),
  );
}

function unsigned(header: Claims): string {
  const claims = { iss: "mcpgateway", aud: "mcpgateway-api", sub: "alice@example.com", jti: "j" };
  return `${base64Url(header)}.${base64Url({ ...claims, iat: now(), exp: now() + 600 })}.`;
}

function base64Url(value: unknown): string {
  return new TextEncoder().encode(JSON.stringify(value))
    .toBase64({ alphabet: "base64url", omitPadding: true });
}
