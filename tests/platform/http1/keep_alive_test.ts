/**
 * Connections are kept where that is safe, left where it is not, and closed when nobody wants them.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { LIMITS } from "../../../src/domain/limits.ts";
import { until } from "../../support/until.ts";
import { always, bodyOf, OK, once, openClientWorld } from "./client_world.ts";

const STRICT = { sanitizeOps: true, sanitizeResources: true };
const HEAD = "HTTP/1.1 200 OK\r\n";

Deno.test("requests one after the other share a connection", async () => {
  await using world = openClientWorld(always(OK));
  for (let i = 0; i < 5; i++) await world.ask();
  assertEquals(world.server.connections(), 1);
});

Deno.test("requests at the same time have connections of their own", async () => {
  await using world = openClientWorld(always(OK));
  const replies = await Promise.all([world.send(), world.send(), world.send()]);
  await Promise.all(replies.map((reply) => bodyOf(reply)));
  assertEquals(world.server.connections(), 3);
});

for (
  const [what, answer] of [
    ["chunks", `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n`],
    ["no content", "HTTP/1.1 204 No Content\r\n\r\n"],
    ["an interim reply", `HTTP/1.1 103 Early Hints\r\n\r\n${OK}`],
    ["an error", "HTTP/1.1 500 Broken\r\nContent-Length: 2\r\n\r\nno"],
  ] as const
) {
  Deno.test(`a connection is used again after ${what}`, async () => {
    await using world = openClientWorld(always(answer));
    await world.ask();
    await world.ask();
    assertEquals(world.server.connections(), 1);
  });
}

for (
  const [what, answer] of [
    ["Connection: close", `${HEAD}Connection: close\r\nContent-Length: 2\r\n\r\nok`],
    ["Connection: Close in a list", `${HEAD}Connection: x, Close\r\nContent-Length: 2\r\n\r\nok`],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    ["bytes behind the reply", `${OK}HTTP/1.1 200 OK\r\n`],
  ] as const
) {
  Deno.test(`a connection is not used again after ${what}`, async () => {
    await using world = openClientWorld(always(answer));
    await world.ask();
    await world.ask();
    assertEquals(world.server.connections(), 2);
  });
}

Deno.test("a connection whose body was not read to its end is closed", async () => {
  const left = Promise.withResolvers<void>();
  await using world = openClientWorld(async (peer) => {
    await peer.request();
    await peer.write(`${HEAD}Content-Length: 100\r\n\r\nok`);
    await peer.left();
    left.resolve();
  });
  const reply = await world.send();
  await reply.next();
  reply.release();
  await left.promise;
});

Deno.test("releasing twice gives the connection back once", async () => {
  await using world = openClientWorld(always(OK));
  const reply = await world.send();
  await bodyOf(reply);
  reply.release();
  const others = await Promise.all([world.send(), world.send()]);
  await Promise.all(others.map((other) => bodyOf(other)));
  assertEquals(world.server.connections(), 2);
});

Deno.test("a server that closes an idle connection is noticed", async () => {
  await using world = openClientWorld(once(OK));
  await world.ask();
  await until("the closed connection is dropped", () => world.client.size() === 0);
});

Deno.test("a server that speaks out of turn loses its connection", async () => {
  await using world = openClientWorld(async (peer) => {
    await peer.request();
    await peer.write(OK);
    await until("the connection idles", () => peerMaySpeak);
    await peer.write("HTTP/1.1 408 Request Timeout\r\n\r\n");
    await peer.left();
  });
  let peerMaySpeak = false;
  await world.ask();
  peerMaySpeak = true;
  await until("the connection is dropped", () => world.client.size() === 0);
});

Deno.test("a connection that has idled too long is not used again", async () => {
  await using world = openClientWorld(always(OK));
  await world.ask();
  world.clock.advance(LIMITS.idleConnectionMs);
  await world.ask();
  assertEquals(world.server.connections(), 2);
});

Deno.test("a connection that has idled a little less is", async () => {
  await using world = openClientWorld(always(OK));
  await world.ask();
  world.clock.advance(LIMITS.idleConnectionMs - 1);
  await world.ask();
  assertEquals(world.server.connections(), 1);
});

Deno.test("a Keep-Alive hint shortens the idle time, with a second to spare", async () => {
  const answer = `${HEAD}Keep-Alive: timeout=3, max=100\r\nContent-Length: 2\r\n\r\nok`;
  await using world = openClientWorld(always(answer));
  await world.ask();
  world.clock.advance(2_000);
  await world.ask();
  assertEquals(world.server.connections(), 2);
});

Deno.test("idle connections to one server are bounded", async () => {
  const count = LIMITS.idleConnectionsPerOrigin + 5;
  await using world = openClientWorld(always(OK));
  const replies = await Promise.all(Array.from({ length: count }, () => world.send()));
  await Promise.all(replies.map((reply) => bodyOf(reply)));
  assertEquals(world.client.size(), LIMITS.idleConnectionsPerOrigin);
});

Deno.test(
  "close() closes what idles and what is in use, and leaves nothing behind",
  STRICT,
  async () => {
    const world = openClientWorld(always(OK));
    await world.ask();
    const open = await world.send();
    world.client.close();
    open.release();
    assertEquals(world.client.size(), 0);
    await world[Symbol.asyncDispose]();
  },
);

Deno.test("a read is sent again when its kept connection had died unnoticed", async () => {
  await using world = openClientWorld(dyingOnce());
  await world.ask();
  assertEquals(await world.ask({ idempotent: true }), "ok");
});

Deno.test("anything else is not sent again", async () => {
  await using world = openClientWorld(dyingOnce());
  await world.ask();
  await assertRejects(() => world.ask(), { name: "ConnectionLost", answered: false });
});

Deno.test("a read on a new connection is not sent again", async () => {
  await using world = openClientWorld(async (peer) => void await peer.request());
  await assertRejects(() => world.ask({ idempotent: true }), { name: "ConnectionLost" });
  assertEquals(world.server.connections(), 1);
});

Deno.test("a read is sent again only once", async () => {
  await using world = openClientWorld(async (peer, nth) => {
    await peer.request();
    if (nth > 0) return;
    await peer.write(OK);
    await peer.request();
  });
  await world.ask();
  await assertRejects(() => world.ask({ idempotent: true }), { name: "ConnectionLost" });
  assertEquals(world.server.connections(), 2);
});

Deno.test("a read is not sent again when a part of the answer has come", async () => {
  await using world = openClientWorld(async (peer) => {
    await peer.request();
    await peer.write(OK);
    await peer.request();
    await peer.write(`${HEAD}Content-Length: 100\r\n\r\nhalf`);
  });
  await world.ask();
  await assertRejects(() => world.ask({ idempotent: true }), { answered: true });
  assertEquals(world.server.connections(), 1);
});

/** The first connection answers one request, takes the second and dies; the others answer all. */
function dyingOnce(): Parameters<typeof openClientWorld>[0] {
  return async (peer, nth) => {
    if (nth > 0) return await always(OK)(peer);
    await peer.request();
    await peer.write(OK);
    await peer.request();
  };
}
