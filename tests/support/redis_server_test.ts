/**
 * A Redis of a test's own dies, sleeps and comes back.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { redisServerTest, startRedisServer } from "./redis_server.ts";

redisServerTest("a Redis that is killed comes back with what it had, or with nothing", async () => {
  await using redis = await startRedisServer();
  assertEquals(await redis.ask("SET", "key", "value"), "+OK\r\n");
  await redis.kill();
  await assertRejects(redis.ask("PING"), Deno.errors.ConnectionRefused);
  await redis.start({ keepsData: true });
  assertEquals(await redis.ask("GET", "key"), "$5\r\nvalue\r\n");
  await redis.kill();
  await redis.start({ keepsData: false });
  assertEquals(await redis.ask("GET", "key"), "$-1\r\n");
});

redisServerTest("a Redis that pauses answers when it goes on", async () => {
  await using redis = await startRedisServer();
  redis.pause();
  const asked = redis.ask("PING");
  // Connections are still made: that is the system's work.
  using _ = await Deno.connect({ hostname: "127.0.0.1", port: redis.port });
  redis.resume();
  assertEquals(await asked, "+PONG\r\n");
});
