/**
 * Signals, claims and presence in Redis: the contracts, and what happens when Redis or a replica
 * misbehaves.
 *
 * @module
 * @see security.md, IRPC-04, IRPC-05, F25, F28, F29, F45
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { createRedisClaims } from "../../src/events/redis_claims.ts";
import { createRedisPost } from "../../src/events/redis_post.ts";
import { createRedisPresence } from "../../src/events/redis_presence.ts";
import { createSeals } from "../../src/events/redis_seals.ts";
import { createRemote, Lost, NotThere, type Remote } from "../../src/events/remote.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { type Redis, redisKey } from "../../src/platform/redis.ts";
import { createSecretBox } from "../../src/platform/secret_box.ts";
import { claimsContract } from "../contract/claims.ts";
import {
  connectRedis,
  plainTimers as timers,
  redisTest,
  startRedis,
} from "../support/redis_server.ts";
import { until } from "../support/until.ts";

const box = createSecretBox("0123456789-0123456789-0123456789", "test");

/** Replicas on one Redis, each with a connection of its own. */
async function world() {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startRedis());
  let forged = 0;
  const connect = async () => stack.adopt(await connectRedis(server), ({ close }) => close());
  return {
    server,
    connect,
    forged: () => forged,
    /** Answers with what it is asked, and writes down that it was. */
    async remote(replica: string, given?: Redis): Promise<Remote & { readonly heard: unknown[] }> {
      const redis = given ?? await connect();
      const presence = createRedisPresence({ redis, clock, timers }, replica);
      await until("its presence", presence.isPresent);
      stack.adopt(presence, ({ close }) => close());
      const seals = createSeals(box, () => void forged++);
      const deps = { redis, presence, timers, seals, forged: () => void forged++ };
      const post = stack.adopt(createRedisPost(deps, replica), ({ close }) => close());
      const remote = createRemote({ post, timers, failed: () => {} });
      const heard: unknown[] = [];
      remote.serve("echo", async function* (question) {
        heard.push(question.about);
        yield question;
      });
      return { ...stack.adopt(remote, ({ close }) => close()), heard };
    },
    async member(replica: string) {
      const redis = await connect();
      const presence = createRedisPresence({ redis, clock, timers }, replica);
      await until("its presence", presence.isPresent);
      stack.adopt(presence, ({ close }) => close());
      const claims = createRedisClaims({ redis, timers, presence }, replica);
      stack.adopt(claims, ({ close }) => close());
      return { presence, claims, redis };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const streamOf = (replica: string) => redisKey(replica, "signals");

claimsContract("claims in Redis:", async () => {
  const opened = await world();
  return {
    async of(replica) {
      const { claims } = await opened.member(replica);
      // As after a pause: the others have forgotten it, and it comes back.
      const die = async () =>
        void await opened.server.cli("zrem", redisKey("replicas", "present"), replica);
      return { claims, die };
    },
    [Symbol.asyncDispose]: opened[Symbol.asyncDispose],
  };
}, redisTest);

redisTest("a question and its answer of eight megabytes come through Redis", async () => {
  await using opened = await world();
  const a = await opened.remote("a");
  await opened.remote("b");
  const body = crypto.getRandomValues(new Uint8Array(64 * 1024));
  const large = new Uint8Array(8 * 1024 * 1024);
  for (let at = 0; at < large.length; at += body.length) large.set(body, at);
  const answer = await a.tell("b", "echo", { about: "x", body: large });
  assertEquals(Buffer.compare(answer!.body!, large), 0);
});

redisTest("a replica that has ended is asked nothing", async () => {
  await using opened = await world();
  const a = await opened.remote("a");
  await assertRejects(a.tell("b", "echo", { about: "x" }), NotThere);
});

redisTest("F28: what is no signal of ours is dropped, and counted", async () => {
  await using opened = await world();
  const a = await opened.remote("a");
  await opened.remote("b");
  await opened.server.cli("xadd", streamOf("b"), "*", "a", "forged");
  await opened.server.cli("xadd", streamOf("b"), "*", "other", "");
  assertEquals((await a.tell("b", "echo", { about: "x" }))?.about, "x");
  assertEquals(opened.forged(), 2);
});

redisTest("IRPC-04: a signal that is said again, or to another one, is refused", async () => {
  await using opened = await world();
  const redis = await opened.connect();
  const said: Buffer[] = [];
  const a = await opened.remote("a", {
    ...redis,
    run(script, keys, args) {
      if (keys[0] === streamOf("b")) said.push(args[1] as Buffer);
      return redis.run(script, keys, args);
    },
  });
  const [b, c] = [await opened.remote("b"), await opened.remote("c")];
  await a.tell("b", "echo", { about: "x" });
  for (const name of ["b", "c"]) await redis.ask("XADD", streamOf(name), "*", "a", said[0]!);
  await until("that both are dropped", () => opened.forged() === 2);
  assertEquals([b.heard, c.heard], [["x"], []]);
});

redisTest("IRPC-05: a reader of Redis sees nothing of a signal", async () => {
  await using opened = await world();
  const redis = await opened.connect();
  const seen: string[] = [];
  const a = await opened.remote("a", {
    ...redis,
    run(script, keys, args) {
      if (keys[0] === streamOf("b")) seen.push(args.map(String).join());
      return redis.run(script, keys, args);
    },
  });
  await opened.remote("b");
  await a.tell("b", "echo", { about: "the marker" });
  assert(seen.length > 0 && !seen.some((text) => text.includes("marker")));
});

redisTest("with Redis away nothing is asked, and afterwards it is again", async () => {
  await using opened = await world();
  const redis = await opened.connect();
  const a = await opened.remote("a", redis);
  await opened.remote("b");
  await opened.server.kill();
  await until("the loss", () => !redis.isUp());
  await assertRejects(a.tell("b", "echo", { about: "x" }), { code: "unavailable" });
  await opened.server.start();
  const isAnswered = () => a.tell("b", "echo", { about: "y" }).then(() => true, () => false);
  await until("the answer", isAnswered, 10_000);
});

redisTest("a replica that hangs leaves its asker without an answer in time", async () => {
  await using opened = await world();
  const a = await opened.remote("a");
  const redis = await opened.connect();
  await opened.remote("b", {
    ...redis,
    subscribe: () => () => {},
    run: (script, keys, args) => {
      return keys[0] === streamOf("b") ? Promise.resolve([]) : redis.run(script, keys, args);
    },
  });
  await assertRejects(a.tell("b", "echo", { about: "x" }), Lost);
});

redisTest("replicas know how many they are, and who has ended", async () => {
  await using opened = await world();
  const a = await opened.member("a");
  const b = await opened.member("b");
  await until("both", () => a.presence.count() === 2 && b.presence.count() === 2);
  await b.presence.close();
  assertEquals(await a.presence.isAlive("b"), false);
  assertEquals(await a.presence.isAlive("a"), true);
  await until("the rest", () => a.presence.count() === 1);
});

redisTest(
  "F45: a replica that cannot reach Redis gives its claims up by its own clock",
  async () => {
    await using opened = await world();
    const a = await opened.member("a");
    let lost = 0;
    const claim = await a.claims.take("x", () => lost++);
    assert(typeof claim !== "string");
    await opened.server.kill();
    await until("the loss", () => lost === 1);
    assertEquals(claim.isHeld(), false);
  },
);

redisTest(
  "F23: claims that Redis has forgotten are lost, and come with a higher number",
  async () => {
    await using opened = await world();
    const a = await opened.member("a");
    let lost = 0;
    const first = await a.claims.take("x", () => lost++);
    await opened.server.cli("flushall");
    await until("the loss", () => lost === 1);
    const b = await opened.member("b");
    const second = await b.claims.take("x", () => {});
    assert(typeof first !== "string" && typeof second !== "string");
    assert(second.fence > first.fence);
  },
);

redisTest("every key of signals, claims and presence has an end", async () => {
  await using opened = await world();
  const remote = await opened.remote("a");
  await remote.tell("a", "echo", { about: "x" });
  const { claims } = await opened.member("b");
  await claims.take("x", () => {});
  const keys = (await opened.server.cli("keys", "*")).split("\n");
  assert(keys.length >= 3, keys.join());
  for (const key of keys) assert(Number(await opened.server.cli("pttl", key)) > 0, key);
});
