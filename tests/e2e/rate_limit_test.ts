/**
 * Limits of rates through a started gateway: what a client over its limit gets on every road, and
 * that others and other limits are left alone.
 *
 * Limits are by the hour, so that nothing comes back while a test runs.
 *
 * @module
 * @see contract.md, section 2, `RATE_LIMIT_*`; section 8, "Gateway failures"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import { callModern, type Message, type ModernCall } from "../support/modern.ts";
import { greetOld, openOldReply } from "../support/old_sse_client.ts";
import { statusOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf, type RawReply, requestTo, sendRaw } from "../support/raw_http.ts";
import { callSession, initialize, openSession, toolCall } from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";

const MANY = 30;
const FEW = 3;
/** Every request of the test comes from one address, the counted ones and the others. */
const SOURCE_MAX = 20;
const RATE_LIMITED = -31006;
const OLD_PATH = "/servers/everything/sse";
const ALL_PATH = "/mcp";

let upstream: Everything;
let byPrincipal: Gateway;
let byPrincipalOff: Gateway;
let byTool: Gateway;
let byToolOff: Gateway;

Deno.test.beforeAll(async () => {
  upstream = await startEverything();
  const { mcpServers } = configFor({ everything: upstream.origin, secret: upstream.origin });
  const secret = { ...mcpServers.secret, visibility: "team", team: "red" };
  const start = (env: Readonly<Record<string, string>>) =>
    startGateway({
      config: { mcpServers: { ...mcpServers, secret } },
      env: { JWT_SECRET_KEY: TEST_JWT_SECRET, ...env },
    });
  const off = { USE_STATEFUL_SESSIONS: "false" };
  [byPrincipal, byPrincipalOff, byTool, byToolOff] = await Promise.all([
    start({ RATE_LIMIT_PRINCIPAL: `${MANY}/h` }),
    start({ RATE_LIMIT_PRINCIPAL: `${MANY}/h`, ...off }),
    start({ RATE_LIMIT_TOOL: `${FEW}/h` }),
    start({ RATE_LIMIT_TOOL: `${FEW}/h`, ...off }),
  ]) as [Gateway, Gateway, Gateway, Gateway];
});

Deno.test.afterAll(async () => {
  for (const process of [byPrincipal, byPrincipalOff, byTool, byToolOff, upstream]) {
    await process?.[Symbol.asyncDispose]();
  }
});

/** A principal whose budget nobody has touched. */
function someone(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return mintToken({ sub: `${crypto.randomUUID()}@example.com`, ...claims });
}

/** Spends all of the budget but this. */
async function spend({ origin }: Gateway, token: string, butFor = 0): Promise<void> {
  for (let i = MANY; i > butFor; i--) {
    const { status } = await callModern(origin, { ...PING, token });
    assert(status !== 429, "the budget is smaller than it should be");
  }
}

/** Answered without any server, as an error, which counts as well as anything else. */
const PING: ModernCall = { method: "ping", params: {}, path: ALL_PATH };

function checkRefused(reply: RawReply, id: unknown): void {
  assertEquals(reply.status, 429);
  assert(Number(headerOf(reply, "retry-after")) >= 1, reply.head);
  const { error, id: given } = JSON.parse(reply.text) as Message & { error: Message };
  assertEquals([error.code, given], [RATE_LIMITED, id]);
  const { retryable, correlationId } = error.data as Message;
  assertEquals([retryable, typeof correlationId], [true, "string"]);
}

// ── RATE_LIMIT_PRINCIPAL ────────────────────────────────────────────────────────────────────────

Deno.test("exactly as many messages as the limit says are served", async () => {
  const token = await someone();
  await spend(byPrincipal, token);
  checkRefused(await callModern(byPrincipal.origin, { ...PING, token }), 1);
});

for (
  const [method, params] of Object.entries<Message>({
    "tools/call": { name: "test_simple_text", arguments: {} },
    "tools/list": {},
    "server/discover": {},
    "subscriptions/listen": { notifications: { toolsListChanged: true } },
    "resources/read": { uri: "test://static-text" },
    "no/such/method": {},
  })
) {
  Deno.test(`over the limit ${method} of 2026-07-28 is 429 with -31006 and its own id`, async () => {
    const token = await someone();
    await spend(byPrincipal, token);
    const call = { method, params, path: EVERYTHING_PATH, idText: '"mine"', token };
    checkRefused(await callModern(byPrincipal.origin, call), "mine");
  });
}

