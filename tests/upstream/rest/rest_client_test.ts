/**
 * Calls of REST tools: what is presented, where they may go, when they are sent again, and what is
 * told of a failure.
 *
 * @module
 * @see contract.md, section 8, "REST tools" and "Egress"
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import type { RestTool } from "../../../src/domain/rest_tool.ts";
import type { UpstreamAuth } from "../../../src/domain/server.ts";
import { json, openRecorder, valuesOf } from "../client_world.ts";
import { aToken, oauth } from "../oauth_world.ts";
import { openRawServer } from "../../support/raw_server.ts";
import { openRestWorld } from "./rest_world.ts";

const UNKNOWN = "whether the call was carried out is not known";

Deno.test("a request says what it takes, from whom, and nothing of the client's", async () => {
  await using world = openRestWorld();
  await world.call({ method: "POST", headers: { "X-Key": "k" } }, { a: 1 });
  const [{ head, body }] = world.server.requests as [typeof world.server.requests[0]];
  assertEquals(head.split("\r\n"), [
    "POST / HTTP/1.1",
    `Host: 127.0.0.1:${world.server.port}`,
    "Accept-Encoding: identity",
    "Accept: application/json, */*;q=0.5",
    "User-Agent: sallyport/test",
    "X-Key: k",
    "Content-Type: application/json",
    "Content-Length: 7",
    "",
  ]);
  assertEquals(body, '{"a":1}');
});

Deno.test("a tool may set what it takes and the type of its body", async () => {
  await using world = openRestWorld();
  const headers = {
    Accept: "application/vnd.x+json",
    "content-type": "application/merge-patch+json",
  };
  await world.call({ method: "PATCH", headers }, { a: 1 });
  const { head } = world.server.requests[0]!;
  assertEquals([valuesOf(head, "accept"), valuesOf(head, "content-type")], [
    ["application/vnd.x+json"],
    ["application/merge-patch+json"],
  ]);
});

for (
  const [auth, name, value] of [
    [{ type: "bearer", token: "t-1" }, "authorization", "Bearer t-1"],
    [{ type: "basic", username: "a", password: "b" }, "authorization", "Basic YTpi"],
    [{ type: "header", name: "X-Key", value: "k" }, "x-key", "k"],
  ] satisfies [UpstreamAuth, string, string][]
) {
  Deno.test(`${auth.type}: an argument cannot replace what is presented`, async () => {
    await using world = openRestWorld();
    const parameters = [{ name: "x", in: "header", as: name }] as const;
    await assertRejects(world.call({ auth, parameters }, { x: "own" }), { code: "invalid_params" });
    await world.call({ auth });
    assertEquals(world.server.requests.map(({ head }) => valuesOf(head, name)), [[value]]);
  });
}

Deno.test("tools with the same credentials share an access token", async () => {
  await using endpoint = openRecorder((_, nth) => aToken(nth));
  await using world = openRestWorld();
  const auth = () => oauth(`http://127.0.0.1:${endpoint.port}/token`);
  await world.call({ auth: auth() });
  await world.call({ auth: auth() });
  assertEquals(world.server.requests.map(({ head }) => valuesOf(head, "authorization")), [
    ["Bearer token-0"],
    ["Bearer token-0"],
  ]);
});

Deno.test("a token that is refused is renewed once", async () => {
  await using endpoint = openRecorder((_, nth) => aToken(nth));
  await using world = openRestWorld((_, nth) => json(nth === 0 ? 401 : 200, {}));
  const result = await world.call({ auth: oauth(`http://127.0.0.1:${endpoint.port}/token`) });
  assertEquals([result.isError, world.server.requests.length], [undefined, 2]);
});

Deno.test("SSRF-01: an address is checked for each connection, before anything is sent", async () => {
  await using world = openRestWorld();
  await assertRejects(world.call({ anyAddress: false }), { code: "egress_denied" });
  assertEquals(world.server.connections(), 0);
});

Deno.test("SSRF-05: it is the address that is checked, whatever the name", async () => {
  await using world = openRestWorld(undefined, { resolve: () => Promise.resolve(["127.0.0.1"]) });
  const url = `http://api.example.com:${world.server.port}/`;
  await assertRejects(world.call({ url, anyAddress: false }), { code: "egress_denied" });
  assertEquals(world.server.connections(), 0);
});

Deno.test("SSRF-01: a connection that may go anywhere is not lent to a tool that may not", async () => {
  await using world = openRestWorld();
  await world.call({ anyAddress: true });
  await assertRejects(world.call({ anyAddress: false }), { code: "egress_denied" });
});

Deno.test("SSRF-10: a token endpoint is under the same policy", async () => {
  await using endpoint = openRecorder((_, nth) => aToken(nth));
  await using world = openRestWorld(undefined, {
    egress: { allowPrivate: [] },
  });
  const auth = oauth(`http://127.0.0.1:${endpoint.port}/token`);
  await assertRejects(world.call({ auth, anyAddress: false }), { code: "egress_denied" });
  assertEquals([endpoint.connections(), world.server.connections()], [0, 0]);
});

