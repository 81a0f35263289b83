/**
 * A client that listens need not wait for the answer before it calls: what it sends behind its GET
 * reaches the server behind it, whichever replica each of them goes to. And what a server says is
 * heard, whichever replica used it first.
 *
 * @module
 * @see docs/decisions/0044-calls-wait-for-the-clients-get.md
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { keyOf } from "../../src/mcp/session/registry.ts";
import { redisKey } from "../../src/platform/redis.ts";
import { messageOf, responseOf, statusOf } from "../support/open_reply.ts";
import { connectRedis } from "../support/redis_server.ts";
import {
  type ScriptedStream,
  slotPath,
  startScriptedSessions,
} from "../support/scripted_session_server.ts";
import { toolCall } from "../support/session_client.ts";
import {
  startTwoReplicas,
  type TwoReplicas,
  twoReplicasTest as test,
} from "../support/two_replicas.ts";
import { until } from "../support/until.ts";

const PATH = "/servers/scripted/mcp";

let stack: AsyncDisposableStack;
let world: TwoReplicas;
/** What the server does, in order. */
const history: string[] = [];
let open: (() => ScriptedStream) | undefined;

Deno.test.beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const server = stack.use(await startScriptedSessions({ setsGatewayAside: true }));
  const slot = server.play((slot) => ({
    GET(_, reply) {
      history.push("asked for the stream");
      open = reply.stream;
    },
    "tools/call"(request, reply) {
      history.push("called");
      slot.usual(request, reply);
    },
  }));
  const url = `${server.origin}${slotPath(slot.number)}`;
  world = stack.use(await startTwoReplicas({ scripted: { type: "http", url } }));
});

Deno.test.afterAll(async () => await stack.disposeAsync());

for (const place of ["another replica", "the same replica"]) {
  test(`a call sent behind the GET to ${place} reaches the server when the stream is open`, async () => {
    await using session = await world.open({ path: PATH });
    const redis = await connectRedis(world.redis);
    history.length = 0;
    open = undefined;
    using own = await session.listen();
    const answer = await until("the GET", () => open);

    const there = place === "another replica" ? session.at(world.b) : session;
    using call = await there.open(toolCall("t"));
    // It has been taken, and whatever else comes there is at the server already.
    const calls = redisKey(keyOf(session.id), "calls");
    const isTaken = async () => history.length > 1 || await redis.ask("EXISTS", calls) === 1;
    await until("the call", isTaken);
    await there.notify("notifications/progress", { progressToken: 1, progress: 1 });
    redis.close();
    history.push("opened");
    const stream = answer();
    await responseOf(call);

    assertEquals(history, ["asked for the stream", "opened", "called"]);
    assertEquals(await statusOf(own), 200);
    stream.end();
  });
}

test("who has the answer to the GET is heard at the server behind it", async () => {
  await using session = await world.open({ path: PATH });
  history.length = 0;
  open = undefined;
  using own = await session.listen();
  const stream = (await until("the GET", () => open))();
  assertEquals(await statusOf(own), 200);
  await session.at(world.b).send(toolCall("t"));
  assertEquals(history, ["asked for the stream", "called"]);
  stream.end();
});

const ASIDE = toolCall("everything-test_aside", { data: "from there" });

test("a view's server that is used first at another replica than the GET is heard", async () => {
  await using session = await world.open({ path: "/mcp" });
  // What this replica knows of the session is from before the GET.
  await session.at(world.b).send({ method: "tools/list" });
  using own = await session.listen();
  assertEquals(await statusOf(own), 200);
  await session.at(world.b).send(ASIDE);
  await messageOf(own, "notifications/message");
});

test("a view's server that was used first at another replica than the GET is heard", async () => {
  await using session = await world.open({ path: "/mcp" });
  await session.at(world.b).send(toolCall("everything-test_echo"));
  using own = await session.listen();
  assertEquals(await statusOf(own), 200);
  await session.at(world.b).send(ASIDE);
  await messageOf(own, "notifications/message");
});
