/**
 * Identity from a reverse proxy, at a started gateway whose peer is the proxy, or is not.
 *
 * @module
 * @see security.md, PROXY-02 to PROXY-07, PROXY-08
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Hostile, startHostile } from "../support/hostile.ts";
import { callModern, type ModernReply } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf, type HeaderValues, requestTo, sendRaw } from "../support/raw_http.ts";
import { visibleIn } from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";

const PATH = "/servers/open/mcp";
const HEADER = "X-Authenticated-User";
/** Of a name that servers may be handed. */
const OWN_HEADER = "X-Portal-Person";
const SECRET_HEADER = "X-Proxy-Secret";
const SECRET = "only-for-tests-0123456789-abcdefghij-PXY";
const ALICE = "alice@example.com";

/** Gateways that believe this machine, that believe another one, and that take no bearers. */
const SETTINGS = {
  believing: { TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "127.0.0.1" },
  mapped: { TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "::ffff:127.0.0.0/104" },
  doubting: { TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "10.0.0.0/8, ::1" },
  only: {
    TRUST_PROXY_AUTH: "true",
    TRUSTED_PROXIES: "127.0.0.0/8",
    MCP_CLIENT_AUTH_ENABLED: "false",
  },
  renamed: {
    TRUST_PROXY_AUTH: "true",
    TRUSTED_PROXIES: "10.0.0.1",
    PROXY_USER_HEADER: OWN_HEADER,
  },
  proven: {
    TRUST_PROXY_AUTH: "true",
    TRUSTED_PROXIES: "127.0.0.1",
    PROXY_SECRET: SECRET,
    MCP_REQUIRE_AUTH: "false",
    LOG_LEVEL: "debug",
  },
  provenElsewhere: {
    TRUST_PROXY_AUTH: "true",
    TRUSTED_PROXIES: "127.0.0.1",
    PROXY_SECRET: SECRET,
    PROXY_SECRET_HEADER: OWN_HEADER,
  },
  without: { TRUSTED_PROXIES: "127.0.0.1" },
} as const;

type Name = keyof typeof SETTINGS;

let stack: AsyncDisposableStack;
let upstream: Hostile;
let gateways: Readonly<Record<Name, Gateway>>;

Deno.test.beforeAll(async () => {
  stack = new AsyncDisposableStack();
  upstream = stack.use(await startHostile());
  const open = { type: "http", url: `${upstream.origin}/mcp`, passthroughHeaders: [OWN_HEADER] };
  const started: [string, Gateway][] = [];
  for (const [name, env] of Object.entries(SETTINGS)) {
    const options = {
      config: { mcpServers: { open } },
      env: { JWT_SECRET_KEY: TEST_JWT_SECRET, ...env },
    };
    started.push([name, stack.use(await startGateway(options))]);
  }
  gateways = Object.fromEntries(started) as Record<Name, Gateway>;
});

Deno.test.afterAll(async () => await stack?.disposeAsync());

function call(name: Name, headers: HeaderValues, token?: string): Promise<ModernReply> {
  const params = { name: "ok", arguments: {} };
  return callModern(gateways[name].origin, {
    path: PATH,
    params,
    headers,
    ...token !== undefined && { token },
  });
}

for (
  const [promise, name, headers, bearer, status] of [
    ["PROXY-02: a proxy's user is let in", "believing", { [HEADER]: ALICE }, undefined, 200],
    ["PROXY-04: an IPv4 peer is in a mapped block", "mapped", { [HEADER]: ALICE }, undefined, 200],
    ["PROXY-02: a stranger's user is nobody", "doubting", { [HEADER]: ALICE }, undefined, 401],
    ["PROXY-01: no user counts without trust", "without", { [HEADER]: ALICE }, undefined, 401],
    ["PROXY-02: without a user there is nobody", "believing", {}, undefined, 401],
    ["PROXY-03: a bearer is taken beside the user", "believing", { [HEADER]: ALICE }, "good", 200],
    ["PROXY-03: a bad bearer is 401 beside the user", "believing", { [HEADER]: ALICE }, "bad", 401],
    ["a bearer is taken from a stranger with a user", "doubting", { [HEADER]: "a,b" }, "good", 200],
    ["a good bearer is 401 where there are none", "only", {}, "good", 401],
    ["a good bearer beside the user is 401 there too", "only", { [HEADER]: ALICE }, "good", 401],
    ["a proxy's user is let in there", "only", { [HEADER]: ALICE }, undefined, 200],
    ["PROXY-05: two users are 400", "believing", { [HEADER]: [ALICE, ALICE] }, undefined, 400],
    ["PROXY-05: a list is 400", "believing", { [HEADER]: `${ALICE},b@c.d` }, undefined, 400],
    ["a name that is no address is one", "believing", { [HEADER]: "alice" }, undefined, 200],
    ["PROXY-05: nothing is 400", "believing", { [HEADER]: "" }, undefined, 400],
    ["PROXY-05: a tab inside is 400", "believing", { [HEADER]: "a\t@b.c" }, undefined, 400],
    [
      "PROXY-05: 256 characters are 400",
      "believing",
      { [HEADER]: `${"a".repeat(250)}@b.c.d` },
      undefined,
      400,
    ],
    [
      "PROXY-04: an address in a header is not the peer's",
      "doubting",
      { [HEADER]: ALICE, "X-Forwarded-For": "10.0.0.1", "X-Real-IP": "10.0.0.1" },
      undefined,
      401,
    ],
  ] satisfies [string, Name, HeaderValues, "good" | "bad" | undefined, number][]
) {
  Deno.test(promise, async () => {
    const token = bearer === "good" ? await mintToken() : bearer;
    assertEquals((await call(name, headers, token)).status, status);
  });
}

