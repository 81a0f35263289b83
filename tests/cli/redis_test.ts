/**
 * What the launcher grants for Redis, and what is said of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { openInstallation } from "../support/gateway_program.ts";
import { denoRun, runProgram } from "../support/program.ts";
import { redisTest, startRedis } from "../support/redis_server.ts";
import { until } from "../support/until.ts";

const SECRETS = {
  JWT_SECRET_KEY: "hidden key of these tests, long enough",
  AUTH_ENCRYPTION_SECRET: "hidden secret of these tests, long enough",
};

redisTest("the gateway needs no more for Redis than what doctor grants", async () => {
  await using redis = await startRedis();
  await using installation = await openInstallation();
  const env = { ...SECRETS, REDIS_URL: redis.url, DRAIN_DELAY: "0" };
  const { dir: cwd, args } = installation;
  const { stdout } = await runProgram(["doctor", "--flags", ...args], { cwd, env });
  const program = installation.serve({ env, deno: denoRun(stdout.trim().split(" ")) });
  const ready = async (origin: string) => await (await fetch(`${origin}/ready`)).json();
  const origin = await program.listening();
  await until("Redis", async () => !("degraded" in await ready(origin)));
});

Deno.test("doctor --strict lists Redis among the destinations", async () => {
  const env = { ...SECRETS, REDIS_URL: "redis://cache.example" };
  const { stdout } = await runProgram(["doctor", "--strict"], { env });
  assert(/--allow-net=\S*,cache\.example:6379/.test(stdout), stdout);
});

Deno.test("doctor shows where Redis is, without the password", async () => {
  const env = { ...SECRETS, REDIS_URL: "rediss://ann:hidden@cache.example:7000/2" };
  const { stdout, stderr } = await runProgram(["doctor"], { env });
  assert(stdout.includes("Redis          rediss://ann@cache.example:7000/2\n"), stdout + stderr);
  assert(!stdout.includes("hidden"));
});
