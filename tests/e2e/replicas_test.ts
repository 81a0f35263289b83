/**
 * Two gateways with one Redis and one PostgreSQL: a session belongs to neither. And what is served
 * while Redis is away.
 *
 * @module
 * @see security.md, SESS-06, F21, F23, F24
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { EVERYTHING_PATH } from "../support/everything.ts";
import { callModern } from "../support/modern.ts";
import { messageOf, responseOf, statusOf } from "../support/open_reply.ts";
import { headerOf } from "../support/raw_http.ts";
import type { RedisServer } from "../support/redis_server.ts";
import {
  initialize,
  lastEventId,
  messagesIn,
  type Session,
  type SessionReply,
  toolCall,
} from "../support/session_client.ts";
import { startTwoReplicas, type TwoReplicas, twoReplicasTest } from "../support/two_replicas.ts";
import { until } from "../support/until.ts";

/** A reply to a request of the session era while Redis is away. */
const REFUSAL_MS_MAX = 1_000;

test("a session opened at one replica is used at the other, and ended for both", async (world) => {
  const session = await world.open();
  const there = session.at(world.b);
  assertEquals((await there.send({ method: "tools/list" })).status, 200);
  assertEquals((await there.send(toolCall("test_simple_text"))).status, 200);
  assertEquals((await session.end()).status, 204);
  const gone = await until("the end there", async () => {
    const reply = await there.send({ method: "tools/list" });
    return reply.status !== 200 && reply;
  }, 1_500);
  assertEquals(gone.status, 404);
  await until("the end upstream", async () => (await world.upstream.stats()).sessions === 0);
  assertEquals(await leftOf(session, world.redis), []);
});

test("both replicas use one session at the upstream server", async (world) => {
  await using session = await world.open();
  const there = session.at(world.b);
  await Promise.all([session, there].map((one) => one.send(toolCall("test_simple_text"))));
  assertEquals((await world.upstream.stats()).sessions, 1);
});

test("what a finished call said is fetched at the other replica", async (world) => {
  await using session = await world.open();
  const { finished } = await world.upstream.stats();
  const stream = await session.open(toolCall("test_steps", { count: 3, ms: 20 }, "mine"));
  await until("an event", () => stream.events()[0]);
  stream.close();
  await until("its end", async () => (await world.upstream.stats()).finished > finished);
  using again = await session.at(world.b).listen(lastEventId(stream.events()));
  await responseOf(again);
  const said = messagesIn([...stream.events(), ...again.events()]);
  assertEquals(said.map(({ method }) => method ?? "result"), [
    ...Array.from({ length: 3 }, () => "notifications/progress"),
    "result",
  ]);
});

test("a call that still runs is followed at the other replica to its end", async (world) => {
  await using session = await world.open();
  const stream = await session.open(toolCall("test_steps", { count: 4, ms: 200 }, "mine"));
  await until("an event", () => stream.messages()[0]);
  stream.close();
  using again = await session.at(world.b).listen(lastEventId(stream.events()));
  assert("result" in await responseOf(again));
  assertEquals(messagesIn([...stream.events(), ...again.events()]).length, 5);
});

test("who listens at one replica hears what the other one is told", async (world) => {
  await using session = await world.open();
  using own = await session.listen();
  await statusOf(own);
  await session.at(world.b).send(toolCall("test_aside", { data: "from there" }));
  assertEquals((await messageOf(own, "notifications/message")).params, {
    level: "info",
    logger: "aside",
    data: "from there",
  });
});

test("F21, F23: without Redis sessions wait, the rest is served; without its data they begin anew", async (world) => {
  const session = await world.open();
  await session.at(world.b).send({ method: "tools/list" });
  assertEquals(await ready(world.a), { status: "ready" });
  await world.redis.kill();
  await until("that it is noticed", async () => "degraded" in await ready(world.b), 1_000);
  assertEquals(await ready(world.a), { status: "ready", degraded: ["redis"] });
  for (const one of [session, session.at(world.b)]) {
    const refusal = await refused(one);
    assertEquals(headerOf(refusal, "retry-after"), "1");
  }
  assertEquals((await initialize(world.a, places(world))).status, 503);
  for (const origin of [world.a, world.b]) {
    const reply = await callModern(origin, {
      ...places(world),
      params: { name: "test_simple_text", arguments: {} },
    });
    assertEquals(reply.status, 200);
  }
  await world.redis.start();
  await until("its return", async () => !("degraded" in await ready(world.a)), 5_000);
  await until("its return", async () => !("degraded" in await ready(world.b)), 5_000);
  assertEquals((await session.at(world.b).send({ method: "tools/list" })).status, 404);
  await using anew = await world.open();
  assertEquals((await anew.at(world.b).send({ method: "tools/list" })).status, 200);
});

test("F24: frozen, Redis keeps nobody waiting, and sessions go on when it does", async (world) => {
  await using session = await world.open();
  world.redis.signal("SIGSTOP");
  for (const one of [session, session.at(world.b)]) await refused(one);
  world.redis.signal("SIGCONT");
  await until("its return", async () => !("degraded" in await ready(world.b)), 5_000);
  assertEquals((await session.at(world.b).send({ method: "tools/list" })).status, 200);
});

test("F21: a call whose messages cannot be kept does not leave its client waiting", async (world) => {
  await using session = await world.open();
  const stream = await session.open(toolCall("test_steps", { count: 4, ms: 500 }, "mine"));
  await until("a message", () => stream.messages()[0]);
  await world.redis.kill();
  await until("the end of the stream", () => stream.ended(), 5_000);
});

test("a call whose replica dies is gone on with at the one where its client waits", async (world) => {
  await using session = await world.open();
  const stream = await session.open(toolCall("test_steps", { count: 8, ms: 500 }, "mine"));
  await until("a message", () => stream.messages()[0]);
  stream.close();
  using again = await session.at(world.b).listen(lastEventId(stream.events()));
  await until("a message there", () => again.messages()[0]);
  Deno.kill(world.gateways[0].pid, "SIGKILL");
  assert("result" in await responseOf(again));
  const said = messagesIn([...stream.events(), ...again.events()]);
  assertEquals(said.length, 9);
});

test("F28: a session whose record somebody changed is none", async (world) => {
  const session = await world.open();
  const [key] = (await world.redis.cli("keys", "*}:session")).split("\n");
  await world.redis.cli("hset", key!, "base", "forged");
  assertEquals((await session.at(world.b).send({ method: "tools/list" })).status, 404);
});

/** Soon, as what is known of a session is known for a second; and no request waits. */
function refused(session: Session): Promise<SessionReply> {
  return until("the refusal", async () => {
    const startMs = performance.now();
    const reply = await session.send({ method: "tools/list" });
    const ms = performance.now() - startMs;
    assert(ms < REFUSAL_MS_MAX, `${ms} ms`);
    return reply.status === 503 && reply;
  }, 3_000);
}

async function ready(origin: string): Promise<Record<string, unknown>> {
  return await (await fetch(`${origin}/ready`)).json();
}

async function leftOf({ id }: Session, redis: RedisServer): Promise<readonly string[]> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(id));
  const key = new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true });
  return (await redis.cli("keys", `*${key}*`)).split("\n").filter(Boolean);
}

function places({ token }: TwoReplicas) {
  return { path: EVERYTHING_PATH, token };
}

/** With a Redis of its own, which may be stopped. */
function test(name: string, body: (world: TwoReplicas) => Promise<void>): void {
  twoReplicasTest(name, async () => {
    await using world = await startTwoReplicas();
    await body(world);
  });
}
