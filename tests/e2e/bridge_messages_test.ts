/**
 * What is changed in messages between a client of 2026-07-28 and a server that has sessions only,
 * and which sessions it is given.
 *
 * @module
 * @see protocol.md, section 1.3
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Call, callerAt, CAPABILITIES, failing, resultOf } from "../support/asking_server.ts";
import { callModern, type Message } from "../support/modern.ts";
import { openModern } from "../support/open_reply.ts";
import {
  initialized,
  note,
  result,
  type SessionRequest,
  type SessionScript,
  type Slot,
  slotPath,
  startScriptedSessions,
} from "../support/scripted_session_server.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import { startGateway } from "../support/processes.ts";
import { connectSdk } from "../support/sdk_client.ts";
import { until } from "../support/until.ts";
import { mintToken } from "../support/tokens.ts";

const SESSIONS_PER_PRINCIPAL = 256;
const SERVER_INFO = { name: "scripted", version: "1.0.0" };
const META_SERVER_INFO = "io.modelcontextprotocol/serverInfo";

let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

function test(
  promise: string,
  script: (slot: Slot) => SessionScript,
  run: (call: Call, slot: Slot) => Promise<void>,
): void {
  Deno.test(promise, async () => {
    const slot = world.play(script);
    await run(await callerAt(world, slot), slot);
  });
}

const usual = () => ({});

/** Answers this method with this result, as JSON text. */
function giving(method: string, text: string) {
  return (): SessionScript => ({ [method]: (request, reply) => reply.json(result(request, text)) });
}

// ── Results ─────────────────────────────────────────────────────────────────────────────────────

for (
  const [before, after] of [
    [`{}`, `{"resultType":"complete","_meta":{"${META_SERVER_INFO}":INFO}}`],
    [
      `{ "a" : 1.0, "n":12345678901234567890 }`,
      `{"resultType":"complete","_meta":{"${META_SERVER_INFO}":INFO}, "a" : 1.0, "n":12345678901234567890 }`,
    ],
    [
      `{"_meta":{"x":1},"a":2}`,
      `{"resultType":"complete","_meta":{"${META_SERVER_INFO}":INFO,"x":1},"a":2}`,
    ],
    [`{"_meta":{}}`, `{"resultType":"complete","_meta":{"${META_SERVER_INFO}":INFO}}`],
    [`{"_meta":null}`, `{"resultType":"complete","_meta":{"${META_SERVER_INFO}":INFO}}`],
    [
      `{"resultType":"input_required","requestState":"x","a":1,"inputRequests":{}}`,
      `{"resultType":"complete","_meta":{"${META_SERVER_INFO}":INFO},"a":1}`,
    ],
    [
      `{"a":1,"resultType":"x","resultType":"y","b":2,"ttlMs":5}`,
      `{"resultType":"complete","_meta":{"${META_SERVER_INFO}":INFO},"a":1,"b":2}`,
    ],
  ] as const
) {
  test(
    `the result ${before} gets what it lacks, and keeps the rest`,
    giving("tools/call", before),
    async (call) => {
      const { text } = await call({ idText: '"i"' });
      const expected = after.replace("INFO", JSON.stringify(SERVER_INFO));
      assertEquals(text, `{"jsonrpc":"2.0","id":"i","result":${expected}}`);
    },
  );
}

for (
  const [method, member, params] of [
    ["tools/list", "tools", {}],
    ["prompts/list", "prompts", {}],
    ["resources/list", "resources", {}],
    ["resources/templates/list", "resourceTemplates", {}],
    ["resources/read", "contents", { uri: "test://x" }],
  ] as [string, string, Message][]
) {
  test(
    `the result of ${method} may not be kept`,
    giving(method, `{"${member}":[],"ttlMs":9}`),
    async (call) => {
      const { ttlMs, cacheScope, [member]: items } = resultOf(await call({ method, params }));
      assertEquals({ ttlMs, cacheScope, items }, { ttlMs: 0, cacheScope: "private", items: [] });
    },
  );
}

test("tools whose header annotations cannot be followed are left out", tools, async (call) => {
  const { tools } = resultOf(await call({ method: "tools/list" }));
  assertEquals((tools as Message[]).map(({ name }) => name), ["fine", "plain"]);
});