for (const method of ["tools/call", "tools/list", "ping", "initialize", "no/such/method"]) {
  Deno.test(`over the limit ${method} of a session is 429 with -31006 and its own id`, async () => {
    const token = await someone();
    const session = await openSession(byPrincipal.origin, { path: ALL_PATH, token });
    // The session took two.
    await spend(byPrincipal, token, 2);
    checkRefused(await session.send({ method, params: {}, idText: "7" }), 7);
  });

  Deno.test(`over the limit ${method} without sessions is 429 with -31006 and its own id`, async () => {
    const token = await someone();
    await spend(byPrincipalOff, token);
    const call = { method, params: {}, idText: "7", path: EVERYTHING_PATH, token };
    checkRefused(await callSession(byPrincipalOff.origin, call), 7);
  });
}

Deno.test("over the limit initialize opens no session", async () => {
  const token = await someone();
  await spend(byPrincipal, token);
  const reply = await initialize(byPrincipal.origin, { path: EVERYTHING_PATH, token });
  checkRefused(reply, 0);
  assertEquals(headerOf(reply, "mcp-session-id"), undefined);
});

for (const era of ["2026-07-28", "2025-11-25"]) {
  Deno.test(`over the limit a notification of ${era} is 429 without a body`, async () => {
    const token = await someone();
    await spend(byPrincipal, token);
    const call = { method: "notifications/cancelled", params: { requestId: 1 }, idText: "" };
    const reply = era === "2026-07-28"
      ? await callModern(byPrincipal.origin, { ...call, token })
      : await callSession(byPrincipal.origin, { ...call, token });
    assertEquals([reply.status, reply.text], [429, ""]);
    assert(Number(headerOf(reply, "retry-after")) >= 1);
  });
}

Deno.test("notifications count", async () => {
  const token = await someone();
  const notification: ModernCall = {
    method: "notifications/cancelled",
    params: { requestId: 1 },
    idText: "",
    token,
  };
  for (let i = 0; i < MANY; i++) {
    assertEquals((await callModern(byPrincipal.origin, notification)).status, 202);
  }
  checkRefused(await callModern(byPrincipal.origin, { ...PING, token }), 1);
});

Deno.test("answers to questions count, and are refused without a body", async () => {
  const token = await someone();
  await spend(byPrincipal, token);
  const body = '{"jsonrpc":"2.0","id":1,"result":{}}';
  const reply = await callSession(byPrincipal.origin, { body, token });
  assertEquals([reply.status, reply.text], [429, ""]);
});

for (const verb of ["GET", "DELETE"]) {
  Deno.test(`over the limit ${verb} of a session is 429`, async () => {
    const token = await someone();
    const session = await openSession(byPrincipal.origin, { path: ALL_PATH, token });
    await spend(byPrincipal, token, 2);
    checkRefused(await session.send({ verb, headers: { Accept: "text/event-stream" } }), null);
  });
}

Deno.test("EVT-10: coming back to a stream counts, and over the limit is 429", async () => {
  const token = await someone();
  const session = await openSession(byPrincipal.origin, { path: EVERYTHING_PATH, token });
  // A call that speaks before it answers: its reply is a stream.
  const { events } = await session.send(toolCall("test_logging_tool"));
  await spend(byPrincipal, token, 2 + 3);
  const resume = () =>
    session.send({
      verb: "GET",
      headers: { "Accept": "text/event-stream", "Last-Event-ID": events[0]!.id },
    });
  assertEquals([(await resume()).status, (await resume()).status], [200, 200]);
  checkRefused(await resume(), null);
});

Deno.test("the members of a batch count one by one, and those over the limit are refused", async () => {
  const token = await someone();
  const options = { path: ALL_PATH, token, revision: "2025-03-26" };
  const session = await openSession(byPrincipal.origin, options);
  await spend(byPrincipal, token, 2 + 3);
  const reply = await session.send({ body: pings(5) });
  assertEquals(reply.status, 200);
  const outcomes = reply.messages.map(({ id, error }) => [id, (error as Message)?.code ?? "ok"]);
  assertEquals(outcomes.sort(), [
    [1, "ok"],
    [2, "ok"],
    [3, "ok"],
    [4, RATE_LIMITED],
    [5, RATE_LIMITED],
  ]);
});

