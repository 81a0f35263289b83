/**
 * What the gateway presents upstream with every request: the record's headers, and its credentials.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
  throws as assertThrows,
} from "node:assert/strict";
import { inspect } from "node:util";
import { GatewayError } from "../../src/domain/errors.ts";
import type { HttpUpstream, UpstreamAuth } from "../../src/domain/server.ts";
import { fixedHeaders } from "../../src/upstream/credentials.ts";
import { isSettable } from "../../src/upstream/header_fields.ts";
import {
  ANSWER,
  anUpstream,
  json,
  openRecorder,
  openUpstreamWorld,
  valuesOf,
} from "./client_world.ts";
import { oauth, SECRET, URL_1 } from "./oauth_world.ts";

const linesOf = (more: Partial<HttpUpstream>) =>
  fixedHeaders(anUpstream(URL_1, more)).lines.split("\r\n").filter(Boolean);

for (
  const [auth, expected] of [
    [{ type: "none" }, []],
    [{ type: "bearer", token: "t-1" }, ["Authorization: Bearer t-1"]],
    [{ type: "basic", username: "a", password: "b:c" }, ["Authorization: Basic YTpiOmM="]],
    [{ type: "basic", username: "ü", password: "ß" }, ["Authorization: Basic w7w6w58="]],
    [{ type: "basic", username: "", password: "" }, ["Authorization: Basic Og=="]],
    [{ type: "header", name: "X-Key", value: "k 1" }, ["X-Key: k 1"]],
  ] satisfies [UpstreamAuth, string[]][]
) {
  Deno.test(`${JSON.stringify(auth)} is sent as ${expected}`, () => {
    assertEquals(linesOf({ auth }), expected);
  });
}

Deno.test("the record's headers are sent as they are written", () => {
  assertEquals(linesOf({ headers: { "X-A": "1", "x-b": "" } }), ["X-A: 1", "x-b: "]);
});

Deno.test("auth wins over a header of the same name, in any case", () => {
  const headers = { "AUTHORIZATION": "Bearer old", "X-Key": "old", "X-A": "1" };
  const bearer = linesOf({ headers, auth: { type: "bearer", token: "new" } });
  const header = linesOf({ headers, auth: { type: "header", name: "x-kEY", value: "new" } });
  assertEquals([bearer, header], [
    ["Authorization: Bearer new", "X-Key: old", "X-A: 1"],
    ["AUTHORIZATION: Bearer old", "x-kEY: new", "X-A: 1"],
  ]);
});

Deno.test("an access token wins over a header Authorization", () => {
  const auth = oauth("http://127.0.0.1:9/token");
  assertEquals(linesOf({ headers: { authorization: "Bearer old" }, auth }), []);
});

Deno.test("of a header that is written twice, the last counts", () => {
  assertEquals(linesOf({ headers: { "X-A": "1", "x-a": "2" } }), ["x-a: 2"]);
});

for (
  const name of [
    ..."Host host Content-Length Transfer-Encoding Connection Keep-Alive TE Trailer".split(" "),
    ..."Upgrade Expect Content-Type Content-Encoding Accept Accept-Encoding".split(" "),
    ..."Last-Event-ID Mcp-Session-Id MCP-Protocol-Version Mcp-Method".split(" "),
    ...["", "a b", "a:b", "a\r\nb"],
  ]
) {
  Deno.test(`a record sets no header ${JSON.stringify(name)}`, () => {
    assertEquals([isSettable(name), linesOf({ headers: { [name]: "1" } })], [false, []]);
  });
}

for (
  const [what, more] of [
    ["a header", { headers: { "X-A": `${SECRET}\r\nX-Evil: 1` } }],
    ["a line feed", { headers: { "X-A": `${SECRET}\n` } }],
    ["NUL", { headers: { "X-A": `${SECRET}\0` } }],
    ["a wide character", { headers: { "X-A": `${SECRET}é` } }],
    ["a bearer token", { auth: { type: "bearer", token: `${SECRET}\r\nX-Evil: 1` } }],
    ["a value of auth", { auth: { type: "header", name: "X-A", value: `${SECRET}\r\n` } }],
    ["a name of auth", { auth: { type: "header", name: "X-A\r\nX-Evil", value: SECRET } }],
    ["a framing name of auth", {
      auth: { type: "header", name: "Content-Length", value: SECRET },
    }],
  ] satisfies [string, Partial<HttpUpstream>][]
) {
  Deno.test(`what cannot be sent in ${what} is refused, and not shown`, () => {
    assertThrows(() => fixedHeaders(anUpstream(URL_1, more)), (error: unknown) => {
      assert(error instanceof GatewayError && error.code === "internal");
      return !inspect(error).includes(SECRET) && !/[\r\n]/.test(error.message);
    });
  });
}

Deno.test("a server with fixed credentials is called with them, once each", async () => {
  await using server = openRecorder(() => json(200, ANSWER));
  await using world = openUpstreamWorld();
  const upstream = anUpstream(server.url, {
    headers: { "User-Agent": "mine", "X-A": "1" },
    auth: { type: "bearer", token: "t-1" },
  });
  await world.call(upstream);
  const { head } = server.requests[0]!;
  assertEquals(
    ["host", "user-agent", "x-a", "authorization", "accept-encoding", "mcp-method"].map((name) =>
      valuesOf(head, name)
    ),
    [[`127.0.0.1:${server.port}`], ["mine"], ["1"], ["Bearer t-1"], ["identity"], ["tools/call"]],
  );
});

Deno.test("fixed credentials that are refused are not sent a second time", async () => {
  await using server = openRecorder(() => json(401, "{}"));
  await using world = openUpstreamWorld();
  const upstream = anUpstream(server.url, { auth: { type: "bearer", token: SECRET } });
  await assertRejects(world.call(upstream), { code: "upstream_unavailable" });
  assertEquals(server.requests.length, 1);
});
