/**
 * What servers over stdio say unasked reaches who listens: on their own URL and on `/mcp`.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { everythingOverStdio, fileToolsOverStdio } from "../support/api_world.ts";
import { messageOf, openModern, type OpenReply } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { connectSdk } from "../support/sdk_client.ts";
import { messagesIn, openSession, toolCall } from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const TOLD = "notifications/tools/list_changed";

let file: string;
let gateway: Gateway;
let token: string;

Deno.test.beforeAll(async () => {
  file = await Deno.makeTempFile();
  await write("a");
  gateway = await startGateway({
    config: { mcpServers: { files: fileToolsOverStdio(file), all: everythingOverStdio("both") } },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await Deno.remove(file);
});

Deno.test.beforeEach(async () => {
  await write("a");
  await until("the first tools", async () => (await fileTools()).join() === "files-a", 15_000);
});

Deno.test("a session on /mcp is told when the tools of a process change, and lists them", async () => {
  await using session = await openSession(gateway.origin, { token });
  using stream = await session.listen();
  await until("the stream", () => stream.status() === 200);
  await write("a", "b");
  await messageOf(stream, TOLD, 15_000);
  assertEquals(await fileTools(), ["files-a", "files-b"]);
});

Deno.test("a subscription on /mcp is told, too", async () => {
  using stream = await listen("/mcp");
  await write("a", "b");
  await messageOf(stream, TOLD, 15_000);
  assertEquals(await fileTools(), ["files-a", "files-b"]);
});

Deno.test("a session on the server's own URL is told by its own process", async () => {
  const path = "/servers/files/mcp";
  await using session = await openSession(gateway.origin, { token, path });
  using stream = await session.listen();
  await until("the stream", () => stream.status() === 200);
  await write("a", "b");
  await messageOf(stream, TOLD, 15_000);
  const { result } = (await session.send({ method: "tools/list" })).response;
  assertEquals(namesIn(result), ["a", "b"]);
});

Deno.test("a subscription on the server's own URL is told by the caller's process", async () => {
  const url = `${gateway.origin}/servers/all/mcp`;
  await using session = await connectSdk(url, { negotiation: "pinned", token });
  const { client, heard } = session;
  const subscription = await client.listen({ toolsListChanged: true });
  await client.callTool({ name: "test_trigger_tool_change" });
  await until("the change", () => heard.some(({ method }) => method === TOLD));
  await subscription.close();
  const { tools } = await client.listTools();
  assertEquals(tools.some(({ name }) => name === "test_dynamic_tool"), true);
});

Deno.test("a process that is used for the first time is not said to have lost anything", async () => {
  await using session = await openSession(gateway.origin, { token });
  using stream = await session.listen();
  await until("the stream", () => stream.status() === 200);
  await session.send(toolCall("files-a"));
  await write("a", "b");
  const first = await until("what is said next", () => messagesIn(stream.events())[0], 15_000);
  assertEquals(first.method, TOLD);
});

async function listen(path: string): Promise<OpenReply> {
  const stream = await openModern(gateway.origin, {
    method: "subscriptions/listen",
    params: { notifications: { toolsListChanged: true } },
    path,
    token,
  });
  await messageOf(stream, "notifications/subscriptions/acknowledged");
  return stream;
}

/** All at once: a reader never sees half of it. */
async function write(...names: readonly string[]): Promise<void> {
  await Deno.writeTextFile(`${file}.new`, `${names.join("\n")}\n`);
  await Deno.rename(`${file}.new`, file);
}

/** Names in `/mcp` of the tools of the file. */
async function fileTools(): Promise<string[]> {
  await using session = await openSession(gateway.origin, { token });
  const { result } = (await session.send({ method: "tools/list" })).response;
  return namesIn(result).filter((name) => name.startsWith("files-"));
}

function namesIn(result: unknown): string[] {
  return (result as { tools: { name: string }[] }).tools.map(({ name }) => name);
}
