/**
 * `subscriptions/listen` at servers that have sessions only: their own stream and
 * `resources/subscribe`, shared by those who listen in one session.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Subscriptions"; MCP 2025-11-25, Server Features, "Resources"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { CAPABILITIES, EVERYTHING } from "../support/asking_server.ts";
import { callModern, type Message, modernBytes } from "../support/modern.ts";
import { openRaw, responseOf } from "../support/open_reply.ts";
import {
  initialized,
  result,
  type ScriptedStream,
  type SessionScript,
  type Slot,
} from "../support/scripted_session_server.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import { until } from "../support/until.ts";

const UPDATED = "notifications/resources/updated";
const TOOLS_CHANGED = "notifications/tools/list_changed";
const URI = "test://a";

let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

/** A server with a stream of its own. */
interface Speaking {
  readonly slot: Slot;
  /** The streams that were opened, in order. */
  readonly streams: ScriptedStream[];
  /** On the newest stream. */
  readonly say: (method: string, params?: Message) => void;
}

function speaking(more: SessionScript = {}): Speaking {
  const streams: ScriptedStream[] = [];
  const slot = world.play((slot) => ({
    initialize(request, reply) {
      const capabilities = {
        tools: { listChanged: true },
        prompts: {},
        resources: { subscribe: true },
      };
      const id = `s-${slot.number}-${slot.requestsOf("initialize").length}`;
      slot.sessions.add(id);
      reply.json(initialized(request, { capabilities }), { headers: { "Mcp-Session-Id": id } });
    },
    GET(request, reply) {
      if (!slot.sessions.has(request.header("mcp-session-id") ?? "")) return reply.empty(404);
      streams.push(reply.stream());
      // A head alone may be waited for.
      streams.at(-1)!.text(":\n\n");
    },
    ...more,
  }));
  return {
    slot,
    streams,
    say: (method, params) =>
      streams.at(-1)!.message({ jsonrpc: "2.0", method, ...params && { params } }),
  };
}

async function listen({ slot }: Pick<Speaking, "slot">, notifications: Message, idText = "1") {
  const at = await world.at(slot);
  const call = {
    ...at,
    method: "subscriptions/listen",
    params: { notifications },
    meta: { [CAPABILITIES]: EVERYTHING },
    idText,
  };
  const reply = await openRaw(world.gateway.origin, modernBytes(world.gateway.origin, call));
  await until("the acknowledgement", () => reply.messages().length > 0);
  return {
    ...reply,
    honoured: () => (reply.messages()[0]!.params as Message).notifications,
    told: () => reply.messages().slice(1),
    [Symbol.dispose]: reply.close,
  };
}

Deno.test("a change of a list is told under the client's own id", async () => {
  const server = speaking();
  using stream = await listen(server, { toolsListChanged: true }, '"mine"');
  server.say(TOOLS_CHANGED);
  await until("the change", () => stream.told().length > 0);
  assertEquals(stream.told(), [{
    jsonrpc: "2.0",
    params: { _meta: { "io.modelcontextprotocol/subscriptionId": "mine" } },
    method: TOOLS_CHANGED,
  }]);
});

Deno.test("the acknowledgement comes first, under the client's own id", async () => {
  using stream = await listen(speaking(), { toolsListChanged: true }, "7");
  const { method, params } = stream.messages()[0]!;
  assertEquals([method, params], ["notifications/subscriptions/acknowledged", {
    _meta: { "io.modelcontextprotocol/subscriptionId": 7 },
    notifications: { toolsListChanged: true },
  }]);
});

Deno.test("what the server does not announce is not honoured", async () => {
  using stream = await listen(speaking(), {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
  });
  assertEquals(stream.honoured(), { toolsListChanged: true });
});

Deno.test("where nothing is honoured the stream ends with a result", async () => {
  using stream = await listen(speaking(), { promptsListChanged: true });
  const { result } = await responseOf(stream);
  assertEquals((result as Message).resultType, "complete");
});

Deno.test("a server without a stream of its own honours nothing", async () => {
  const server = speaking({ GET: (_, reply) => reply.empty(405) });
  using stream = await listen(server, { toolsListChanged: true, resourceSubscriptions: [URI] });
  assertEquals(stream.honoured(), {});
});

Deno.test("a resource that the server refuses is not honoured", async () => {
  const server = speaking({
    "resources/subscribe"(request, reply) {
      const { uri } = request.message.params as Message;
      const error = { code: -32602, message: "No" };
      const refusal = { jsonrpc: "2.0", id: request.message.id!, error };
      reply.json(uri === URI ? result(request, {}) : JSON.stringify(refusal));
    },
  });
  using stream = await listen(server, { resourceSubscriptions: [URI, "test://b"] });
  assertEquals(stream.honoured(), { resourceSubscriptions: [URI] });
});

