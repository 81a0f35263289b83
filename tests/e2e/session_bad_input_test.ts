/**
 * What a client of the session era gets for input that it should not have sent.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import { callModern, type Message } from "../support/modern.ts";
import { messageOf, responseOf, statusOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf } from "../support/raw_http.ts";
import {
  callSession,
  initialize,
  openSession,
  type Session,
  SESSION_REVISIONS,
  type SessionCall,
  type SessionOptions,
  type SessionReply,
  toolCall,
} from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import {
  BATCH_ROWS,
  HEADER_ROWS,
  MESSAGE_ROWS,
  type SessionRow,
} from "./session_bad_input_rows.ts";

const PATH = EVERYTHING_PATH;
/** The same upstream server under another slug. */
const OTHER_PATH = "/servers/other/mcp";
const REQUEST = -32600;

let upstream: Everything;
let gateway: Gateway;
let token: string;

Deno.test.beforeAll(async () => {
  upstream = await startEverything();
  gateway = await startGateway({
    config: configFor({ everything: upstream.origin, other: upstream.origin }),
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

/** Runs in a session of its own. */
function test(
  promise: string,
  run: (session: Session) => Promise<void>,
  options: SessionOptions = {},
): void {
  Deno.test(promise, async () => {
    await using session = await open(options);
    await run(session);
  });
}

test("a correct call is answered", async (session) => {
  assertEquals(textOf(await session.send(CALL)), "This is a simple text response for testing.");
});

for (const row of [...MESSAGE_ROWS, ...BATCH_ROWS, ...HEADER_ROWS]) {
  test(`${row.input}: ${describe(row)}`, async (session) => {
    const reply = await session.send({ ...CALL, ...row.call });
    assertEquals([row.status].flat().includes(reply.status), true, reply.head);
    if (row.codes?.length) assert(row.codes.includes(codeOf(reply)), reply.text);
    assert.doesNotMatch(reply.text, /<html|file:\/\/|\bat .*:\d+:\d+|\.ts\b|node:/i);
  }, row.revision ? { revision: row.revision } : {});
}

for (const input of ["broken JSON", "an object that is not JSON-RPC", "an empty batch"]) {
  test(`${input} does not harm the session`, async (session) => {
    const { call } = [...MESSAGE_ROWS, ...BATCH_ROWS].find((row) => row.input.startsWith(input))!;
    await session.send(call);
    assertEquals((await session.send(CALL)).status, 200);
  });
}

test("a body that is not JSON is answered with the id null", async (session) => {
  assertEquals((await session.send({ body: "{" })).response.id, null);
});

// ── Batches ─────────────────────────────────────────────────────────────────────────────────────

const BATCHING: SessionOptions = { revision: "2025-03-26" };

test("of a batch every request is answered and no notification", async (session) => {
  const reply = await session.send({ body: batchOf([PING, NOTIFICATION, LIST, NOTIFICATION]) });
  const ids = reply.messages.map((message) => "result" in message && message.id);
  assertEquals([reply.status, ids.sort()], [200, ["list", "ping"]]);
}, BATCHING);

test("a batch of notifications is 202 without a body", async (session) => {
  const reply = await session.send({ body: batchOf([NOTIFICATION, NOTIFICATION]) });
  assertEquals([reply.status, reply.text], [202, ""]);
}, BATCHING);

test("a batch of answers to nothing is 202 without a body", async (session) => {
  const answer = { jsonrpc: "2.0", id: "nobody-asked", result: {} };
  const reply = await session.send({ body: batchOf([answer, { ...answer, id: 5 }]) });
  assertEquals([reply.status, reply.text], [202, ""]);
}, BATCHING);

test(
  "of a batch an unknown method gets an error, and the others their results",
  async (session) => {
    const reply = await session.send({
      body: batchOf([PING, { jsonrpc: "2.0", id: "bad", method: "foo/bar" }]),
    });
    const outcomes = reply.messages.map((message) => [message.id, "result" in message]);
    assertEquals(outcomes.sort(), [["bad", false], ["ping", true]]);
  },
  BATCHING,
);

// ── Messages that the upstream server judges ────────────────────────────────────────────────────

for (
  const [what, call] of Object.entries<SessionCall>({
    "an unknown method": { method: "foo/bar" },
    "an unknown tool": toolCall("no_such_tool"),
    "wrong arguments": toolCall("test_slow", { ms: "soon" }),
    "an unknown resource": { method: "resources/read", params: { uri: "test://no-such" } },
    "an unknown prompt": { method: "prompts/get", params: { name: "no_such_prompt" } },
    "an unknown log level": { method: "logging/setLevel", params: { level: "shout" } },
  })
) {
  test(`${what} is answered as the server answers it directly`, async (session) => {
    await using direct = await openSession(upstream.origin);
    const [through, expected] = [await session.send(call), await direct.send(call)];
    assertEquals([through.status, through.messages], [expected.status, expected.messages]);
  });
}

test("an unknown method is -32601 with status 200", async (session) => {
  const reply = await session.send({ method: "foo/bar" });
  assertEquals([reply.status, codeOf(reply)], [200, -32601]);
});

test("an unknown notification is 202", async (session) => {
  assertEquals((await session.notify("notifications/foo")).status, 202);
});

for (
  const [what, answer] of [["a result", { result: {} }], ["an error", { error: ERROR() }]] as const
) {
  test(`${what} for a request that was never made is 202 and harmless`, async (session) => {
    const { status } = await session.answer({ id: "never-made" }, answer);
    assertEquals([status, (await session.send(CALL)).status], [202, 200]);
  });
}

test("the cancellation of a request that was never made is 202 and harmless", async (session) => {
  const { status } = await session.notify("notifications/cancelled", { requestId: "never-made" });
  assertEquals([status, (await session.send(CALL)).status], [202, 200]);
});

// ── Ids ─────────────────────────────────────────────────────────────────────────────────────────

for (const idText of ["0", "-1", '"a"', JSON.stringify("i".repeat(256)), '"\\u00e9\\n"']) {
  test(`the id ${idText.slice(0, 20)} comes back as it was sent`, async (session) => {
    assertEquals((await session.send({ ...CALL, idText })).response.id, JSON.parse(idText));
  });
}

for (const idText of ["9007199254740993", "-9007199254740993", "123456789012345678901234567890"]) {
  test(`the id ${idText} comes back exactly, or is refused with 400`, async (session) => {
    const reply = await session.send({ ...CALL, idText });
    if (reply.status === 400) return;
    assert.match(reply.text, new RegExp(`"id":\\s*${idText}[,}\\s]`));
  });
}

for (const [first, second] of [["7", "7"], ['"seven"', '"seven"']] as const) {
  test(`the id ${first} while it is running: 400 with -32600`, async (session) => {
    using running = await session.open({ ...SLOW, idText: first });
    await statusOf(running);
    const reply = await session.send({ ...CALL, idText: second });
    assertEquals([reply.status, codeOf(reply)], [400, REQUEST]);
  });
}

test("the call whose id was used a second time goes on", async (session) => {
  using running = await session.open({ ...SLOW, idText: "7" });
  await statusOf(running);
  await session.send({ ...CALL, idText: "7" });
  assert("result" in await responseOf(running));
});

test('the ids 7 and "7" are two', async (session) => {
  using running = await session.open({ ...SLOW, idText: "7" });
  await statusOf(running);
  assertEquals((await session.send({ ...CALL, idText: '"7"' })).status, 200);
});

test("an id may be used again when its request has ended", async (session) => {
  await session.send({ ...CALL, idText: "7" });
  assertEquals((await session.send({ ...CALL, idText: "7" })).status, 200);
});

test("two sessions may use the same id at the same time", async (session) => {
  await using other = await open();
  using running = await session.open({ ...SLOW, idText: "7" });
  await statusOf(running);
  assertEquals((await other.send({ ...CALL, idText: "7" })).status, 200);
});

// ── Handshake ───────────────────────────────────────────────────────────────────────────────────

for (const revision of SESSION_REVISIONS) {
  test(`initialize for ${revision} is answered with that revision`, (session) => {
    assertEquals(session.revision, revision);
    return Promise.resolve();
  }, { revision });

  test(`in a session of ${revision} a tool is called`, async (session) => {
    assertEquals((await session.send(CALL)).status, 200);
  }, { revision });
}

for (const revision of ["1999-01-01", "2099-01-01", "latest", "2026-07-28"]) {
  test(`initialize for ${revision} is answered with 2025-11-25`, (session) => {
    assertEquals(session.revision, "2025-11-25");
    return Promise.resolve();
  }, { revision });
}

test("SESS-18: initialize inside a session is 400 with -32600", async (session) => {
  const reply = await again({ "Mcp-Session-Id": session.id });
  assertEquals([reply.status, codeOf(reply)], [400, REQUEST]);
});

test("SESS-18: initialize inside a session does not harm it", async (session) => {
  await again({ "Mcp-Session-Id": session.id });
  assertEquals((await session.send(CALL)).status, 200);
});

for (
  const [whose, idOf] of Object.entries<(session: Session) => Promise<string>>({
    "nobody": () => Promise.resolve(crypto.randomUUID()),
    "somebody else": async () => (await foreign()).id,
    "another endpoint": async () => (await open({ path: OTHER_PATH })).id,
    "a session that has ended": async (session) => {
      await session.end();
      return session.id;
    },
  })
) {
  test(`SESS-04: initialize with the session id of ${whose} opens a new session`, async (session) => {
    const id = await idOf(session);
    const reply = await again({ "Mcp-Session-Id": id });
    const made = headerOf(reply, "mcp-session-id");
    assert(reply.status === 200 && made !== undefined && made !== id, reply.head);
    await session.send({ verb: "DELETE", headers: { "Mcp-Session-Id": made } });
  });
}

test("SESS-18: requests before notifications/initialized are answered", async () => {
  const id = headerOf(await initialize(gateway.origin, { path: PATH, token }), "mcp-session-id")!;
  const reply = await send({ method: "ping", headers: { "Mcp-Session-Id": id } });
  await send({ verb: "DELETE", headers: { "Mcp-Session-Id": id } });
  assertEquals(reply.status, 200);
});

test("SESS-15: a session of that era does not hinder requests of 2026-07-28", async (session) => {
  const reply = await callModern(gateway.origin, {
    path: PATH,
    token,
    params: { name: "test_simple_text", arguments: {} },
    headers: { "Mcp-Session-Id": session.id },
  });
  assertEquals([reply.status, headerOf(reply, "mcp-session-id")], [200, undefined]);
});

// ── Verbs ───────────────────────────────────────────────────────────────────────────────────────

for (const verb of ["PUT", "PATCH", "HEAD"]) {
  test(`${verb} is 405 and names the verbs of a session in Allow`, async (session) => {
    const { status, headers } = await session.send({ verb, options: { hasBody: verb !== "HEAD" } });
    const allowed = new Map(headers).get("allow")?.split(/,\s*/).sort();
    assertEquals([status, allowed?.filter((one) => one !== "OPTIONS")], [
      405,
      ["DELETE", "GET", "POST"],
    ]);
  });
}

test("GET without text/event-stream in Accept is 406", async (session) => {
  const { status } = await session.send({ verb: "GET", headers: { Accept: "application/json" } });
  assertEquals(status, 406);
});

for (const verb of ["GET", "DELETE"]) {
  Deno.test(`${verb} without a session id is 400`, async () => {
    assertEquals((await send({ verb, headers: { Accept: "text/event-stream" } })).status, 400);
  });

  test(`${verb} from another Origin is 403`, async (session) => {
    const headers = { Accept: "text/event-stream", Origin: "http://evil.example" };
    assertEquals((await session.send({ verb, headers })).status, 403);
  });

  test(`SESS-18: ${verb} with the version 1999-01-01 is 400`, async (session) => {
    const headers = { Accept: "text/event-stream", "MCP-Protocol-Version": "1999-01-01" };
    assertEquals((await session.send({ verb, headers })).status, 400);
  });
}

test("SESS-09: a second GET is 409", async (session) => {
  using first = await session.listen();
  await statusOf(first);
  using second = await session.listen();
  assertEquals(await statusOf(second), 409);
});

test("SESS-09: a second GET does not disturb the first", async (session) => {
  using first = await session.listen();
  await statusOf(first);
  using second = await session.listen();
  await statusOf(second);
  await session.send(toolCall("test_aside", { data: "still there?" }));
  await messageOf(first, "notifications/message");
});

const CALL = toolCall("test_simple_text");
const SLOW = toolCall("test_steps", { count: 3, ms: 100 }, "mine");
const PING = { jsonrpc: "2.0", id: "ping", method: "ping" };
const LIST = { jsonrpc: "2.0", id: "list", method: "tools/list" };
const NOTIFICATION = { jsonrpc: "2.0", method: "notifications/roots/list_changed" };

function ERROR(): Message {
  return { code: -1, message: "No" };
}

function open(options: SessionOptions = {}): Promise<Session> {
  return openSession(gateway.origin, { path: PATH, token, ...options });
}

async function foreign(): Promise<Session> {
  return await open({ token: await mintToken({ sub: "bob@example.com" }) });
}

/** Sends a message of no session, unless its headers name one. */
function send(call: SessionCall): Promise<SessionReply> {
  return callSession(gateway.origin, { path: PATH, token, ...call });
}

function again(headers: NonNullable<SessionCall["headers"]>): Promise<SessionReply> {
  return initialize(gateway.origin, { path: PATH, token, headers });
}

function batchOf(messages: readonly unknown[]): string {
  return JSON.stringify(messages);
}

function codeOf({ response }: SessionReply): number {
  assert(response.error, `expected an error, got ${JSON.stringify(response)}`);
  return (response.error as { code: number }).code;
}

function textOf({ response }: SessionReply): string {
  return (response.result as { content: { text: string }[] }).content[0]!.text;
}

function describe({ status, codes }: SessionRow): string {
  return [[status].flat().join(" or "), ...codes?.length ? [codes.join(" or ")] : []].join(", ");
}
