/**
 * A Redis of a test's own dies, sleeps and comes back.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { redisTest, startRedis } from "./redis_server.ts";

for (const [appendOnly, kept] of [["yes", "value"], ["no", ""]] as const) {
  redisTest(`a Redis that is killed comes back, append-only ${appendOnly}`, async () => {
    await using redis = await startRedis("--appendonly", appendOnly);
    assertEquals(await redis.cli("SET", "key", "value"), "OK");
    await redis.kill();
    assertEquals(await redis.cli("PING"), "");
    await redis.start();
    assertEquals(await redis.cli("GET", "key"), kept);
  });
}

redisTest("a Redis that sleeps answers when it goes on", async () => {
  await using redis = await startRedis();
  redis.signal("SIGSTOP");
  const asked = redis.cli("PING");
  redis.signal("SIGCONT");
  assertEquals(await asked, "PONG");
});
