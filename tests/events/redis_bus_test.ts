/**
 * Signals, claims and presence in Redis: the contracts, and what happens when Redis or a replica
 * misbehaves.
 *
 * @module
 * @see security.md, IRPC-04, IRPC-05, F25, F28, F29, F45
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { SignalBus } from "../../src/events/bus.ts";
import { createRedisBus } from "../../src/events/redis_bus.ts";
import { createRedisClaims } from "../../src/events/redis_claims.ts";
import { createRedisPresence } from "../../src/events/redis_presence.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { type Redis, redisKey } from "../../src/platform/redis.ts";
import { createSecretBox } from "../../src/platform/secret_box.ts";
import { claimsContract } from "../contract/claims.ts";
import { signalBusContract } from "../contract/signal_bus.ts";
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
    async bus(replica: string, redis?: Redis): Promise<SignalBus> {
      const deps = { redis: redis ?? await connect(), box, timers, forged: () => void forged++ };
      const bus = createRedisBus(deps, replica);
      await until("its stream", async () => await server.cli("exists", streamOf(replica)) === "1");
      return stack.adopt(bus, ({ close }) => close());
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

signalBusContract("signals in Redis:", async () => {
  const opened = await world();
  return {
    of: (replica) => opened.bus(replica),
    [Symbol.asyncDispose]: opened[Symbol.asyncDispose],
  };
}, redisTest);

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

redisTest("a signal to a replica that hangs is taken back, and never acted on", async () => {
  await using opened = await world();
  const a = await opened.bus("a");
  const redis = await opened.connect();
  const b = await opened.bus("b", redis);
  const heard: string[] = [];
  b.receive((signal) => {
    heard.push(signal);
    return "";
  });
  redis.close();
  assertEquals(await a.send("b", "x"), { kind: "undelivered" });
  assertEquals(await opened.server.cli("xlen", streamOf("b")), "0");
  assertEquals(heard, []);
});

redisTest("F28: what is no signal of ours is dropped, and counted", async () => {
  await using opened = await world();
  const a = await opened.bus("a");
  const b = await opened.bus("b");
  b.receive((signal) => signal);
  await opened.server.cli("xadd", streamOf("b"), "*", "s", "forged");
  await opened.server.cli("xadd", streamOf("b"), "*", "other", "");
  assertEquals(await a.send("b", "x"), { kind: "answered", answer: "x" });
  assertEquals(opened.forged(), 2);
});

redisTest("IRPC-04: a signal that is said again, or to another one, is refused", async () => {
  await using opened = await world();
  const redis = await opened.connect();
  const said: Buffer[] = [];
  const a = await opened.bus("a", {
    ...redis,
    run(script, keys, args) {
      if (keys[0] === streamOf("b")) said.push(args[0] as Buffer);
      return redis.run(script, keys, args);
    },
  });
  const heard: string[] = [];
  for (const name of ["b", "c"]) {
    (await opened.bus(name)).receive((signal) => String(heard.push(signal)));
  }
  await a.send("b", "x");
  for (const name of ["b", "c"]) await redis.ask("XADD", streamOf(name), "*", "s", said[0]!);
  await until("that both are dropped", () => opened.forged() === 2);
  assertEquals(heard, ["x"]);
});

redisTest("IRPC-05: a reader of Redis sees nothing of a signal", async () => {
  await using opened = await world();
  const a = await opened.bus("a");
  const redis = await opened.connect();
  await opened.bus("b", redis);
  redis.close();
  const sent = a.send("b", "the marker");
  const dump = await until("the signal", async () => {
    const entries = await opened.server.cli("xrange", streamOf("b"), "-", "+");
    return entries !== "" && entries;
  });
  assert(!dump.includes("marker"));
  await sent;
});

redisTest("with Redis away nothing is delivered, and afterwards it is again", async () => {
  await using opened = await world();
  const redis = await opened.connect();
  const a = await opened.bus("a", redis);
  const b = await opened.bus("b");
  b.receive((signal) => signal);
  await opened.server.kill();
  await until("the loss", () => !redis.isUp());
  assertEquals(await a.send("b", "x"), { kind: "undelivered" });
  await opened.server.start();
  const answered = async () => (await a.send("b", "y")).kind === "answered";
  await until("the answer", answered, 10_000);
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
  await opened.bus("a");
  const { claims } = await opened.member("b");
  await claims.take("x", () => {});
  const keys = (await opened.server.cli("keys", "*")).split("\n");
  assertEquals(keys.length, 4);
  for (const key of keys) assert(Number(await opened.server.cli("pttl", key)) > 0, key);
});