Deno.test("without sessions the members of a batch count one by one", async () => {
  const token = await someone();
  await spend(byPrincipalOff, token, 3);
  const headers = { "MCP-Protocol-Version": "2025-03-26" };
  const call = { body: pings(5), headers, path: ALL_PATH, token };
  const { messages } = await callSession(byPrincipalOff.origin, call);
  const refused = messages.filter(({ error }) => (error as Message)?.code === RATE_LIMITED);
  assertEquals(refused.map(({ id }) => id).sort(), [4, 5]);
});

Deno.test("a batch without any budget left is 429 as a whole", async () => {
  const token = await someone();
  const options = { path: ALL_PATH, token, revision: "2025-03-26" };
  const session = await openSession(byPrincipal.origin, options);
  await spend(byPrincipal, token, 2);
  checkRefused(await session.send({ body: pings(2) }), null);
});

Deno.test("over the limit a message of the old transport is refused on its POST", async () => {
  const token = await someone();
  using stream = await greetOld(byPrincipal.origin, { path: OLD_PATH, token });
  // The stream and the two messages of its greeting.
  await spend(byPrincipal, token, 3);
  checkRefused(await stream.post({ jsonrpc: "2.0", id: "late", method: "ping" }), "late");
  assertEquals(stream.answered(), ["hello"]);
});

Deno.test("over the limit no stream of the old transport is opened", async () => {
  const token = await someone();
  await spend(byPrincipal, token);
  using reply = await openOldReply(byPrincipal.origin, { path: OLD_PATH, token });
  assertEquals(await statusOf(reply), 429);
});

Deno.test("over the limit the API answers 429 with a problem document", async () => {
  const token = await someone({ is_admin: true });
  await spend(byPrincipal, token);
  const headers = { Authorization: `Bearer ${token}` };
  const reply = await fetch(`${byPrincipal.origin}/api/upstreams`, { headers });
  assertEquals(reply.status, 429);
  assertEquals(reply.headers.get("content-type"), "application/problem+json");
  assert(Number(reply.headers.get("retry-after")) >= 1);
  const { code, status } = await reply.json();
  assertEquals([code, status], ["rate_limited", 429]);
});

Deno.test("requests to the API count", async () => {
  const token = await someone({ is_admin: true });
  const headers = { Authorization: `Bearer ${token}` };
  for (let i = 0; i < MANY; i++) {
    const reply = await fetch(`${byPrincipal.origin}/api/stats`, { headers });
    await reply.body?.cancel();
    assertEquals(reply.status, 200);
  }
  checkRefused(await callModern(byPrincipal.origin, { ...PING, token }), 1);
});

Deno.test("another principal is served beside one that is over its limit", async () => {
  await spend(byPrincipal, await someone());
  const { status } = await callModern(byPrincipal.origin, { ...CALL, token: await someone() });
  assertEquals(status, 200);
});

Deno.test("a second token of the same subject has the same budget", async () => {
  const sub = `${crypto.randomUUID()}@example.com`;
  await spend(byPrincipal, await mintToken({ sub }));
  const token = await mintToken({ sub });
  checkRefused(await callModern(byPrincipal.origin, { ...PING, token }), 1);
});

Deno.test("a bad credential does not spend the budget of the subject that it names", async () => {
  const sub = `${crypto.randomUUID()}@example.com`;
  const forged = await mintToken({ sub }, { secret: "x".repeat(40) });
  for (let i = 0; i < MANY + 1; i++) {
    assertEquals((await callModern(byPrincipal.origin, { ...PING, token: forged })).status, 401);
  }
  await spend(byPrincipal, await mintToken({ sub }));
});

Deno.test("what is over the limit reaches no upstream server", async () => {
  const token = await someone();
  await spend(byPrincipal, token);
  const marker = crypto.randomUUID();
  const params = { name: "test_slow", arguments: { ms: 0, label: marker } };
  const before = await upstream.stats();
  checkRefused(await callModern(byPrincipal.origin, { params, path: EVERYTHING_PATH, token }), 1);
  assertEquals((await upstream.stats()).started, before.started);
});

