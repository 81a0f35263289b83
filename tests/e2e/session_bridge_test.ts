/**
 * The SDKs' own clients of the session era at a server that speaks 2026-07-28 only: through the
 * gateway they get what they get directly from the same server as it speaks their era.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { abortIsSeen, configFor, type Everything, startEverything } from "../support/everything.ts";
import type { Message } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import type { SessionPeer } from "../support/sdk_caller.ts";
import { errorOf } from "../support/sdk_client.ts";
import { type Connect, connectV1, connectV2 } from "../support/sdk_peers.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { FAILURES, FEATURES, QUESTIONS } from "./sdk_features.ts";

const WATCHED_URI = "test://watched-resource";
/** What the server says to sessions beside all requests has no place in the other era. */
const OF_SESSIONS_ONLY = ["test_aside", "test_ask_aside"];

let modern: Everything;
let legacy: Everything;
let gateway: Gateway;
let token: string;

Deno.test.beforeAll(async () => {
  [modern, legacy] = await Promise.all([
    startEverything({ era: "modern" }),
    startEverything({ era: "legacy" }),
  ]);
  const all = ["*"];
  gateway = await startGateway({
    config: {
      ...configFor({ modern: modern.origin }),
      servers: { chosen: { tools: all, prompts: all, resources: all, naming: "verbatim" } },
    },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, modern, legacy]) await process?.[Symbol.asyncDispose]();
});

const CLIENTS: Readonly<Record<string, Connect>> = {
  "v1": connectV1,
  "v2 legacy": connectV2("legacy"),
};
const PATHS: Readonly<Record<string, string>> = {
  "own endpoint": "/servers/modern/mcp",
  "virtual server": "/servers/chosen/mcp",
};

