/**
 * Headers of the client's: a server gets those that its record lists, and never one that is a
 * credential, belongs to a connection, or is set by the gateway.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { isPassable } from "../../src/upstream/header_fields.ts";
import { passableNames, passedLines } from "../../src/upstream/passthrough.ts";
import {
  ANSWER,
  anUpstream,
  json,
  openRecorder,
  openUpstreamWorld,
  valuesOf,
} from "./client_world.ts";

const PASSABLE = [
  "x-tenant",
  "x-request-id",
  "x-correlation-id",
  "traceparent",
  "tracestate",
  "baggage",
  "x-api-key",
  "x-user-locale",
  "X-Mixed-Case",
];

const NEVER = [
  ..."Connection Keep-Alive Proxy-Connection TE Trailer Transfer-Encoding Upgrade Expect".split(
    " ",
  ),
  ..."Proxy-Authenticate Proxy-Authorization Proxy-Status HTTP2-Settings".split(" "),
  ..."Cookie Cookie2 Set-Cookie Set-Cookie2 Authorization X-Authorization".split(" "),
  ..."X-Upstream-Authorization X-Amz-Authorization WWW-Authenticate".split(" "),
  ..."Forwarded X-Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto".split(" "),
  ..."X-Forwarded-Port X-Forwarded-User X-Forwarded-Internally X-Real-IP Via From".split(" "),
  ..."X-Client-IP True-Client-IP CF-Connecting-IP X-Envoy-External-Address Client-IP".split(" "),
  ..."Host Content-Length Content-Type Content-Encoding Content-Language".split(" "),
  ..."Accept Accept-Encoding Accept-Language Accept-Charset Origin Referer User-Agent".split(" "),
  ..."Mcp-Session-Id MCP-Protocol-Version Mcp-Method Mcp-Name Mcp-Param-Region".split(" "),
  ..."Last-Event-ID X-MCP-Session-Id X-Sallyport-Server X-Authenticated-User".split(" "),
  ..."X-Auth-Request-Email X-HTTP-Method-Override X-Original-URL Sec-Fetch-Site".split(" "),
];

for (const name of PASSABLE) {
  Deno.test(`a record may list "${name}"`, () => assertEquals(isPassable(name), true));
}

for (const name of NEVER) {
  Deno.test(`no record may list "${name}", in any case`, () => {
    const cases = [name, name.toLowerCase(), name.toUpperCase()];
    assertEquals(cases.map(isPassable), [false, false, false]);
  });
}

for (
  const name of ["", " ", "a b", "a:b", "a\r\nb", "x\0", "ä", "x-a\n", "(x)", "x".repeat(257)]
) {
  Deno.test(`${JSON.stringify(name.slice(0, 20))} is no name of a header`, () => {
    assertEquals(isPassable(name), false);
  });
}

Deno.test("names that are long and nearly right are judged without delay", () => {
  const names = ["x-forwarded".repeat(1e5), `${"authorizatio".repeat(1e5)}`, "-".repeat(1e6)];
  assertEquals(names.map(isPassable), [false, false, false]);
});

Deno.test("of more than sixty headers, the server gets the listed ones and no other", async () => {
  await using server = openRecorder(() => json(200, ANSWER));
  await using world = openUpstreamWorld();
  const clientHeaders = new Map([...PASSABLE, ...NEVER].map((name) => [name.toLowerCase(), "c-1"]));
  clientHeaders.set("authorization", "Bearer canary");
  const listed = ["x-tenant", "traceparent", ...NEVER.map((name) => name.toLowerCase())];
  await world.call(anUpstream(server.url, { passthroughHeaders: listed }), { clientHeaders });
  const got = server.requests[0]!.head.split("\r\n").filter((line) => /c-1|canary/.test(line));
  assertEquals(got, ["x-tenant: c-1", "traceparent: c-1"]);
});

Deno.test("a server that lists nothing gets nothing", async () => {
  await using server = openRecorder(() => json(200, ANSWER));
  await using world = openUpstreamWorld();
  const clientHeaders = new Map([["x-tenant", "red"]]);
  await world.call(anUpstream(server.url), { clientHeaders });
  assertEquals(valuesOf(server.requests[0]!.head, "x-tenant"), []);
});

Deno.test("what is handed on is that of the request, not of the one before", async () => {
  await using server = openRecorder(() => json(200, ANSWER));
  await using world = openUpstreamWorld();
  const upstream = anUpstream(server.url, { passthroughHeaders: ["x-tenant"] });
  await world.call(upstream, { clientHeaders: new Map([["x-tenant", "red"]]) });
  await world.call(upstream, { clientHeaders: new Map() });
  await world.call(upstream);
  assertEquals(server.requests.map(({ head }) => valuesOf(head, "x-tenant")), [["red"], [], []]);
});

for (
  const [what, more] of [
    ["the record's headers", { headers: { "X-Api-Key": "gateway" } }],
    ["auth", { auth: { type: "header", name: "X-API-Key", value: "gateway" } }],
  ] as const
) {
  Deno.test(`a client's header never stands beside one that ${what} set`, async () => {
    await using server = openRecorder(() => json(200, ANSWER));
    await using world = openUpstreamWorld();
    const upstream = anUpstream(server.url, { ...more, passthroughHeaders: ["x-api-key"] });
    await world.call(upstream, { clientHeaders: new Map([["x-api-key", "client"]]) });
    assertEquals(valuesOf(server.requests[0]!.head, "x-api-key"), ["gateway"]);
  });
}

Deno.test("the client's own credential leaves under no name", () => {
  const headers = new Map([
    ["authorization", "Bearer canary-token-1"],
    ["x-tenant", "a canary-token-1 b"],
    ["x-other", "harmless"],
  ]);
  assertEquals(passedLines(["x-tenant", "x-other"], headers), "x-other: harmless\r\n");
});

for (
  const value of ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\x7fb", "tab\there", "é", "\u{1f600}"]
) {
  Deno.test(`a value such as ${JSON.stringify(value)} is left out`, () => {
    assertEquals(
      passedLines(["x-a", "x-b"], new Map([["x-a", value], ["x-b", "1"]])),
      "x-b: 1\r\n",
    );
  });
}

Deno.test("a name that is listed twice is handed on once", () => {
  assertEquals(passableNames(["X-A", "x-a", "x-b"], new Set(["x-b"])), ["x-a"]);
});
