/**
 * Access tokens for upstream servers: asked for once, renewed once, and shown to nobody else.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { inspect } from "node:util";
import type { GatewayError } from "../../src/domain/errors.ts";
import { DialError } from "../../src/platform/dial.ts";
import { redact } from "../../src/telemetry/redact.ts";
import { until } from "../support/until.ts";
import {
  ANSWER,
  anUpstream,
  json,
  openRecorder,
  openUpstreamWorld,
  valuesOf,
} from "./client_world.ts";
import { aToken, oauth, onlyInBody, openOAuth, SECRET, URL_1 } from "./oauth_world.ts";

Deno.test("the token request is that of RFC 6749, section 4.4, and RFC 8707", async () => {
  await using world = openOAuth();
  const more = { scope: "a b", resource: "https://one.test/mcp" };
  await world.call(world.server({ ...more, clientId: "id:1 &", clientSecret: "p%ß+" }));
  const { head, body } = world.endpoint.requests[0]!;
  assertEquals({
    line: head.split("\r\n")[0],
    type: valuesOf(head, "content-type"),
    accept: valuesOf(head, "accept"),
    client: atob(valuesOf(head, "authorization")[0]!.slice("Basic ".length)),
    form: [...new URLSearchParams(body)],
  }, {
    line: "POST /token?tenant=1 HTTP/1.1",
    type: ["application/x-www-form-urlencoded"],
    accept: ["application/json"],
    client: "id%3A1+%26:p%25%C3%9F%2B",
    form: [
      ["grant_type", "client_credentials"],
      ["scope", "a b"],
      ["resource", "https://one.test/mcp"],
    ],
  });
});

Deno.test("scope and resource are left out when the record has none", async () => {
  await using world = openOAuth();
  await world.call(world.server());
  assertEquals(world.endpoint.requests[0]!.body, "grant_type=client_credentials");
});

Deno.test("the token is presented as a bearer token, and nothing of the client's secret", async () => {
  await using world = openOAuth();
  await world.call(world.server());
  const { head, body } = world.upstream.requests[0]!;
  assertEquals(valuesOf(head, "authorization"), ["Bearer token-0"]);
  assert(!(head + body).includes(SECRET) && !(head + body).includes(btoa(SECRET)));
});

Deno.test("50 calls at once ask for one token", async () => {
  await using world = openOAuth();
  const server = world.server();
  await Promise.all(Array.from({ length: 50 }, () => world.call(server)));
  assertEquals([world.endpoint.requests.length, world.upstream.requests.length], [1, 50]);
});

Deno.test("two servers have a token each", async () => {
  await using world = openOAuth();
  await Promise.all([world.call(world.server()), world.call(world.server())]);
  const sent = world.upstream.requests.map(({ head }) => valuesOf(head, "authorization")[0]);
  assertEquals(sent.sort(), ["Bearer token-0", "Bearer token-1"]);
});

for (
  const [expiresIn, keptMs, endMs] of [
    [3600, 3_569_999, 3_570_000],
    [60, 53_999, 54_000],
    ["60", 53_999, 54_000],
    [1, 999, 1_000],
    [0, 999, 1_000],
    [undefined, 269_999, 270_000],
    [null, 269_999, 270_000],
    [-5, 269_999, 270_000],
    ["soon", 269_999, 270_000],
    [1e300, 86_369_999, 86_370_000],
  ] as const
) {
  Deno.test(`a token with expires_in ${expiresIn} is kept for ${endMs} ms`, async () => {
    await using world = openOAuth({ token: (nth) => aToken(nth, { expires_in: expiresIn }) });
    const server = world.server();
    await world.call(server);
    world.clock.advance(keptMs);
    await world.call(server);
    const before = world.endpoint.requests.length;
    world.clock.advance(endMs - keptMs);
    await world.call(server);
    assertEquals([before, world.endpoint.requests.length], [1, 2]);
  });
}

Deno.test("a record that was changed begins with a token of its own", async () => {
  await using world = openOAuth();
  const server = world.server();
  await world.call(server);
  await world.call({ ...server });
  assertEquals(world.endpoint.requests.length, 2);
});

Deno.test("401 from the server: one new token, and the call is sent once more", async () => {
  await using world = openOAuth({ accepts: (token) => token === "token-1" });
  assertEquals(await world.call(world.server()), ANSWER);
  const sent = world.upstream.requests.map(({ head }) => valuesOf(head, "authorization")[0]);
  assertEquals(sent, ["Bearer token-0", "Bearer token-1"]);
});

Deno.test("the call that is sent once more is the same call", async () => {
  await using world = openOAuth({ accepts: (token) => token === "token-1" });
  await world.call(world.server());
  const [first, second] = world.upstream.requests;
  assertEquals(second!.head.replace("token-1", "token-0"), first!.head);
  assertEquals(second!.body, first!.body);
});

Deno.test("401 to 50 calls at once: one new token, and each call is sent once more", async () => {
  const all = Promise.withResolvers<void>();
  await using world = openOAuth({
    accepts: (token) => token === "token-1",
    // None is refused before all have been sent with the old token.
    before: async (nth) => {
      if (nth === 49) all.resolve();
      if (nth < 50) await all.promise;
    },
  });
  const server = world.server();
  const answers = await Promise.all(Array.from({ length: 50 }, () => world.call(server)));
  assertEquals(new Set(answers), new Set([ANSWER]));
  assertEquals([world.endpoint.requests.length, world.upstream.requests.length], [2, 100]);
});

Deno.test("a server that refuses the new token too is an error, after two requests", async () => {
  await using world = openOAuth({ accepts: () => false });
  await assertRejects(world.call(world.server()), {
    code: "upstream_unavailable",
    message: "The upstream server refused the gateway's credentials",
  });
  assertEquals([world.endpoint.requests.length, world.upstream.requests.length], [2, 2]);
});

Deno.test("a server that refuses every token does not have them asked for with every call", async () => {
  await using world = openOAuth({ accepts: () => false });
  const server = world.server();
  for (let i = 0; i < 20; i++) await assertRejects(world.call(server));
  const atOnce = world.endpoint.requests.length;
  world.clock.advance(5_000);
  await assertRejects(world.call(server));
  assertEquals([atOnce, world.endpoint.requests.length], [2, 3]);
});

Deno.test("a token that is revoked twice is renewed twice", async () => {
  let valid = 0;
  await using world = openOAuth({ accepts: (token) => token === `token-${valid}` });
  const server = world.server();
  for (valid = 0; valid < 3; valid++) await world.call(server);
  assertEquals(world.endpoint.requests.length, 3);
});

Deno.test("403 has no token renewed", async () => {
  await using world = openOAuth({ status: 403 });
  await world.call(world.server());
  assertEquals([world.endpoint.requests.length, world.upstream.requests.length], [1, 1]);
});

Deno.test("a session is ended with a token, renewed if need be", async () => {
  await using world = openOAuth({ accepts: (token) => token === "token-1" });
  const status = await world.client.remove(world.server(), { headers: "" }, 10_000);
  const verbs = world.upstream.requests.map(({ head }) => head.split(" ", 1)[0]);
  assertEquals([status, verbs], [200, ["DELETE", "DELETE"]]);
});

Deno.test("an endpoint that knows no HTTP Basic gets the credentials in the body", async () => {
  await using world = openOAuth({ token: onlyInBody });
  await world.call(world.server());
  const [, second] = world.endpoint.requests;
  const form = new URLSearchParams(second!.body);
  assertEquals([valuesOf(second!.head, "authorization"), form.get("client_secret")], [[], SECRET]);
});

Deno.test("where an endpoint looks for credentials is not tried out again", async () => {
  await using world = openOAuth({ token: onlyInBody });
  const server = world.server();
  await world.call(server);
  world.clock.advance(3_600_000);
  await world.call(server);
  const secrets = world.endpoint.requests.map(({ body }) => body.includes("client_secret"));
  assertEquals(secrets, [false, true, true]);
});

const REFUSED = "The token endpoint of the upstream server refused the gateway's credentials";
const NONE = "The gateway could not get an access token for the upstream server";

for (
  const [what, answer, message, requests] of [
    ["invalid_client", json(401, { error: "invalid_client" }), REFUSED, 2],
    ["invalid_scope", json(400, { error: "invalid_scope" }), REFUSED, 1],
    ["403", json(403, { error: SECRET }), REFUSED, 1],
    ["429", json(429, "{}"), NONE, 1],
    ["500", json(500, "{}"), NONE, 1],
    ["503 as HTML", "HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\n<p/>", NONE, 1],
    ["a redirect", json(307, "{}", `Location: ${URL_1}\r\n`), NONE, 1],
    ["201", json(201, { access_token: SECRET }), NONE, 1],
    ["204", "HTTP/1.1 204 X\r\n\r\n", NONE, 1],
    ["no JSON", json(200, "<html>"), NONE, 1],
    ["a list", json(200, [SECRET]), NONE, 1],
    ["null", json(200, "null"), NONE, 1],
    ["nesting", json(200, "[".repeat(60_000)), NONE, 1],
    ["no token", json(200, { token_type: "Bearer" }), NONE, 1],
    ["an empty token", json(200, { access_token: "" }), NONE, 1],
    ["a token that is a number", json(200, { access_token: 1 }), NONE, 1],
    ["a token with a line end", json(200, { access_token: `${SECRET}\r\nX: 1` }), NONE, 1],
    ["a token with a space", json(200, { access_token: `${SECRET} x` }), NONE, 1],
    ["a wide token", json(200, { access_token: `${SECRET}é` }), NONE, 1],
    ["an endless token", json(200, { access_token: "x".repeat(9_000) }), NONE, 1],
    ["another type of token", json(200, { access_token: SECRET, token_type: "mac" }), NONE, 1],
    ["more than 64 KiB", json(200, { access_token: "a", x: SECRET.repeat(8_000) }), NONE, 1],
    [
      "more than 64 KiB in chunks",
      `HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n11000\r\n${
        " ".repeat(0x11000)
      }\r\n0\r\n\r\n`,
      NONE,
      1,
    ],
    ["garbage", `${SECRET}\r\n\r\n`, NONE, 1],
  ] as const
) {
  Deno.test(`a token endpoint that answers ${what} is one sentence, and no secret`, async () => {
    await using world = openOAuth({ token: () => answer });
    const error = await failureOf(world.call(world.server()));
    assert(error instanceof DialError);
    assertEquals([error.code, error.message], ["upstream_unavailable", message]);
    assertEquals([world.endpoint.requests.length, world.upstream.requests.length], [requests, 0]);
    const logged = JSON.stringify(redact(error)) + inspect(error, { depth: 10 });
    assert(!logged.includes(SECRET) && !logged.includes(btoa(SECRET)));
  });
}

for (const type of ["bearer", "BEARER", undefined]) {
  Deno.test(`a token of type ${type} is taken`, async () => {
    await using world = openOAuth({ token: (nth) => aToken(nth, { token_type: type }) });
    assertEquals(await world.call(world.server()), ANSWER);
  });
}

for (const tokenUrl of ["", "nothing", "ftp://127.0.0.1/", "http://a:b@127.0.0.1:9/", URL_1]) {
  Deno.test(`a token URL "${tokenUrl}" gives the one sentence`, async () => {
    await using world = openOAuth();
    await assertRejects(world.call(world.server({ tokenUrl })), { message: NONE });
  });
}

Deno.test("a token that did not come is not asked for with every call", async () => {
  await using world = openOAuth({ token: () => json(500, "{}") });
  const server = world.server();
  for (let i = 0; i < 20; i++) await assertRejects(world.call(server), { message: NONE });
  assertEquals(world.endpoint.requests.length, 1);
});

Deno.test("a token that did not come is asked for again after 1 to 5 s", async () => {
  await using world = openOAuth({ token: () => json(500, "{}") });
  const server = world.server();
  const asked: number[] = [];
  for (let i = 0; i < 6; i++) {
    await assertRejects(world.call(server));
    world.clock.advance(999);
    await assertRejects(world.call(server));
    asked.push(world.endpoint.requests.length);
    world.clock.advance(4_001);
  }
  assertEquals(asked, [1, 2, 3, 4, 5, 6]);
});

Deno.test("when the endpoint is back, calls go on", async () => {
  await using world = openOAuth({ token: (nth) => nth === 0 ? json(500, "{}") : aToken(nth) });
  const server = world.server();
  await assertRejects(world.call(server));
  world.clock.advance(1_500);
  assertEquals(await world.call(server), ANSWER);
});

Deno.test("each caller of a failure gets an error of its own", async () => {
  await using world = openOAuth({ token: () => json(500, "{}") });
  const server = world.server();
  const [first, second] = [
    await failureOf(world.call(server)),
    await failureOf(world.call(server)),
  ];
  assert(first !== second);
});

Deno.test("an endpoint that never answers is given up after 10 s", async () => {
  await using world = openOAuth({ isSilent: true });
  const outcome = failureOf(world.call(world.server(), { firstMs: 60_000, totalMs: 60_000 }));
  await until("the request arrives", () => world.endpoint.requests.length === 1);
  world.timers.advance(10_000);
  assertEquals((await outcome as GatewayError).message, NONE);
});

Deno.test("a caller that leaves does not take the token from the others", async () => {
  const held = Promise.withResolvers<string>();
  await using world = openOAuth({ token: () => held.promise });
  const server = world.server();
  const abort = new AbortController();
  const left = failureOf(world.call(server, { abort }));
  const stayed = world.call(server);
  await until("the request arrives", () => world.endpoint.requests.length === 1);
  const reason = new Error("The client left");
  abort.abort(reason);
  const failure = await left;
  held.resolve(aToken(0));
  assertEquals([failure, await stayed, world.endpoint.requests.length], [reason, ANSWER, 1]);
});

Deno.test("a call that runs out of time while it waits for a token says so", async () => {
  await using world = openOAuth({ isSilent: true });
  const outcome = failureOf(world.call(world.server(), { totalMs: 2_000 }));
  await until("the request arrives", () => world.endpoint.requests.length === 1);
  world.timers.advance(2_000);
  assertEquals((await outcome as GatewayError).code, "upstream_timeout");
  world.timers.advance(10_000);
});

Deno.test("a token endpoint at a private address is refused to a server of the API", async () => {
  await using endpoint = openRecorder(() => aToken(0));
  await using upstream = openRecorder(() => json(200, ANSWER));
  await using world = openUpstreamWorld({
    resolve: (name) => Promise.resolve([name === "ok.test" ? "127.0.0.1" : name]),
    egress: { allowPrivate: [{ name: "ok.test" }] },
  });
  const auth = oauth(`http://127.0.0.1:${endpoint.port}/token`);
  const server = anUpstream(`http://ok.test:${upstream.port}/mcp`, { declared: false, auth });
  await assertRejects(world.call(server), { code: "egress_denied" });
  assertEquals([endpoint.connections(), upstream.connections()], [0, 0]);
});

Deno.test("no timer is left when a token has come", async () => {
  await using world = openOAuth();
  await world.call(world.server());
  assertEquals(world.timers.open(), 0);
});

Deno.test("no connection is left when a refused call was sent once more", async () => {
  await using world = openOAuth({ accepts: (token) => token === "token-1" });
  await world.call(world.server());
  // One to the token endpoint, and that of the answer; the refusal had not been read.
  assertEquals(world.http.size(), 2);
});

function failureOf(outcome: Promise<unknown>): Promise<unknown> {
  return outcome.then(() => assert.fail("It has not failed"), (error) => error);
}
