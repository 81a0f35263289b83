/**
 * Sessions at a program that speaks 2026-07-28 only, and what becomes of a question when the gateway
 * is gone before it is answered.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { EVERYTHING_PATH } from "../support/everything.ts";
import { freePort } from "../support/free_port.ts";
import { OPEN_TO_ALL, openInstallation } from "../support/gateway_program.ts";
import type { Message } from "../support/modern.ts";
import { messageOf, responseOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { connectV1 } from "../support/sdk_peers.ts";
import { lastEventId, openSession, toolCall } from "../support/session_client.ts";
import { ROOT } from "../support/spawn.ts";
import { until } from "../support/until.ts";
import { QUESTIONS } from "./sdk_features.ts";

const PATH = "/servers/program/mcp";
const OUTCOME_UNKNOWN = -31004;

let gateway: Gateway;

Deno.test.beforeAll(async () => {
  const main = new URL("fixtures/stdio/main.ts", ROOT).pathname;
  const args = ["run", "--quiet", "--no-check", "-A", main, "--era", "modern"];
  const program = { command: Deno.execPath(), args, env: { DENO_NO_UPDATE_CHECK: "1" } };
  gateway = await startGateway({ config: { mcpServers: { program } }, env: OPEN_TO_ALL });
});

Deno.test.afterAll(async () => await gateway?.[Symbol.asyncDispose]());

for (const [tool, questions, text] of QUESTIONS) {
  Deno.test(`a program: ${tool} gets the client's answers`, async () => {
    await using peer = await connectV1(`${gateway.origin}${PATH}`);
    const result = await peer.client.callTool({ name: tool });
    assertEquals([textOf(result), peer.asked.sort()], [text, questions]);
  });
}

Deno.test("a program: two sessions with the same ids do not clash", async () => {
  await using one = await openSession(gateway.origin, { path: PATH });
  await using two = await openSession(gateway.origin, { path: PATH });
  const slow = (label: string) => toolCall("test_slow", { ms: 200, label });
  const replies = await Promise.all([one.send(slow("one")), two.send(slow("two"))]);
  assertEquals(replies.map(({ response }) => textOf(response.result)), [
    "Waited 200 ms: one",
    "Waited 200 ms: two",
  ]);
});

Deno.test("a program: a change of its tools is heard by who listens", async () => {
  await using session = await openSession(gateway.origin, { path: PATH });
  using own = await session.listen();
  // Its answer waits until the program has agreed to tell of anything.
  await session.send({ method: "resources/subscribe", params: { uri: "test://static-text" } });
  await session.send(toolCall("test_trigger_tool_change"));
  const { params } = await messageOf(own, "notifications/tools/list_changed");
  assertEquals(params, undefined);
});

Deno.test("a question whose gateway was killed ends with the word that nobody knows", async () => {
  await using installation = await openInstallation({ era: "modern" });
  const options = { port: await freePort(), env: OPEN_TO_ALL };
  const first = installation.serve(options);
  const origin = await first.listening();
  const session = await openSession(origin, { path: EVERYTHING_PATH });
  const call = await session.open(toolCall("test_input_required_result_elicitation"));
  const asked = await messageOf(call, "elicitation/create");
  first.signal("SIGKILL");
  await until("the end", () => call.ended());
  await first.ended();
  await installation.serve(options).listening();
  // To a question of the process before: nobody waits for it.
  await session.answer(asked, { result: { action: "accept", content: { name: "Ada" } } });
  const resumed = await session.listen(lastEventId(call.events()));
  const response = await responseOf(resumed, 10_000);
  assertEquals((response.error as Message).code, OUTCOME_UNKNOWN);
  const after = await session.send(toolCall("test_simple_text"));
  assert("result" in after.response);
});

Deno.test("log level and subscriptions outlive the process of the gateway", async () => {
  await using installation = await openInstallation({ era: "modern" });
  const options = { port: await freePort(), env: OPEN_TO_ALL };
  const first = installation.serve(options);
  const session = await openSession(await first.listening(), { path: EVERYTHING_PATH });
  await session.send({ method: "logging/setLevel", params: { level: "error" } });
  const uri = "test://watched-resource";
  await session.send({ method: "resources/subscribe", params: { uri } });
  first.signal("SIGKILL");
  await first.ended();
  await installation.serve(options).listening();
  using own = await session.listen();
  await messageOf(own, "notifications/message");
  const logged = await session.send(toolCall("test_logging_tool"));
  await session.send(toolCall("test_trigger_resource_change"));
  const { params } = await messageOf(own, "notifications/resources/updated");
  assertEquals([params, logged.messages.length], [{ uri }, 2]);
});

function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