Deno.test("SSRF-04: 307 and 308 are followed once, to the same origin", async () => {
  for (const status of [307, 308]) {
    await using world = openRestWorld(({ head }) =>
      head.startsWith("POST /new") ? json(200, { ok: 1 }) : redirect(status, "/new?b=2")
    );
    const result = await world.call({ method: "POST", url: "/old" }, { a: 1 });
    assertEquals(result.structuredContent, { ok: 1 });
    assertEquals(world.server.requests.map(({ body }) => body), ['{"a":1}', '{"a":1}']);
  }
});

for (
  const [what, status, location] of [
    ["another origin", 307, "http://evil.example/"],
    ["another port", 308, "http://127.0.0.1:1/"],
    ["a user name", 307, "http://a@127.0.0.1/"],
    ["another method", 302, "/new"],
    ["no URL", 307, "http://"],
  ] as const
) {
  Deno.test(`SSRF-04: a redirect to ${what} is not followed`, async () => {
    await using world = openRestWorld(() => redirect(status, location));
    const { isError } = await world.call({}, {});
    assertEquals([isError, world.server.requests.length], [true, 1]);
  });
}

Deno.test("SSRF-04: a second redirect is not followed", async () => {
  await using world = openRestWorld(() => redirect(307, "/again"));
  const { isError } = await world.call({});
  assertEquals([isError, world.server.requests.length], [true, 2]);
});

function redirect(status: number, location: string): string {
  return `HTTP/1.1 ${status} X\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
}

/** The server closes each connection after its first requests, without an answer. */
function closing(answers: number) {
  return openRestWorld((_, nth) => {
    if (nth < answers) return json(200, {});
    throw new Error("closed");
  });
}

for (const answers of [0, 1]) {
  const which = answers === 0 ? "a new" : "a kept";
  Deno.test(`a GET whose connection is lost is sent once more, on ${which} one`, async () => {
    await using world = closing(answers);
    for (let i = 0; i < answers; i++) await world.call({});
    await assertRejects(world.call({}), {
      code: "upstream_unavailable",
      message: "The connection to the upstream server was lost",
    });
    assertEquals(world.server.requests.length, answers + 2);
  });
}

Deno.test("a GET that is answered the second time is as any other", async () => {
  await using world = openRestWorld((_, nth) => {
    if (nth === 0) throw new Error("closed");
    return json(200, { ok: 1 });
  });
  assertEquals((await world.call({})).structuredContent, { ok: 1 });
});

Deno.test("a GET whose answer breaks off is sent once more", async () => {
  const whole = json(200, { ok: 1 });
  await using server = openRawServer(async (peer, nth) => {
    await peer.request();
    await peer.write(nth === 0 ? whole.slice(0, -3) : whole);
  });
  await using world = openRestWorld();
  const result = await world.call({ url: `http://127.0.0.1:${server.port}/` });
  assertEquals([result.structuredContent, server.connections()], [{ ok: 1 }, 2]);
});

for (const method of ["POST", "PUT", "PATCH", "DELETE"] as const) {
  for (const answers of [0, 1]) {
    const which = answers === 0 ? "a new" : "a kept";
    Deno.test(`a ${method} whose connection is lost is sent once, on ${which} one, and nobody knows`, async () => {
      await using world = closing(answers);
      for (let i = 0; i < answers; i++) await world.call({});
      await assertRejects(world.call({ method }), {
        code: "outcome_unknown",
        message: `The connection to the upstream server was lost before it answered: ${UNKNOWN}`,
      });
      assertEquals(world.server.requests.length, answers + 1);
    });
  }
}

for (const [method, unknown] of [["GET", ""], ["POST", `: ${UNKNOWN}`]] as const) {
  Deno.test(`a ${method} that is not answered in time ends with its deadline`, async () => {
    const asked = Promise.withResolvers<void>();
    const end = Promise.withResolvers<string>();
    await using world = openRestWorld(() => {
      asked.resolve();
      return end.promise;
    });
    const call = world.call({ method, timeoutMs: 5_000 });
    await asked.promise;
    world.timers.advance(5_000);
    await assertRejects(call, {
      code: "upstream_timeout",
      message: `The upstream server did not answer within 5 s${unknown}`,
    });
    end.resolve("");
  });
}

Deno.test("a call that is cancelled ends with the reason", async () => {
  const asked = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  await using world = openRestWorld(() => {
    asked.resolve();
    return end.promise;
  });
  const abort = new AbortController();
  const call = world.call({}, {}, { abort });
  await asked.promise;
  const reason = new Error("cancelled");
  abort.abort(reason);
  await assertRejects(call, reason);
  assertEquals(world.timers.open(), 0);
  end.resolve("");
});

Deno.test("an answer has an end", async () => {
  await using world = openRestWorld(() => json(200, "x".repeat(2_000)), { replyBytesMax: 1_000 });
  await assertRejects(world.call({ method: "POST" }), {
    code: "upstream_protocol",
    message: `The upstream server's reply is too large: ${UNKNOWN}`,
  });
});

Deno.test("nothing listens: that is told, and not that the outcome is unknown", async () => {
  await using world = openRestWorld();
  const tool: Partial<RestTool> = { method: "POST", url: "http://127.0.0.1:1/" };
  await assertRejects(world.call(tool), {
    code: "upstream_unavailable",
    message: "The upstream server could not be reached",
  });
});

Deno.test("connections are kept", async () => {
  await using world = openRestWorld();
  for (let i = 0; i < 3; i++) await world.call({});
  assertEquals(world.server.connections(), 1);
});
