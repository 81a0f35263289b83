/**
 * Of several replicas one reads the servers; the others know what it knows, and one of them goes on
 * when it dies.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { openApi } from "../support/api_client.ts";
import { callModern, type Message } from "../support/modern.ts";
import {
  startTwoReplicas,
  type TwoReplicas,
  twoReplicasTest as test,
} from "../support/two_replicas.ts";
import { until } from "../support/until.ts";

async function names({ token }: TwoReplicas, origin: string): Promise<readonly unknown[]> {
  const { response } = await callModern(origin, { path: "/mcp", token, method: "tools/list" });
  return ((response.result as Message).tools as Message[]).map(({ name }) => name);
}

test("one of two replicas reads a server, both know how it is", async () => {
  await using world = await startTwoReplicas({}, { EGRESS_ALLOW_PRIVATE: "127.0.0.1" });
  for (const origin of [world.a, world.b]) {
    const api = await openApi(() => origin);
    await until("that it is known", async () => {
      return (await api.must("GET", "/upstreams/everything")).json.status === "connected";
    });
  }
  assertEquals((await world.upstream.stats()).own.methods["tools/list"], 1);
});

test("a server that is made at one replica is read by the other, and known at both at once", async () => {
  await using world = await startTwoReplicas({}, { EGRESS_ALLOW_PRIVATE: "127.0.0.1" });
  const api = await openApi(() => world.b);
  const url = `${world.upstream.origin}/mcp`;
  const { json } = await api.must("POST", "/upstreams", { name: "second", url });
  assertEquals(json.status, "connected");
  await until("the other", async () => {
    return (await names(world, world.a)).includes("second-test_echo");
  }, 5_000);
});

test("when the replica that reads dies, the other one does within 10 s", async () => {
  await using world = await startTwoReplicas({}, { EGRESS_ALLOW_PRIVATE: "127.0.0.1" });
  Deno.kill(world.gateways[0].pid, "SIGKILL");
  const call = { path: "/servers/everything/mcp", token: world.token };
  const params = { name: "test_trigger_tool_change", arguments: {} };
  await callModern(world.b, { ...call, params });

  await until("the change", async () => {
    return (await names(world, world.b)).includes("everything-test_dynamic_tool");
  }, 10_000);
});
