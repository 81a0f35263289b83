/**
 * The prober: who is asked and when, that nobody is asked twice at once or without need, and what
 * an answer, a failure and a silence lead to.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { GatewayError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { UpstreamServer } from "../../src/domain/server.ts";
import { CredentialsRefused, UpstreamStatusError } from "../../src/upstream/reply.ts";
import { createProber } from "../../src/upstream/prober.ts";
import { anUpstream } from "../support/memory_catalog.ts";
import { aReply, aRequest, aStdioServer, healthWorld, unreachable } from "./health_world.ts";

const INTERVAL_MS = 60_000;
const DEADLINE_MS = 5_000;

Deno.test("a server that nobody calls is asked once per interval", async () => {
  const world = proberWorld();
  await world.pass(INTERVAL_MS);
  const before = world.asked().length;
  await world.pass(10 * INTERVAL_MS);
  assertEquals(world.asked().length - before, 10);
});

Deno.test("its first check comes within the interval", async () => {
  const world = proberWorld({ random: () => 0.99 });
  await world.pass(INTERVAL_MS);
  assertEquals(world.asked(), ["alpha"]);
});

Deno.test("a good check makes a server healthy", async () => {
  const world = proberWorld();
  await world.pass(1_000);
  assertEquals(world.state().status, "healthy");
});

Deno.test("a server with traffic is not asked", async () => {
  const world = proberWorld({ random: () => 0.5 });
  for (let i = 0; i < 100; i++) {
    await world.outcome();
    await world.pass(20_000);
  }
  assertEquals(world.asked(), []);
});

Deno.test("a server whose traffic fails is asked at once", async () => {
  const world = proberWorld({ random: () => 0.999 });
  await world.pass(10_000);
  world.fails(unreachable());
  await world.outcome();
  await world.pass(250);
  assertEquals(world.asked(), ["alpha"]);
});

Deno.test("a call that got nothing in time is looked into", async () => {
  const world = proberWorld({ random: () => 0.999 });
  await world.pass(10_000);
  world.fails(new GatewayError("upstream_timeout", "Too late"));
  await world.outcome({ firstMs: 60_000, silenceMs: 60_000 });
  world.answers();
  await world.pass(250);
  assertEquals([world.asked(), world.state().lastError], [["alpha"], undefined]);
});

Deno.test("a server that nobody calls and that is away is found out", async () => {
  const world = proberWorld();
  await world.pass(1_000);
  world.fails(unreachable());
  await world.pass(2 * INTERVAL_MS);
  assertEquals(world.state().status, "unhealthy");
});

Deno.test("a server that is away is asked as its breaker says", async () => {
  const world = proberWorld();
  await world.open();
  world.fails(unreachable());
  const waits = [];
  for (let seconds = 1; seconds <= 32; seconds *= 2) {
    const before = world.asked().length;
    await world.pass(seconds * 1_000 + 500);
    waits.push(world.asked().length - before);
  }
  assertEquals(waits, [1, 1, 1, 1, 1, 1]);
});

Deno.test("a server that is back is found out without any call", async () => {
  const world = proberWorld();
  await world.open();
  world.answers();
  await world.pass(1_500);
  assertEquals(world.circuit(), "closed");
});

Deno.test("it is the prober that finds out, not a caller that comes at the same time", async () => {
  const world = proberWorld();
  await world.open();
  const told = [];
  for (let ms = 0; ms < 20_000; ms += 50) {
    await world.pass(50);
    told.push(await world.outcome());
  }
  assertEquals([...new Set(told)], ["held back"]);
});

Deno.test("no check is begun while the last one of the server runs", async () => {
  const world = proberWorld();
  world.pings(() => new Promise(() => {}));
  await world.pass(100 * INTERVAL_MS);
  assertEquals(world.asked().length, 1);
});

Deno.test("checks that hang open the circuit", async () => {
  const world = proberWorld();
  const hanging: (() => void)[] = [];
  world.pings(() => new Promise((_, reject) => hanging.push(() => reject(late()))));
  for (let i = 0; i < 3; i++) {
    await world.pass(DEADLINE_MS + 1_250);
    hanging.shift()?.();
  }
  assertEquals(world.circuit(), "open");
});

Deno.test("a check that comes late is a good one in the end", async () => {
  const world = proberWorld();
  const gate = Promise.withResolvers<void>();
  world.pings(() => gate.promise);
  await world.pass(DEADLINE_MS + 1_000);
  const before = world.state().lastError;
  gate.resolve();
  await world.pass(0);
  assertEquals([before !== undefined, world.state().lastError], [true, undefined]);
});

Deno.test("a check that hangs in the half-open circuit opens it again", async () => {
  const world = proberWorld();
  await world.open();
  world.behaves(() => new Promise(() => {}));
  await world.pass(1_250 + DEADLINE_MS);
  assertEquals(world.circuit(), "open");
});

Deno.test("a server that refuses credentials is there", async () => {
  const world = proberWorld();
  world.fails(new CredentialsRefused());
  await world.pass(10 * INTERVAL_MS);
  assertEquals(world.state().status, "healthy");
});

Deno.test("a server that answers with something else than MCP is unhealthy", async () => {
  const world = proberWorld();
  world.fails(new GatewayError("upstream_protocol", "Content that is not MCP"));
  await world.pass(INTERVAL_MS);
  const { status, lastError } = world.state();
  assertEquals([status, lastError], ["unhealthy", "Content that is not MCP"]);
});

Deno.test("a server whose answers to checks are nonsense is unhealthy", async () => {
  const world = proberWorld();
  world.pings(async () => {
    await world.guarded.send(world.server, aRequest({ caller: "" }));
    throw new GatewayError("upstream_protocol", "Malformed JSON");
  });
  await world.pass(INTERVAL_MS);
  assertEquals([world.state().status, world.circuit()], ["unhealthy", "closed"]);
});

Deno.test("a server that asked for a pause is not asked meanwhile", async () => {
  const world = proberWorld({ random: () => 0.1 });
  world.fails(new UpstreamStatusError(503, "300"));
  await world.outcome();
  await world.pass(299_000);
  assertEquals(world.asked(), []);
});

Deno.test("a server that is switched off is not asked", async () => {
  const world = proberWorld({ servers: [anUpstream({ enabled: false })] });
  await world.pass(10 * INTERVAL_MS);
  assertEquals(world.asked(), []);
});

Deno.test("no child process is started to be asked", async () => {
  const world = proberWorld({ servers: [aStdioServer()] });
  await world.pass(10 * INTERVAL_MS);
  assertEquals(world.asked(), []);
});

Deno.test("a server that is gone is not asked any more", async () => {
  const servers = [anUpstream()];
  const world = proberWorld({ servers });
  await world.pass(INTERVAL_MS);
  servers.pop();
  const before = world.asked().length;
  await world.pass(10 * INTERVAL_MS);
  assertEquals(world.asked().length, before);
});

Deno.test("a server that comes later is asked too", async () => {
  const servers: UpstreamServer[] = [];
  const world = proberWorld({ servers });
  await world.pass(10 * INTERVAL_MS);
  servers.push(anUpstream());
  await world.pass(INTERVAL_MS);
  assertEquals(world.asked(), ["alpha"]);
});

Deno.test("only so many checks run at once", async () => {
  const servers = Array.from({ length: 100 }, (_, i) => anUpstream({ name: `s${i}` }));
  const world = proberWorld({ servers });
  world.pings(() => new Promise(() => {}));
  await world.pass(DEADLINE_MS - 1_000);
  assertEquals(world.asked().length, LIMITS.healthChecksAtOnce);
});

Deno.test("servers that hang do not keep others from being asked", async () => {
  const servers = Array.from({ length: 100 }, (_, i) => anUpstream({ name: `s${i}` }));
  const world = proberWorld({ servers });
  world.pings(({ name }) =>
    name < "s9" ? new Promise((_, reject) => world.later(30_000, () => reject(late()))) : world.ok()
  );
  await world.pass(2 * INTERVAL_MS);
  assertEquals(new Set(world.asked()).size, 100);
});

Deno.test("checks of many servers are spread", async () => {
  let n = 0;
  const servers = Array.from({ length: 60 }, (_, i) => anUpstream({ name: `s${i}` }));
  const world = proberWorld({ servers, random: () => (n++ % 60) / 60 });
  const most: number[] = [];
  for (let s = 0; s < 60; s++) {
    const before = world.asked().length;
    await world.pass(1_000);
    most.push(world.asked().length - before);
  }
  assertEquals(Math.max(...most) <= 2, true);
});

Deno.test("an interval of 0 asks nobody", async () => {
  const world = proberWorld({ intervalMs: 0 });
  world.fails(unreachable());
  await world.outcome();
  await world.pass(100 * INTERVAL_MS);
  assertEquals([world.asked(), world.timers.open()], [[], 0]);
});

Deno.test("once stopped it asks nobody and leaves no timer", async () => {
  const world = proberWorld();
  await world.pass(INTERVAL_MS);
  const before = world.asked().length;
  world.prober.stop();
  await world.pass(10 * INTERVAL_MS);
  assertEquals([world.asked().length, world.timers.open()], [before, 0]);
});

Deno.test("started twice it asks no more often", async () => {
  const world = proberWorld();
  world.prober.start();
  await world.pass(INTERVAL_MS + 1_000);
  assertEquals(world.timers.open(), 1);
});

Deno.test("a check that throws instead of rejecting does not end the checks", async () => {
  const world = proberWorld();
  world.pings(() => {
    throw new GatewayError("upstream_protocol", "Nonsense");
  });
  await world.pass(INTERVAL_MS);
  assertEquals(world.state().status, "unhealthy");
});

interface ProberWorldOptions {
  readonly servers?: UpstreamServer[];
  readonly intervalMs?: number;
  readonly random?: () => number;
}

/** Checks go through the guarded client, as a request of the gateway's own. */
function proberWorld(
  { servers, intervalMs = INTERVAL_MS, random = () => 0 }: ProberWorldOptions = {},
) {
  const world = healthWorld({ isProbed: true });
  const { clock, timers, guarded } = world;
  const asked: string[] = [];
  let ping = async (server: UpstreamServer): Promise<void> =>
    void await guarded.send(server, aRequest({ caller: "" }));
  const prober = createProber({
    guarded,
    ping(server) {
      asked.push(server.name);
      return ping(server);
    },
    servers: () => servers ?? [world.server],
    clock,
    timers,
    random,
  }, { intervalMs, deadlineMs: DEADLINE_MS });
  prober.start();
  return {
    ...world,
    prober,
    asked: () => asked,
    pings: (as: typeof ping) => void (ping = as),
    later: (ms: number, then: () => void) => void timers.after(ms, then),
    ok: () => Promise.resolve(void aReply()),
    /** Lets time go by, and whatever is to follow from it. */
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 250) {
        timers.advance(Math.min(left, 250));
        await setImmediate();
      }
      await setImmediate();
    },
  };
}

function late(): GatewayError {
  return new GatewayError("upstream_timeout", "The upstream server did not answer in time");
}