for (const body of ["{", "x".repeat(100_000), `[${"[".repeat(100)}`]) {
  Deno.test(`over the limit a bad body of ${body.length} characters is 429 as well`, async () => {
    const token = await someone();
    await spend(byPrincipal, token);
    checkRefused(await callModern(byPrincipal.origin, { ...PING, body, token }), null);
  });
}

Deno.test("what was not read of a refused body is not taken for the next request", async () => {
  const token = await someone();
  await spend(byPrincipal, token);
  const { host, hostname, port } = new URL(byPrincipal.origin);
  const hidden = `GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  const bytes = requestTo(byPrincipal.origin, {
    path: ALL_PATH,
    token,
    headers: { Connection: "keep-alive" },
    body: "x".repeat(100_000) + hidden,
  });
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(bytes.subarray(0, 50_000));
  const said: string[] = [];
  const buffer = new Uint8Array(64 * 1024);
  const read = async () => {
    const count = await connection.read(buffer).catch(() => null);
    if (count !== null) said.push(new TextDecoder().decode(buffer.subarray(0, count)));
    return count !== null;
  };
  await read();
  // The rest comes when the answer is there already.
  await connection.write(bytes.subarray(50_000)).catch(() => {});
  const timer = setTimeout(() => connection.close(), 1_000);
  while (await read());
  clearTimeout(timer);
  assertEquals(said.join("").match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 429"]);
});

// ── RATE_LIMIT_TOOL ─────────────────────────────────────────────────────────────────────────────

const CALL: ModernCall = {
  path: EVERYTHING_PATH,
  params: { name: "test_simple_text", arguments: {} },
};
const ALL_CALL: ModernCall = {
  path: ALL_PATH,
  params: { name: "everything-test_simple_text", arguments: {} },
};

Deno.test("over its limit a tool is 429 with -31006", async () => {
  const token = await someone();
  for (let i = 0; i < FEW; i++) {
    assertEquals((await callModern(byTool.origin, { ...CALL, token })).status, 200);
  }
  checkRefused(await callModern(byTool.origin, { ...CALL, token }), 1);
});

Deno.test("a tool counts as one, through whatever endpoint and in whatever era", async () => {
  const token = await someone();
  const statuses = [
    (await callModern(byTool.origin, { ...CALL, token })).status,
    (await callModern(byTool.origin, { ...ALL_CALL, token })).status,
  ];
  const session = await openSession(byTool.origin, { path: ALL_PATH, token });
  statuses.push((await session.send(toolCall("everything-test_simple_text"))).status);
  assertEquals(statuses, [200, 200, 200]);
  checkRefused(await session.send({ ...toolCall("everything-test_simple_text"), idText: "9" }), 9);
});

Deno.test("another tool has a budget of its own", async () => {
  const token = await someone();
  for (let i = 0; i <= FEW; i++) await callModern(byTool.origin, { ...CALL, token });
  const params = { name: "test_slow", arguments: { ms: 0, label: "x" } };
  assertEquals((await callModern(byTool.origin, { ...CALL, params, token })).status, 200);
});

Deno.test("other methods are not counted as calls of a tool", async () => {
  const token = await someone();
  const list: ModernCall = { method: "tools/list", params: {}, path: ALL_PATH, token };
  for (let i = 0; i < 3 * FEW; i++) {
    assertEquals((await callModern(byTool.origin, list)).status, 200);
  }
});

Deno.test("another principal has a budget of its own for the same tool", async () => {
  const token = await someone();
  for (let i = 0; i <= FEW; i++) await callModern(byTool.origin, { ...CALL, token });
  const other = await callModern(byTool.origin, { ...CALL, token: await someone() });
  assertEquals(other.status, 200);
});

Deno.test("a tool that is hidden is answered like one that is not there, however often", async () => {
  const token = await someone();
  const ask = async (name: string) => {
    const params = { name, arguments: {} };
    const reply = await callModern(byTool.origin, { ...ALL_CALL, params, token });
    const { code, message } = reply.response.error as Message;
    return [reply.status, code, String(message).replace(name, "NAME")];
  };
  for (let i = 0; i < 2 * FEW; i++) {
    assertEquals(await ask("secret-test_simple_text"), await ask("secret-no_such_tool"));
  }
});

Deno.test("names that a server does not have are counted as one tool", async () => {
  const token = await someone();
  const statuses: number[] = [];
  for (let i = 0; i <= FEW; i++) {
    const params = { name: `made-up-${i}`, arguments: {} };
    statuses.push((await callModern(byTool.origin, { ...CALL, params, token })).status);
  }
  assertEquals(statuses.indexOf(429), FEW);
});

for (
  const [what, gateway] of [["a session", () => byTool], ["no session", () => byToolOff]] as const
) {
  Deno.test(`of a batch in ${what} the calls over the tool's limit are refused alone`, async () => {
    const token = await someone();
    const { origin } = gateway();
    const call = (id: number) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name: "everything-test_simple_text", arguments: {} },
    });
    const body = JSON.stringify([call(1), call(2), call(3), call(4), JSON.parse(pings(5))[4]]);
    const options = { path: ALL_PATH, token, revision: "2025-03-26" };
    const { messages } = what === "a session"
      ? await (await openSession(origin, options)).send({ body })
      : await callSession(origin, {
        body,
        path: ALL_PATH,
        token,
        headers: { "MCP-Protocol-Version": "2025-03-26" },
      });
    const outcomes = messages.map(({ id, error }) => [id, (error as Message)?.code ?? "ok"]);
    assertEquals(outcomes.sort(), [[1, "ok"], [2, "ok"], [3, "ok"], [4, RATE_LIMITED], [5, "ok"]]);
  });
}

