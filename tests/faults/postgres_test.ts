/**
 * F30 to F33: PostgreSQL away, restarting, silent, slow, while one gateway serves.
 *
 * @module
 * @see security.md, section 5.3; contract.md, section 8, "Readiness"
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import postgres from "postgres";
import { LIMITS } from "../../src/domain/limits.ts";
import { type Api, openApi } from "../support/api_client.ts";
import { configFor, EVERYTHING_PATH, startEverything } from "../support/everything.ts";
import { type FaultProxy, openFaultProxy } from "../support/fault_proxy.ts";
import { figure, timed } from "../support/figures.ts";
import { longTest, pause } from "../support/fleet.ts";
import { callModern } from "../support/modern.ts";
import { POSTGRES_URL, postgresTest } from "../support/postgres.ts";
import { postgresPlace, type Replica, type Replicas, startReplicas } from "../support/replicas.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const RETURN_MS_MAX = 5_000;
const CHANGE_MS_MAX = 1_000;
const RESTART_MS = 10_000;
/** A second for a connection, five for a statement, and the way there and back. */
const WAIT_MS_MAX = 7_000;
/** Longer than this nothing may take, whatever other work the machine has. */
const HANG_MS = 30_000;

interface World extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly gateway: Replica;
  readonly schema: Replicas["schema"];
  readonly api: Api;
  /** Whether a call succeeds. */
  readonly call: () => Promise<boolean>;
  readonly ready: () => Promise<{ status: number; body: unknown }>;
}

