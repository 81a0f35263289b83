/**
 * The SDKs' own clients of the session era get through the gateway what they get directly: v1, and
 * v2 as it speaks unless told otherwise. `sdk_client_test.ts` does the same for 2026-07-28, and
 * `bridge_features_test.ts` for clients that find out by themselves what is spoken.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import { losingFetch } from "../support/losing_fetch.ts";
import type { Message } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import type { SessionPeer } from "../support/sdk_caller.ts";
import { errorOf } from "../support/sdk_client.ts";
import { type Connect, connectV1, connectV2, type PeerOptions } from "../support/sdk_peers.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { FAILURES, FEATURES, QUESTIONS } from "./sdk_features.ts";

const LEGACY_PATH = "/servers/legacy/mcp";
const WATCHED_URI = "test://watched-resource";

let both: Everything;
let legacy: Everything;
let gateway: Gateway;
let token: string;

Deno.test.beforeAll(async () => {
  [both, legacy] = await Promise.all([startEverything(), startEverything({ era: "legacy" })]);
  gateway = await startGateway({
    config: configFor({ everything: both.origin, legacy: legacy.origin }),
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, both, legacy]) await process?.[Symbol.asyncDispose]();
});

interface Client {
  readonly connect: Connect;
  readonly path: string;
  readonly upstream: () => Everything;
}

const CLIENTS: Readonly<Record<string, Client>> = {
  "v1": { connect: connectV1, path: EVERYTHING_PATH, upstream: () => both },
  "v2 legacy": { connect: connectV2("legacy"), path: EVERYTHING_PATH, upstream: () => both },
  "v2 legacy, server of the session era only": {
    connect: connectV2("legacy"),
    path: LEGACY_PATH,
    upstream: () => legacy,
  },
};

for (const [name, { connect, path, upstream }] of Object.entries(CLIENTS)) {
  const connectThrough = (options: PeerOptions = {}) =>
    connect(`${gateway.origin}${path}`, { token, ...options });
  const connectDirect = () => connect(`${upstream().origin}/mcp`);

  const test = (promise: string, run: (peer: SessionPeer) => Promise<void> | void) =>
    Deno.test(`${name}: ${promise}`, async () => {
      await using peer = await connectThrough();
      await run(peer);
    });

  test("the client settles on 2025-11-25", ({ revision }) => {
    assertEquals(revision, "2025-11-25");
  });

  test("what the server says of itself is what it says directly", async (peer) => {
    await using direct = await connectDirect();
    assertEquals(peer.server, direct.server);
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
      assertEquals(await errorOf(provoke(client)), await errorOf(provoke(direct.client)));
    });
  }

  test("a ping is answered", async ({ client }) => {
    assertEquals(await client.ping(), {});
  });

  test("progress arrives in order, before the result", async (peer) => {
    const steps: string[] = [];
    const result = await peer.call({ name: "test_tool_with_progress" }, {
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

  test("a question on the session's own stream gets the client's answer", async (peer) => {
    await listening(peer);
    const result = await peer.client.callTool({ name: "test_ask_aside" });
    assertEquals(textOf(result), "Roots: file:///project");
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

  for (
    const [what, tool, method] of [
      ["tools", "test_trigger_tool_change", "notifications/tools/list_changed"],
      ["prompts", "test_trigger_prompt_change", "notifications/prompts/list_changed"],
    ] as const
  ) {
    test(`a change of ${what} is heard once`, async (peer) => {
      await listening(peer);
      await peer.client.callTool({ name: tool });
      await saidAside(peer, "after the change");
      assertEquals(changesIn(peer), [{ method }]);
    });
  }

  test("a change of a resource is heard once by who subscribed", async (peer) => {
    await listening(peer);
    await peer.client.subscribeResource({ uri: WATCHED_URI });
    await peer.client.callTool({ name: "test_trigger_resource_change" });
    await saidAside(peer, "after the change");
    const method = "notifications/resources/updated";
    assertEquals(changesIn(peer), [{ method, params: { uri: WATCHED_URI } }]);
  });

  test("a change of a resource is not heard by who unsubscribed", async (peer) => {
    await listening(peer);
    await peer.client.subscribeResource({ uri: WATCHED_URI });
    await peer.client.unsubscribeResource({ uri: WATCHED_URI });
    await peer.client.callTool({ name: "test_trigger_resource_change" });
    await saidAside(peer, "after the change");
    assertEquals(changesIn(peer), []);
  });

  test("aborting a call cancels it at the server", async (peer) => {
    const before = await upstream().stats();
    const abort = new AbortController();
    const call = peer.call({ name: "test_slow", arguments: { ms: 30_000 } }, {
      signal: abort.signal,
    }).catch(() => {});
    await until("the call runs", async () => (await upstream().stats()).started > before.started);
    abort.abort();
    await until(
      "the server sees the call aborted",
      async () => (await upstream().stats()).aborted > before.aborted,
    );
    await call;
  });

  Deno.test(`${name}: a call whose connection is lost ends with all its progress and its result`, async () => {
    const losing = losingFetch();
    await using peer = await connectThrough({ fetch: losing.fetch });
    const steps: number[] = [];
    const result = await peer.call({ name: "test_steps", arguments: { count: 4, ms: 100 } }, {
      onprogress: ({ progress }) => void steps.push(progress),
    });
    assertEquals(
      { steps, text: textOf(result), hasLost: losing.hasLost() },
      { steps: [1, 2, 3, 4], text: "Took 4 steps: ", hasLost: true },
    );
  });

  test("another client of the session takes over a call with its resumption token", async (peer) => {
    const before = (await upstream().stats()).calls.test_steps ?? 0;
    const tokens: string[] = [];
    const first = peer.call({ name: "test_steps", arguments: { count: 3, ms: 100 } }, {
      onprogress: () => {},
      onresumptiontoken: (resumptionToken) => void tokens.push(resumptionToken),
    });
    const resumptionToken = await until("a resumption token", () => tokens[0]);
    await first;
    await using other = await connectThrough({ sessionId: peer.sessionId! });
    const call = { name: "test_steps", arguments: { count: 3, ms: 100 } };
    const result = await other.call(call, { resumptionToken });
    const calls = ((await upstream().stats()).calls.test_steps ?? 0) - before;
    assertEquals({ text: textOf(result), calls }, { text: "Took 3 steps: ", calls: 1 });
  });

  test("the session ends at the server when the client ends it", async (peer) => {
    await peer.client.callTool({ name: "test_simple_text" });
    const { sessions } = await upstream().stats();
    await peer[Symbol.asyncDispose]();
    await until(
      "the server has a session less",
      async () => (await upstream().stats()).sessions < sessions,
    );
  });
}

/** Waits until the client's own stream is open: its SDK opens it in the background. */
async function listening(peer: SessionPeer): Promise<void> {
  const isHeard = () =>
    peer.heard.some(({ params }) => (params as Message)?.data === "are you there");
  await until("the session's own stream", async () => {
    await peer.client.callTool({ name: "test_aside", arguments: { data: "are you there" } });
    return isHeard();
  });
}

/** Lets the server say something behind all that it said before, and waits for that. */
async function saidAside(peer: SessionPeer, data: string): Promise<void> {
  await peer.client.callTool({ name: "test_aside", arguments: { data } });
  await until(
    "what the server says last",
    () => peer.heard.some(({ params }) => (params as Message)?.data === data),
  );
}

/** All that was heard but log messages. */
function changesIn({ heard }: SessionPeer): Message[] {
  return heard.filter(({ method }) => method !== "notifications/message");
}

function levelsIn(heard: readonly Message[]): unknown[] {
  return heard.map(({ params }) => (params as Message).level);
}

function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