const PROVEN = { [HEADER]: ALICE, [SECRET_HEADER]: SECRET };

for (
  const [promise, name, headers, bearer, status] of [
    ["the secret lets the proxy's user in", "proven", PROVEN, undefined, 200],
    [
      "no secret is 401, also where nobody is needed",
      "proven",
      { [HEADER]: ALICE },
      undefined,
      401,
    ],
    ["another one is 401", "proven", { ...PROVEN, [SECRET_HEADER]: `${SECRET}x` }, undefined, 401],
    [
      "its beginning is 401",
      "proven",
      {
        ...PROVEN,
        [SECRET_HEADER]: SECRET.slice(0, -1),
      },
      undefined,
      401,
    ],
    ["an empty one is 401", "proven", { ...PROVEN, [SECRET_HEADER]: "" }, undefined, 401],
    ["two are 401", "proven", { ...PROVEN, [SECRET_HEADER]: [SECRET, SECRET] }, undefined, 401],
    ["none is 401 beside a good bearer", "proven", { [HEADER]: ALICE }, "good", 401],
    ["none is asked of who names no user", "proven", {}, "good", 200],
    ["a bad user is 401 without it", "proven", { [HEADER]: "a,b" }, undefined, 401],
    ["a bad user is 400 with it", "proven", { ...PROVEN, [HEADER]: "a,b" }, undefined, 400],
    [
      "the header may have another name",
      "provenElsewhere",
      {
        [HEADER]: ALICE,
        [OWN_HEADER]: SECRET,
      },
      undefined,
      200,
    ],
    ["the usual name is none then", "provenElsewhere", PROVEN, undefined, 401],
    ["it makes no proxy of a stranger", "doubting", PROVEN, undefined, 401],
  ] satisfies [string, Name, HeaderValues, "good" | undefined, number][]
) {
  Deno.test(`PROXY-06: the proxy's secret: ${promise}`, async () => {
    const token = bearer && await mintToken();
    assertEquals((await call(name, headers, token)).status, status);
  });
}

Deno.test("PROXY-06: a proxy without its secret is told what everybody is who is unknown", async () => {
  const seen = async (headers: HeaderValues, token?: string) =>
    visibleIn(await call("proven", headers, token));
  assertEquals(await seen({ [HEADER]: ALICE }), await seen({}, "bad"));
});

Deno.test("PROXY-06: the secret is not handed on, nor written down", async () => {
  const token = await mintToken();
  await call("provenElsewhere", { [HEADER]: ALICE, [OWN_HEADER]: SECRET });
  await call("provenElsewhere", { [OWN_HEADER]: SECRET }, token);
  await call("proven", PROVEN);
  await call("proven", { ...PROVEN, [SECRET_HEADER]: `${SECRET}x` });
  const said = [gateways.proven.stderr(), gateways.provenElsewhere.stderr()].join();
  assertEquals([JSON.stringify(await upstream.stats()), said].map((one) => one.includes(SECRET)), [
    false,
    false,
  ]);
});

Deno.test("PROXY-02: a stranger's user is not handed on", async () => {
  const token = await mintToken();
  const seen = async (user: string) =>
    JSON.stringify(await upstream.stats()).toLowerCase().includes(user);
  // The same header is handed on where it names nobody.
  await call("doubting", { [OWN_HEADER]: "somebody@example.com" }, token);
  const isPassed = await seen("somebody@example.com");
  await call("renamed", { [OWN_HEADER]: "forged@example.com" }, token);
  assertEquals([isPassed, await seen("forged@example.com")], [true, false]);
});

Deno.test("PROXY-08: a user that is called admin is none", async () => {
  const reply = await fetch(`${gateways.believing.origin}/api/stats`, {
    headers: { [HEADER]: "admin@localhost" },
  });
  await reply.body?.cancel();
  assertEquals(reply.status, 403);
});

for (
  const headers of [
    { "X-Forwarded-Host": "evil.example" },
    { "X-Forwarded-Proto": "https" },
    { "X-Forwarded-Prefix": "/evil" },
    { "X-Forwarded-Uri": "/servers/other/mcp" },
    { "X-Original-URL": "/health" },
    { "Forwarded": "host=evil.example;proto=https" },
  ]
) {
  const [name] = Object.keys(headers);
  Deno.test(`PROXY-07: ${name} changes nothing that is told`, async () => {
    for (const gateway of [gateways.believing, gateways.doubting]) {
      const bytes = requestTo(gateway.origin, { verb: "GET", path: PATH, headers });
      const reply = await sendRaw(gateway.origin, bytes);
      assertEquals([reply.status, headerOf(reply, "www-authenticate")], [
        401,
        "Bearer resource_metadata=" +
        `"${gateway.origin}/.well-known/oauth-protected-resource${PATH}"`,
      ]);
    }
  });
}

Deno.test("AUTHN-14: a token in the query is 401, also where none is needed", async () => {
  await using gateway = await startGateway({
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET, MCP_REQUIRE_AUTH: "false", LOG_LEVEL: "debug" },
  });
  const token = await mintToken();
  const reply = await callModern(gateway.origin, {
    path: `/mcp?a=b&access_token=${token}`,
    method: "tools/list",
  });
  assertEquals([reply.status, gateway.stderr().includes(token)], [401, false]);
});