Deno.test("updates are told to those who want them", async () => {
  const server = speaking();
  using a = await listen(server, { resourceSubscriptions: [URI] });
  using b = await listen(server, { resourceSubscriptions: ["test://b"] }, "2");
  server.say(UPDATED, { uri: URI });
  server.say(UPDATED, { uri: "test://b" });
  await until("both", () => a.told().length > 0 && b.told().length > 0);
  const uris = [a, b].map((one) => one.told().map(({ params }) => (params as Message).uri));
  assertEquals(uris, [[URI], ["test://b"]]);
});

Deno.test("of a subscription parts are told too", async () => {
  const server = speaking();
  using stream = await listen(server, { resourceSubscriptions: [URI] });
  server.say(UPDATED, { uri: `${URI}/part` });
  await until("the update", () => stream.told().length > 0);
  assertEquals((stream.told()[0]!.params as Message).uri, `${URI}/part`);
});

Deno.test("what two listen for is subscribed to once", async () => {
  const server = speaking();
  using _a = await listen(server, { resourceSubscriptions: [URI] });
  using _b = await listen(server, { resourceSubscriptions: [URI] }, "2");
  assertEquals(server.slot.requestsOf("resources/subscribe").length, 1);
});

Deno.test("the server has one stream, however many listen", async () => {
  const server = speaking();
  using _a = await listen(server, { toolsListChanged: true });
  using _b = await listen(server, { toolsListChanged: true }, "2");
  assertEquals(server.streams.length, 1);
});

Deno.test("a resource is unsubscribed from when the last one leaves", async () => {
  const server = speaking();
  const a = await listen(server, { resourceSubscriptions: [URI] });
  const b = await listen(server, { resourceSubscriptions: [URI, "test://b"] }, "2");
  b.close();
  const { message } = await server.slot.arrival("resources/unsubscribe");
  a.close();
  const last = await server.slot.arrival("resources/unsubscribe", 1);
  const uris = [message, last.message].map(({ params }) => (params as Message).uri);
  assertEquals(uris, ["test://b", URI]);
});

Deno.test("the server's stream is closed when the last one leaves", async () => {
  const server = speaking();
  const a = await listen(server, { toolsListChanged: true });
  const b = await listen(server, { toolsListChanged: true }, "2");
  a.close();
  b.close();
  await until("the stream is closed", () => server.streams[0]!.hasLeft());
});

Deno.test("who comes after the last one has left is told again", async () => {
  const server = speaking();
  const first = await listen(server, { toolsListChanged: true });
  first.close();
  await until("the stream is closed", () => server.streams[0]!.hasLeft());
  using stream = await listen(server, { toolsListChanged: true }, "2");
  server.say(TOOLS_CHANGED);
  await until("the change", () => stream.told().length > 0);
});

Deno.test("a stream that breaks is opened again, and what may be missed is told", async () => {
  const server = speaking();
  using stream = await listen(server, { toolsListChanged: true, resourceSubscriptions: [URI] });
  server.streams[0]!.end();
  await until("all is told", () => stream.told().length === 2);
  assertEquals(stream.told().map(({ method }) => method), [TOOLS_CHANGED, UPDATED]);
});

Deno.test("a session that the server has lost is subscribed to again", async () => {
  const server = speaking();
  using _stream = await listen(server, { resourceSubscriptions: [URI] });
  server.slot.sessions.clear();
  server.streams[0]!.end();
  const { message } = await server.slot.arrival("resources/subscribe", 1);
  assertEquals((message.params as Message).uri, URI);
});

Deno.test("a question outside of calls is refused", async () => {
  const server = speaking();
  using _stream = await listen(server, { toolsListChanged: true });
  server.streams[0]!.message({ jsonrpc: "2.0", id: "q", method: "roots/list" });
  const { message } = await server.slot.arrival("response");
  assertEquals([message.id, (message.error as Message).code], ["q", -32601]);
});

Deno.test("log messages are not told to those who listen", async () => {
  const server = speaking();
  using stream = await listen(server, { toolsListChanged: true });
  server.say("notifications/message", { level: "error", data: "x" });
  server.say(TOOLS_CHANGED);
  await until("the change", () => stream.told().length > 0);
  assertEquals(stream.told().map(({ method }) => method), [TOOLS_CHANGED]);
});

for (
  const [what, notifications] of Object.entries({
    "no object": 7,
    "no list": { resourceSubscriptions: 7 },
  })
) {
  Deno.test(`a filter that is ${what} is -32602`, async () => {
    const { slot } = speaking();
    const { response } = await callModern(world.gateway.origin, {
      ...await world.at(slot),
      method: "subscriptions/listen",
      params: { notifications },
    });
    assertEquals((response.error as Message).code, -32602);
  });
}

Deno.test("a gateway that stops ends the stream with a result", async () => {
  const before = world;
  world = await openScriptedWorld();
  try {
    using stream = await listen(speaking(), { toolsListChanged: true });
    const stopping = world.gateway.stop();
    const { result } = await responseOf(stream);
    await stopping;
    assertEquals((result as Message).resultType, "complete");
  } finally {
    await world[Symbol.asyncDispose]();
    world = before;
  }
});
