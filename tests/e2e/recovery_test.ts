/**
 * An upstream that crashes and comes back on the same port, between calls and during them, as the
 * same server or as one of the other era.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  type EverythingOptions,
  startEverything,
} from "../support/everything.ts";
import { freePort } from "../support/free_port.ts";
import { callModern, type Message, type ModernCall, type ModernReply } from "../support/modern.ts";
import { messageOf, openModern, responseOf } from "../support/open_reply.ts";
import { type Gateway, NEVER_HOLDS_BACK, startGateway } from "../support/processes.ts";
import { startScripted } from "../support/scripted.ts";
import { until } from "../support/until.ts";

const READ: ModernCall = { method: "resources/read", params: { uri: "test://static-text" } };
const COUNT: ModernCall = { params: { name: "test_counter", arguments: {} } };
const SLOW: ModernCall = { params: { name: "test_slow", arguments: { ms: 60_000 } } };
/** When calls are held back, and until when, is the matter of `upstream_health_test.ts`. */
const ENV = { MCP_REQUIRE_AUTH: "false", ...NEVER_HOLDS_BACK };
/** For a failure that the gateway sees at once. */
const SOON_MS_MAX = 2_000;
/** How long a server may be taken for one of the session era before it is asked again. */
const REPROBE_MS_MAX = 75_000;
const UNAVAILABLE = -31001;

/** A gateway whose one upstream can be killed and started again. */
interface World extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly upstream: () => Everything;
  restart(options?: EverythingOptions): Promise<void>;
}

/** Takes a minute: runs beside the other tests. */
let modernized: Promise<ModernReply>;

Deno.test.beforeAll(() => {
  modernized = modernize();
  modernized.catch(() => {});
});

Deno.test("a read succeeds after a crash and restart", async () => {
  await using world = await openWorld();
  await world.restart();
  assert("result" in (await call(world, READ)).response);
});

Deno.test("ten reads at once on connections that a crash has cut succeed", async () => {
  await using world = await openWorld();
  await tenfold(world, READ);
  await world.restart();
  const replies = await tenfold(world, READ);
  assertEquals(replies.filter(({ response }) => !("result" in response)), []);
});

Deno.test("a tool call after a crash and restart is executed, once", async () => {
  await using world = await openWorld();
  await world.restart();
  const { response } = await call(world, COUNT);
  assertEquals((response.result as Message).structuredContent, { count: 1 });
});

Deno.test("a subscription can be opened again after a crash and restart", async () => {
  await using world = await openWorld();
  await world.restart();
  using listen = await open(world, listenCall());
  await messageOf(listen, "notifications/subscriptions/acknowledged");
});

Deno.test("while the upstream is down a read is -31001, at once", async () => {
  await using world = await openWorld();
  await world.upstream().kill();
  const { response } = await call(world, READ, SOON_MS_MAX);
  assertEquals((response.error as Message).code, UNAVAILABLE);
});

Deno.test("while the upstream is down a tool call is isError, at once", async () => {
  await using world = await openWorld();
  await world.upstream().kill();
  const { response } = await call(world, COUNT, SOON_MS_MAX);
  assertEquals((response.result as Message).isError, true);
});

Deno.test("what failed while the upstream was down succeeds once it is back", async () => {
  await using world = await openWorld();
  await world.upstream().kill();
  await call(world, READ);
  await world.restart();
  assert("result" in (await call(world, READ)).response);
});

Deno.test("a server that was down when the gateway started is found when it comes", async () => {
  const port = freePort();
  const origin = `http://127.0.0.1:${port}`;
  await using gateway = await startGateway({
    config: configFor({ everything: origin }),
    env: ENV,
  });
  await callModern(gateway.origin, { path: EVERYTHING_PATH, ...READ });
  await using _upstream = await startEverything({ port });
  const { response } = await callModern(gateway.origin, { path: EVERYTHING_PATH, ...READ });
  assert("result" in response, JSON.stringify(response));
});

// ── During a call ───────────────────────────────────────────────────────────────────────────────

for (const [when, speaksFirst] of [["silent", false], ["streaming", true]] as const) {
  Deno.test(`a crash during a ${when} tool call gives isError with unknown outcome`, async () => {
    await using world = await openWorld();
    using reply = await runSlowly(world, speaksFirst);
    await world.upstream().kill();
    const { isError, content } = (await responseOf(reply, SOON_MS_MAX)).result as Message;
    assertEquals(isError, true);
    assert.match(JSON.stringify(content), /unknown|not known/);
  });

  Deno.test(`a ${when} tool call that a crash has cut is not sent again`, async () => {
    await using world = await openWorld();
    using reply = await runSlowly(world, speaksFirst);
    await world.restart();
    await responseOf(reply, SOON_MS_MAX);
    // What would be sent again would be there before this.
    await call(world, READ);
    assertEquals((await world.upstream().stats()).calls, {});
  });

  Deno.test(`after a crash during a ${when} tool call later calls are answered`, async () => {
    await using world = await openWorld();
    using _reply = await runSlowly(world, speaksFirst);
    await world.restart();
    assert("result" in (await call(world, COUNT)).response);
  });
}

