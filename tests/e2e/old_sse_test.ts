/**
 * The transport of 2024-11-05 byte by byte: what a client by hand sees, whose streams and messages are
 * whose, and what is refused how.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  notStrictEqual as assertNotEquals,
} from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import type { Message } from "../support/modern.ts";
import {
  greetOld,
  initialize,
  openOld,
  openOldReply,
  type PostOptions,
  sendOld,
} from "../support/old_sse_client.ts";
import { statusOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf } from "../support/raw_http.ts";
import { openSession } from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const PATH = "/servers/everything/sse";
const BODY_BYTES_MAX = 64 * 1024;
const SESSIONS_MAX = 5;
const PING = { jsonrpc: "2.0", id: 1, method: "ping" };
const NO_SESSION = "A".repeat(32);

let upstream: Everything;
let gateway: Gateway;
let off: Gateway;
let token: string;

Deno.test.beforeAll(async () => {
  upstream = await startEverything({ era: "legacy" });
  const config = configFor({ everything: upstream.origin, other: upstream.origin });
  const env = {
    JWT_SECRET_KEY: TEST_JWT_SECRET,
    REQUEST_BODY_MAX: String(BODY_BYTES_MAX),
    SESSIONS_PER_PRINCIPAL: String(SESSIONS_MAX),
  };
  gateway = await startGateway({ config, env });
  off = await startGateway({ config, env: { ...env, USE_STATEFUL_SESSIONS: "false" } });
});

Deno.test.beforeEach(async () => {
  // Sessions outlive their tests by a while, and a principal has only so many.
  token = await someone();
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, off, upstream]) await process?.[Symbol.asyncDispose]();
});

function someone(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return mintToken({ sub: `${crypto.randomUUID()}@example.com`, ...claims });
}

// ── What comes on the stream ────────────────────────────────────────────────────────────────────

for (
  const [path, expected] of [
    ["/sse", /^\/message\?sessionId=[\w-]{16}\.[\w-]{32}$/],
    [PATH, /^\/servers\/everything\/message\?sessionId=[\w-]{16}\.[\w-]{32}$/],
  ] as const
) {
  Deno.test(`the first event at ${path} says where messages are posted`, async () => {
    using stream = await openOld(gateway.origin, { path, token });
    await stream.endpoint();
    const first = stream.events()[0];
    assertEquals(first?.type, "endpoint");
    assert.match(first.data, expected);
  });
}

Deno.test("a stream is an event stream that nobody keeps", async () => {
  using stream = await openOld(gateway.origin, { path: PATH, token });
  assertEquals(
    ["content-type", "cache-control", "x-accel-buffering"].map(stream.reply.header),
    ["text/event-stream", "no-store, no-transform", "no"],
  );
});

Deno.test("two streams have message URLs of their own", async () => {
  using one = await openOld(gateway.origin, { path: PATH, token });
  using other = await openOld(gateway.origin, { path: PATH, token });
  assertNotEquals(await one.endpoint(), await other.endpoint());
});

for (const revision of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
  Deno.test(`a client that asks for ${revision} gets it`, async () => {
    using stream = await openOld(gateway.origin, { path: PATH, token });
    await stream.post(initialize(7, revision));
    const { result } = await stream.response(7);
    assertEquals((result as Message).protocolVersion, revision);
  });
}

Deno.test("no event has empty data, which clients of this transport take for a message", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token, revision: "2025-11-25" });
  await stream.ask(1, "ping");
  assertEquals(stream.events().filter(({ data }) => data === ""), []);
});

Deno.test("a message is answered 202 without a body", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  const { status, text } = await stream.post(PING);
  assertEquals([status, text], [202, ""]);
});

Deno.test("every message on the stream has an id of its own", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  await stream.ask(1, "ping");
  await stream.ask(2, "ping");
  const ids = stream.events().filter(({ type }) => type === "message").map(({ id }) => id);
  assertEquals([ids.includes(undefined), new Set(ids).size], [false, 3]);
});

Deno.test("an answer that is ready overtakes one that is not", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  await stream.call("slow", "test_slow", { ms: 1_500 });
  await stream.call("quick", "test_simple_text");
  await stream.response("slow");
  assertEquals(stream.answered(), ["hello", "quick", "slow"]);
});

Deno.test("a batch of 2025-03-26 is answered message by message", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token, revision: "2025-03-26" });
  const { status } = await stream.post([PING, { ...PING, id: 2 }]);
  await Promise.all([1, 2].map(stream.response));
  assertEquals(status, 202);
});

for (
  const [what, message, code] of [
    ["an unknown method", { method: "no/such" }, -32601],
    ["an unknown tool", { method: "tools/call", params: { name: "none" } }, -32602],
  ] as const
) {
  for (const path of [PATH, "/sse"]) {
    Deno.test(`${what} at ${path} is an error on the stream, with the request's id`, async () => {
      using stream = await greetOld(gateway.origin, { path, token });
      const { status } = await stream.post({ jsonrpc: "2.0", id: "mine", ...message });
      const { error } = await stream.response("mine");
      assertEquals([status, (error as Message | undefined)?.code], [202, code]);
    });
  }
}

Deno.test("a revision that nobody knows is answered with the newest", async () => {
  using stream = await openOld(gateway.origin, { path: PATH, token });
  await stream.post(initialize(1, "1999-01-01"));
  const { result } = await stream.response(1);
  assertEquals((result as Message).protocolVersion, "2025-11-25");
});

Deno.test("the session of a client shows at the server as one, and ends with DELETE", async () => {
  const { sessions } = await upstream.stats();
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  assertEquals((await upstream.stats()).sessions, sessions + 1);
  const [id] = stream.lastEventId().split(".");
  const { status } = await sendOld(gateway.origin, EVERYTHING_PATH, undefined, {
    verb: "DELETE",
    token,
    headers: { "Mcp-Session-Id": id },
  });
  await until("the end of the stream", () => stream.reply.ended());
  assertEquals([status, (await stream.post(PING)).status], [204, 404]);
});

// ── What is refused ─────────────────────────────────────────────────────────────────────────────

interface PostRow {
  readonly input: string;
  readonly status: number;
  readonly code?: number;
  readonly body?: string;
  readonly options?: PostOptions;
}

const POST_ROWS: readonly PostRow[] = [
  { input: "broken JSON", body: "{", status: 400, code: -32700 },
  { input: "an object that is not JSON-RPC", body: '{"a":1}', status: 400, code: -32600 },
  { input: "an id that is null", body: JSON.stringify({ ...PING, id: null }), status: 400 },
  { input: "a batch", body: JSON.stringify([PING, PING]), status: 400, code: -32600 },
  { input: "an empty batch", body: "[]", status: 400, code: -32600 },
  {
    input: "a body that is too large",
    body: JSON.stringify({ ...PING, params: { a: "a".repeat(BODY_BYTES_MAX) } }),
    status: 413,
  },
  {
    input: "a body of another type",
    options: { headers: { "Content-Type": "text/plain" } },
    status: 415,
  },
  {
    input: "a body without a type",
    options: { headers: { "Content-Type": undefined } },
    status: 415,
  },
  {
    input: "a revision that nobody knows in the header",
    options: { headers: { "MCP-Protocol-Version": "1999-01-01" } },
    status: 400,
  },
  {
    input: "a message of 2026-07-28",
    body: JSON.stringify({
      ...PING,
      method: "tools/list",
      params: {
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {},
        },
      },
    }),
    status: 400,
    code: -32600,
  },
  { input: "a second initialize", body: JSON.stringify(initialize(2)), status: 400, code: -32600 },
  {
    input: "an origin that is not listed",
    options: { headers: { Origin: "http://evil.example" } },
    status: 403,
  },
  {
    input: "a host that is not listed",
    options: { headers: { Host: "evil.example" } },
    status: 403,
  },
  { input: "a session id that nobody has", options: endpointOf(NO_SESSION), status: 404 },
  { input: "a session id of another form", options: endpointOf("x"), status: 404 },
  { input: "an empty session id", options: endpointOf(""), status: 400 },
  {
    input: "no session id",
    options: { endpoint: "/servers/everything/message" },
    status: 400,
    code: -32000,
  },
  {
    input: "two session ids",
    options: endpointOf(`${NO_SESSION}&sessionId=${NO_SESSION}`),
    status: 400,
  },
];

function endpointOf(id: string): PostOptions {
  return { endpoint: `/servers/everything/message?sessionId=${id}` };
}

for (const { input, status, code, body, options } of POST_ROWS) {
  Deno.test(`${input} is refused with ${status}`, async () => {
    using stream = await greetOld(gateway.origin, { path: PATH, token });
    const reply = await stream.post(body ?? PING, options);
    const error = code === undefined ? undefined : JSON.parse(reply.text).error.code;
    assertEquals([reply.status, error], [status, code]);
  });
}

Deno.test("a message that is refused does not disturb the session", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  for (const { body, options } of POST_ROWS) await stream.post(body ?? PING, options);
  assertEquals((await stream.ask("last", "ping")).result, {});
});

Deno.test("the id of a call that still runs is refused, and that call goes on", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  await stream.call(5, "test_slow", { ms: 1_000 });
  const { status } = await stream.call(5, "test_simple_text");
  const { result } = await stream.response(5);
  assertEquals([status, "result" in { result }, stream.answered()], [400, true, ["hello", 5]]);
});

Deno.test("a request before initialize is refused with 400", async () => {
  using stream = await openOld(gateway.origin, { path: PATH, token });
  assertEquals((await stream.post(PING)).status, 400);
});

Deno.test("of two initialize at once one opens the session", async () => {
  using stream = await openOld(gateway.origin, { path: PATH, token });
  await stream.endpoint();
  const replies = await Promise.all([1, 2].map((id) => stream.post(initialize(id))));
  const statuses = replies.map(({ status }) => status).sort();
  await until("the answer", () => stream.answered().length === 1);
  assertEquals(statuses, [202, 400]);
});

for (
  const [input, headers, status] of [
    ["only JSON", { "Accept": "application/json" }, 406],
    ["an id of an event in another form", { "Last-Event-ID": "a b" }, 400],
    ["an id of an event that is too long", { "Last-Event-ID": "a".repeat(300) }, 400],
    ["an id of an event that nobody gave", { "Last-Event-ID": `${NO_SESSION}.a.1.b` }, 404],
    ["an id of an event without a session", { "Last-Event-ID": "1" }, 404],
    ["a revision that nobody knows", { "MCP-Protocol-Version": "1999-01-01" }, 400],
    ["an origin that is not listed", { "Origin": "http://evil.example" }, 403],
    ["a host that is not listed", { "Host": "evil.example" }, 403],
  ] as const
) {
  Deno.test(`a stream that is asked for with ${input} is refused with ${status}`, async () => {
    using reply = await openOldReply(gateway.origin, { path: PATH, token, headers });
    assertEquals(await statusOf(reply), status);
  });
}

for (const accept of [undefined, "*/*", "text/event-stream, application/json"]) {
  Deno.test(`a stream is given to who accepts ${accept}`, async () => {
    const headers = { "Accept": accept };
    using reply = await openOldReply(gateway.origin, { path: PATH, token, headers });
    assertEquals(await statusOf(reply), 200);
  });
}

