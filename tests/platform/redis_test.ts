/**
 * The connection to Redis: what it does when Redis is away, slow or full.
 *
 * @module
 * @see security.md, F20 to F24, F27
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
  throws as assertThrows,
} from "node:assert/strict";
import { createRedis, redisScript } from "../../src/platform/redis.ts";
import { parseRedisUrl, shownRedisUrl } from "../../src/platform/redis_url.ts";
import { connectRedis, plainTimers, redisTest, startRedis } from "../support/redis_server.ts";
import { until } from "../support/until.ts";

const AWAY = { code: "unavailable" };
const COUNT = redisScript("return redis.call('INCR', KEYS[1])");

redisTest("a script runs again after Redis has forgotten it", async () => {
  await using server = await startRedis();
  const redis = await connectRedis(server);
  assertEquals(await redis.run(COUNT, ["n"], []), 1);
  await server.cli("script", "flush");
  assertEquals(await redis.run(COUNT, ["n"], []), 2);
  redis.close();
});

redisTest("what is asked for in one turn is done in that order, the first time too", async () => {
  await using server = await startRedis();
  const redis = await connectRedis(server);
  const script = redisScript("redis.call('RPUSH', KEYS[1], ARGV[1])");
  for (const text of ["a", "b", "c"]) redis.run(script, ["l"], [text]);
  const list = await redis.ask("LRANGE", "l", "0", "-1");
  assertEquals(String(list), "a,b,c");
  redis.close();
});

redisTest("F21, F23: killed, commands fail at once; back, they work again", async () => {
  await using server = await startRedis();
  const redis = await connectRedis(server);
  const changes: boolean[] = [];
  redis.onChange((isUp) => changes.push(isUp));
  await server.kill();
  await until("the loss", () => !redis.isUp());
  await assertRejects(redis.run(COUNT, ["n"], []), AWAY);
  await server.start();
  await until("the return", redis.isUp, 5_000);
  assertEquals(await redis.run(COUNT, ["n"], []), 1);
  assertEquals(changes, [false, true]);
  redis.close();
});

redisTest("F20: down at the start, it is up soon after Redis is", async () => {
  await using server = await startRedis();
  await server.kill();
  const redis = createRedis(parseRedisUrl(server.url), { timers: plainTimers });
  const causes: unknown[] = [];
  redis.onChange((_, cause) => cause !== undefined && causes.push(cause));
  await assertRejects(redis.ask("PING"), AWAY);
  await until("why it is away", () => causes.length > 0);
  await server.start();
  await until("the connection", redis.isUp, 5_000);
  assertEquals(causes.length, 1);
  redis.close();
});

redisTest(
  "F24: frozen, it is noticed though nobody asks, and what is asked then fails",
  async () => {
    await using server = await startRedis();
    const redis = await connectRedis(server);
    server.signal("SIGSTOP");
    const asked = [redis.run(COUNT, ["n"], []), redis.ask("PING")];
    for (const each of asked) await assertRejects(each, AWAY);
    assertEquals(redis.isUp(), false);
    server.signal("SIGCONT");
    await until("the return", redis.isUp, 5_000);
    redis.close();
  },
);

for (
  const [what, on, off] of [
    ["full", ["maxmemory", "1"], ["maxmemory", "0"]],
    ["no master any more", ["min-replicas-to-write", "1"], ["min-replicas-to-write", "0"]],
  ] as const
) {
  redisTest(`F27: ${what}, it counts as away until it is not`, async () => {
    await using server = await startRedis();
    const redis = await connectRedis(server);
    await server.cli("config", "set", ...on);
    await until("that it is noticed", () => !redis.isUp(), 5_000);
    await server.cli("config", "set", ...off);
    await until("the return", redis.isUp, 5_000);
    redis.close();
  });
}

redisTest(
  "who subscribes hears, and after a loss is told that something may be missed",
  async () => {
    await using server = await startRedis();
    const redis = await connectRedis(server);
    const heard: (string | undefined)[] = [];
    const stop = redis.subscribe("channel", (message) => heard.push(message?.toString()));
    await redis.ask("PUBLISH", "channel", "one");
    await until("the first", () => heard.length === 1);
    await server.kill();
    await server.start();
    await until("the return", () => heard.length === 2, 5_000);
    await redis.ask("PUBLISH", "channel", "two");
    await until("the second", () => heard.length === 3);
    stop();
    await redis.ask("PUBLISH", "channel", "three");
    assertEquals(heard, ["one", undefined, "two"]);
    redis.close();
  },
);

redisTest("with a wrong password it is away, and the password is in no reason", async () => {
  await using server = await startRedis();
  await server.cli("config", "set", "requirepass", "right-one");
  const url = server.url.replace("//", "//:wrong-one@");
  const redis = createRedis(parseRedisUrl(url), { timers: plainTimers });
  let why: unknown;
  redis.onChange((_, cause) => why = cause);
  await until("why", () => why !== undefined);
  assert(!JSON.stringify(why, Object.getOwnPropertyNames(why)).includes("wrong-one"));
  redis.close();
});

redisTest("user and password of the URL are presented", async () => {
  await using server = await startRedis();
  await server.cli("config", "set", "requirepass", "p@ss");
  const redis = await connectRedis({ url: server.url.replace("//", "//default:p%40ss@") });
  assertEquals(await redis.run(COUNT, ["n"], []), 1);
  redis.close();
});

Deno.test("REDIS_URL is understood in all its parts", () => {
  assertEquals(parseRedisUrl("rediss://u%40x:p%2F@[::1]:7000/3"), {
    host: "::1",
    port: 7000,
    user: "u@x",
    password: "p/",
    database: 3,
    isTls: true,
  });
  assertEquals(shownRedisUrl(parseRedisUrl("redis://u:secret@cache")), "redis://u@cache:6379/0");
});

for (
  const text of ["", "cache:6379", "http://cache", "redis://", "redis://c/x", "redis://c?a=secret"]
) {
  Deno.test(`REDIS_URL "${text}" is refused, and not repeated`, () => {
    assertThrows(
      () => parseRedisUrl(text),
      (error: Error) =>
        error.message.startsWith("must be redis://") && !error.message.includes("secret"),
    );
  });
}