Deno.test("a crash ends a subscription with an error", async () => {
  await using world = await openWorld();
  using listen = await open(world, listenCall());
  await messageOf(listen, "notifications/subscriptions/acknowledged");
  await world.upstream().kill();
  assert("error" in await responseOf(listen, SOON_MS_MAX));
});

for (const [what, request, count] of [["a read", READ, 2], ["a tool call", COUNT, 1]] as const) {
  Deno.test(`${what} on a kept connection that dies unanswered is sent ${count}×`, async () => {
    let deaths = 0;
    await using upstream = await startScripted(({ rpc }) => {
      const isDoomed = rpc.method === request.method || rpc.params.name === "test_counter";
      if (!isDoomed || deaths++ > 0) return undefined;
      return { bytes: "", then: "reset" };
    });
    await using gateway = await startGateway({
      config: configFor({ everything: upstream.origin }),
      env: ENV,
    });
    const send = (one: ModernCall) => callModern(gateway.origin, { path: EVERYTHING_PATH, ...one });
    await send({ method: "tools/list" });
    await send(request);
    assertEquals(upstream.requests.length - 1, count);
  });
}

// ── Another era ─────────────────────────────────────────────────────────────────────────────────

Deno.test("a server that comes back as one of the session era is served like one", async () => {
  await using world = await openWorld();
  await using fresh = await openWorld({ era: "legacy" });
  await world.restart({ era: "legacy" });
  await call(world, READ);
  const { response } = await call(world, READ);
  assertEquals(response.result, (await call(fresh, READ)).response.result);
});

Deno.test("a server that comes back as one of the session era and back again is served", async () => {
  await using world = await openWorld({ era: "modern" });
  await world.restart({ era: "legacy" });
  await world.restart({ era: "modern" });
  assert("result" in (await call(world, READ)).response);
});

Deno.test("a server of the session era that was updated is served without a restart", async () => {
  const { response } = await modernized;
  assert("result" in response, JSON.stringify(response));
});

async function modernize(): Promise<ModernReply> {
  await using world = await openWorld({ era: "legacy" });
  await call(world, READ);
  await world.restart({ era: "modern" });
  const served = async () => {
    const reply = await call(world, READ);
    return "result" in reply.response ? reply : undefined;
  };
  return await until("the updated server is served", served, REPROBE_MS_MAX)
    .catch(() => call(world, READ));
}

async function openWorld(options: EverythingOptions = {}): Promise<World> {
  let upstream = await startEverything(options);
  const gateway = await startGateway({
    config: configFor({ everything: upstream.origin }),
    env: { ...ENV, SHUTDOWN_GRACE: "1s" },
  });
  const world: World = {
    gateway,
    upstream: () => upstream,
    async restart(next = options) {
      await upstream.kill();
      const port = Number(new URL(upstream.origin).port);
      upstream = await startEverything({ ...next, port });
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
  await call(world, READ);
  return world;
}

function call({ gateway }: World, request: ModernCall, deadlineMs = 15_000): Promise<ModernReply> {
  const options = { deadlineMs };
  return callModern(gateway.origin, { path: EVERYTHING_PATH, ...request, options });
}

function open({ gateway }: World, request: ModernCall) {
  return openModern(gateway.origin, { path: EVERYTHING_PATH, ...request });
}

function tenfold(world: World, request: ModernCall): Promise<ModernReply[]> {
  return Promise.all(Array.from({ length: 10 }, () => call(world, request)));
}

/** A tool call that is under way at the upstream. */
async function runSlowly(world: World, speaksFirst: boolean) {
  if (!speaksFirst) {
    const reply = await open(world, SLOW);
    await until("the call runs", async () => (await world.upstream().stats()).started > 0);
    return reply;
  }
  const reply = await open(world, {
    params: { name: "test_steps", arguments: { count: 1000, ms: 50, label: "slowly" } },
    meta: { progressToken: "mine" },
  });
  await messageOf(reply, "notifications/progress");
  return reply;
}

function listenCall(): ModernCall {
  return { method: "subscriptions/listen", params: { notifications: { toolsListChanged: true } } };
}
