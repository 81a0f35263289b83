/**
 * Stopping: nothing that runs is cut off without need, nothing keeps the process for ever.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import {
  CALL,
  type Installation,
  LISTEN,
  OPEN_TO_ALL,
  openInstallation,
  slowCall,
} from "../support/gateway_program.ts";
import { callModern, type ModernCall } from "../support/modern.ts";
import { messageOf, openModern, responseOf } from "../support/open_reply.ts";
import type { Program } from "../support/program.ts";
import { until } from "../support/until.ts";

/** For what must happen at once, on a busy machine. */
const SOON_MS = 3_000;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends an idle gateway with 0`, async () => {
    await using world = await openWorld();
    world.gateway.signal(signal);
    assertEquals((await world.gateway.ended()).code, 0);
  });
}

Deno.test("SIGTERM ends a gateway with kept connections with 0", async () => {
  await using world = await openWorld();
  await (await fetch(`${world.origin}/health`)).body?.cancel();
  await callModern(world.origin, CALL);
  const begin = performance.now();
  world.gateway.signal("SIGTERM");
  const { code } = await world.gateway.ended();
  assertEquals([code, performance.now() - begin < SOON_MS], [0, true]);
});

Deno.test("on SIGTERM an open subscription ends with a result", async () => {
  await using world = await openWorld();
  using listen = await openListening(world);
  world.gateway.signal("SIGTERM");
  assertEquals((await responseOf(listen)).id, 1);
  assert("result" in await responseOf(listen));
});

Deno.test("on SIGTERM an open subscription ends as HTTP says that streams end", async () => {
  await using world = await openWorld();
  using listen = await openListening(world);
  world.gateway.signal("SIGTERM");
  assertEquals(await until("the end of the stream", () => listen.ended()), "complete");
});

Deno.test("an open subscription does not hold the process", async () => {
  await using world = await openWorld();
  using _listen = await openListening(world);
  const begin = performance.now();
  world.gateway.signal("SIGTERM");
  const { code } = await world.gateway.ended();
  assertEquals([code, performance.now() - begin < SOON_MS], [0, true]);
});

for (const [what, ms] of [["plain", 200], ["streamed", 1_500]] as const) {
  Deno.test(`on SIGTERM a ${what} call that runs is answered, then the process ends with 0`, async () => {
    await using world = await openWorld();
    const reply = callModern(world.origin, slowCall(ms));
    await running(world);
    world.gateway.signal("SIGTERM");
    const { result } = (await reply).response as { result: { content: { text: string }[] } };
    assertEquals([result.content[0]!.text, (await world.gateway.ended()).code], [
      `Waited ${ms} ms: done`,
      0,
    ]);
  });
}

Deno.test("after SIGTERM no new connection is taken", async () => {
  await using world = await openWorld();
  const reply = callModern(world.origin, slowCall(1_500));
  await running(world);
  world.gateway.signal("SIGTERM");
  await stopping(world.gateway);
  await until("new connections are refused", async () => {
    return await fetch(`${world.origin}/health`).then((r) => r.body?.cancel(), () => true) ?? false;
  });
  await reply;
});

Deno.test("a second signal ends the process at once, with 1", async () => {
  await using world = await openWorld();
  const reply = callModern(world.origin, slowCall(60_000));
  const refused = assertRejects(() => reply);
  await running(world);
  world.gateway.signal("SIGTERM");
  await stopping(world.gateway);
  const begin = performance.now();
  world.gateway.signal("SIGTERM");
  const { code } = await world.gateway.ended();
  assertEquals([code, performance.now() - begin < SOON_MS], [1, true]);
  await refused;
});

// A terminal interrupts every process of a task, and some of them pass it on.
Deno.test("two SIGINTs in one moment are one: the call that runs is answered", async () => {
  await using world = await openWorld();
  const reply = callModern(world.origin, slowCall(500));
  await running(world);
  world.gateway.signal("SIGINT");
  await stopping(world.gateway);
  world.gateway.signal("SIGINT");
  assertEquals([(await reply).status, (await world.gateway.ended()).code], [200, 0]);
});

Deno.test("after SHUTDOWN_GRACE a call that still runs is told so, and the process ends with 0", async () => {
  await using world = await openWorld({ SHUTDOWN_GRACE: "300ms" });
  const reply = callModern(world.origin, slowCall(60_000));
  await running(world);
  world.gateway.signal("SIGTERM");
  const { result } = (await reply).response as { result: { isError: boolean } };
  assertEquals([result.isError, (await world.gateway.ended()).code], [true, 0]);
});

Deno.test("after SHUTDOWN_GRACE the upstream is told that the call is given up", async () => {
  await using world = await openWorld({ SHUTDOWN_GRACE: "0" });
  const reply = callModern(world.origin, slowCall(60_000)).catch(() => {});
  await running(world);
  world.gateway.signal("SIGTERM");
  await reply;
  await until(
    "the call is aborted upstream",
    async () => (await world.upstream.stats()).aborted > 0,
  );
});

Deno.test("during DRAIN_DELAY the gateway is not ready", async () => {
  await using world = await openWorld({ DRAIN_DELAY: "5s" });
  world.gateway.signal("SIGTERM");
  await stopping(world.gateway);
  const reply = await fetch(`${world.origin}/ready`);
  assertEquals([reply.status, (await reply.json()).reasons], [503, ["draining"]]);
});

Deno.test("during DRAIN_DELAY requests are still served", async () => {
  await using world = await openWorld({ DRAIN_DELAY: "5s" });
  world.gateway.signal("SIGTERM");
  await stopping(world.gateway);
  assertEquals((await callModern(world.origin, CALL)).status, 200);
});

Deno.test("after DRAIN_DELAY the process ends with 0", async () => {
  await using world = await openWorld({ DRAIN_DELAY: "500ms" });
  world.gateway.signal("SIGTERM");
  assertEquals((await world.gateway.ended()).code, 0);
});

Deno.test("SIGINT does not wait for DRAIN_DELAY", async () => {
  await using world = await openWorld({ DRAIN_DELAY: "1m" });
  const begin = performance.now();
  world.gateway.signal("SIGINT");
  const { code } = await world.gateway.ended();
  assertEquals([code, performance.now() - begin < SOON_MS], [0, true]);
});

interface World extends AsyncDisposable {
  readonly upstream: Installation["upstream"];
  readonly gateway: Program;
  readonly origin: string;
}

async function openWorld(env: Readonly<Record<string, string>> = {}): Promise<World> {
  const installation = await openInstallation();
  const gateway = installation.serve({ env: { ...OPEN_TO_ALL, ...env } });
  return {
    upstream: installation.upstream,
    gateway,
    origin: await gateway.listening(),
    [Symbol.asyncDispose]: () => installation[Symbol.asyncDispose](),
  };
}

/** A subscription that the upstream has acknowledged. */
async function openListening({ origin }: World, call: ModernCall = LISTEN) {
  const reply = await openModern(origin, call);
  await messageOf(reply, "notifications/subscriptions/acknowledged");
  return reply;
}

/** Waits until a slow call has reached the upstream. */
function running({ upstream }: World): Promise<unknown> {
  return until("the call runs", async () => (await upstream.stats()).started > 0);
}

function stopping(gateway: Program): Promise<unknown> {
  return until("the signal is taken", () => gateway.stderr().includes("Stopping"));
}
