/**
 * Streams while there are doubts about a server: what is in front of it may open one, only a message
 * is a sign of life.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects } from "node:assert/strict";
import { ConnectionLost } from "../../src/platform/http1/connection.ts";
import { aReply, aRequest, healthWorld } from "./health_world.ts";

Deno.test("a stream that nothing comes on does not show that a server is back", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.answers({ isStream: true });
  await world.guarded.send(world.server, aRequest());
  assertEquals(world.circuit(), "half-open");
});

for (const by of ["next", "take"] as const) {
  Deno.test(`its first message does, got with ${by}()`, async () => {
    const world = healthWorld();
    await world.open();
    world.clock.advance(1_000);
    const message = new Uint8Array([1]);
    world.answers({ isStream: true, next: () => Promise.resolve(message), take: () => message });
    await (await world.guarded.send(world.server, aRequest()))[by]();
    assertEquals(world.circuit(), "closed");
  });
}

Deno.test("a stream that breaks before its first message is a failed attempt", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.answers({ isStream: true, next: () => Promise.reject(new ConnectionLost(true)) });
  await (await world.guarded.send(world.server, aRequest())).next().catch(() => {});
  assertEquals(world.circuit(), "open");
});

Deno.test("a stream that is closed before its first message gives its place back", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.answers({ isStream: true });
  (await world.guarded.send(world.server, aRequest())).close();
  world.answers();
  assertEquals(await world.outcome(), "ok");
});

Deno.test("a stream that breaks later says nothing about the server", async () => {
  const world = healthWorld();
  await world.open(2);
  const messages = [Promise.resolve(new Uint8Array([1])), Promise.reject(new ConnectionLost(true))];
  for (const message of messages) message.catch(() => {});
  world.answers({ isStream: true, next: () => messages.shift()! });
  const reply = await world.guarded.send(world.server, aRequest());
  await reply.next();
  await reply.next().catch(() => {});
  assertEquals(world.guarded.conditionOf(world.server).outlook().isDoubtful, false);
});

Deno.test("the failure of a stream is still the caller's", async () => {
  const world = healthWorld();
  await world.open(1);
  world.answers({ isStream: true, next: () => Promise.reject(new ConnectionLost(true)) });
  const reply = await world.guarded.send(world.server, aRequest());
  await rejects(reply.next(), ConnectionLost);
});

Deno.test("everything else of a stream is as it was", async () => {
  const world = healthWorld();
  await world.open(1);
  let isClosed = false;
  world.answers({
    isStream: true,
    isOwned: false,
    lastEventId: () => "7",
    retryMs: () => 5,
    sessionId: () => "s",
    close: () => void (isClosed = true),
  });
  const reply = await world.guarded.send(world.server, aRequest());
  reply.close();
  assertEquals(
    [reply.isOwned, reply.lastEventId(), reply.retryMs(), reply.sessionId(), isClosed],
    [false, "7", 5, "s", true],
  );
});

Deno.test("in calm times the reply is the very one that was sent", async () => {
  const world = healthWorld();
  const reply = aReply({ isStream: true });
  world.behaves(() => Promise.resolve(reply));
  assertEquals(await world.guarded.send(world.server, aRequest()) === reply, true);
});