for (
  const [path, verbs, allow] of [
    ["/sse", ["POST", "DELETE", "PUT", "HEAD"], "GET, OPTIONS"],
    [PATH, ["POST", "DELETE", "PUT", "HEAD"], "GET, OPTIONS"],
    ["/message", ["GET", "DELETE", "PUT", "HEAD"], "POST, OPTIONS"],
    ["/servers/everything/message", ["GET", "DELETE", "PUT", "HEAD"], "POST, OPTIONS"],
  ] as const
) {
  for (const verb of verbs) {
    Deno.test(`${verb} ${path} is refused with 405 and what is allowed`, async () => {
      const reply = await sendOld(gateway.origin, path, undefined, { verb, token });
      assertEquals([reply.status, headerOf(reply, "allow")], [405, allow]);
    });
  }
}

for (const path of ["/servers/none/sse", "/servers/none/message?sessionId=x"]) {
  Deno.test(`${path} is missing`, async () => {
    const verb = path.endsWith("sse") ? "GET" : "POST";
    const body = verb === "GET" ? undefined : JSON.stringify(PING);
    assertEquals((await sendOld(gateway.origin, path, body, { verb, token })).status, 404);
  });
}

for (const [path, verb] of [[PATH, "GET"], ["/sse", "GET"], ["/message", "POST"]] as const) {
  Deno.test(`without sessions ${verb} ${path} is refused with 405 and a sentence`, async () => {
    const body = verb === "POST" ? JSON.stringify(PING) : undefined;
    const target = verb === "POST" ? `${path}?sessionId=${NO_SESSION}` : path;
    const reply = await sendOld(off.origin, target, body, { verb, token });
    const { error } = JSON.parse(reply.text);
    assertEquals([reply.status, headerOf(reply, "allow")], [405, "OPTIONS"]);
    assert.match(error.message, /Sessions are switched off/);
  });
}

