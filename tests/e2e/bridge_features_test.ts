/**
 * The SDK's clients of revision 2026-07-28 at servers that have sessions only, over HTTP and as
 * child processes, on their own endpoint and among others: what such a server gives a client of its
 * own era it gives them too.
 *
 * @module
 * @see protocol.md, section 1.3
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { type Everything, startEverything } from "../support/everything.ts";
import { callModern, type Message } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { connectSdk, errorOf, type Negotiation, type SdkSession } from "../support/sdk_client.ts";
import { ROOT } from "../support/spawn.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { FAILURES, FEATURES, QUESTIONS } from "./sdk_features.ts";

const WATCHED_URI = "test://watched-resource";

let legacy: Everything;
let gateway: Gateway;
/** With one server only: which of two has a URI, and which its alias, is a matter of luck. */
let viewing: Gateway;

Deno.test.beforeAll(async () => {
  legacy = await startEverything({ era: "legacy" });
  const stdio = new URL("fixtures/stdio/main.ts", ROOT).pathname;
  const http = { type: "http", url: `${legacy.origin}/mcp` };
  const args = ["run", "-A", "--no-check", "--quiet", stdio, "--era", "legacy"];
  const all = { tools: ["*"], prompts: ["*"], resources: ["*"], naming: "verbatim" };
  const env = { JWT_SECRET_KEY: TEST_JWT_SECRET };
  const both = { http, stdio: { command: Deno.execPath(), args } };
  [gateway, viewing] = await Promise.all([
    startGateway({ config: { mcpServers: both }, env }),
    startGateway({ config: { mcpServers: { http }, servers: { chosen: all } }, env }),
  ]);
});

Deno.test.afterAll(async () => {
  for (const process of [viewing, gateway, legacy]) await process?.[Symbol.asyncDispose]();
});

for (const server of ["http", "stdio"] as const) {
  for (const negotiation of ["auto", "pinned"] as const) {
    const test = (promise: string, run: (session: SdkSession) => Promise<void>) =>
      Deno.test(`${server}, ${negotiation}: ${promise}`, async () => {
        await using session = await connect(negotiation, `/servers/${server}/mcp`);
        await run(session);
      });

    test("the client settles on 2026-07-28", ({ client }) => {
      assertEquals(client.getNegotiatedProtocolVersion(), "2026-07-28");
      return Promise.resolve();
    });

    test("the discovery says what the server is", async ({ client }) => {
      await using direct = await connectDirect();
      const { capabilities, instructions, ttlMs, cacheScope } = await client.discover();
      assertEquals(
        { capabilities, instructions, ttlMs, cacheScope },
        {
          capabilities: direct.client.getServerCapabilities(),
          instructions: direct.client.getInstructions(),
          ttlMs: 0,
          cacheScope: "private",
        },
      );
    });

    for (const [what, use] of Object.entries(FEATURES)) {
      test(`${what} is what the server gives its own clients`, async ({ client }) => {
        await using direct = await connectDirect();
        assertEquals(ofBothEras(await use(client)), ofBothEras(await use(direct.client)));
      });
    }

    for (const [what, provoke] of Object.entries(FAILURES)) {
      test(`${what} is the error that the server gives its own clients`, async ({ client }) => {
        await using direct = await connectDirect();
        assertEquals(await errorOf(provoke(client)), await errorOf(provoke(direct.client)));
      });
    }

    test("progress arrives in order, before the result", async ({ client }) => {
      const steps: string[] = [];
      const { content } = await client.callTool({ name: "test_tool_with_progress" }, {
        onprogress: ({ progress, total }) => void steps.push(`${progress} of ${total}`),
      });
      steps.push(textOf(content));
      assertEquals(steps, [
        "0 of 100",
        "50 of 100",
        "100 of 100",
        "Tool with progress executed successfully",
      ]);
    });

    test("log messages arrive as far as the client asked for them", async ({ client, heard }) => {
      await client.callTool({ name: "test_logging_tool", _meta: logLevel("warning") });
      assertEquals(heard.map(({ params }) => (params as { level: string }).level), [
        "warning",
        "error",
      ]);
    });

    test("log messages that another call asked for do not arrive", async ({ client, heard }) => {
      await client.callTool({ name: "test_logging_tool", _meta: logLevel("debug") });
      heard.length = 0;
      await client.callTool({ name: "test_logging_tool" });
      assertEquals(heard, []);
    });

    for (const [tool, questions, text] of QUESTIONS) {
      test(`${tool} gets the client's answers`, async ({ client, asked }) => {
        const { content } = await client.callTool({ name: tool });
        assertEquals({ text: textOf(content), asked: asked.sort() }, { text, asked: questions });
      });
    }

    test("a prompt that asks gets the client's answer", async ({ client }) => {
      const { messages } = await client.getPrompt({ name: "test_input_required_result_prompt" });
      assertEquals(messages.map(({ content }) => content), [
        { type: "text", text: "Use this context: Tests" },
      ]);
    });

    test("a tool that reports progress and then asks gets both", async ({ client }) => {
      const steps: number[] = [];
      const { content } = await client.callTool({ name: "test_streaming_elicitation" }, {
        onprogress: ({ progress }) => void steps.push(progress),
      });
      assertEquals([steps[0], textOf(content).startsWith("Elicitation completed")], [1, true]);
    });

    for (
      const [what, filter, trigger, method] of [
        ["tools", { toolsListChanged: true }, "test_trigger_tool_change", "tools/list_changed"],
        [
          "prompts",
          { promptsListChanged: true },
          "test_trigger_prompt_change",
          "prompts/list_changed",
        ],
        [
          "a resource",
          { resourceSubscriptions: [WATCHED_URI] },
          "test_trigger_resource_change",
          "resources/updated",
        ],
      ] as const
    ) {
      test(`a change of ${what} is heard, under the client's own listen id`, async (session) => {
        const { client, heard, sent } = session;
        const subscription = await client.listen({ ...filter } as Parameters<Client["listen"]>[0]);
        assertEquals(subscription.honoredFilter, filter);
        const { id } = sent.find((message) => message.method === "subscriptions/listen")!;
        await client.callTool({ name: trigger });
        await until("the change is heard", () => heard.length > 0);
        await subscription.close();
        const { method: name, params } = heard[0]!;
        const { _meta } = params as { _meta: Record<string, unknown> };
        assertEquals(
          { name, id: _meta["io.modelcontextprotocol/subscriptionId"] },
          { name: `notifications/${method}`, id },
        );
      });
    }
  }
}