Deno.test("in /mcp they are left out for clients of 2026-07-28 only", async () => {
  await using server = await startScriptedSessions();
  const { number } = server.play(tools);
  const x = { type: "http", url: `${server.origin}${slotPath(number)}` };
  const env = { MCP_REQUIRE_AUTH: "false" };
  await using gateway = await startGateway({ config: { mcpServers: { x } }, env });
  await using session = await connectSdk(`${gateway.origin}/mcp`, { negotiation: "legacy" });
  await using modern = await connectSdk(`${gateway.origin}/mcp`, { negotiation: "pinned" });
  await until("all are known", async () => (await session.client.listTools()).tools.length === 3);
  const { messages } = await callModern(gateway.origin, { method: "tools/list" });
  const { tools: raw } = messages[0]!.result as Message;
  assertEquals(
    [(raw as Message[]).length, (await modern.client.listTools()).tools.map(({ name }) => name)],
    [2, ["x-fine", "x-plain"]],
  );
});

// ── Errors ──────────────────────────────────────────────────────────────────────────────────────

for (
  const [code, status, shown] of [
    [-32002, 200, -32602],
    [-32601, 404, -32601],
    [-32602, 200, -32602],
    [-32000, 200, -32000],
    [7, 200, 7],
  ] as const
) {
  test(
    `error ${code} of the server is ${shown}, HTTP ${status}`,
    () => failing({ code, message: "No", data: { a: 1 } }),
    async (call) => {
      const { status: given, response } = await call();
      assertEquals([given, response.error], [status, {
        code: shown,
        message: "No",
        data: { a: 1 },
      }]);
    },
  );
}

for (
  const method of [
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "tasks/get",
  ]
) {
  test(`${method} is 404 with -32601, and the server is not asked`, usual, async (call, slot) => {
    const params = { taskId: "t" };
    const headers = method === "tasks/get" ? { "Mcp-Name": "t" } : {};
    const { status, response } = await call({ method, params, headers });
    const { code } = response.error as Message;
    assertEquals([status, code, slot.requestsOf(method).length], [404, -32601, 0]);
  });
}

test("an unknown method is what the server makes of it", () => ({
  "x/y": (request, reply) => reply.json(result(request, `{"z":1}`)),
}), async (call) => {
  assertEquals(resultOf(await call({ method: "x/y" })).z, 1);
});

test("a server that refuses a session: the call fails, and says so", () => ({
  initialize: ({ idText }, reply) =>
    reply.json(`{"jsonrpc":"2.0","id":${idText},"error":{"code":-32603,"message":"No"}}`),
}), async (call) => {
  const { isError, resultType } = resultOf(await call());
  assertEquals({ isError, resultType }, { isError: true, resultType: "complete" });
});

// ── Requests ────────────────────────────────────────────────────────────────────────────────────

test("the server sees nothing of the client's envelope", usual, async (call, slot) => {
  await call({ meta: { traceparent: "00-1", "io.modelcontextprotocol/logLevel": "info" } });
  const { params } = slot.requestsOf("tools/call")[0]!.message;
  assertEquals((params as Message)._meta, { traceparent: "00-1" });
});

test("two calls under one id and token each get their own progress", progressing, async (call) => {
  const replies = await Promise.all(
    ["a", "b"].map((name) => call({ params: { name }, meta: { progressToken: "same" } })),
  );
  const heard = replies.map(({ messages }) =>
    messages.filter(({ method }) => method === "notifications/progress")
      .map(({ params }) => [(params as Message).progressToken, (params as Message).message])
  );
  assertEquals(heard, [[["same", "a"]], [["same", "b"]]]);
});

for (
  const method of [
    "notifications/tools/list_changed",
    "notifications/elicitation/complete",
    "notifications/resources/updated",
  ]
) {
  test(`${method} does not come on a call's stream`, () => ({
    "tools/call"(request, reply) {
      const stream = reply.stream();
      stream.message({ jsonrpc: "2.0", method, params: {} });
      stream.message(result(request, "{}"));
      stream.end();
    },
  }), async (call) => {
    assertEquals((await call()).messages.length, 1);
  });
}

// ── Log levels ──────────────────────────────────────────────────────────────────────────────────

