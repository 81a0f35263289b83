/**
 * Budgets that replicas share: what all let through together.
 *
 * @module
 * @see security.md, RATE-02
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { parseRate } from "../../src/domain/rate.ts";
import type { Redis } from "../../src/platform/redis.ts";
import { createRedisRateLimiter } from "../../src/policy/redis_rate_limit.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { connectRedis, redisTest, startRedis } from "../support/redis_server.ts";
import { until } from "../support/until.ts";

/** As many limiters of one budget as there are replicas, on one clock. */
async function world(rate: string, replicas: number) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startRedis());
  const clock = fakeClock();
  let commands = 0;
  const connections: Redis[] = [];
  const limiters = await Promise.all(Array.from({ length: replicas }, async () => {
    const redis = stack.adopt(await connectRedis(server), ({ close }) => close());
    connections.push(redis);
    const counted: Redis = {
      ...redis,
      run(...command) {
        commands++;
        return redis.run(...command);
      },
    };
    return createRedisRateLimiter(
      {
        redis: counted,
        time: () => String(clock.now()),
        monotonic: clock.monotonic,
        replicas: () => replicas,
        secret: new Uint8Array(32),
      },
      parseRate(rate),
      "test",
    );
  }));
  return {
    server,
    clock,
    connections,
    limiters,
    commands: () => commands,
    /** How many of so many, spread over all replicas, are let through. */
    async taken(tries: number, key = "ann") {
      let taken = 0;
      for (let i = 0; i < tries; i++) {
        if (await limiters[i % replicas]!.take(key) === 0) taken++;
      }
      return taken;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

for (const [rate, replicas] of [["1000/s", 3], ["300/m", 2], ["10/s", 3], ["2/s", 3]] as const) {
  redisTest(`${replicas} replicas let through ${rate}, and never more`, async () => {
    await using opened = await world(rate, replicas);
    const { count, periodMs } = parseRate(rate);
    const first = await opened.taken(2 * count);
    assert(first <= count && first >= 0.9 * count, `${first} of ${count}`);
    let all = first;
    for (let step = 1; step <= 20; step++) {
      opened.clock.advance(periodMs / 10);
      all += await opened.taken(count);
    }
    assert(all <= 3 * count && all >= 0.9 * 3 * count, `${all} in two periods`);
  });
}

redisTest("most of what is let through, and all that is refused, asks nobody", async () => {
  await using opened = await world("1000/s", 2);
  await opened.taken(1_000);
  assert(opened.commands() <= 100, `${opened.commands()} commands`);
  await opened.taken(100);
  const before = opened.commands();
  await opened.taken(1_000);
  assertEquals(opened.commands(), before);
});

redisTest("what is refused is told how long it is to the next", async () => {
  await using opened = await world("4/s", 1);
  await opened.taken(4);
  assertEquals(await opened.limiters[0]!.take("ann"), 250);
  opened.clock.advance(250);
  assertEquals(await opened.taken(3), 1);
});

redisTest(
  "one key does not spend another one's budget, and Redis does not know its name",
  async () => {
    await using opened = await world("5/s", 1);
    await opened.taken(9);
    assertEquals(await opened.taken(9, "bob"), 5);
    const keys = await opened.server.cli("keys", "*");
    assert(!keys.includes("ann"), keys);
    for (const key of keys.split("\n")) assert(Number(await opened.server.cli("pttl", key)) > 0);
  },
);

redisTest(
  "many at once wait for one portion, and no more are let through than there are",
  async () => {
    await using opened = await world("50/s", 2);
    const takes = Array.from({ length: 200 }, (_, i) => opened.limiters[i % 2]!.take("ann"));
    const waits = await Promise.all(takes);
    const taken = waits.filter((waitMs) => waitMs === 0).length;
    assert(taken <= 50 && taken >= 45, `${taken}`);
  },
);

redisTest("RATE-02: with Redis away each replica lets through its share", async () => {
  await using opened = await world("300/s", 3);
  await opened.server.kill();
  await until("the loss", () => opened.connections.every(({ isUp }) => !isUp()));
  assertEquals(await opened.taken(3_000), 300);
});
