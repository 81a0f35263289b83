/**
 * What several replicas cost: `deno task bench:replicas [--ms N]`.
 *
 * Two replicas on one PostgreSQL and a Redis of their own, the stub behind them. Windows of each pair
 * that is compared alternate, since the machine is not the same from one minute to the next. Figures are
 * CPU times, of both replicas together; who asks is not counted.
 *
 * @module
 */
import { median } from "../support/figures.ts";
import { envelope, MODERN_REVISION } from "../support/modern.ts";
import { startRedis } from "../support/redis_server.ts";
import { type Replica, startReplicas } from "../support/replicas.ts";
import { mintToken } from "../support/tokens.ts";
import { startStub, urlsOf } from "./contenders.ts";
import { SESSION_PATH, SESSION_REVISION, STATELESS_PATH } from "./payload.ts";
import { processCpuUs } from "./proc.ts";
import { createProcesses } from "./processes.ts";

const WORKERS = 16;
const WINDOWS = 7;
const WINDOW_MS = Number(argument("--ms") ?? 4_000);
const HELD_SESSIONS = 1_000;
const TEXT_BYTES = 1024;

/** One request, at the replica that is named. */
type Ask = (origin: string) => Promise<void>;

interface World {
  readonly origins: readonly string[];
  readonly replicas: readonly Replica[];
  readonly redisPid: number;
  readonly token: string;
}

async function main(): Promise<void> {
  const processes = createProcesses();
  await using redis = await startRedis();
  try {
    const stub = await startStub(processes);
    const urls = urlsOf(stub, { stub: STATELESS_PATH, "stub-session": SESSION_PATH });
    const servers = Object.entries(urls).map(([name, url]) => [name, { type: "http", url }]);
    await using started = await startReplicas({
      count: 2,
      redisUrl: redis.url,
      config: { mcpServers: Object.fromEntries(servers) },
      env: { SESSIONS_PER_PRINCIPAL: String(HELD_SESSIONS + WORKERS) },
    });
    const world: World = {
      origins: started.origins,
      replicas: started.all,
      redisPid: Number(/process_id:(\d+)/.exec(await redis.cli("info", "server"))?.[1]),
      token: await mintToken({ sub: "bench@example.com", is_admin: true }),
    };
    await measure(world);
    await measureMemory(world, async () => {
      return Number(/used_memory:(\d+)/.exec(await redis.cli("info", "memory"))?.[1]);
    });
  } finally {
    await processes.stopAll();
  }
}

async function measure(world: World): Promise<void> {
  const stateless = Array.from({ length: WORKERS }, () => statelessCall(world.token));
  const sessions = await Promise.all(
    Array.from({ length: WORKERS }, (_, at) => sessionCall(world.origins[at % 2]!, world.token)),
  );
  const pairs = [
    {
      names: ["2026-07-28: one replica takes all", "2026-07-28: two take turns"],
      asks: stateless,
      ways: [() => 0, (_worker: number, turn: number) => turn % 2],
    },
    {
      names: ["2025-11-25: calls stay where they are", "2025-11-25: each at another replica"],
      asks: sessions,
      ways: [(worker: number) => worker % 2, (worker: number, turn: number) => (worker + turn) % 2],
    },
  ];
  for (const { names, asks, ways } of pairs) {
    // Until V8 has translated all of it.
    for (const way of ways) await window(world, asks, way);
    const found = ways.map(() => [] as Awaited<ReturnType<typeof window>>[]);
    for (let round = 0; round < WINDOWS; round++) {
      for (const [at, way] of ways.entries()) found[at]!.push(await window(world, asks, way));
    }
    const ratios = found[1]!.map(({ cpuUs }, round) => cpuUs / found[0]![round]!.cpuUs);
    for (const [at, name] of names.entries()) {
      const cpuUs = median(found[at]!.map((one) => one.cpuUs)).toFixed(0);
      const redisUs = median(found[at]!.map((one) => one.redisUs)).toFixed(0);
      console.log(`${name}: ${cpuUs} CPU-µs a call, and ${redisUs} in Redis`);
    }
    const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((one) => one.toFixed(2));
    console.log(`  ratio ${median(ratios).toFixed(2)} (${low} to ${high}, ${WINDOWS} windows)`);
  }
}

/** Load for a while; `way` says which replica a worker asks next. */
async function window(
  { origins, replicas, redisPid }: World,
  asks: readonly Ask[],
  way: (worker: number, turn: number) => number,
): Promise<{ readonly cpuUs: number; readonly redisUs: number }> {
  const readings = () =>
    [
      replicas.reduce((sum, { pid }) => sum + processCpuUs(pid()), 0),
      processCpuUs(redisPid),
    ] as const;
  const endMs = performance.now() + WINDOW_MS;
  const before = readings();
  const counts = await Promise.all(asks.map(async (ask, worker) => {
    let turn = 0;
    for (; performance.now() < endMs; turn++) await ask(origins[way(worker, turn)]!);
    return turn;
  }));
  const after = readings();
  const calls = counts.reduce((sum, count) => sum + count, 0);
  return { cpuUs: (after[0] - before[0]) / calls, redisUs: (after[1] - before[1]) / calls };
}

async function measureMemory(world: World, used: () => Promise<number>): Promise<void> {
  const before = await used();
  for (let at = 0; at < HELD_SESSIONS; at++) {
    await openSession(world.origins[at % 2]!, world.token);
  }
  const bytes = (await used() - before) / HELD_SESSIONS;
  console.log(`A session: ${bytes.toFixed(0)} bytes in Redis (${HELD_SESSIONS} sessions)`);
}

function statelessCall(token: string): Ask {
  const body = callOf({ _meta: envelope() });
  const headers = {
    "mcp-protocol-version": MODERN_REVISION,
    "mcp-method": "tools/call",
    "mcp-name": "text",
  };
  return (origin) => ask(`${origin}/servers/stub/mcp`, token, headers, body);
}

async function sessionCall(origin: string, token: string): Promise<Ask> {
  const session = await openSession(origin, token);
  const headers = { "mcp-protocol-version": SESSION_REVISION, "mcp-session-id": session };
  const body = callOf({});
  return (origin) => ask(`${origin}/servers/stub-session/mcp`, token, headers, body);
}

async function openSession(origin: string, token: string): Promise<string> {
  const url = `${origin}/servers/stub-session/mcp`;
  const params = {
    protocolVersion: SESSION_REVISION,
    capabilities: {},
    clientInfo: { name: "bench", version: "1" },
  };
  const opened = await post(
    url,
    token,
    {},
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params }),
  );
  await opened.body?.cancel();
  const session = opened.headers.get("mcp-session-id");
  if (session === null) throw new Error(`initialize: ${opened.status}`);
  const headers = { "mcp-protocol-version": SESSION_REVISION, "mcp-session-id": session };
  const said = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });
  await (await post(url, token, headers, said)).body?.cancel();
  return session;
}

function callOf(more: object): string {
  const params = { name: "text", arguments: { bytes: TEXT_BYTES }, ...more };
  return JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
}

async function ask(
  url: string,
  token: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<void> {
  const reply = await post(url, token, headers, body);
  const text = await reply.text();
  if (!reply.ok || text.length < TEXT_BYTES) throw new Error(`${reply.status}: ${text}`);
}

function post(
  url: string,
  token: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body,
  });
}

function argument(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

await main();
