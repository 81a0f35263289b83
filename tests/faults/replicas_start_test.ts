/**
 * Replicas on one PostgreSQL: many that start at once, what one of them is told, and who may serve
 * where there is no Redis.
 *
 * `START_ROUNDS` says how often many start at once.
 *
 * @module
 * @see contract.md, section 8, "Readiness"; docs/decisions/0035-one-replica-without-redis.md
 */
import {
  deepStrictEqual as assertEquals,
  match as assertMatch,
  ok as assert,
} from "node:assert/strict";
import { openApi } from "../support/api_client.ts";
import { configFor, startEverything } from "../support/everything.ts";
import { openFaultProxy } from "../support/fault_proxy.ts";
import { figure, median, timed } from "../support/figures.ts";
import { often } from "../support/long.ts";
import { callModern } from "../support/modern.ts";
import { postgresTest } from "../support/postgres.ts";
import { runProgram } from "../support/program.ts";
import { startRedis } from "../support/redis_server.ts";
import { postgresPlace, replicasTest, startReplicas } from "../support/replicas.ts";
import { tempDir } from "../support/temp_dir.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const ROUNDS = Number(Deno.env.get("START_ROUNDS") ?? often(5, 1));
const AT_ONCE = 5;
const CHANGES = 15;
/** The poll alone would take 500 ms in the middle. */
const HASTENED_MS_MAX = 450;

replicasTest(`${ROUNDS} times ${AT_ONCE} replicas start at once on an empty database`, async () => {
  await using redis = await startRedis();
  await using upstream = await startEverything();
  const servers = { ops: { tools: ["everything-*"] } };
  const { origin } = upstream;
  // As many as it takes for each to be made by another replica.
  const config = {
    ...configFor({ everything: origin, second: origin, third: origin, fourth: origin }),
    servers,
  };
  const slugs = ["everything", "fourth", "ops", "second", "third"];
  const token = await mintToken();
  for (let round = 0; round < ROUNDS; round++) {
    await using replicas = await startReplicas({
      count: AT_ONCE,
      config,
      redisUrl: redis.url,
    });
    const { ask } = replicas.schema;
    const count = async (sql: string) => (await ask(sql))[0]!.count;
    assertEquals(
      await Promise.all(replicas.origins.map(async (at) => (await fetch(`${at}/ready`)).status)),
      Array(AT_ONCE).fill(200),
    );
    assertEquals(
      (await ask("select slug from servers order by slug")).map(({ slug }) => slug),
      [".own", ...slugs],
    );
    const served = replicas.origins.flatMap((at) => slugs.map((slug) => ({ at, slug })));
    const statuses = await Promise.all(served.map(async ({ at, slug }) => {
      const path = `/servers/${slug}/mcp`;
      return `${slug} ${(await callModern(at, { token, path, method: "tools/list" })).status}`;
    }));
    assertEquals(new Set(statuses), new Set(slugs.map((slug) => `${slug} 200`)));
    const items = await until("what was discovered", () => count("select count(*) from items"));
    assertEquals(items, await count("select count(distinct exposed_name) from items"));
    // The administrator's token is handed out once.
    const greeted = replicas.all.filter(({ stderr }) => stderr().includes("First start."));
    assertEquals(greeted.length, 1);
  }
});

replicasTest("what one replica is told, the other knows before it looks by itself", async () => {
  await using redis = await startRedis();
  await using replicas = await startReplicas({ count: 2, redisUrl: redis.url });
  const [one, other] = await Promise.all(replicas.origins.map((origin) => openApi(() => origin)));
  const delays: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    await one!.must("POST", "/teams", { name: `team-${i}`, slug: `team-${i}` });
    const isThere = async () => (await other!.call("GET", `/teams/team-${i}`)).status === 200;
    delays.push(await timed(() => until("the team", isThere)));
  }
  figure("LISTEN", `${CHANGES} changes seen elsewhere, median`, median(delays), "about 100", " ms");
  figure("LISTEN", "slowest", Math.max(...delays), "1000, that of the poll", " ms");
  assert(median(delays) <= HASTENED_MS_MAX);
});

postgresTest(
  "without Redis a second replica refuses to start, and says what it needs",
  async () => {
    await using replicas = await startReplicas({ count: 1 });
    const [first] = replicas.all;
    await using dir = await tempDir();
    const args = ["--port", "0", "--data", dir.path];
    const second = await runProgram(args, { env: replicas.env });
    assertEquals([second.code, second.stdout], [1, ""]);
    assertMatch(second.stderr, /^sallyport: .*REDIS_URL.*\n$/);
    assertEquals((await fetch(`${first!.origin}/ready`)).status, 200);
  },
);

postgresTest("without Redis commands are not refused while a replica serves", async () => {
  await using replicas = await startReplicas({ count: 1 });
  await using dir = await tempDir();
  for (
    const command of [["migrate"], ["token", "--sub", "a@example.com"], ["doctor"], [
      "keys",
      "rotate",
    ]]
  ) {
    const { code, stderr } = await runProgram([...command, "--data", dir.path], {
      env: replicas.env,
    });
    assertEquals({ command, code, stderr }, { command, code: 0, stderr: "" });
  }
});

postgresTest("a replica that was killed does not keep the next one from starting", async () => {
  await using replicas = await startReplicas({ count: 1 });
  const [replica] = replicas.all;
  await replica!.kill();
  await replica!.start();
  assertEquals((await fetch(`${replica!.origin}/ready`)).status, 200);
});

postgresTest("a replica whose connections were lost is still the only one", async () => {
  const { host, port } = postgresPlace();
  await using proxy = await openFaultProxy(port, host);
  await using replicas = await startReplicas({ count: 1, postgresPort: proxy.port });
  const before = proxy.connections();
  proxy.reset();
  await until("it to connect again", () => proxy.connections() > 0);
  assert(before > 0);
  await using dir = await tempDir();
  const second = await runProgram(["--port", "0", "--data", dir.path], { env: replicas.env });
  assertEquals(second.code, 1);
  assertEquals((await fetch(`${replicas.origins[0]}/ready`)).status, 200);
});
