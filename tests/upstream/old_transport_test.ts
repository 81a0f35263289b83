/**
 * Servers over HTTP of which nobody has said that they have the transport of 2024-11-05: who is asked for
 * it, when, and how often.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { until } from "../support/until.ts";
import {
  call,
  INITIALIZE,
  messagesOf,
  type OldBehaviour,
  type OldServer,
  oldUpstream,
  type OldWorld,
  openOldServer,
  openOldWorld,
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

const RPC_ERROR = '{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"No"}}';

for (
  const [what, answer] of [
    ["405", status(405)],
    ["404 and a page", status(404, "<html>", "text/html")],
    ["400", status(400)],
    ["404 and JSON that is no message", status(404, '{"detail":"Not Found"}', "application/json")],
  ] as const
) {
  test(
    `a server that refuses initialize with ${what} is asked for its endpoint`,
    async (world, server) => {
      const upstream = oldUpstream(server.url, { transport: "http" });
      const session = await world.open(upstream);
      const reply = await ask(world, upstream, session, 1);
      await server.streams[0]!.message({ jsonrpc: "2.0", id: 1, result: {} });
      assertEquals((await messagesOf(reply)).length, 1);
    },
    { postToStream: () => answer },
  );
}

for (
  const [what, answer] of [
    ["a JSON-RPC error", status(400, RPC_ERROR, "application/json")],
    ["500", status(500)],
    ["401", status(401)],
    ["403", status(403)],
    ["429", status(429)],
  ] as const
) {
  test(
    `a server that answers initialize with ${what} is not asked for its endpoint`,
    async (world, server) => {
      const upstream = oldUpstream(server.url, { transport: "http" });
      await world.send(upstream, INITIALIZE).then((reply) => reply.close(), () => {});
      assertEquals(server.streams.length, 0);
    },
    { postToStream: () => answer },
  );
}

test(
  "a server that was found out is not asked over Streamable HTTP again",
  async (world, server) => {
    const upstream = oldUpstream(server.url, { transport: "http" });
    await world.open(upstream);
    const { length } = server.posts;
    const before = server.connections();
    await world.open(upstream);
    // One for the stream, one for the message at most: none to be refused on.
    assertEquals([server.posts.length - length, server.connections() - before <= 2], [1, true]);
  },
);

Deno.test("a server that has neither is told by its first refusal, and asked once", async () => {
  using world = openOldWorld();
  let gets = 0;
  await using server = openOldServer({
    async get(peer) {
      gets++;
      await peer.write(status(404));
    },
  });
  const upstream = oldUpstream(server.url, { transport: "http" });
  for (let attempt = 0; attempt < 3; attempt++) {
    await assertRejects(world.open(upstream), { status: 405 });
  }
  assertEquals(gets, 1);
});

Deno.test("a server that was found out and takes messages now is greeted over Streamable HTTP", async () => {
  using world = openOldWorld();
  let isUpgraded = false;
  await using server = openOldServer({
    isRefusing: () => isUpgraded,
    postToStream: () => isUpgraded ? status(200, ANSWER, "application/json") : status(405),
  });
  const upstream = oldUpstream(server.url, { transport: "http" });
  await world.open(upstream);
  isUpgraded = true;
  const reply = await world.send(upstream, INITIALIZE);
  const [answer] = await messagesOf(reply);
  assertEquals([answer, reply.sessionId()], [JSON.parse(ANSWER), undefined]);
});

const ANSWER = '{"jsonrpc":"2.0","id":0,"result":{}}';

test(
  "a session goes to the stream that it was opened on, whatever its server is taken for",
  async (world, server) => {
    const found = oldUpstream(server.url, { transport: "http" });
    const session = await world.open(found);
    server.streams[0]!.drop();
    await until("the end of the channel", () => world.sse.channels() === 0);
    await assertRejects(world.send(found, call(1), { session }), { status: 404 });
  },
);

/** Sends a call and waits until it has arrived. */
async function ask(
  world: OldWorld,
  upstream: ReturnType<typeof oldUpstream>,
  session: string,
  id: unknown,
) {
  return await world.send(upstream, call(id), { session });
}
