/**
 * The SDK's client of the transport of 2024-11-05 gets through the gateway what a client of
 * Streamable HTTP gets from the server itself: on the endpoint of a server, of a virtual server, and
 * on that of all.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Everything, startEverything } from "../support/everything.ts";
import type { Message } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import type { SessionPeer } from "../support/sdk_caller.ts";
import { errorOf } from "../support/sdk_client.ts";
import { connectSse, connectV1 } from "../support/sdk_peers.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { FAILURES, FEATURES, QUESTIONS } from "./sdk_features.ts";

const WATCHED_URI = "test://watched-resource";
const VERBATIM = "/servers/everything/sse";

let upstream: Everything;
let gateway: Gateway;
let token: string;

Deno.test.beforeAll(async () => {
  upstream = await startEverything({ era: "legacy" });
  gateway = await startGateway({
    config: {
      mcpServers: { everything: { type: "http", url: `${upstream.origin}/mcp` } },
      servers: {
        chosen: { tools: ["*"], prompts: ["*"], resources: ["*"], naming: "verbatim" },
      },
    },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, upstream]) await process?.[Symbol.asyncDispose]();
});

function connectAt(path: string): Promise<SessionPeer> {
  return connectSse(`${gateway.origin}${path}`, { token });
}

function connectDirect(): Promise<SessionPeer> {
  return connectV1(`${upstream.origin}/mcp`);
}

Deno.test("what the server says of itself is what it says directly", async () => {
  await using peer = await connectAt(VERBATIM);
  await using direct = await connectDirect();
  assertEquals(
    { server: peer.server, revision: peer.revision },
    { server: direct.server, revision: "2025-11-25" },
  );
});

for (const [what, use] of Object.entries(FEATURES)) {
  Deno.test(`${what} is what the server gives directly`, async () => {
    await using peer = await connectAt(VERBATIM);
    await using direct = await connectDirect();
    assertEquals(await use(peer.client), await use(direct.client));
  });
}

for (const [what, provoke] of Object.entries(FAILURES)) {
  Deno.test(`${what} is the error that the server gives directly`, async () => {
    await using peer = await connectAt(VERBATIM);
    await using direct = await connectDirect();
    assertEquals(await errorOf(provoke(peer.client)), await errorOf(provoke(direct.client)));
  });
}

/** Endpoints, and what tools are called there. */
const ENDPOINTS: Readonly<Record<string, { readonly path: string; readonly prefix: string }>> = {
  "a server": { path: VERBATIM, prefix: "" },
  "a virtual server": { path: "/servers/chosen/sse", prefix: "" },
  "all servers": { path: "/sse", prefix: "everything-" },
};

for (const [name, { path, prefix }] of Object.entries(ENDPOINTS)) {
  const test = (promise: string, run: (peer: SessionPeer) => Promise<void>) =>
    Deno.test(`${name}: ${promise}`, async () => {
      await using peer = await connectAt(path);
      await run(peer);
    });
  const tool = (name: string) => prefix + name;
  const aside = (peer: SessionPeer, data: string) => saidAside(peer, tool("test_aside"), data);

  test("a ping is answered", async ({ client }) => {
    assertEquals(await client.ping(), {});
  });

  test("progress arrives in order, before the result", async (peer) => {
    const steps: string[] = [];
    const result = await peer.call({ name: tool("test_tool_with_progress") }, {
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

  for (const [asking, questions, text] of QUESTIONS) {
    test(`${asking} gets the client's answers`, async ({ client, asked }) => {
      const result = await client.callTool({ name: tool(asking) });
      assertEquals({ text: textOf(result), asked: asked.sort() }, { text, asked: questions });
    });
  }

  test("a question outside of calls gets the client's answer", async ({ client }) => {
    const result = await client.callTool({ name: tool("test_ask_aside") });
    assertEquals(textOf(result), "Roots: file:///project");
  });

  test("log messages arrive as far as the client asked for them", async ({ client, heard }) => {
    await client.setLoggingLevel("warning");
    await client.callTool({ name: tool("test_logging_tool") });
    const said = heard.map(({ params }) => params as Message);
    // Of the gateway's own are notes that something may have been missed.
    const levels = said.filter(({ logger }) => logger !== "sallyport").map(({ level }) => level);
    assertEquals(levels, ["warning", "error"]);
  });

  for (
    const [what, trigger, method] of [
      ["tools", "test_trigger_tool_change", "notifications/tools/list_changed"],
      ["prompts", "test_trigger_prompt_change", "notifications/prompts/list_changed"],
    ] as const
  ) {
    test(`a change of ${what} is heard`, async (peer) => {
      await aside(peer, "before the change");
      const isHeard = () => changesIn(peer).some((one) => one.method === method);
      // A view tells what has changed since it last looked: what came and went has not.
      await until("the change", async () => {
        await peer.client.callTool({ name: tool(trigger) });
        return await until("it", isHeard, 2_000).catch(() => false);
      }, 15_000);
    });
  }

  test("a change of a resource is heard once by who subscribed", async (peer) => {
    await peer.client.subscribeResource({ uri: WATCHED_URI });
    await peer.client.callTool({ name: tool("test_trigger_resource_change") });
    await aside(peer, "after the change");
    const method = "notifications/resources/updated";
    const updates = changesIn(peer).filter((one) => one.method === method);
    assertEquals(updates, [{ method, params: { uri: WATCHED_URI } }]);
  });

  test("several calls at once each get their own answer", async ({ client }) => {
    const labels = Array.from({ length: 20 }, (_, i) => `call ${i}`);
    const results = await Promise.all(
      labels.map((label) =>
        client.callTool({ name: tool("test_echo"), arguments: { label } }) as Promise<Message>
      ),
    );
    const echoed = results.map(({ structuredContent }) => (structuredContent as Message).label);
    assertEquals(echoed, labels);
  });

  test("aborting a call cancels it at the server", async (peer) => {
    const before = await upstream.stats();
    const abort = new AbortController();
    const call = peer.call({ name: tool("test_slow"), arguments: { ms: 30_000 } }, {
      signal: abort.signal,
    }).catch(() => {});
    await until("the call runs", async () => (await upstream.stats()).started > before.started);
    abort.abort();
    await until(
      "the server sees the call aborted",
      async () => (await upstream.stats()).aborted > before.aborted,
    );
    await call;
  });

  test("a large answer arrives whole", async ({ client }) => {
    const bytes = 3 * 1024 * 1024;
    const result = await client.callTool({ name: tool("test_big_result"), arguments: { bytes } });
    assertEquals(textOf(result).length, bytes);
  });
}

/** Lets the server say something behind all that it said before, and waits for that. */
async function saidAside(peer: SessionPeer, name: string, data: string): Promise<void> {
  await peer.client.callTool({ name, arguments: { data } });
  await until(
    "what the server says last",
    () => peer.heard.some(({ params }) => (params as Message)?.data === data),
  );
}

/** All that was heard but log messages. */
function changesIn({ heard }: SessionPeer): Message[] {
  return heard.filter(({ method }) => method !== "notifications/message");
}

function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