Deno.test("a batch of which every call is over its tool's limit is 429", async () => {
  const token = await someone();
  const options = { path: EVERYTHING_PATH, token, revision: "2025-03-26" };
  const session = await openSession(byTool.origin, options);
  for (let i = 0; i < FEW; i++) await session.send(toolCall("test_simple_text"));
  const body = JSON.stringify([1, 2].map((id) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "test_simple_text", arguments: {} },
  })));
  checkRefused(await session.send({ body }), null);
});

Deno.test("over a tool's limit a call of the old transport is refused on its POST", async () => {
  const token = await someone();
  using stream = await greetOld(byTool.origin, { path: OLD_PATH, token });
  for (let i = 0; i < FEW; i++) await stream.call(i, "test_simple_text");
  checkRefused(await stream.call("late", "test_simple_text"), "late");
});

// ── RATE_LIMIT_SOURCE ───────────────────────────────────────────────────────────────────────────

Deno.test("over the limit of a source everything is 429, whoever asks, but health and ready", async () => {
  await using gateway = await startGateway({
    config: configFor({ everything: upstream.origin }),
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET, RATE_LIMIT_SOURCE: `${SOURCE_MAX}/h` },
  });
  const { origin } = gateway;
  const get = async (path: string) => {
    return await sendRaw(origin, requestTo(origin, { verb: "GET", path, headers: {} }));
  };
  // Probes of those who run the gateway are not counted.
  for (let i = 0; i < SOURCE_MAX; i++) assertEquals((await get("/health")).status, 200);
  const statuses: number[] = [];
  // A bad credential counts, and so do different subjects.
  for (let i = 0; i < SOURCE_MAX; i++) {
    const token = i % 2 === 0 ? "nonsense" : await someone();
    statuses.push((await callModern(origin, { ...PING, token })).status);
  }
  assert(!statuses.includes(429), statuses.join());
  checkRefused(await callModern(origin, { ...PING, token: await someone() }), null);
  checkRefused(await callModern(origin, { ...PING, token: "nonsense" }), null);
  for (const path of ["/api/stats", "/version", "/nothing/here"]) {
    const reply = await get(path);
    assertEquals([path, reply.status], [path, 429]);
    assertEquals(JSON.parse(reply.text).code, "rate_limited");
    assert(Number(headerOf(reply, "retry-after")) >= 1);
  }
  assertEquals([(await get("/health")).status, (await get("/ready")).status], [200, 200]);
});

// ── No limit ────────────────────────────────────────────────────────────────────────────────────

Deno.test("without settings nothing is limited", async () => {
  const token = await someone();
  for (let i = 0; i < MANY + 5; i++) {
    const { status } = await callModern(byTool.origin, { ...PING, token });
    assert(status !== 429);
  }
});

function pings(count: number): string {
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  return JSON.stringify(ids.map((id) => ({ jsonrpc: "2.0", id, method: "ping" })));
}
