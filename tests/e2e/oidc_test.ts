/**
 * Tokens of an external issuer at a started gateway: who is let in, what is told, and what happens
 * when the issuer is away.
 *
 * @module
 * @see security.md, AUTHN-01, AUTHN-02, AUTHN-07 to AUTHN-09, AUTHN-18, AUTHN-19
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Hostile, startHostile } from "../support/hostile.ts";
import { callModern, type ModernCall, type ModernReply } from "../support/modern.ts";
import { makeKey, OIDC_AUDIENCE, openIssuer, type TestIssuer } from "../support/oidc_issuer.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf } from "../support/raw_http.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";

const PATH = "/servers/open/mcp";
const RED_PATH = "/servers/red/mcp";

const KEY = await makeKey("one");
const FOREIGN = await makeKey("one");

let stack: AsyncDisposableStack;
let upstream: Hostile;
let gateway: Gateway;
let issuer: TestIssuer;
let second: TestIssuer;

Deno.test.beforeAll(async () => {
  stack = new AsyncDisposableStack();
  upstream = stack.use(await startHostile());
  issuer = stack.use(openIssuer());
  second = stack.use(openIssuer());
  issuer.list(KEY);
  second.list(FOREIGN);
  const url = `${upstream.origin}/mcp`;
  gateway = stack.use(
    await startGateway({
      config: {
        mcpServers: {
          open: { type: "http", url },
          red: { type: "http", url, visibility: "team", team: "red" },
        },
        // A list in the file, as people write it there.
        settings: {
          OIDC_ISSUERS: [
            { issuer: issuer.issuer, audience: OIDC_AUDIENCE, teamsClaim: "groups" },
            { issuer: second.issuer, audience: OIDC_AUDIENCE, jwksUri: second.jwksUri },
          ],
        },
      },
      env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
    }),
  );
  await haveTeams(gateway.origin, { red: ["user-1"], blue: [] });
});

Deno.test.afterAll(async () => await stack?.disposeAsync());

function call(token: string | undefined, more: ModernCall = {}): Promise<ModernReply> {
  const params = { name: "ok", arguments: {} };
  return callModern(gateway.origin, { path: PATH, params, ...token && { token }, ...more });
}

Deno.test("AUTHN-07: tokens of every listed issuer, and our own, are let in", async () => {
  const tokens = [await issuer.token(KEY), await second.token(FOREIGN), await mintToken()];
  const statuses = await Promise.all(tokens.map(async (token) => (await call(token)).status));
  assertEquals(statuses, [200, 200, 200]);
});

Deno.test("AUTHN-07: a key of one issuer is 401 for a token of another", async () => {
  assertEquals((await call(await issuer.token(FOREIGN))).status, 401);
});

Deno.test("teamsClaim opens the servers of these teams, for those who are in them, and no others", async () => {
  const statuses = await Promise.all(
    [["red"], ["blue"], [], undefined].map(async (groups) =>
      (await call(await issuer.token(KEY, { groups }), { path: RED_PATH })).status
    ),
  );
  assertEquals(statuses, [200, 403, 404, 404]);
});

Deno.test("AUTHN-08: a token for the URL of an endpoint counts there and nowhere else", async () => {
  const token = await issuer.token(KEY, { aud: `${gateway.origin}${PATH}`, groups: ["red"] });
  const statuses = [];
  // The first is remembered: that must not open the second.
  for (const path of [PATH, RED_PATH, PATH]) statuses.push((await call(token, { path })).status);
  assertEquals(statuses, [200, 401, 200]);
});

Deno.test("AUTHN-08: a token for the gateway's API opens no endpoint", async () => {
  assertEquals((await call(await mintToken({ aud: `${gateway.origin}/api` }))).status, 401);
});

Deno.test("AUTHN-08: both URLs of the old transport are one resource", async () => {
  const token = await issuer.token(KEY, { aud: `${gateway.origin}/servers/open/sse` });
  const paths = ["/servers/open/message?sessionId=x", PATH];
  const statuses = await Promise.all(
    paths.map(async (path) => (await call(token, { path })).status),
  );
  // Known there, though it has no such stream.
  assertEquals(statuses, [400, 401]);
});

Deno.test("without teamsClaim a token opens what its subject's teams see at the time of use", async () => {
  const token = await second.token(FOREIGN);
  assertEquals((await call(token, { path: RED_PATH })).status, 200);
  const stranger = await second.token(FOREIGN, { sub: "somebody@example.com" });
  assertEquals((await call(stranger, { path: RED_PATH })).status, 404);
});

Deno.test("an external token that says admin is none", async () => {
  const token = await issuer.token(KEY, { is_admin: true, groups: null });
  const { status } = await fetch(`${gateway.origin}/api/stats`, {
    headers: { Authorization: `Bearer ${token}` },
  }).then(async (reply) => ({ status: reply.status, text: await reply.text() }));
  assertEquals(status, 403);
});

Deno.test("AUTHN-01: the document that the challenge names lists the issuers", async () => {
  const challenge = headerOf(await call(undefined), "www-authenticate")!;
  const url = /resource_metadata="([^"]+)"/.exec(challenge)![1]!;
  const { resource, authorization_servers } = await (await fetch(url)).json();
  assertEquals([resource, authorization_servers], [
    `${gateway.origin}${PATH}`,
    [issuer.issuer, second.issuer],
  ]);
});

Deno.test("AUTHN-01: the API's challenge names a document about the API", async () => {
  const reply = await fetch(`${gateway.origin}/api/upstreams`);
  await reply.body?.cancel();
  const challenge = reply.headers.get("www-authenticate")!;
  const url = /resource_metadata="([^"]+)"/.exec(challenge)![1]!;
  assertEquals((await (await fetch(url)).json()).resource, `${gateway.origin}/api`);
});

Deno.test("AUTHN-09: 1,000 tokens with random kids are one request for keys at most", async () => {
  await call(await issuer.token(KEY));
  const before = issuer.asked.length;
  const [, ...rest] = (await issuer.token(KEY)).split(".");
  const statuses = new Set<number>();
  for (let i = 0; i < 20; i++) {
    const replies = await Promise.all(Array.from({ length: 50 }, () => {
      const header = btoa(JSON.stringify({ alg: "ES256", kid: crypto.randomUUID() }));
      return call([header.replaceAll("=", ""), ...rest].join("."));
    }));
    for (const { status } of replies) statuses.add(status);
  }
  assert(issuer.asked.slice(before).filter((path) => path === "/keys").length <= 1);
  assertEquals([...statuses].filter((status) => status !== 401 && status !== 429), []);
});

Deno.test("AUTHN-19: after so many failures there is a limit, and good tokens pass beside it", async () => {
  const replies: ModernReply[] = [];
  for (let i = 0; i < 12; i++) {
    replies.push(...await Promise.all(Array.from({ length: 50 }, () => call("nonsense"))));
  }
  const limited = replies.find(({ status }) => status === 429);
  assert(Number(headerOf(limited!, "retry-after")) > 0);
  assertEquals((await call(await mintToken({ sub: "bob@example.com" }))).status, 200);
});

Deno.test("AUTHN-18: an issuer whose keys were never to be had is 503, with Retry-After", async () => {
  await using away = openIssuer();
  away.answer(() => new Response(null, { status: 500 }));
  const entry = { issuer: away.issuer, audience: OIDC_AUDIENCE };
  await using other = await startGateway({ env: { OIDC_ISSUERS: JSON.stringify([entry]) } });
  const reply = await callModern(other.origin, {
    method: "tools/list",
    token: await away.token(KEY),
  });
  assertEquals([reply.status, Number(headerOf(reply, "retry-after")) > 0], [503, true]);
});
