/**
 * What replicas make of a Redis that goes on as it was a moment before, or does late what it was told.
 *
 * @module
 * @see security.md, F25
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import type { Claim } from "../../src/events/claims.ts";
import { alone } from "../../src/events/presence.ts";
import { createRedisClaims } from "../../src/events/redis_claims.ts";
import { createRedisStore } from "../../src/events/redis_store.ts";
import { type Changed, type Redis, REDIS_TIME } from "../../src/platform/redis.ts";
import { createSecretBox } from "../../src/platform/secret_box.ts";
import { ROOMY, shortcuts } from "../contract/event_store/case.ts";
import { connectFakeRedis, createFakeRedis } from "../support/fake_redis/server.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";

const box = createSecretBox("0123456789-0123456789-0123456789", "test");

function world() {
  const clock = fakeClock();
  const server = createFakeRedis(clock.now);
  const listeners: Changed[] = [];
  /** All replicas live. */
  const presence = { ...alone(""), isAlive: () => Promise.resolve(true) };
  const redis: Redis = {
    ...connectFakeRedis(server),
    onChange: (changed) => void listeners.push(changed),
  };
  return {
    server,
    redis,
    claimsOf: (replica: string, given: Redis = redis) =>
      createRedisClaims({ redis: given, timers: fakeTimers(clock), presence }, replica),
    storeOf(replica: string) {
      const deps = { redis, box, clock, time: REDIS_TIME, forged() {} };
      return shortcuts(createRedisStore(deps, { ...ROOMY, replica, sessionMs: 3_600_000 }));
    },
    /** Everybody has a connection again, perhaps to another server. */
    async reconnect() {
      for (const changed of listeners) changed(true);
      await setImmediate();
    },
  };
}

Deno.test("F25: a claim of which the next server knows nothing is lost, and taken once", async () => {
  const { server, claimsOf, reconnect } = world();
  const [a, b] = [claimsOf("a"), claimsOf("b")];
  const first = await a.take("x", () => {}) as Claim;
  const restore = server.keys.remember();
  await first.release();
  let lost = 0;
  const second = await b.take("x", () => lost++) as Claim;
  restore();
  await reconnect();
  assertEquals([lost, second.isHeld()], [1, false]);
  const third = await a.take("x", () => {}) as Claim;
  assert(third.isHeld() && third.fence > first.fence);
});

Deno.test("a claim that still stands is kept when Redis comes back", async () => {
  const { claimsOf, reconnect } = world();
  const claim = await claimsOf("a").take("x", () => assert.fail("It is lost")) as Claim;
  await reconnect();
  assert(claim.isHeld());
});

Deno.test("a release that Redis carries out late does not give back what was taken since", async () => {
  const { redis, claimsOf } = world();
  const late: (() => Promise<unknown>)[] = [];
  let isLate = false;
  const a = claimsOf("a", {
    ...redis,
    run(...script) {
      if (!isLate) return redis.run(...script);
      late.push(() => redis.run(...script));
      return Promise.resolve(null);
    },
  });
  const first = await a.take("x", () => {}) as Claim;
  isLate = true;
  await first.release();
  isLate = false;
  const second = await a.take("x", () => {}) as Claim;
  for (const carryOut of late) await carryOut();
  assert(second.isHeld());
  assertEquals(await claimsOf("b").take("x", () => {}), "a");
});

Deno.test("F25: a number that somebody was given is not given again by who reads behind it", async () => {
  const { server, storeOf } = world();
  const [a, b] = [storeOf("a"), storeOf("b")];
  await a.open("s");
  await a.append("s", "x");
  const restore = server.keys.remember();
  await a.append("s", "y", "z");
  restore();
  assertEquals(await b.kept("s", 3), []);
  assertEquals(await b.append("s", "new"), 4);
  assertEquals(await b.kept("s", 3), ["4 new"]);
});
