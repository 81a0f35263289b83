/**
 * The client of servers of the transport of 2024-11-05: what is said where, what belongs to which
 * request, and what such a server cannot do to it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { ConnectionLost } from "../../src/platform/http1/connection.ts";
import { until } from "../support/until.ts";
import {
  ACCEPTED,
  call,
  INITIALIZE,
  messagesOf,
  type OldBehaviour,
  type OldServer,
  oldUpstream,
  type OldWorld,
  openOldServer,
  openOldWorld,
  posted,
  status,
} from "./old_server.ts";

type Test = (world: OldWorld, server: OldServer) => Promise<void>;

function test(promise: string, run: Test, behaviour: OldBehaviour = {}): void {
  Deno.test(promise, async () => {
    using world = openOldWorld();
    await using server = openOldServer(behaviour);
    await run(world, server);
  });
}

// ── A session ───────────────────────────────────────────────────────────────────────────────────

test("messages are posted to the endpoint that the stream has named", async (world, server) => {
  await world.open(oldUpstream(server.url));
  const { head } = await posted(server, "initialize");
  assertEquals(head.split("\r\n")[0], "POST /message?id=7 HTTP/1.1");
});

for (
  const [endpoint, target] of [
    ["message", "/message"],
    ["/message", "/message"],
    ["/a/b?c=%20d", "/a/b?c=%20d"],
    ["?id=1", "/sse?id=1"],
  ] as const
) {
  test(`the endpoint ${endpoint} is at ${target}`, async (world, server) => {
    await world.open(oldUpstream(server.url));
    const { head } = await posted(server, "initialize");
    assertEquals(head.split(" ")[1], target);
  }, { begin: (stream) => stream.text(`event: endpoint\ndata: ${endpoint}\n\n`) });
}

Deno.test("an endpoint may be named by its whole URL", async () => {
  using world = openOldWorld();
  await using server: OldServer = openOldServer({
    begin: (stream) => stream.text(`event: endpoint\ndata: ${new URL("/whole", server.url)}\n\n`),
  });
  await world.open(oldUpstream(server.url));
  assertEquals(server.posts[0]!.head.startsWith("POST /whole "), true);
});

test(
  "fixed headers and credentials go with the stream and with messages",
  async (world, server) => {
    const auth = { type: "bearer", token: "secret" } as const;
    await world.open(oldUpstream(server.url, { headers: { "X-Own": "1" }, auth }));
    const heads = [server.streams[0]!.head, server.posts[0]!.head];
    assertEquals(
      heads.map((head) => /X-Own: 1/.test(head) && /Authorization: Bearer secret/.test(head)),
      [true, true],
    );
  },
);

test("headers of a client's that are listed go with its messages", async (world, server) => {
  const upstream = oldUpstream(server.url, { passthroughHeaders: ["x-mine"] });
  const session = await world.open(upstream);
  const clientHeaders = new Map([["x-mine", "1"], ["x-other", "2"]]);
  await world.send(upstream, call(1), { session, clientHeaders, isOneWay: true });
  const { head } = await posted(server, "tools/call");
  assertEquals([/x-mine: 1/.test(head), /x-other/.test(head)], [true, false]);
});

test("the id of the session is not told to the server, its revision is", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const headers = `MCP-Protocol-Version: 2024-11-05\r\nMcp-Session-Id: ${session}\r\n`;
  await world.send(upstream, call(1), { session, headers, isOneWay: true });
  const { head } = await posted(server, "tools/call");
  assertEquals([/Protocol-Version: 2024/.test(head), /session-id/i.test(head)], [true, false]);
});

test("each session has a stream of its own", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const sessions = [await world.open(upstream), await world.open(upstream)];
  assertEquals([new Set(sessions).size, server.streams.length, world.sse.channels()], [2, 2, 2]);
});

test("the end of a session closes its stream", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  assertEquals(await world.client.remove(upstream, { headers: "", session }, 5_000), 200);
  await server.streams[0]!.left;
  await assertRejects(world.send(upstream, call(1), { session }), { status: 404 });
});

test("a session of another server is unknown", async (world, server) => {
  const session = await world.open(oldUpstream(server.url));
  const other = oldUpstream(server.url, { id: "another" });
  await assertRejects(world.send(other, call(1), { session }), { status: 404 });
  assertEquals(await world.client.remove(other, { headers: "", session }, 100), 404);
});

test("when the stream has ended the session is lost", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  server.streams[0]!.drop();
  await until("the end of the channel", () => world.sse.channels() === 0);
  await assertRejects(world.send(upstream, call(1), { session }), { status: 404 });
});

test("a server that is forgotten has no streams left", async (world, server) => {
  await world.open(oldUpstream(server.url));
  world.sse.forget("id-1", undefined);
  await server.streams[0]!.left;
});

test("a session outlives a change of its server's title", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const titled = { ...upstream, title: "Another" };
  world.sse.forget("id-1", titled);
  const reply = await world.send(titled, call(1), { session });
  await server.streams[0]!.message({ jsonrpc: "2.0", id: 1, result: {} });
  assertEquals((await messagesOf(reply)).length, 1);
});

for (
  const [what, change] of [
    ["the credentials", { auth: { type: "bearer", token: "new" } }],
    ["the headers", { headers: { "X-Own": "new" } }],
    ["the URL", { url: new URL("http://127.0.0.1:1/sse") }],
    ["that it is switched on", { enabled: false }],
  ] as const
) {
  test(`a change of ${what} ends the streams of a server`, async (world, server) => {
    const upstream = oldUpstream(server.url);
    await world.open(upstream);
    world.sse.forget("id-1", { ...upstream, ...change });
    await server.streams[0]!.left;
  });
}

test("a session is unknown when its server has other credentials", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const changed = { ...upstream, headers: { "X-Own": "new" } };
  await assertRejects(world.send(changed, call(1), { session }), { status: 404 });
  await server.streams[0]!.left;
});

test("nothing but initialize can be said outside of a session", async (world, server) => {
  await assertRejects(world.send(oldUpstream(server.url), call(1)), { status: 400 });
  assertEquals(server.connections(), 0);
});

test(
  "an error in answer to initialize is passed on, and the stream closed",
  async (world, server) => {
    const reply = await world.send(oldUpstream(server.url), INITIALIZE);
    const [{ error }] = await messagesOf(reply) as [{ error: unknown }];
    await server.streams[0]!.left;
    assertEquals(error, { code: -32602, message: "No" });
  },
  {
    async post({ message, stream }) {
      await stream.message({
        jsonrpc: "2.0",
        id: message.id,
        error: { code: -32602, message: "No" },
      });
      return ACCEPTED;
    },
  },
);

test("who gives initialize up has the stream closed", async (world, server) => {
  const abort = new AbortController();
  const opening = world.send(oldUpstream(server.url), INITIALIZE, { abort });
  opening.catch(() => {});
  await posted(server, "initialize");
  abort.abort(new Error("Given up"));
  await assertRejects(opening, { message: "Given up" });
  await server.streams[0]!.left;
}, { post: () => ACCEPTED });

// ── Requests ────────────────────────────────────────────────────────────────────────────────────

test("answers come to their requests in whatever order", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const [one, two] = await Promise.all([1, 2].map((id) => ask(world, upstream, session, id)));
  const [stream] = server.streams;
  await stream!.message({ jsonrpc: "2.0", id: 2, result: { of: 2 } });
  await stream!.message({ jsonrpc: "2.0", id: 1, result: { of: 1 } });
  const results = await Promise.all([one!, two!].map(messagesOf));
  assertEquals(results.flat().map(({ id, result }) => [id, result]), [
    [1, { of: 1 }],
    [2, { of: 2 }],
  ]);
});

test("an answer may come before its message is accepted", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const reply = await ask(world, upstream, session, "early");
  assertEquals((await messagesOf(reply)).map(({ id }) => id), ["early"]);
}, {
  async post({ message, stream }) {
    if (message.id !== "early") return undefined;
    await stream.message({ jsonrpc: "2.0", id: "early", result: {} });
    return ACCEPTED;
  },
});

test("a question is heard while the server still takes the message", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const reply = await world.send(upstream, call("asking"), { session });
  const question = JSON.parse(new TextDecoder().decode(await reply.next()));
  await world.send(upstream, { jsonrpc: "2.0", id: question.id, result: {} }, { session });
  assertEquals((await messagesOf(reply)).map(({ id }) => id), ["asking"]);
}, {
  async post({ message, stream }) {
    if (message.id === "q") {
      await stream.message({ jsonrpc: "2.0", id: "asking", result: {} });
      return ACCEPTED;
    }
    if (message.id !== "asking") return undefined;
    await stream.message({ jsonrpc: "2.0", id: "q", method: "roots/list" });
    // It is accepted when the answer has gone out.
    await until("the answer", () => undefined, 300).catch(() => {});
    return ACCEPTED;
  },
});

test("progress goes to the request whose token it names", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const withToken = (id: number) => call(id, { _meta: { progressToken: `t${id}` } });
  const replies = await Promise.all(
    [1, 2].map((id) => world.send(upstream, withToken(id), { session })),
  );
  const [stream] = server.streams;
  const params = { progressToken: "t1", progress: 1 };
  await stream!.message({ jsonrpc: "2.0", method: "notifications/progress", params });
  for (const id of [2, 1]) await stream!.message({ jsonrpc: "2.0", id, result: {} });
  const [one, two] = await Promise.all(replies.map(messagesOf));
  assertEquals([one!.length, two!.length], [2, 1]);
});

test(
  "what is said outside of requests comes to who listens, also from before",
  async (world, server) => {
    const upstream = oldUpstream(server.url);
    const session = await world.open(upstream);
    const [stream] = server.streams;
    const changed = (kind: string) => `notifications/${kind}/list_changed`;
    await stream!.message({ jsonrpc: "2.0", method: changed("tools") });
    const abort = new AbortController();
    const reply = await world.send(upstream, undefined, { session, abort });
    await stream!.message({ jsonrpc: "2.0", method: changed("prompts") });
    const heard = [await reply.next(), await reply.next()].map((bytes) =>
      JSON.parse(new TextDecoder().decode(bytes)).method
    );
    reply.close();
    assertEquals(heard, [changed("tools"), changed("prompts")]);
  },
);

test("nobody can listen a second time", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  await world.send(upstream, undefined, { session });
  await assertRejects(world.send(upstream, undefined, { session }), { status: 409 });
});

test(
  "an answer that does not come in time is not wanted any more, and the server is told",
  async (world, server) => {
    const upstream = oldUpstream(server.url);
    const session = await world.open(upstream);
    const reply = await world.send(upstream, call("late"), { session, firstMs: 100 });
    await assertRejects(reply.next(), { code: "upstream_timeout" });
    const { message } = await posted(server, "notifications/cancelled");
    assertEquals(message.params, { requestId: "late" });
  },
);

test("when the stream breaks off, requests under way are lost", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const reply = await ask(world, upstream, session, 1);
  server.streams[0]!.drop();
  await assertRejects(reply.next(), ConnectionLost);
});

test(
  "when the stream breaks off, who listens is told that nothing more comes",
  async (world, server) => {
    const upstream = oldUpstream(server.url);
    const session = await world.open(upstream);
    const reply = await world.send(upstream, undefined, { session });
    server.streams[0]!.drop();
    assertEquals(await reply.next(), undefined);
  },
);

for (const code of [404, 400, 500]) {
  test(
    `a message that is refused with ${code} is known not to have arrived`,
    async (world, server) => {
      const upstream = oldUpstream(server.url);
      const session = await world.open(upstream);
      await assertRejects(world.send(upstream, call(1), { session }), { status: code });
      // A server that does not know the session is asked nothing more in it.
      await until("the channel", () => world.sse.channels() === (code === 404 ? 0 : 1));
    },
    { post: ({ message }) => message.method === "initialize" ? undefined : status(code, "No") },
  );
}

test("a refusal that is a message is the answer", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const reply = await world.send(upstream, call(1), { session });
  assertEquals([reply.status, (await messagesOf(reply))[0]!.error], [400, { code: -32600 }]);
}, {
  post: ({ message }) =>
    message.method === "initialize"
      ? undefined
      : status(400, '{"jsonrpc":"2.0","id":1,"error":{"code":-32600}}', "application/json"),
});

test("two requests with one id at once are refused", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  await world.send(upstream, call(1), { session });
  await assertRejects(world.send(upstream, call(1), { session }), { code: "conflict" });
});

/** Sends a call and waits until it has arrived. */
async function ask(
  world: OldWorld,
  upstream: ReturnType<typeof oldUpstream>,
  session: string,
  id: unknown,
) {
  return await world.send(upstream, call(id), { session });
}