test(
  "the server is told the most verbose level that was asked for",
  logging,
  async (call, slot) => {
    for (const level of ["warning", "error", "debug", "info"]) {
      await call({ meta: { "io.modelcontextprotocol/logLevel": level } });
    }
    const levels = slot.requestsOf("logging/setLevel").map(({ message }) => {
      return (message.params as Message).level;
    });
    assertEquals(levels, ["warning", "debug"]);
  },
);

for (const [wanted, heard] of [["info", 1], ["warning", 0], [undefined, 0]] as const) {
  test(
    `a client that wants ${wanted} hears ${heard} messages of level info`,
    logging,
    async (call) => {
      const meta = wanted === undefined ? {} : { "io.modelcontextprotocol/logLevel": wanted };
      assertEquals((await call({ meta })).messages.length, heard + 1);
    },
  );
}

test("a server without logging is not told a level", () => ({
  initialize: (request, reply) => reply.json(initialized(request, { capabilities: {} })),
  "tools/call": (request, reply) => reply.json(result(request, "{}")),
  "notifications/initialized": (_, reply) => reply.empty(202),
}), async (call, slot) => {
  await call({ meta: { "io.modelcontextprotocol/logLevel": "debug" } });
  assertEquals(slot.requestsOf("logging/setLevel").length, 0);
});

// ── Sessions ────────────────────────────────────────────────────────────────────────────────────

test("the requests of one client share a session", usual, async (call, slot) => {
  for (let i = 0; i < 3; i++) await call();
  assertEquals(slot.requestsOf("initialize").length, 1);
});

for (
  const [what, change] of Object.entries<() => Promise<Parameters<Call>[0]>>({
    "another subject": async () => ({ token: await mintToken({ sub: "other@example.com" }) }),
    "another set of capabilities": () => Promise.resolve({ declared: { roots: {} } }),
    "another client": () =>
      Promise.resolve({
        meta: { "io.modelcontextprotocol/clientInfo": { name: "other", version: "1" } },
      }),
  })
) {
  test(`${what} has a session of its own`, usual, async (call, slot) => {
    await call();
    await call(await change());
    const [a, b] = slot.requestsOf("tools/call").map((one) => one.header("mcp-session-id"));
    assert.notEqual(a, b);
  });
}

test(
  "a session that the server has lost is opened anew, and the call made",
  usual,
  async (call, slot) => {
    await call();
    slot.sessions.clear();
    assertEquals(resultOf(await call()).isError, undefined);
  },
);

test("a client that says too much about itself is 400 with -32602", usual, async (call, slot) => {
  const clientInfo = { name: "x".repeat(100_000), version: "1" };
  const { status, response } = await call({
    meta: { "io.modelcontextprotocol/clientInfo": clientInfo },
  });
  const { code } = response.error as Message;
  assertEquals([status, code, slot.requestsOf("initialize").length], [400, -32602, 0]);
});

test("the server is told who the client is", usual, async (call, slot) => {
  await call();
  const { clientInfo } = slot.requestsOf("initialize")[0]!.message.params as Message;
  assertEquals(clientInfo, { name: "sallyport-tests", version: "1.0.0" });
});

Deno.test("two principals with equal ids at once: each gets its own answers", async () => {
  const slot = world.play(echoing);
  const { path } = await world.at(slot);
  const subjects = Array.from({ length: 20 }, (_, i) => `many-${i}@example.com`);
  const answers = await Promise.all(subjects.map(async (sub) => {
    const token = await mintToken({ sub });
    const params = { name: "t", arguments: { sub } };
    const { messages } = await callModern(world.gateway.origin, {
      path,
      token,
      params,
      meta: { progressToken: 1 },
    });
    return messages.map((message) => JSON.stringify(message).match(/many-\d+@/)?.[0]);
  }));
  assertEquals(answers, subjects.map((sub) => Array(2).fill(sub.slice(0, sub.indexOf("@") + 1))));
});

test("a server that says too much about itself: not all of it is in every result", () => ({
  initialize: (request, reply) =>
    reply.json(initialized(request, { serverInfo: { name: "x".repeat(100_000), version: "1" } })),
}), async (call) => {
  const reply = await call({ declared: { sampling: {} } });
  assert(reply.body.length < 1_000, `${reply.body.length}`);
});

