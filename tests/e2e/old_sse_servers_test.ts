/**
 * A server of the transport of 2024-11-05 behind the gateway gives clients of Streamable HTTP, and of
 * its own transport, what it gives directly: declared as `sse`, and found out when declared as `http`.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { type OldSse, startOldSse } from "../support/old_sse.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import type { SdkCaller, SessionPeer } from "../support/sdk_caller.ts";
import { errorOf } from "../support/sdk_client.ts";
import { type Connect, connectSse, connectV1, connectV2 } from "../support/sdk_peers.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { FAILURES, FEATURES, QUESTIONS } from "./sdk_features.ts";

const WATCHED_URI = "test://watched-resource";

let upstream: OldSse;
let gateway: Gateway;
let token: string;

Deno.test.beforeAll(async () => {
  upstream = await startOldSse();
  const url = `${upstream.origin}/sse`;
  gateway = await startGateway({
    config: { mcpServers: { old: { type: "sse", url }, found: { type: "http", url } } },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, upstream]) await process?.[Symbol.asyncDispose]();
});

interface Way {
  readonly connect: Connect;
  readonly path: string;
  /** What names of tools begin with. */
  readonly prefix: string;
}

const WAYS: Readonly<Record<string, Way>> = {
  "v1": { connect: connectV1, path: "/servers/old/mcp", prefix: "" },
  "v2": { connect: connectV2("legacy"), path: "/servers/old/mcp", prefix: "" },
  "old client": { connect: connectSse, path: "/servers/old/sse", prefix: "" },
  "v1, server found out": { connect: connectV1, path: "/servers/found/mcp", prefix: "" },
  "v1, all servers": { connect: connectV1, path: "/mcp", prefix: "old-" },
};

for (const [name, { connect, path, prefix }] of Object.entries(WAYS)) {
  const connectDirect = () => connectSse(`${upstream.origin}/sse`);
  const test = (promise: string, run: (peer: SessionPeer) => Promise<void>) =>
    Deno.test(`${name}: ${promise}`, async () => {
      await using peer = await connect(`${gateway.origin}${path}`, { token });
      await run(peer);
    });
  const tool = (name: string) => prefix + name;

  if (prefix === "") {
    test("what the server says of itself is what it says directly", async (peer) => {
      await using direct = await connectDirect();
      assertEquals(
        { server: peer.server, revision: peer.revision },
        { server: direct.server, revision: direct.revision },
      );
    });

    for (const [what, use] of Object.entries(FEATURES)) {
      test(`${what} is what the server gives directly`, async ({ client }) => {
        await using direct = await connectDirect();
        assertEquals(await use(client), await use(direct.client));
      });
    }

    for (const [what, provoke] of Object.entries(FAILURES)) {
      test(`${what} is the error that the server gives directly`, async ({ client }) => {
        await using direct = await connectDirect();
        const errors = await Promise.all([client, direct.client].map(plainError(provoke)));
        assertEquals(errors[0], errors[1]);
      });
    }
  }

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

  test("log messages arrive as far as the client asked for them", async ({ client, heard }) => {
    await client.setLoggingLevel("warning");
    await client.callTool({ name: tool("test_logging_tool") });
    const said = heard.map(({ params }) => params as Message);
    // Of the gateway's own are notes that something may have been missed.
    const levels = said.filter(({ logger }) => logger !== "sallyport").map(({ level }) => level);
    assertEquals(levels, ["warning", "error"]);
  });

  test("a change of tools is heard", async (peer) => {
    await until("the session's own stream", async () => {
      const said = { data: "are you there" };
      await peer.client.callTool({ name: tool("test_aside"), arguments: said });
      return peer.heard.some(({ params }) => (params as Message)?.data === said.data);
    });
    const method = "notifications/tools/list_changed";
    const isHeard = () => peer.heard.some((one) => one.method === method);
    // A view tells what has changed since it last looked: a tool that came and went has not.
    await until("the change", async () => {
      await peer.client.callTool({ name: tool("test_trigger_tool_change") });
      return await until("it", isHeard, 2_000).catch(() => false);
    }, 15_000);
  });

  test("a change of a resource is heard by who subscribed", async (peer) => {
    const uri = await uriIn(peer);
    await peer.client.subscribeResource({ uri });
    const method = "notifications/resources/updated";
    await until("the change", async () => {
      await peer.client.callTool({ name: tool("test_trigger_resource_change") });
      return peer.heard.some((one) => one.method === method && (one.params as Message).uri === uri);
    });
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

  test("a call whose stream is lost ends with an error that says what is not known", async (peer) => {
    const before = await upstream.stats();
    const call = peer.client.callTool({ name: tool("test_slow"), arguments: { ms: 30_000 } });
    await until("the call runs", async () => (await upstream.stats()).started > before.started);
    await upstream.drop();
    assertEquals(
      textOf(await call),
      "The connection to the upstream server was lost before it answered: " +
        "whether the call was carried out is not known",
    );
  });

  test("after its stream is lost the session goes on at the server in a new one", async (peer) => {
    await peer.client.callTool({ name: tool("test_simple_text") });
    const { opened } = await upstream.stats();
    await upstream.drop();
    const result = await peer.client.callTool({ name: tool("test_simple_text") });
    assertEquals(
      { text: textOf(result), isNew: (await upstream.stats()).opened > opened },
      { text: "This is a simple text response for testing.", isNew: true },
    );
  });
}

Deno.test("the stream at the server ends with the client's session", async () => {
  const peer = await connectV1(`${gateway.origin}/servers/old/mcp`, { token });
  await peer.client.ping();
  const { connections } = await upstream.stats();
  await peer[Symbol.asyncDispose]();
  await until(
    "the server has a stream less",
    async () => (await upstream.stats()).connections < connections,
  );
});

Deno.test("the server is asked nothing but what its transport knows", async () => {
  const { methods } = await upstream.stats();
  assertEquals(Object.keys(methods).filter((name) => name === "server/discover"), []);
});

/** On the endpoint of all servers one of two servers has the URI under another name. */
async function uriIn(peer: SessionPeer): Promise<string> {
  const { resources } = await peer.client.listResources() as { resources: { uri: string }[] };
  return resources.find(({ uri }) => uri.startsWith(WATCHED_URI))!.uri;
}

/** Version 1 of the SDK puts the code before the message. */
function plainError(provoke: (client: SdkCaller) => Promise<unknown>) {
  return async (client: SdkCaller) => {
    const { message, ...error } = await errorOf(provoke(client));
    return { ...error, message: message.replace(/^MCP error -?\d+: /, "") };
  };
}

function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