/** A gateway that reaches PostgreSQL through a proxy only. */
async function openWorld(env: Readonly<Record<string, string>> = {}): Promise<World> {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startEverything());
  const { host, port } = postgresPlace();
  const proxy = stack.use(await openFaultProxy(port, host));
  const config = configFor({ everything: upstream.origin });
  const options = { count: 1, config, env, postgresPort: proxy.port };
  const { all, schema, ...replicas } = await startReplicas(options);
  stack.defer(() => replicas[Symbol.asyncDispose]());
  const gateway = all[0]!;
  const token = await mintToken();
  const params = { name: "test_simple_text", arguments: {} };
  return {
    proxy,
    gateway,
    schema,
    api: await openApi(() => gateway.origin),
    async call() {
      const path = EVERYTHING_PATH;
      const reply = await callModern(gateway.origin, { token, path, params }).catch(() =>
        undefined
      );
      return reply?.status === 200 && "content" in Object(reply.response.result);
    },
    async ready() {
      const reply = await fetch(`${gateway.origin}/ready`);
      return { status: reply.status, body: await reply.json() };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const READY = { status: 200, body: { status: "ready" } };
const DEGRADED = { status: 200, body: { status: "ready", degraded: ["database"] } };
const NOT_READY = { status: 503, body: { status: "not ready", reasons: ["database"] } };

/** Milliseconds until `/ready` says that. */
function untilReadyIs({ ready }: World, wanted: unknown): Promise<number> {
  const isThat = async () => JSON.stringify(await ready()) === JSON.stringify(wanted);
  return timed(() => until(JSON.stringify(wanted), isThat));
}

/** Status and code of a change through the API. */
async function changed({ api }: World, name: string): Promise<readonly unknown[]> {
  const { status, json } = await api.call("POST", "/teams", { body: { name, slug: name } });
  return status === 201 ? [201] : [status, json.code];
}

const WAYS: Readonly<
  Record<string, { away: (p: FaultProxy) => unknown; back: (p: FaultProxy) => unknown }>
> = {
  "refuses connections": { away: ({ down }) => down(), back: ({ up }) => up() },
  "does not answer": { away: ({ set }) => set({ isHole: true }), back: ({ set }) => set({}) },
};

for (const [way, { away, back }] of Object.entries(WAYS)) {
  longTest(`F30: a gateway whose database ${way} at the start waits for it`, async () => {
    await using world = await openWorld();
    const { gateway, proxy, call } = world;
    await gateway.stop();
    await away(proxy);
    const started = gateway.start();
    const starting = {
      status: 503,
      body: { status: "not ready", reasons: ["starting", "database"] },
    };
    const isStarting = async () =>
      JSON.stringify(await world.ready().catch(() => undefined)) === JSON.stringify(starting);
    await until("it to say what it waits for", isStarting);
    const alive = await fetch(`${gateway.origin}/health`);
    assertEquals([alive.status, await alive.json()], [200, { status: "ok" }]);
    assertEquals((await fetch(`${gateway.origin}/mcp`, { method: "POST" })).status, 503);
    await back(proxy);
    const ms = await timed(async () => {
      await started;
      await untilReadyIs(world, READY);
    });
    figure("F30", `ready again after it ${way}`, ms, `at most ${RETURN_MS_MAX}`, " ms");
    assert(ms <= HANG_MS && await call());
  });
}

postgresTest("F30: a gateway that waits for its database ends when it is told to", async () => {
  await using world = await openWorld();
  await world.gateway.stop();
  await world.proxy.down();
  world.gateway.start().catch(() => {});
  await until("it to wait", () => world.gateway.stderr().includes("The database is away"));
  assertEquals(await world.gateway.stop(), 0);
});

longTest("F31: calls go on while the database restarts, changes are refused", async () => {
  await using world = await openWorld();
  const { proxy, api, call } = world;
  const results: boolean[] = [];
  let isOver = false;
  const callers = [1, 2, 3, 4].map(async () => {
    while (!isOver) results.push(await call());
  });
  await until("some calls", () => results.length > 100);
  await proxy.down();
  const restart = new Promise((resolve) => setTimeout(resolve, RESTART_MS));
  const noticed = await untilReadyIs(world, DEGRADED);
  assertEquals(await changed(world, "away"), [503, "unavailable"]);
  assertEquals((await api.call("GET", "/upstreams")).status, 200);
  await restart;
  await proxy.up();
  const returned = await untilReadyIs(world, READY);
  assertEquals(await changed(world, "back"), [201]);
  isOver = true;
  await Promise.all(callers);
  const share = 100 * results.filter(Boolean).length / results.length;
  figure("F31", `success of ${results.length} calls`, share, "at least 99", " %");
  figure("F31", "noticed after", noticed, `at most ${CHANGE_MS_MAX}`, " ms");
  figure("F31", "changes work again after", returned, `at most ${RETURN_MS_MAX}`, " ms");
  assert(share >= 90 && noticed <= HANG_MS && returned <= HANG_MS);
});

postgresTest("F31: rights that are too old are none, and /ready says so", async () => {
  await using world = await openWorld({ RIGHTS_CACHE_MAX: "3s" });
  assert(await world.call());
  await world.proxy.down();
  await untilReadyIs(world, NOT_READY);
  assert(!await world.call());
  await world.proxy.up();
  const ms = await untilReadyIs(world, READY);
  figure("F31", "rights are known again after", ms, `at most ${RETURN_MS_MAX}`, " ms");
  assert(ms <= HANG_MS && await world.call());
});

postgresTest("F31: connections that are dead without a word are made anew", async () => {
  await using world = await openWorld();
  await Promise.all([1, 2, 3, 4, 5].map((i) => changed(world, `before-${i}`)));
  world.proxy.forget();
  const waits = Promise.all([0, 500, 1_000, 1_500, 2_000].map(async (afterMs) => {
    await pause(afterMs);
    return await timed(() => changed(world, crypto.randomUUID()));
  }));
  const ms = await timed(() =>
    until("a change", async () => (await changed(world, crypto.randomUUID()))[0] === 201)
  );
  figure(
    "F31",
    "changes work again after half-open connections",
    ms,
    `at most ${RETURN_MS_MAX}`,
    " ms",
  );
  const longest = Math.max(...await waits);
  figure("F31", "a change over a half-open one waits, at the longest", longest, "no hang", " ms");
  assert(ms <= HANG_MS && longest < LIMITS.databaseSilentMs);
});

longTest(
  "F32: a database in which everything waits is told of in time, and stops nobody",
  async () => {
    await using world = await openWorld();
    const sql = postgres(POSTGRES_URL, { max: 1, onnotice: () => {} });
    const schema = new URL(world.schema.text).searchParams.get("schema")!;
    const release = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const holding = sql.begin(async (trx) => {
      await trx.unsafe(`select 1 from ${schema}.change_state for update`);
      held.resolve();
      await release.promise;
    });
    await held.promise;
    const longest = { changeMs: 0, readyMs: 0 };
    const changes = Array.from({ length: 40 }, async (_, i) => {
      const start = performance.now();
      const answer = await changed(world, `held-${i}`);
      longest.changeMs = Math.max(longest.changeMs, performance.now() - start);
      return String(answer);
    });
    let isOver = false;
    const watching = (async () => {
      // Rights are read meanwhile: what can be read is not behind what cannot be written.
      while (!isOver) {
        const ms = await timed(async () => assertEquals(await world.ready(), READY));
        longest.readyMs = Math.max(longest.readyMs, ms);
      }
    })();
    assertEquals(new Set(await Promise.all(changes)), new Set(["503,unavailable"]));
    assert(await world.call());
    isOver = true;
    await watching;
    release.resolve();
    await holding;
    await sql.end();
    assertEquals(await changed(world, "after"), [201]);
    figure(
      "F32",
      "longest wait for 503",
      longest.changeMs,
      `at most ${WAIT_MS_MAX}`,
      " ms",
    );
    figure("F32", "longest answer of /ready meanwhile", longest.readyMs, "no stall", " ms");
    assert(longest.changeMs <= HANG_MS);
  },
);
