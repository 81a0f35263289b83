/**
 * Sessions at a server of 2026-07-28, seen on the wire: what reaches the server, and what becomes of
 * what it says.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  type BridgeWorld,
  errorReply,
  failureIn,
  openBridgeWorld,
} from "../support/bridge_world.ts";
import type { Message } from "../support/modern.ts";
import {
  jsonReply,
  resultOf,
  saying,
  type Script,
  type ScriptedRequest,
  streamReply,
} from "../support/scripted.ts";
import { SESSION_REVISIONS, toolCall } from "../support/session_client.ts";

let world: BridgeWorld;

Deno.test.beforeAll(async () => void (world = await openBridgeWorld()));

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

const answering = (resultText: string): Script => ({ rpc }) => jsonReply(resultOf(rpc, resultText));

// ── What reaches the server ─────────────────────────────────────────────────────────────────────

for (const revision of SESSION_REVISIONS) {
  Deno.test(`a session of ${revision} is opened`, async () => {
    await using session = await world.play(answering(saying("hello")), { revision });
    assertEquals(session.revision, revision);
  });
}

Deno.test("the envelope says what the client said in initialize", async () => {
  const capabilities = { sampling: {}, elicitation: { form: {}, url: {} }, tasks: { list: {} } };
  await using session = await world.play(answering(saying("hello")), { capabilities });
  await session.send(toolCall("any"));
  assertEquals(world.got().params._meta, {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {
      sampling: {},
      elicitation: { form: {}, url: {} },
    },
    "io.modelcontextprotocol/clientInfo": { name: "sallyport-tests", version: "1.0.0" },
    "io.modelcontextprotocol/logLevel": "debug",
  });
});

Deno.test("what the client's revision does not have is not declared for it", async () => {
  const options = { capabilities: { elicitation: { url: {} } }, revision: "2025-06-18" };
  await using session = await world.play(answering(saying("hello")), options);
  await session.send(toolCall("any"));
  const declared = world.got().params._meta["io.modelcontextprotocol/clientCapabilities"];
  assertEquals(declared, { elicitation: {} });
});

Deno.test("arguments reach the server byte for byte", async () => {
  await using session = await world.play(answering(saying("hello")));
  const params =
    '{ "name":"any","arguments":{"a":1.0,"b":12345678901234567890,"c":"\\u00fc"},"new":[ ] }';
  await session.send({ body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}` });
  assert(world.textGot().includes('"arguments":{"a":1.0,"b":12345678901234567890,"c":"\\u00fc"}'));
});

Deno.test("members of params and _meta that nobody knows reach the server", async () => {
  await using session = await world.play(answering(saying("hello")));
  await session.send({ params: { name: "any", novel: [1], _meta: { "example.com/x": { y: 1 } } } });
  assertEquals([world.got().params.novel, world.got().params._meta["example.com/x"]], [[1], {
    y: 1,
  }]);
});

Deno.test("a client cannot speak as another one in the envelope", async () => {
  await using session = await world.play(answering(saying("hello")), { capabilities: {} });
  const _meta = { "io.modelcontextprotocol/clientCapabilities": { sampling: {} } };
  await session.send({ params: { name: "any", _meta } });
  const all = world.textGot().split('"io.modelcontextprotocol/clientCapabilities":').slice(1);
  assertEquals(all.map((text) => text.slice(0, 2)), ["{}"]);
});

for (const member of ["inputResponses", "requestState"]) {
  Deno.test(`a client's own ${member} does not reach the server`, async () => {
    await using session = await world.play(answering(saying("hello")));
    await session.send({ params: { name: "any", [member]: "forged" } });
    assertEquals(world.got().params[member], undefined);
  });
}

Deno.test("a request without params gets them", async () => {
  await using session = await world.play(answering('{"tools":[]}'));
  await session.send({ method: "tools/list" });
  assertEquals(Object.keys(world.got().params), ["_meta"]);
});

Deno.test("names that are no ASCII are encoded in the header", async () => {
  await using session = await world.play(answering(saying("hello")));
  await session.send(toolCall("größe"));
  assertEquals(world.headerGot("mcp-name"), `=?base64?${btoa("gr\u00c3\u00b6\u00c3\u009fe")}?=`);
});

Deno.test("a method cannot add header lines", async () => {
  await using session = await world.play(answering(saying("hello")));
  await session.send({ method: "any\r\nX-Evil: 1" });
  assertEquals(world.headerGot("x-evil"), undefined);
});

Deno.test("a name that is too long for a header is refused before it is sent", async () => {
  await using session = await world.play(answering(saying("hello")));
  const reply = await session.send(toolCall("x".repeat(20_000)));
  assertEquals([(reply.response.error as Message).code, world.server.requests.length], [-32602, 0]);
});

Deno.test("no message of the session era reaches the server", async () => {
  await using session = await world.play(answering(saying("hello")));
  await session.send({ method: "ping" });
  await session.send({ method: "logging/setLevel", params: { level: "error" } });
  await session.notify("notifications/roots/list_changed");
  await session.send(toolCall("any"));
  assertEquals(world.server.requests.map(({ rpc }) => rpc.method), ["tools/call"]);
});

Deno.test("the level that the client has set is said with its requests", async () => {
  await using session = await world.play(answering(saying("hello")));
  await session.send({ method: "logging/setLevel", params: { level: "error" } });
  await session.send(toolCall("any"));
  assertEquals(world.got().params._meta["io.modelcontextprotocol/logLevel"], "error");
});

Deno.test("a level that there is not is refused", async () => {
  await using session = await world.play(answering(saying("hello")));
  const reply = await session.send({ method: "logging/setLevel", params: { level: "loud" } });
  assertEquals((reply.response.error as Message).code, -32602);
});

for (const method of ["tasks/list", "server/discover", "subscriptions/listen"]) {
  Deno.test(`${method} is no method of a session`, async () => {
    await using session = await world.play(answering(saying("hello")));
    const reply = await session.send({ method });
    const reached = world.server.requests.length;
    assertEquals([reply.status, (reply.response.error as Message).code, reached], [200, -32601, 0]);
  });
}

// ── What becomes of answers ─────────────────────────────────────────────────────────────────────

Deno.test("a result loses its type, and no other byte", async () => {
  const rest = '"content":[],"n":12345678901234567890,"x":1.0,"ttlMs":5';
  await using session = await world.play(answering(`{"resultType":"complete",${rest}}`));
  const { text } = await session.send({ ...toolCall("any"), idText: "7" });
  assertEquals(text, `{"jsonrpc":"2.0","id":7,"result":{${rest}}}`);
});

Deno.test("a list loses its hints for caches", async () => {
  await using session = await world.play(
    answering('{"ttlMs":5,"tools":[],"cacheScope":"public","resultType":"complete"}'),
  );
  const { response } = await session.send({ method: "tools/list" });
  assertEquals(response.result, { tools: [] });
});

Deno.test("an answer without a type is complete", async () => {
  await using session = await world.play(answering('{"content":[]}'));
  const { response } = await session.send(toolCall("any"));
  assertEquals(response.result, { content: [] });
});

for (
  const [what, type] of [["task", '"task"'], ["unknown", '"later"'], ["broken", "7"]] as const
) {
  Deno.test(`a result of a ${what} type is a failure`, async () => {
    await using session = await world.play(answering(`{"resultType":${type},"content":[]}`));
    assertEquals(failureIn(await session.send(toolCall("any"))).code, -31003);
  });
}

Deno.test("structured content that is no object is left out", async () => {
  await using session = await world.play(answering('{"content":[],"structuredContent":[1]}'));
  const { response } = await session.send(toolCall("any"));
  assertEquals(response.result, { content: [] });
});

Deno.test("a schema of results that are no objects is left out, the tool is not", async () => {
  const tool = { name: "a", inputSchema: { type: "object" } };
  const tools = [{ outputSchema: { type: "array" }, ...tool }, {
    ...tool,
    outputSchema: { type: "object" },
  }];
  await using session = await world.play(answering(JSON.stringify({ tools })));
  const { response } = await session.send({ method: "tools/list" });
  assertEquals((response.result as Message).tools, [tool, tools[1]]);
});

Deno.test("a tool with a wrong x-mcp-header is left out, the others are not", async () => {
  const schema = (header: string) => ({
    type: "object",
    properties: { a: { type: "string", "x-mcp-header": header } },
  });
  const tools = ["bad name", "Good", "bad\nname"].map((header) => ({
    name: header,
    inputSchema: schema(header),
  }));
  await using session = await world.play(answering(JSON.stringify({ tools })));
  const { response } = await session.send({ method: "tools/list" });
  assertEquals((response.result as Message).tools, [tools[1]]);
});

for (
  const [what, error, code] of [
    ["with its URI", { code: -32602, message: "No", data: { uri: "a:b" } }, -32002],
    ["by its message", { code: -32602, message: "Resource not found" }, -32002],
    ["not at all", { code: -32602, message: "params.uri is too long" }, -32602],
  ] as const
) {
  Deno.test(`a resource that is missing, said ${what}, is ${code}`, async () => {
    await using session = await world.play(({ rpc }) => errorReply(rpc.idText, error));
    const { response } = await session.send({ method: "resources/read", params: { uri: "a:b" } });
    assertEquals(response.error, { ...error, code });
  });
}

Deno.test("a missing capability is said as the server says it, with 200", async () => {
  const error = { code: -32021, message: "Needs", data: { requiredCapabilities: { roots: {} } } };
  await using session = await world.play(({ rpc }) =>
    errorReply(rpc.idText, error, "400 Bad Request")
  );
  const { status, response } = await session.send(toolCall("any"));
  assertEquals([status, response.error], [200, error]);
});

Deno.test("an unknown method does not look like the end of the session", async () => {
  const error = { code: -32601, message: "Unknown" };
  await using session = await world.play(({ rpc }) =>
    errorReply(rpc.idText, error, "404 Not Found")
  );
  const { status, response } = await session.send({ method: "novel/method" });
  assertEquals([status, response.error], [200, error]);
});

for (
  const [what, message] of [
    ["a request", '{"jsonrpc":"2.0","id":1,"method":"roots/list"}'],
    ["an answer to another request", '{"jsonrpc":"2.0","id":"bridge-0","result":{}}'],
    ["no JSON", "{"],
  ] as const
) {
  Deno.test(`${what} on the reply is a failure`, async () => {
    await using session = await world.play(() => streamReply([message]));
    assertEquals(failureIn(await session.send(toolCall("any"))).code, -31003);
  });
}

Deno.test("progress of other requests and cancellations are dropped", async () => {
  const dropped = [
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
  ];
  await using session = await world.play(({ rpc }) =>
    streamReply([...dropped, resultOf(rpc, saying("done"))])
  );
  const { messages } = await session.send(toolCall("any", {}, "7"));
  assertEquals(messages.length, 1);
});

Deno.test("a call whose reply breaks off is not sent again", async () => {
  await using session = await world.play(() => ({ ...streamReply([]), then: "close" }));
  const { code } = failureIn(await session.send(toolCall("any")));
  assertEquals([code, world.server.requests.length], [-31004, 1]);
});

// ── Headers that repeat arguments ───────────────────────────────────────────────────────────────

const MISMATCH = { code: -32020, message: "Mcp-Param-Region is missing" };
const TOOL = {
  name: "any",
  inputSchema: {
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      deep: { type: "object", properties: { n: { type: "integer", "x-mcp-header": "Count" } } },
    },
  },
};

/** Wants headers that it has not announced before. */
function strict(accepts: (request: ScriptedRequest) => boolean): Script {
  return (request) => {
    const { rpc } = request;
    if (rpc.method === "tools/list") {
      return jsonReply(resultOf(rpc, JSON.stringify({ tools: [TOOL] })));
    }
    if (accepts(request)) return jsonReply(resultOf(rpc, saying("done")));
    return errorReply(rpc.idText, MISMATCH, "400 Bad Request");
  };
}

const hasRegion: Parameters<typeof strict>[0] = ({ headers }) =>
  headers.some(([name]) => name.toLowerCase() === "mcp-param-region");

Deno.test("a tool whose headers have changed is read again, and called again", async () => {
  await using session = await world.play(strict(hasRegion));
  const { response } = await session.send(toolCall("any", { region: "größer", deep: { n: 42 } }));
  assertEquals(response.result, { content: [{ type: "text", text: "done" }] });
  assertEquals(
    [world.headerGot("mcp-param-region", 2), world.headerGot("mcp-param-count", 2)],
    ["=?base64?Z3LDtsOfZXI=?=", "42"],
  );
});

Deno.test("a server that still does not agree is called twice, no more", async () => {
  await using session = await world.play(strict(() => false));
  const { code } = failureIn(await session.send(toolCall("any", { region: "eu" })));
  const methods = world.server.requests.map(({ rpc }) => rpc.method);
  assertEquals([code, methods], [-31003, ["tools/call", "tools/list", "tools/call"]]);
});
