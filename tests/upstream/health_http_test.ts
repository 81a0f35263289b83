/**
 * The guarded client in front of the real one and servers by hand: what is held back makes no
 * connection, and what a server says on the wire counts for what it is.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { freePort } from "../support/free_port.ts";
import { openRawServer } from "../support/raw_server.ts";
import { until } from "../support/until.ts";
import { createGuardedClient } from "../../src/upstream/health.ts";
import { HeldBack } from "../../src/upstream/verdict.ts";
import {
  ANSWER,
  anUpstream,
  aRequest,
  json,
  openRecorder,
  openUpstreamWorld,
  type UpstreamWorld,
} from "./client_world.ts";

Deno.test("a server that takes connections and never answers is left alone", async () => {
  await using server = openRawServer((peer) => peer.left());
  await using world = openUpstreamWorld();
  const { call } = guarded(world, server.port);
  for (let i = 1; i <= 3; i++) {
    const told = call({ firstMs: 100 });
    await until("the connection", () => server.connections() === i);
    world.timers.advance(100);
    await told;
  }
  assertEquals([await call(), server.connections()], ["held back", 3]);
});

Deno.test("a dead server is left alone until it is back", async () => {
  await using world = openUpstreamWorld();
  const port = freePort();
  const { call } = guarded(world, port);
  for (let i = 0; i < 3; i++) await call();
  const held = await call();
  const answer = () => new Response(ANSWER, { headers: { "content-type": "application/json" } });
  await using _back = Deno.serve({ port, hostname: "127.0.0.1", onListen: () => {} }, answer);
  world.timers.advance(1_000);
  assertEquals([held, await call()], ["held back", "ok"]);
});

Deno.test("a server that cuts every connection is left alone", async () => {
  await using server = openRawServer(async (peer) => void await peer.request());
  await using world = openUpstreamWorld();
  const { call } = guarded(world, server.port);
  for (let i = 0; i < 3; i++) await call();
  assertEquals([await call(), server.connections()], ["held back", 3]);
});

const PAUSES: readonly (readonly [what: string, reply: string])[] = [
  ["a 503 without a body", "HTTP/1.1 503 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"],
  [
    "a 429 with a page",
    "HTTP/1.1 429 X\r\nContent-Type: text/html\r\nretry-after: 60\r\nContent-Length: 2\r\n\r\nno",
  ],
  [
    "a 429 with a message",
    json(429, { jsonrpc: "2.0", id: 1, error: { code: 1, message: "x" } }, "Retry-After: 60\r\n"),
  ],
];

for (const [what, reply] of PAUSES) {
  Deno.test(`${what} and Retry-After keeps everything from the server`, async () => {
    await using server = openRecorder(() => reply);
    await using world = openUpstreamWorld();
    const { call } = guarded(world, server.port);
    await call();
    assertEquals([await call(), server.requests.length], ["held back", 1]);
  });
}

Deno.test("Retry-After in any other answer asks for nothing", async () => {
  await using server = openRecorder(() => json(200, ANSWER, "Retry-After: 60\r\n"));
  await using world = openUpstreamWorld();
  const { call } = guarded(world, server.port);
  await call();
  assertEquals(await call(), "ok");
});

const HARMLESS: readonly (readonly [what: string, reply: string])[] = [
  ["a refusal of credentials", "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"],
  ["a 405", "HTTP/1.1 405 X\r\nContent-Length: 0\r\n\r\n"],
  ["a page", "HTTP/1.1 200 X\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"],
  ["an answer that is too large", json(200, "x".repeat(1_100_000))],
  [
    "an internal error with a message",
    json(500, { jsonrpc: "2.0", id: 1, error: { code: 1, message: "x" } }),
  ],
];

for (const [what, reply] of HARMLESS) {
  Deno.test(`${what} holds nothing back`, async () => {
    await using server = openRecorder(() => reply);
    await using world = openUpstreamWorld();
    const { call } = guarded(world, server.port);
    for (let i = 0; i < 9; i++) await call();
    assertEquals([await call() === "held back", server.requests.length], [false, 10]);
  });
}

Deno.test("a client that leaves while the server is slow holds nothing back", async () => {
  await using server = openRawServer((peer) => peer.left());
  await using world = openUpstreamWorld();
  const { call, state } = guarded(world, server.port);
  for (let i = 1; i <= 5; i++) {
    const abort = new AbortController();
    const told = call({ abort });
    await until("the connection", () => server.connections() === i);
    abort.abort(new Error("The client left"));
    await told;
  }
  assertEquals(state().circuit, "closed");
});

function guarded(world: UpstreamWorld, port: number) {
  const server = anUpstream(`http://127.0.0.1:${port}/mcp`);
  const client = createGuardedClient(
    {
      send: (_, request) => world.client.send(server, request),
      remove: (_, session, totalMs) => world.client.remove(server, session, totalMs),
    },
    { clock: world.clock, random: () => 0 },
    { unhealthyThreshold: 3, isProbed: false },
  );
  return {
    state: () => client.stateOf(server),
    /** `ok`, `held back`, or how it failed. */
    call: (more: Partial<ReturnType<typeof aRequest>> = {}) =>
      client.send(server, { ...aRequest(), ...more }).then((reply) => {
        reply.close();
        return "ok";
      }, (error) => error instanceof HeldBack ? "held back" : String(error)),
  };
}