// ── Whose it is ─────────────────────────────────────────────────────────────────────────────────

for (
  const [path, verb, document] of [
    ["/sse", "GET", "/sse"],
    [PATH, "GET", PATH],
    ["/message?sessionId=x", "POST", "/sse"],
    ["/servers/everything/message?sessionId=x", "POST", PATH],
  ] as const
) {
  Deno.test(`${verb} ${path} without a credential names the document of ${document}`, async () => {
    const body = verb === "POST" ? JSON.stringify(PING) : undefined;
    const reply = await sendOld(gateway.origin, path, body, { verb });
    const url = `${gateway.origin}/.well-known/oauth-protected-resource${document}`;
    assertEquals(
      [reply.status, headerOf(reply, "www-authenticate")],
      [401, `Bearer resource_metadata="${url}"`],
    );
  });
}

for (const path of ["/sse", PATH, "/message", "/servers/everything/message"]) {
  Deno.test(`the document of ${path} is about exactly that URL`, async () => {
    const url = `${gateway.origin}/.well-known/oauth-protected-resource${path}`;
    const { resource } = await (await fetch(url)).json();
    assertEquals(resource, gateway.origin + path);
  });
}

Deno.test("a preflight is answered without a credential", async () => {
  const reply = await sendOld(gateway.origin, PATH, undefined, {
    verb: "OPTIONS",
    headers: {
      "Origin": gateway.origin,
      "Access-Control-Request-Method": "GET",
      "Access-Control-Request-Headers": "authorization,last-event-id",
    },
  });
  assertEquals(
    [reply.status, headerOf(reply, "access-control-allow-methods")],
    [204, "GET, OPTIONS"],
  );
});