test("a server that answers another request: the call fails", () => ({
  "tools/call": (_, reply) => reply.json('{"jsonrpc":"2.0","id":"other","result":{}}'),
}), async (call) => {
  assertEquals(resultOf(await call()).isError, true);
});

for (
  const [what, text] of [["no JSON", "{"], ["no object", "[]"], [
    "a result that is none",
    '{"jsonrpc":"2.0","id":1,"result":7}',
  ]] as const
) {
  test(`a server that answers with ${what}: the call fails, and says so`, () => ({
    "tools/call": (_, reply) => reply.json(text),
  }), async (call) => {
    const { isError, resultType } = resultOf(await call());
    assertEquals({ isError, resultType }, { isError: true, resultType: "complete" });
  });
}

test("more sessions than one caller may use at once are 429", () => ({
  "tools/call": (_, reply) => void reply.stream().text(":\n\n"),
}), async (_call, slot) => {
  const { path } = await world.at(slot);
  const token = await mintToken({ sub: "greedy@example.com" });
  const calling = (i: number) => ({
    path,
    token,
    params: { name: "t" },
    meta: { "io.modelcontextprotocol/clientInfo": { name: `c${i}`, version: "1" } },
  });
  const open = await Promise.all(
    Array.from({ length: SESSIONS_PER_PRINCIPAL }, async (_, i) => {
      return await openModern(world.gateway.origin, calling(i));
    }),
  );
  await slot.arrival("tools/call", SESSIONS_PER_PRINCIPAL - 1);
  const { status, response } = await callModern(world.gateway.origin, calling(-1));
  for (const reply of open) reply.close();
  assertEquals([status, (response.error as Message).code], [429, -31006]);
});

// ── Discovery ───────────────────────────────────────────────────────────────────────────────────

test("the revisions in server/discover are those named in -32022", usual, async (call) => {
  const { supportedVersions } = resultOf(await call({ method: "server/discover" }));
  const refused = await call({
    headers: { "MCP-Protocol-Version": "2099-01-01" },
    meta: { "io.modelcontextprotocol/protocolVersion": "2099-01-01", [CAPABILITIES]: {} },
  });
  const { data } = refused.response.error as { data: unknown } & Message;
  assertEquals((data as Message).supported, supportedVersions);
});

// ── Scripts ─────────────────────────────────────────────────────────────────────────────────────

function tools(): SessionScript {
  const annotated = (name: string, header: string) => ({
    name,
    inputSchema: {
      type: "object",
      properties: { region: { type: "string", "x-mcp-header": header } },
    },
  });
  const plain = { name: "plain", inputSchema: { type: "object" } };
  const all = [annotated("fine", "Region"), annotated("bad", "no such token"), plain];
  return giving("tools/list", JSON.stringify({ tools: all }))();
}

/** Each of two calls reports progress when both are there. */
function progressing(): SessionScript {
  const waiting: (() => void)[] = [];
  return {
    "tools/call"(request: SessionRequest, reply) {
      const params = request.message.params as Message;
      const { progressToken } = params._meta as Message;
      const stream = reply.stream();
      waiting.push(() => {
        const said = { progressToken: progressToken!, progress: 1, message: params.name! };
        stream.message({ jsonrpc: "2.0", method: "notifications/progress", params: said });
        stream.message(result(request, "{}"));
        stream.end();
      });
      if (waiting.length === 2) { for (const say of waiting) say(); }
    },
  };
}

/** Says in its progress and in its answer what it was given. */
function echoing(): SessionScript {
  return {
    "tools/call"(request, reply) {
      const { arguments: args, _meta } = request.message.params as Message;
      const { progressToken } = _meta as Message;
      const text = JSON.stringify(args);
      const stream = reply.stream();
      const params = { progressToken: progressToken!, progress: 1, message: text };
      stream.message({ jsonrpc: "2.0", method: "notifications/progress", params });
      stream.message(result(request, { content: [{ type: "text", text }] }));
      stream.end();
    },
  };
}

function logging(): SessionScript {
  return {
    "tools/call"(request, reply) {
      const stream = reply.stream();
      stream.message(note("said"));
      stream.message(result(request, "{}"));
      stream.end();
    },
  };
}
