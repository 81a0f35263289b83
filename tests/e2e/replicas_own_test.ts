/**
 * Two gateways with one Redis and one PostgreSQL: the gateway's own items are those of both.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { openApi } from "../support/api_client.ts";
import { callModern, type Message } from "../support/modern.ts";
import { messageOf, statusOf } from "../support/open_reply.ts";
import {
  startTwoReplicas,
  type TwoReplicas,
  twoReplicasTest as test,
} from "../support/two_replicas.ts";
import { until } from "../support/until.ts";

const NOTE = { uri: "note://a", name: "A", text: "one" };
const SOON_MS = 1_000;

async function textAt({ token }: TwoReplicas, origin: string): Promise<unknown> {
  const call = { path: "/mcp", token, method: "resources/read", params: { uri: "note://a" } };
  const { response } = await callModern(origin, call);
  const contents = (response.result as Message | undefined)?.contents as Message[] | undefined;
  return contents?.[0]?.text;
}

test("what is made, changed and removed at one replica is so at the other", async () => {
  await using world = await startTwoReplicas();
  const api = await openApi(() => world.a);
  const soon = (text: string | undefined) =>
    until(`${text} there`, async () => await textAt(world, world.b) === text, SOON_MS);
  const { json } = await api.must("POST", "/resources", NOTE);
  await soon("one");
  await api.must("PATCH", `/resources/${json.id}`, { text: "two" });
  await soon("two");
  await api.must("DELETE", `/resources/${json.id}`);
  await soon(undefined);
});

test("a session hears at one replica what is changed at the other, wherever it subscribed", async () => {
  await using world = await startTwoReplicas();
  const api = await openApi(() => world.a);
  const there = await openApi(() => world.b);
  const { json } = await api.must("POST", "/resources", NOTE);
  await until("it there", async () => await textAt(world, world.b) === "one", SOON_MS);
  await using session = await world.open({ path: "/mcp" });
  using stream = await session.listen();
  await statusOf(stream);
  const subscribed = await session.at(world.b).send({
    method: "resources/subscribe",
    params: { uri: "note://a" },
  });
  assertEquals(subscribed.response.result, {});
  await there.must("PATCH", `/resources/${json.id}`, { text: "two" });
  const { params } = await messageOf(stream, "notifications/resources/updated");
  assertEquals(params, { uri: "note://a" });
});
