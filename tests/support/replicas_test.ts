/**
 * All of the support for replicas together.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { openBalancer } from "./balancer.ts";
import { configFor, EVERYTHING_PATH, startEverything } from "./everything.ts";
import { openFaultProxy } from "./fault_proxy.ts";
import { freePort } from "./free_port.ts";
import { callModern } from "./modern.ts";
import { startRedis } from "./redis_server.ts";
import { postgresPlace, replicasTest, startReplicas } from "./replicas.ts";
import { mintToken } from "./tokens.ts";
import { until } from "./until.ts";

replicasTest("replicas share a catalog, die, sleep and come back, behind a balancer", async () => {
  await using upstream = await startEverything();
  const { host, port } = postgresPlace();
  await using redis = await startRedis();
  await using proxy = await openFaultProxy(port, host);
  const entrance = freePort();
  await using replicas = await startReplicas({
    count: 2,
    config: configFor({ everything: upstream.origin }),
    env: { ALLOWED_HOSTS: `127.0.0.1:${entrance}` },
    redisUrl: redis.url,
    postgresPort: proxy.port,
  });
  await using balancer = await openBalancer(replicas.origins, entrance);
  const token = await mintToken();
  const call = async () => {
    const params = { name: "test_simple_text", arguments: {} };
    return (await callModern(balancer.origin, { token, path: EVERYTHING_PATH, params })).status;
  };
  assertEquals([await call(), await call(), balancer.counts()], [200, 200, [1, 1]]);
  assert(proxy.connections() > 0);

  const [first, second] = [replicas.all[0]!, replicas.all[1]!];
  const pid = first.pid();
  await first.kill();
  second.signal("SIGSTOP");
  await until("both to be left out", () => balancer.inUse().length === 0);
  second.signal("SIGCONT");
  await first.start();
  assert(first.pid() !== pid);
  await until("both to be taken in", () => balancer.inUse().length === 2);
  assertEquals([await call(), await call()], [200, 200]);
  assertEquals(await first.stop(), 0);
});
