/**
 * Sessions of several replicas: the contract, and what Redis adds to it.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createRedisDirectory } from "../../../src/mcp/session/redis_directory.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { REDIS_TIME } from "../../../src/platform/redis.ts";
import { sessionDirectoryContract } from "../../contract/session_directory.ts";
import {
  connectRedis,
  IS_SKIPPED,
  type RedisServer,
  redisTest,
  startCluster,
  startRedis,
} from "../../support/redis_server.ts";
import { until } from "../../support/until.ts";

let server: RedisServer;
Deno.test.beforeAll(async () => {
  if (!IS_SKIPPED) server = await startCluster();
});
Deno.test.afterAll(async () => await server?.[Symbol.asyncDispose]());

if (!IS_SKIPPED) {
  sessionDirectoryContract("SessionDirectory in Redis", async (clock, idleMs) => {
    const redis = await connectRedis(server);
    await redis.ask("FLUSHALL");
    const deps = { redis, clock, time: () => String(clock.now()) };
    return {
      directory: createRedisDirectory(deps, { idleMs }),
      rows: async () => (await keys()).length,
      [Symbol.asyncDispose]: () => Promise.resolve(redis.close()),
    };
  });
}

redisTest("what a session leaves in Redis has an end, whoever dies", async () => {
  await using opened = await open();
  await opened.create("a");
  await opened.directory.swap("a", "one", 0, Uint8Array.of(1));
  await opened.directory.touch("a");
  const all = await keys();
  assertEquals(all.length, 3);
  for (const key of all) assert(Number(await server.cli("pttl", key)) > 0, key);
});

redisTest("by Redis' own time a session idles out, and is taken by one replica", async () => {
  await using opened = await open(40);
  await opened.create("a");
  await opened.directory.swap("a", "one", 0, Uint8Array.of(1));
  await until("its end", async () => await opened.directory.find("a") === undefined);
  const taken = await Promise.all(
    [opened.directory, opened.directory].map((one) => one.takeExpired(10)),
  );
  assertEquals(taken.flat().map(([key, { fields }]) => [key, fields.size]), [["a", 1]]);
  assertEquals(await keys(), []);
});

redisTest("F22: after a restart that kept its data the sessions are there", async () => {
  await using kept = await startRedis("--appendonly", "yes", "--appendfsync", "always");
  const redis = await connectRedis(kept);
  const deps = { redis, clock: systemClock, time: REDIS_TIME };
  const directory = createRedisDirectory(deps, { idleMs: 60_000 });
  const endMs = Date.now() + 60_000;
  await directory.create({ key: "a", owner: "ann", base: Uint8Array.of(1), endMs }, 1);
  await kept.kill();
  await kept.start();
  await until("the return", redis.isUp, 5_000);
  assertEquals((await directory.find("a"))?.base, Uint8Array.of(1));
  redis.close();
});

redisTest("an idle session with a server takes less than 4 KB", async () => {
  await using opened = await open();
  const usedBytes = async () =>
    Number(/used_memory:(\d+)/.exec(await server.cli("info", "memory"))![1]);
  const before = await usedBytes();
  const names = Array.from({ length: 500 }, () => crypto.randomUUID() + "abcdefg");
  for (const key of names) {
    await opened.directory.create({
      key,
      owner: `owner ${key}`,
      base: new Uint8Array(900),
      endMs: Date.now() + 3_600_000,
    }, 100);
    await opened.directory.swap(key, "one", 0, new Uint8Array(400));
  }
  const each = (await usedBytes() - before) / names.length;
  assert(each < 4096, `${each} bytes`);
});

redisTest(
  "a record whose index is lost is found, and one without a record is forgotten",
  async () => {
    await using opened = await open(1_000);
    await opened.create("a");
    await opened.create("b");
    for (const key of await keys()) {
      if (key.includes("owner")) await server.cli("del", key);
      if (key.includes("{b}")) await server.cli("del", key);
    }
    assert(await opened.directory.find("a") !== undefined);
    assertEquals((await opened.directory.page("", 10)).map(({ key }) => key), ["a"]);
    await opened.directory.remove("a");
    await until("that b is forgotten", async () => {
      await opened.directory.takeExpired(10);
      return (await keys()).length === 0;
    });
  },
);

async function open(idleMs = 60_000) {
  await server.cli("flushall");
  const redis = await connectRedis(server);
  const directory = createRedisDirectory({ redis, clock: systemClock, time: REDIS_TIME }, {
    idleMs,
  });
  return {
    directory,
    create: (key: string) =>
      directory.create({
        key,
        owner: `owner ${key}`,
        base: Uint8Array.of(0, 255),
        endMs: Date.now() + 3_600_000,
      }, 100),
    [Symbol.asyncDispose]: () => Promise.resolve(redis.close()),
  };
}

async function keys(): Promise<readonly string[]> {
  const all = (await server.cli("keys", "*")).split("\n");
  return all.filter((key) => key !== "" && !key.includes("{probe}"));
}
