/**
 * The client that guards upstream servers: what counts against one, what callers are told, and what
 * must never be held back.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, match, rejects } from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import { ClientLeft, Draining } from "../../src/mcp/failure.ts";
import { DialError } from "../../src/platform/dial.ts";
import { ConnectionLost } from "../../src/platform/http1/connection.ts";
import { UpstreamBusy } from "../../src/upstream/concurrency.ts";
import { PROBER_FIRST_MS } from "../../src/upstream/condition.ts";
import {
  CredentialsRefused,
  type UpstreamReply,
  UpstreamStatusError,
} from "../../src/upstream/reply.ts";
import { HeldBack } from "../../src/upstream/verdict.ts";
import { anUpstream } from "../support/memory_catalog.ts";
import {
  aReply,
  aRequest,
  aStdioServer,
  type HealthWorld,
  healthWorld,
  PATIENT,
  unreachable,
} from "./health_world.ts";

const TIMEOUT = new GatewayError("upstream_timeout", "The upstream server did not answer in time");
const GARBAGE = new GatewayError("upstream_protocol", "The upstream server sent nonsense");

const OPENS: readonly (readonly [what: string, error: unknown])[] = [
  ["that cannot be reached", unreachable()],
  ["that cannot be reached in time", new DialError("upstream_timeout", "Too late")],
  ["that cuts connections", new ConnectionLost(false)],
  ["that cuts connections in the middle of an answer", new ConnectionLost(true)],
  ["that does not answer", TIMEOUT],
  ...[500, 502, 503, 504, 520].map((status) =>
    [`that says ${status} and no more`, new UpstreamStatusError(status)] as const
  ),
];

for (const [what, error] of OPENS) {
  Deno.test(`calls to a server ${what} are held back after three of them`, async () => {
    assertEquals(await fourTimes(healthWorld(), error), "held back");
  });
}

const LEAVES_CLOSED: readonly (readonly [what: string, error: unknown])[] = [
  ...[400, 403, 404, 405, 408, 429, 501].map((status) =>
    [`an answer of ${status}`, new UpstreamStatusError(status)] as const
  ),
  ["an answer of 401", new CredentialsRefused()],
  ["a client that leaves", new ClientLeft()],
  ["a server that has as much to do as it may have", new UpstreamBusy(anUpstream())],
  ["a gateway that stops", new Draining()],
  ["an abort without a reason of its own", new DOMException("Aborted", "AbortError")],
  ["an answer that is no MCP, or too large", GARBAGE],
  ["a gateway without memory", new GatewayError("unavailable", "No memory left")],
  ["an address that may not be used", new GatewayError("egress_denied", "Not allowed")],
  ["a mistake in the gateway", new TypeError("undefined is not a function")],
];

for (const [what, error] of LEAVES_CLOSED) {
  Deno.test(`${what} holds nothing back, however often`, async () => {
    const world = healthWorld();
    world.fails(error);
    for (let i = 0; i < 20; i++) await world.outcome();
    assertEquals(world.circuit(), "closed");
  });
}

for (const status of [200, 202, 400, 404, 429, 500]) {
  Deno.test(`an answer of ${status} with a message is a sign of life`, async () => {
    const world = healthWorld();
    await world.open(2);
    world.answers({ status });
    await world.outcome();
    await world.open(2);
    assertEquals(world.circuit(), "closed");
  });
}

for (const status of [502, 503, 504]) {
  Deno.test(`an answer of ${status} counts as a failure, with a message too`, async () => {
    const world = healthWorld();
    world.answers({ status });
    for (let i = 0; i < 3; i++) await world.outcome();
    assertEquals(world.circuit(), "open");
  });
}

Deno.test("a refusal of credentials shows that a server is back", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.fails(new CredentialsRefused());
  await world.outcome();
  assertEquals(world.circuit(), "closed");
});

Deno.test("garbage does not show that a server is back", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.fails(GARBAGE);
  await world.outcome();
  assertEquals(await world.outcome(), "held back");
});

Deno.test("a client that leaves does not use up the attempt that it was", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.fails(new ClientLeft());
  await world.outcome();
  world.answers();
  assertEquals(await world.outcome(), "ok");
});

Deno.test("what is held back never reaches the server", async () => {
  const world = healthWorld();
  await world.open();
  const sent = world.sent();
  for (let i = 0; i < 100; i++) await world.outcome();
  assertEquals(world.sent(), sent);
});

Deno.test("one sentence says which server, since when, and when it is tried again", async () => {
  const world = healthWorld();
  world.clock.advance(90_000);
  await world.open();
  world.clock.advance(200);
  await rejects(world.guarded.send(world.server, aRequest()), {
    code: "upstream_unavailable",
    message: 'The upstream server "alpha" is unavailable since 2026-08-01T00:01:30Z; ' +
      "next attempt in 1 s",
  });
});

Deno.test("the seconds in it are never too few", async () => {
  const world = healthWorld({ random: () => 0.9 });
  await world.open();
  await rejects(world.guarded.send(world.server, aRequest()), /next attempt in 2 s$/);
});

Deno.test("while an attempt is under way the sentence still names a time", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.behaves(() => new Promise(() => {}));
  void world.outcome();
  await rejects(world.guarded.send(world.server, aRequest()), /next attempt in 10 s$/);
});

Deno.test("the sentence keeps the beginning of the outage through failed attempts", async () => {
  const world = healthWorld();
  await world.open();
  for (let i = 0; i < 3; i++) {
    world.clock.advance(60_000);
    await world.outcome();
  }
  await rejects(world.guarded.send(world.server, aRequest()), /since 2026-08-01T00:00:00Z;/);
});

Deno.test("it shows no address", async () => {
  const world = healthWorld();
  await world.open();
  const told = await world.guarded.send(world.server, aRequest()).then(() => "", String);
  assertEquals(/127\.0\.0\.1|https?:/.test(told), false);
});

Deno.test("of a thousand calls that arrive at once one goes to a server that may be back", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  const before = world.sent();
  const gate = Promise.withResolvers<UpstreamReply>();
  world.behaves(() => gate.promise);
  const calls = Array.from({ length: 1000 }, () => world.outcome());
  gate.resolve(aReply());
  const held = (await Promise.all(calls)).filter((told) => told === "held back");
  assertEquals([world.sent() - before, held.length], [1, 999]);
});

Deno.test("a thousand calls that fail at once open it once", async () => {
  const world = healthWorld();
  world.fails(unreachable());
  await Promise.all(Array.from({ length: 1000 }, () => world.outcome()));
  world.clock.advance(1_000);
  world.answers();
  assertEquals(await world.outcome(), "ok");
});

Deno.test("a call that hangs does not keep others from finding out for ever", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.behaves(() => new Promise(() => {}));
  void world.outcome();
  world.answers();
  world.clock.advance(12_000);
  assertEquals(await world.outcome(), "ok");
});

Deno.test("a client that throws instead of rejecting gives its place back", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.behaves(() => {
    throw new GatewayError("unavailable", "No memory left");
  });
  await world.outcome();
  world.answers();
  assertEquals(await world.outcome(), "ok");
});

Deno.test("notifications are held back as calls are", async () => {
  const world = healthWorld();
  await world.open();
  assertEquals(await world.outcome({ isOneWay: true }), "held back");
});

Deno.test("a notification may find out that a server is back", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.answers({ status: 202, isStream: undefined });
  await world.outcome({ isOneWay: true });
  assertEquals(world.circuit(), "closed");
});

const WATCH = { body: undefined, isQuiet: true, firstMs: Infinity, silenceMs: Infinity } as const;
const RESUME = { body: undefined, idempotent: true } as const;

Deno.test("watches are held back from a server that is away", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(100_000);
  assertEquals(await world.outcome(WATCH), "held back");
});

Deno.test("a call's stream that is asked for again may find out", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.answers();
  assertEquals(await world.outcome(RESUME), "ok");
});

for (
  const [what, error] of [
    ["does not offer watches", new UpstreamStatusError(405)],
    ["fails at watches", new UpstreamStatusError(500)],
    ["cuts watches", new ConnectionLost(false)],
    ["does not begin them in time", TIMEOUT],
  ] as const
) {
  Deno.test(`that a server ${what} does not count against it`, async () => {
    const world = healthWorld();
    world.fails(error);
    for (let i = 0; i < 20; i++) await world.outcome(WATCH);
    assertEquals(world.circuit(), "closed");
  });
}

Deno.test("that a watch cannot reach a server counts", async () => {
  const world = healthWorld();
  world.fails(unreachable());
  for (let i = 0; i < 3; i++) await world.outcome(WATCH);
  assertEquals(world.circuit(), "open");
});

Deno.test("a slow tool that runs out of time beside others does not count", async () => {
  const world = healthWorld();
  const slow: PromiseWithResolvers<UpstreamReply>[] = [];
  world.behaves(({ caller }) => {
    if (caller !== "user slow") return Promise.resolve(aReply());
    slow.push(Promise.withResolvers());
    return slow.at(-1)!.promise;
  });
  const calls = Array.from(
    { length: 10 },
    () => world.outcome({ ...PATIENT, caller: "user slow" }),
  );
  world.clock.advance(30_000);
  await world.outcome();
  world.clock.advance(30_000);
  for (const { reject } of slow) reject(TIMEOUT);
  await Promise.all(calls);
  assertEquals(world.state().lastError, undefined);
});

Deno.test("calls that run out of time together count once", async () => {
  const world = healthWorld();
  const gate = Promise.withResolvers<UpstreamReply>();
  world.behaves(() => gate.promise);
  const calls = Array.from({ length: 10 }, () => world.outcome(PATIENT));
  world.clock.advance(60_000);
  gate.reject(TIMEOUT);
  await Promise.all(calls);
  assertEquals(world.circuit(), "closed");
});

for (
  const [what, members] of [
    ["lists", {}],
    ["handshakes", { firstMs: 30_000, silenceMs: 30_000, totalMs: 30_000 }],
  ] as const
) {
  Deno.test(`${what} that run out of time together count each`, async () => {
    const world = healthWorld();
    const gate = Promise.withResolvers<UpstreamReply>();
    world.behaves(() => gate.promise);
    const calls = Array.from({ length: 3 }, () => world.outcome(members));
    world.clock.advance(30_000);
    gate.reject(TIMEOUT);
    await Promise.all(calls);
    assertEquals(world.circuit(), "open");
  });
}

Deno.test("calls that run out of time one after the other count each", async () => {
  const world = healthWorld();
  for (let i = 0; i < 3; i++) {
    world.behaves(() => {
      world.clock.advance(60_000);
      return Promise.reject(TIMEOUT);
    });
    await world.outcome(PATIENT);
  }
  assertEquals(world.circuit(), "open");
});

Deno.test("a call that got nothing in time raises a doubt", async () => {
  const world = healthWorld();
  await world.outcome();
  world.fails(TIMEOUT);
  await world.outcome(PATIENT);
  assertEquals(world.guarded.conditionOf(world.server).outlook().isDoubtful, true);
});

Deno.test("any sign of life refutes it", async () => {
  const world = healthWorld();
  world.fails(TIMEOUT);
  await world.outcome(PATIENT);
  world.answers();
  await world.outcome();
  assertEquals(world.guarded.conditionOf(world.server).outlook().isDoubtful, false);
});

Deno.test("a server that is switched off gets nothing", async () => {
  const world = healthWorld();
  await rejects(world.guarded.send(anUpstream({ enabled: false }), aRequest()), {
    code: "upstream_unavailable",
    message: 'The upstream server "alpha" is switched off',
  });
  assertEquals(world.sent(), 0);
});

Deno.test("sessions of a server that was switched off are ended all the same", async () => {
  const world = healthWorld();
  const server = anUpstream({ enabled: false });
  assertEquals(await world.guarded.remove(server, { headers: "" }, 1_000), 200);
});

Deno.test("sessions of a server that is away are not", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(100_000);
  assertEquals(await world.removed(), "held back");
});

Deno.test("a server that does not answer DELETE is not away", async () => {
  const world = healthWorld();
  world.removes(() => Promise.reject(TIMEOUT));
  for (let i = 0; i < 20; i++) await world.removed();
  assertEquals(world.circuit(), "closed");
});

Deno.test("a server that ends a session has given a sign of life", async () => {
  const world = healthWorld();
  await world.open(2);
  await world.removed();
  assertEquals(world.guarded.conditionOf(world.server).outlook().isDoubtful, false);
});

Deno.test("the failure of a DELETE is the caller's", async () => {
  const world = healthWorld();
  world.removes(() => Promise.reject(TIMEOUT));
  assertEquals(await world.removed(), TIMEOUT.message);
});

Deno.test("what is held back was certainly not sent", async () => {
  const world = healthWorld();
  await world.open();
  const error = await world.guarded.send(world.server, aRequest()).catch((error) => error);
  assertEquals([error instanceof HeldBack, error instanceof DialError], [true, true]);
});

Deno.test("who asks whether a request would be held back is told why", async () => {
  const world = healthWorld();
  await world.open();
  match(world.guarded.refusalOf(world.server)?.message ?? "", /is unavailable since/);
});

Deno.test("who asks takes nobody's place", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.answers();
  const told = world.guarded.refusalOf(world.server);
  assertEquals([told, await world.outcome()], [undefined, "ok"]);
});

Deno.test("while somebody finds out, a request would be held back", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.behaves(() => new Promise(() => {}));
  void world.outcome();
  assertEquals(world.guarded.refusalOf(world.server) instanceof HeldBack, true);
});

Deno.test("a request to a server that is switched off would be held back", () => {
  const { guarded } = healthWorld();
  match(guarded.refusalOf(anUpstream({ enabled: false }))?.message ?? "", /is switched off$/);
});

Deno.test("one server does not stand in for another", async () => {
  const world = healthWorld();
  await world.open();
  world.answers();
  assertEquals(await world.outcome({}, anUpstream({ name: "beta" })), "ok");
});

Deno.test("a record that was changed begins anew", async () => {
  const world = healthWorld();
  await world.open();
  world.answers();
  assertEquals(await world.outcome({}, { ...world.server }), "ok");
});

Deno.test("a server that is forgotten begins anew", async () => {
  const world = healthWorld();
  await world.open();
  world.guarded.forget(world.server);
  assertEquals(world.state().status, "unknown");
});

Deno.test("what was under way when it was forgotten does not count", async () => {
  const world = healthWorld();
  const gate = Promise.withResolvers<UpstreamReply>();
  world.behaves(() => gate.promise);
  const calls = Array.from({ length: 10 }, () => world.outcome());
  world.guarded.forget(world.server);
  gate.reject(unreachable());
  await Promise.all(calls);
  assertEquals(world.circuit(), "closed");
});

Deno.test("while there is a prober, callers leave a server that may be back to it", async () => {
  const world = healthWorld({ isProbed: true });
  await world.open();
  world.clock.advance(1_000 + PROBER_FIRST_MS - 1);
  assertEquals(await world.outcome(), "held back");
});

Deno.test("when the prober does not come, a caller finds out", async () => {
  const world = healthWorld({ isProbed: true });
  await world.open();
  world.clock.advance(1_000 + PROBER_FIRST_MS);
  world.answers();
  assertEquals(await world.outcome(), "ok");
});

Deno.test("one child process that ends says nothing about those of other sessions", async () => {
  const world = healthWorld();
  world.fails(new ConnectionLost(false));
  const server = aStdioServer();
  const told = [];
  for (let i = 0; i < 5; i++) told.push(await world.outcome({}, server));
  assertEquals(told.includes("held back"), false);
});

Deno.test("a program that ends again and again is unhealthy", async () => {
  const world = healthWorld();
  world.fails(new ConnectionLost(false));
  const server = aStdioServer();
  for (let i = 0; i < 3; i++) await world.outcome({}, server);
  assertEquals(world.guarded.stateOf(server).status, "unhealthy");
});

async function fourTimes(world: HealthWorld, error: unknown): Promise<string> {
  world.fails(error);
  for (let i = 0; i < 3; i++) await world.outcome();
  return await world.outcome();
}