for (const path of ["/mcp", "/servers/chosen/mcp"]) {
  const name = (tool: string) => path === "/mcp" ? `http-${tool}` : tool;
  const test = (promise: string, run: (session: SdkSession) => Promise<void>) =>
    Deno.test(`${path}: ${promise}`, async () => {
      await using session = await connect("pinned", path, viewing);
      await run(session);
    });

  for (const [tool, questions, text] of QUESTIONS) {
    test(`${tool} gets the client's answers`, async ({ client, asked }) => {
      const { content } = await client.callTool({ name: name(tool) });
      assertEquals({ text: textOf(content), asked: asked.sort() }, { text, asked: questions });
    });
  }

  test("a resource that is subscribed to is heard of", async ({ client, heard }) => {
    const uri = WATCHED_URI;
    const subscription = await client.listen({ resourceSubscriptions: [uri] });
    await client.callTool({ name: name("test_trigger_resource_change") });
    await until("the change is heard", () => heard.length > 0);
    await subscription.close();
    assertEquals((heard[0]!.params as { uri: string }).uri, uri);
  });
}

for (const [path, tool] of [["/servers/http/mcp", ""], ["/mcp", "http-"]] as const) {
  for (
    const [what, headers] of [
      ["another value", { "Mcp-Param-Region": "us" }],
      ["no header", {}],
    ] as const
  ) {
    Deno.test(`${path}: an argument with ${what} beside it is 400 and -32020`, async () => {
      const { status, response } = await callModern(viewing.origin, {
        path,
        token: await mintToken(),
        params: { name: `${tool}test_x_mcp_header`, arguments: { region: "eu" } },
        headers,
      });
      assertEquals([status, (response.error as Message).code], [400, -32020]);
    });
  }
}

Deno.test("a server that closes its stream during a call is asked for the rest", async () => {
  await using session = await connect("pinned", "/servers/http/mcp");
  const { content } = await session.client.callTool({ name: "test_reconnection" });
  assertEquals(textOf(content), "Reconnection test completed successfully");
});

Deno.test("aborting a call cancels it at the server", async () => {
  await using session = await connect("pinned", "/servers/http/mcp");
  const before = await legacy.stats();
  const abort = new AbortController();
  const call = session.client.callTool(
    { name: "test_slow", arguments: { ms: 30_000 } },
    { signal: abort.signal },
  ).catch(() => {});
  await until("the call runs", async () => (await legacy.stats()).started > before.started);
  abort.abort();
  const aborted = async () => (await legacy.stats()).aborted > before.aborted;
  await until("the server sees the call aborted", aborted);
  await call;
});

async function connect(
  negotiation: Negotiation,
  path: string,
  { origin } = gateway,
): Promise<SdkSession> {
  return await connectSdk(`${origin}${path}`, { negotiation, token: await mintToken() });
}

function connectDirect(): Promise<SdkSession> {
  return connectSdk(`${legacy.origin}/mcp`, { negotiation: "legacy" });
}

/** Without what results have in one era only, and without what other tests make come and go. */
function ofBothEras(result: unknown): unknown {
  const { ttlMs: _, cacheScope: _scope, _meta, ...rest } = result as Record<string, unknown>;
  const lasting = Object.entries(rest).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.filter((one) => !/^test_dynamic_/.test(one?.name)) : value,
  ]);
  return Object.fromEntries(lasting);
}

function logLevel(level: string): Record<string, unknown> {
  return { "io.modelcontextprotocol/logLevel": level };
}

function textOf(content: unknown): string {
  return (content as readonly { text: string }[])[0]!.text;
}