Deno.test("another principal cannot post to a stream, before and after initialize", async () => {
  const stranger = await someone();
  using stream = await openOld(gateway.origin, { path: PATH, token });
  const before = await stream.post(initialize(1), { token: stranger });
  await stream.post(initialize("hello"));
  await stream.response("hello");
  const after = await stream.post(PING, { token: stranger });
  assertEquals([before.status, after.status, stream.answered()], [404, 404, ["hello"]]);
});

Deno.test("another principal cannot resume a stream, which goes on", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  const stolen = { path: PATH, token: await someone(), lastEventId: stream.lastEventId() };
  using reply = await openOldReply(gateway.origin, stolen);
  assertEquals(
    [await statusOf(reply), (await stream.ask(1, "ping")).result],
    [404, {}],
  );
});

Deno.test("a stream cannot be resumed, nor posted to, on another endpoint", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  const id = (await stream.endpoint()).split("=")[1];
  const endpoint = `/servers/other/message?sessionId=${id}`;
  const posted = await stream.post(PING, { endpoint });
  using reply = await openOldReply(gateway.origin, {
    path: "/servers/other/sse",
    token,
    lastEventId: stream.lastEventId(),
  });
  assertEquals([posted.status, await statusOf(reply)], [404, 404]);
});

Deno.test("an id of an event that was changed resumes nothing", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  const [session, stream_, seq, tag] = stream.lastEventId().split(".");
  const changed = [
    [session, stream_, String(Number(seq) + 1), tag],
    [NO_SESSION, stream_, seq, tag],
    [session, stream_],
  ].map((parts) => parts.join("."));
  const statuses = await Promise.all(changed.map(async (lastEventId) => {
    using reply = await openOldReply(gateway.origin, { path: PATH, token, lastEventId });
    return await statusOf(reply);
  }));
  assertEquals(statuses, [404, 404, 404]);
});

