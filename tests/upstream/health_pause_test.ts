/**
 * `Retry-After`: a server that asks for a pause gets it, and callers are told.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects } from "node:assert/strict";
import { UpstreamStatusError } from "../../src/upstream/reply.ts";
import { aRequest, healthWorld } from "./health_world.ts";

for (
  const [what, told] of [
    ["429 without a message", { fails: new UpstreamStatusError(429, "7") }],
    ["503 without a message", { fails: new UpstreamStatusError(503, "7") }],
    ["429 with a message", { answers: { status: 429, retryAfter: "7" } }],
    ["503 with a message", { answers: { status: 503, retryAfter: "7" } }],
    ["429 and a date", { fails: new UpstreamStatusError(429, "Sat, 01 Aug 2026 00:00:07 GMT") }],
  ] as const
) {
  Deno.test(`the Retry-After of a ${what} is waited for`, async () => {
    const world = healthWorld();
    if ("fails" in told) world.fails(told.fails);
    else world.answers(told.answers);
    await world.outcome();
    world.answers();
    world.clock.advance(6_999);
    const early = await world.outcome();
    world.clock.advance(1);
    assertEquals([early, await world.outcome()], ["held back", "ok"]);
  });
}

Deno.test("meanwhile callers are told for how long", async () => {
  const world = healthWorld();
  world.fails(new UpstreamStatusError(429, "7"));
  await world.outcome();
  await rejects(world.guarded.send(world.server, aRequest()), {
    code: "upstream_unavailable",
    message: 'The upstream server "alpha" has asked for a pause; next attempt in 7 s',
  });
});

Deno.test("a pause is never longer than five minutes", async () => {
  const world = healthWorld();
  world.fails(new UpstreamStatusError(503, "999999999"));
  await world.outcome();
  world.clock.advance(300_000);
  world.answers();
  assertEquals(await world.outcome(), "ok");
});

Deno.test("a shorter pause does not end a longer one", async () => {
  const world = healthWorld();
  const gate = Promise.withResolvers<void>();
  const asks = ["60", "1"];
  world.behaves(async () => {
    await gate.promise;
    throw new UpstreamStatusError(429, asks.shift());
  });
  const calls = [world.outcome(), world.outcome()];
  gate.resolve();
  await Promise.all(calls);
  world.clock.advance(59_999);
  assertEquals(await world.outcome(), "held back");
});

Deno.test("a server that asks for pauses is not unhealthy", async () => {
  const world = healthWorld();
  world.fails(new UpstreamStatusError(429, "7"));
  await world.outcome();
  assertEquals(world.state().status, "healthy");
});

Deno.test("what cannot be read asks for no pause", async () => {
  const world = healthWorld();
  world.fails(new UpstreamStatusError(429, "after lunch"));
  await world.outcome();
  world.answers();
  assertEquals(await world.outcome(), "ok");
});
