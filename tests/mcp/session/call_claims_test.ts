import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { alone } from "../../../src/events/remote.ts";
import { createRedisCallClaims } from "../../../src/mcp/session/call_claims.ts";
import { connectRedis, plainTimers, redisTest, startRedis } from "../../support/redis_server.ts";

redisTest("claim() tells who opens streams of the session, until they are open", async () => {
  await using server = await startRedis();
  const redis = await connectRedis(server);
  const claimsOf = (name: string) =>
    createRedisCallClaims({ redis, remote: alone(name), timers: plainTimers }, { keptMs: 60_000 });
  const [a, b] = [claimsOf("a"), claimsOf("b")];
  const opener = async () => (await b.claim("mine", [crypto.randomUUID()])).opener;

  assertEquals(await opener(), undefined);
  a.opens("mine");
  a.opens("other");
  assertEquals(await opener(), "a");
  b.opened("mine");
  assertEquals(await opener(), "a");
  a.opened("mine");
  assertEquals(await opener(), undefined);

  a.opens("mine");
  const ttl = Number(await redis.ask("PTTL", "sallyport:{mine}:opening"));
  assertEquals(ttl > 0 && ttl <= 1_000, true);
  redis.close();
});
