/**
 * What only one replica can do, asked of the other: answers, cancellations, processes, parked calls,
 * old streams, and calls whose replica is killed.
 *
 * @module
 * @see issue "Many replicas"; security.md, F40, F41, F62, F68
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { greetOld, sendOld } from "../support/old_sse_client.ts";
import { callModern, type Message } from "../support/modern.ts";
import { messageOf, responseOf, statusOf } from "../support/open_reply.ts";
import { callSession, lastEventId, messagesIn, toolCall } from "../support/session_client.ts";
import {
  type Servers,
  startTwoReplicas,
  startTwoReplicasOfAll,
  type TwoReplicas,
  twoReplicasTest as test,
} from "../support/two_replicas.ts";
import { until } from "../support/until.ts";

let world: TwoReplicas & Servers;

Deno.test.beforeAll(async () => {
  world = await startTwoReplicasOfAll();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

const SAMPLE = { model: "m", role: "assistant", content: { type: "text", text: "a sample" } };

for (const name of ["everything", "legacy", "modern", "files", "old"]) {
  const path = `/servers/${name}/mcp`;

  test(`a session with ${name} is one session at both replicas`, async () => {
    await using session = await world.open({ path });
    const counts: number[] = [];
    for (const one of [session, session.at(world.b), session]) {
      const { response } = await one.send(toolCall("test_counter"));
      counts.push(Number(JSON.stringify(response.result).match(/\d+/)?.[0]));
    }
    assertEquals(counts, [1, 2, 3].map((nth) => counts[0]! + nth - 1));
  });
}

test("an id that was answered at one replica may be used again at the other", async () => {
  await using session = await world.open({ path: "/servers/legacy/mcp" });
  const statuses: number[] = [];
  for (let turn = 0; turn < 50; turn++) {
    const at = turn % 2 === 0 ? session : session.at(world.b);
    statuses.push((await at.send({ ...toolCall("test_echo"), idText: "7" })).status);
  }
  assertEquals(statuses, Array(50).fill(200));
});

test("a session that was ended at one replica is none at the other from then on", async () => {
  const statuses: number[] = [];
  for (let turn = 0; turn < 30; turn++) {
    const session = await world.open({ path: "/servers/modern/mcp" });
    const other = session.at(world.b);
    await other.send({ method: "tools/list" });
    assertEquals((await session.end()).status, 204);
    statuses.push((await other.send({ method: "tools/list" })).status);
  }
  assertEquals(statuses, Array(30).fill(404));
});

for (const name of ["legacy", "modern", "files"]) {
  const path = `/servers/${name}/mcp`;

  test(`a question of ${name} at one replica is answered at the other`, async () => {
    await using session = await world.open({ path });
    const prompt = { prompt: "anything" };
    using call = await session.open(
      toolCall(name === "modern" ? "test_input_required_result_sampling" : "test_sampling", prompt),
    );
    const question = await messageOf(call, "sampling/createMessage");

    await session.at(world.b).answer(question, { result: SAMPLE });

    assert(JSON.stringify(await responseOf(call)).includes("a sample"));
  });

  test(`F62: a call at ${name} is cancelled at the other replica`, async () => {
    await using session = await world.open({ path });
    const idText = '"slow"';
    using call = await session.open({
      ...toolCall("test_slow", { ms: 60_000, label: "never" }, "mine"),
      idText,
    });
    const before = await world.legacy.stats();
    await until("that it runs", async () => {
      const reply = await session.at(world.b).send({ ...toolCall("test_echo"), idText });
      return reply.status === 400;
    });

    await session.at(world.b).notify("notifications/cancelled", { requestId: "slow" });

    await until("that its id is free", async () => {
      const reply = await session.at(world.b).send({ ...toolCall("test_echo"), idText });
      return reply.status === 200;
    });
    if (name === "legacy") {
      await until("that the server knows", async () => {
        return (await world.legacy.stats()).aborted > before.aborted;
      });
    }
    call[Symbol.dispose]();
  });
}

test("F68: a request whose id is in use at one replica is refused at the other", async () => {
  await using session = await world.open();
  using call = await session.open({
    ...toolCall("test_slow", { ms: 2_000, label: "done" }, "mine"),
    idText: "7",
  });
  const second = await until("the refusal", async () => {
    const reply = await session.at(world.b).send({ ...toolCall("test_counter"), idText: "7" });
    return reply.status !== 200 && reply;
  });
  assertEquals(second.status, 400);
  assertEquals((second.response.error as Message).code, -32600);
  await responseOf(call);
  const third = await session.at(world.b).send({ ...toolCall("test_echo"), idText: "7" });
  assertEquals(third.status, 200);
});

test("a client that listens at one replica is told of what it subscribed to at the other", async () => {
  for (const name of ["legacy", "modern", "files"]) {
    await using session = await world.open({ path: `/servers/${name}/mcp` });
    using stream = await session.listen();
    await statusOf(stream);
    const params = { uri: "test://watched-resource" };
    const agreed = await session.at(world.b).send({ method: "resources/subscribe", params });
    assert("result" in agreed.response, agreed.text);
    await session.at(world.b).send(toolCall("test_trigger_resource_change"));
    const told = await messageOf(stream, "notifications/resources/updated");
    assertEquals((told.params as Message).uri, params.uri);
  }
});

test("SESS-09: a second GET at the other replica is refused, and with an event id takes over", async () => {
  await using session = await world.open();
  using first = await session.listen();
  await statusOf(first);
  const { id } = await until("an event", () => first.events()[0]);
  using second = await session.at(world.b).listen();
  assertEquals(await statusOf(second), 409);
  assertEquals(first.ended(), undefined);

  using third = await session.at(world.b).listen(id);

  assertEquals(await statusOf(third), 200);
  await until("the end of the first", first.ended);
});

test("a session of /mcp is told once that its lists have changed, whoever opened what", async () => {
  await using session = await world.open({ path: "/mcp" });
  using stream = await session.listen();
  await statusOf(stream);
  await session.at(world.b).send(toolCall("everything-test_echo"));
  await session.at(world.b).send(toolCall("everything-test_trigger_tool_change"));
  await messageOf(stream, "notifications/tools/list_changed");
  await session.at(world.b).send(toolCall("everything-test_aside", { data: "the end" }));
  await messageOf(stream, "notifications/message");
  const changes = messagesIn(stream.events())
    .filter(({ method }) => method === "notifications/tools/list_changed");
  assertEquals(changes.length, 1);
});

test("a request with answers goes on with the call that waits on the other replica", async () => {
  const call = { path: "/servers/legacy/mcp", token: world.token };
  const params = { name: "test_sampling", arguments: { prompt: "anything" } };
  const meta = { "io.modelcontextprotocol/clientCapabilities": { sampling: {} } };
  const first = await callModern(world.a, { ...call, params, meta });
  const asked = first.response.result as Message;
  assertEquals(asked.resultType, "input_required", first.text);
  const [key] = Object.keys(asked.inputRequests as Message);
  const { requestState } = asked;
  const retry = { ...params, inputResponses: { [key!]: SAMPLE }, requestState: requestState! };

  const second = await callModern(world.b, { ...call, params: retry, meta });

  assert(second.text.includes("a sample"), second.text);
  const third = await callModern(world.b, { ...call, params: retry, meta });
  assertEquals([third.status, (third.response.error as Message).code], [400, -32602]);
});

test("a message of an old client reaches its stream at the other replica", async () => {
  const options = { path: "/servers/everything/sse", token: world.token };
  using stream = await greetOld(world.a, options);
  const message = JSON.stringify({ jsonrpc: "2.0", id: 5, method: "tools/list", params: {} });
  const endpoint = await stream.endpoint();
  const reply = await sendOld(world.b, endpoint, message, { token: world.token });
  assertEquals(reply.status, 202);
  await stream.response(5);
});

test("a session that ends at one replica ends at the other, its calls and streams too", async () => {
  const session = await world.open();
  using call = await session.open(toolCall("test_slow", { ms: 60_000, label: "never" }, "mine"));
  using stream = await session.listen();
  await statusOf(stream);
  assertEquals((await session.at(world.b).end()).status, 204);
  await until("the end of both", () => call.ended() && stream.ended());
  const headers = { "mcp-session-id": session.id };
  const path = "/servers/everything/mcp";
  const reply = await callSession(world.a, { path, token: world.token, headers });
  assertEquals(reply.status, 404);
});

test("F40, F41: a call whose replica is killed ends at the other, with what the server gives again", async () => {
  await using own = await startTwoReplicas();
  const session = await own.open();
  const before = await own.upstream.stats();
  const call = await session.open(toolCall("test_steps", { count: 20, ms: 200 }, "mine"));
  await until("an event", () => call.messages()[0]);
  process(own.gateways[0].pid);
  await until("the end of the connection", call.ended);

  using again = await session.at(own.b).listen(lastEventId(call.events()));
  const response = await responseOf(again, 30_000);

  assert("result" in response, JSON.stringify(response));
  const said = messagesIn([...call.events(), ...again.events()]);
  assertEquals(said.length, 21);
  const after = await own.upstream.stats();
  assertEquals(after.started - before.started, 1);
});

test("a client that reads at one replica is answered when the call's other replica is killed", async () => {
  await using own = await startTwoReplicas();
  const session = await own.open();
  const call = await session.open(toolCall("test_steps", { count: 20, ms: 200 }, "mine"));
  await until("an event", () => call.messages()[0]);
  call.close();
  using again = await session.at(own.b).listen(lastEventId(call.events()));
  await until("an event there", () => again.events()[0]);

  process(own.gateways[0].pid);

  assert("result" in await responseOf(again, 30_000));
});

test("who listens at one replica goes on hearing when the one that watches is killed", async () => {
  await using own = await startTwoReplicas();
  const session = await own.open();
  const first = await session.listen();
  await statusOf(first);
  first.close();
  using stream = await session.at(own.b).listen();
  await statusOf(stream);

  process(own.gateways[0].pid);

  await until("what is said then", async () => {
    await session.at(own.b).send(toolCall("test_aside", { data: "still there" }));
    return messagesIn(stream.events()).some(({ params }) =>
      (params as Message | undefined)?.data === "still there"
    );
  }, 20_000);
});

function process(pid: number): void {
  Deno.kill(pid, "SIGKILL");
}