Deno.test("the same ids in many sessions at once never cross", async () => {
  const marks = Array.from({ length: 12 }, (_, i) => `mark-${i}`);
  const seen = await Promise.all(marks.map(async (mark) => {
    using stream = await greetOld(gateway.origin, { path: PATH, token: await someone() });
    for (let id = 0; id < 10; id++) await stream.call(id, "test_echo", { mark });
    const answers = await Promise.all(Array.from({ length: 10 }, (_, id) => stream.response(id)));
    const texts = answers.map(({ result }) => JSON.stringify(result));
    return texts.every((text) =>
      marks.every((other) => text.includes(`"${other}"`) === (other === mark))
    );
  }));
  assertEquals(seen, marks.map(() => true));
});

Deno.test("what a server says aside is heard by the session that caused it only", async () => {
  using one = await greetOld(gateway.origin, { path: PATH, token });
  using other = await greetOld(gateway.origin, { path: PATH, token });
  await one.call(1, "test_aside", { data: "for one" });
  await one.message("notifications/message");
  await other.ask(1, "ping");
  assertEquals(JSON.stringify(other.events()).includes("for one"), false);
});

Deno.test("one principal has so many streams, and another has its own", async () => {
  const streams = await Promise.all(
    Array.from({ length: SESSIONS_MAX }, () => openOld(gateway.origin, { path: PATH, token })),
  );
  using over = await openOldReply(gateway.origin, { path: PATH, token });
  using others = await openOldReply(gateway.origin, { path: PATH, token: await someone() });
  const statuses = [await statusOf(over), await statusOf(others)];
  for (const stream of streams) stream[Symbol.dispose]();
  // One that never had a session leaves its place as soon as it is gone.
  await until("a free place", async () => {
    using again = await openOldReply(gateway.origin, { path: PATH, token });
    return await statusOf(again) === 200;
  });
  assertEquals(statuses, [429, 200]);
});

Deno.test("sessions of Streamable HTTP count, and the stream is left as it was", async () => {
  const sessions = await Promise.all(
    Array.from(
      { length: SESSIONS_MAX },
      () => openSession(gateway.origin, { path: EVERYTHING_PATH, token }),
    ),
  );
  using stream = await openOld(gateway.origin, { path: PATH, token });
  const refused = await stream.post(initialize(1));
  await sessions[0]!.end();
  const taken = await stream.post(initialize(2));
  await stream.response(2);
  for (const session of sessions) await session[Symbol.asyncDispose]();
  assertEquals([refused.status, taken.status], [429, 202]);
});

Deno.test("a stream ends with its credential, and goes on with the next", async () => {
  const sub = `${crypto.randomUUID()}@example.com`;
  // With the 60 s that clocks may differ by, it is good for 3 s more.
  const exp = Math.floor(Date.now() / 1000) - 57;
  const short = await mintToken({ sub, iat: exp - 60, exp });
  using stream = await greetOld(gateway.origin, { path: PATH, token: short });
  await until("the end of the stream", () => stream.reply.ended(), 10_000);
  using again = await openOld(gateway.origin, {
    path: PATH,
    token: await mintToken({ sub }),
    lastEventId: stream.lastEventId(),
  });
  assertEquals((await again.ask(1, "ping")).result, {});
});

Deno.test("nothing in the log tells the id of a session", async () => {
  using stream = await greetOld(gateway.origin, { path: PATH, token });
  await stream.call(1, "no_such_tool");
  await stream.response(1);
  const ids = [(await stream.endpoint()).split("=")[1]!, stream.lastEventId().split(".")[0]!];
  const log = gateway.stderr() + gateway.stdout();
  assertEquals(ids.filter((id) => log.includes(id)), []);
});