for (const [name, connect] of Object.entries(CLIENTS)) {
  for (const [where, path] of Object.entries(PATHS)) {
    const test = (promise: string, run: (peer: SessionPeer) => Promise<void> | void) =>
      Deno.test(`${name}, ${where}: ${promise}`, async () => {
        await using peer = await connect(`${gateway.origin}${path}`, { token });
        await run(peer);
      });

    test("the client settles on 2025-11-25", ({ revision }) => {
      assertEquals(revision, "2025-11-25");
    });

    for (const [what, use] of Object.entries(FEATURES)) {
      test(`${what} is what the server gives in sessions`, async ({ client }) => {
        await using direct = await connect(`${legacy.origin}/mcp`);
        assertEquals(comparable(await use(client)), comparable(await use(direct.client)));
      });
    }

    for (const [what, provoke] of Object.entries(FAILURES)) {
      // Its code is another one in each era; what it becomes, `session_bridge_wire_test.ts` says.
      if (what === "an unknown resource") continue;
      test(`${what} is the code that the server gives in sessions`, async ({ client }) => {
        await using direct = await connect(`${legacy.origin}/mcp`);
        assertEquals(
          (await errorOf(provoke(client))).code,
          (await errorOf(provoke(direct.client))).code,
        );
      });
    }

    test("a ping is answered", async ({ client }) => {
      assertEquals(await client.ping(), {});
    });

    test("progress arrives in order, before the result", async (peer) => {
      const steps: string[] = [];
      const name = "test_tool_with_progress";
      const result = await peer.call({ name }, {
        onprogress: ({ progress, total }) => void steps.push(`${progress} of ${total}`),
      });
      steps.push(textOf(result));
      assertEquals(steps, [
        "0 of 100",
        "50 of 100",
        "100 of 100",
        "Tool with progress executed successfully",
      ]);
    });

    for (const [tool, questions, text] of QUESTIONS) {
      test(`${tool} gets the client's answers`, async ({ client, asked }) => {
        const result = await client.callTool({ name: tool });
        assertEquals({ text: textOf(result), asked: asked.sort() }, { text, asked: questions });
      });
    }

    test("a prompt that asks gets the client's answer", async ({ client, asked }) => {
      await client.getPrompt({ name: "test_input_required_result_prompt" });
      assertEquals(asked, ["elicitation/create"]);
    });

    test("without a log level all log messages arrive", async ({ client, heard }) => {
      await client.callTool({ name: "test_logging_tool" });
      assertEquals(levelsIn(heard), ["debug", "info", "warning", "error"]);
    });

    test("log messages arrive as far as the client asked for them", async ({ client, heard }) => {
      await client.setLoggingLevel("warning");
      await client.callTool({ name: "test_logging_tool" });
      assertEquals(levelsIn(heard), ["warning", "error"]);
    });

    test("a change of a resource is heard once by who subscribed", async (peer) => {
      await listening(peer);
      await peer.client.subscribeResource({ uri: WATCHED_URI });
      await peer.client.callTool({ name: "test_trigger_resource_change" });
      await until("the change", () => updatesIn(peer).length > 0);
      assertEquals(updatesIn(peer), [
        { method: "notifications/resources/updated", params: { uri: WATCHED_URI } },
      ]);
    });

    test("a change of a resource is not heard by who unsubscribed", async (peer) => {
      await listening(peer);
      await using other = await connect(`${gateway.origin}${path}`, { token });
      await listening(other);
      for (const { client } of [peer, other]) await client.subscribeResource({ uri: WATCHED_URI });
      await peer.client.unsubscribeResource({ uri: WATCHED_URI });
      await peer.client.callTool({ name: "test_trigger_resource_change" });
      await until("the change", () => updatesIn(other).length > 0);
      assertEquals(updatesIn(peer), []);
    });

    test("aborting a call cancels it at the server", async (peer) => {
      const params = { name: "test_slow", arguments: { ms: 30_000 } };
      await abortIsSeen(modern, (signal) => peer.call(params, { signal }));
    });
  }

  const own = (promise: string, run: (peer: SessionPeer) => Promise<void> | void) =>
    Deno.test(`${name}: ${promise}`, async () => {
      await using peer = await connect(`${gateway.origin}${PATHS["own endpoint"]}`, { token });
      await run(peer);
    });

  own("what the server says of itself is what it says in sessions", async (peer) => {
    await using direct = await connect(`${legacy.origin}/mcp`);
    assertEquals(peer.server, direct.server);
  });

  for (const [what, tool] of [["tools", "tool"], ["prompts", "prompt"]] as const) {
    own(`a change of ${what} is heard once`, async (peer) => {
      await listening(peer);
      const name = `test_trigger_${tool}_change`;
      const method = `notifications/${what}/list_changed`;
      await peer.client.callTool({ name });
      await until("the change", () => peer.heard.length > 0);
      assertEquals(peer.heard, [{ method }]);
      // As it was before, for the other tests.
      await peer.client.callTool({ name });
    });
  }

  Deno.test(`${name}: a question in a call of the aggregated server is answered`, async () => {
    await using peer = await connect(`${gateway.origin}/mcp`, { token });
    const result = await peer.client.callTool({
      name: "modern-test_input_required_result_sampling",
    });
    assertEquals([textOf(result), peer.asked], ["Paris", ["sampling/createMessage"]]);
  });
}

/** Waits until the server tells the session what it says by itself. */
async function listening({ client }: SessionPeer): Promise<void> {
  // The SDK opens the session's own stream in the background; a subscription has it open.
  const uri = "test://static-text";
  await client.subscribeResource({ uri });
  await client.unsubscribeResource({ uri });
}

/** Of an answer: what does not depend on how the server was asked. */
function comparable(answer: unknown): unknown {
  const { _meta, tools, structuredContent, ...rest } = answer as {
    _meta?: Message;
    tools?: { name: string }[];
    structuredContent?: Message;
  };
  const { meta: _, ...structured } = structuredContent ?? {};
  return {
    ...rest,
    structured,
    tools: tools?.filter((tool) => !OF_SESSIONS_ONLY.includes(tool.name)),
  };
}

function updatesIn({ heard }: SessionPeer): Message[] {
  return heard.filter(({ method }) => method === "notifications/resources/updated");
}

function levelsIn(heard: readonly Message[]): unknown[] {
  return heard.filter(({ method }) => method === "notifications/message")
    .map(({ params }) => (params as Message).level);
}

function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
