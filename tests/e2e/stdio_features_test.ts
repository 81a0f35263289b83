/**
 * Servers over stdio as the SDKs' clients of both eras see them, through `/mcp` and through their
 * own URL: every feature that they have over HTTP.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { everythingOverStdio } from "../support/api_world.ts";
import { type Everything, startEverything } from "../support/everything.ts";
import type { Message } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import type { CallOptions, SdkCaller, ToolParams } from "../support/sdk_caller.ts";
import { connectSdk, errorOf } from "../support/sdk_client.ts";
import { type Connect, connectV1, connectV2 } from "../support/sdk_peers.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { FAILURES, FEATURES, QUESTIONS } from "./sdk_features.ts";

const WATCHED_URI = "test://watched-resource";
const UPDATED = "notifications/resources/updated";
const STEPS = ["0 of 100", "50 of 100", "100 of 100", "Tool with progress executed successfully"];

let direct: Everything;
let gateway: Gateway;
/** With one server only: nothing of it is shown under another URI. */
let single: Gateway;
let token: string;
let said: string;

Deno.test.beforeAll(async () => {
  said = await Deno.makeTempFile();
  direct = await startEverything();
  gateway = await startGateway({
    config: {
      mcpServers: {
        both: everythingOverStdio("both"),
        legacy: everythingOverStdio("legacy"),
        modern: everythingOverStdio("modern"),
        heard: overheard(everythingOverStdio("both")),
      },
    },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  single = await startGateway({
    config: { mcpServers: { both: everythingOverStdio("both") } },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, single, direct]) await process?.[Symbol.asyncDispose]();
  await Deno.remove(said);
});

interface Peer extends AsyncDisposable {
  readonly client: SdkCaller;
  readonly call: (params: ToolParams, options?: CallOptions) => Promise<unknown>;
  readonly heard: readonly Message[];
  readonly asked: readonly string[];
  /** Calls the tool so that it logs warnings and worse only. */
  readonly callQuietly: (params: ToolParams) => Promise<unknown>;
  readonly watchResource: (uri: string) => Promise<void>;
}

type Open = (url: string) => Promise<Peer>;

function inSession(connect: Connect): Open {
  return async (url) => {
    const peer = await connect(url, { token });
    return {
      ...peer,
      call: (params, options = {}) => peer.call(params, options),
      async callQuietly(params) {
        await peer.client.setLoggingLevel("warning");
        return await peer.client.callTool(params);
      },
      watchResource: async (uri) => void await peer.client.subscribeResource({ uri }),
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    };
  };
}

const inModern: Open = async (url) => {
  const session = await connectSdk(url, { negotiation: "pinned", token });
  const { client, heard, asked } = session;
  return {
    client,
    call: (params, options) => client.callTool(params, options),
    heard,
    asked,
    callQuietly: (params) =>
      client.callTool({ ...params, _meta: { "io.modelcontextprotocol/logLevel": "warning" } }),
    watchResource: async (uri) => void await client.listen({ resourceSubscriptions: [uri] }),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
};

const CLIENTS: Readonly<Record<string, readonly [Open, readonly string[]]>> = {
  "v1": [inSession(connectV1), ["both", "legacy"]],
  "v2 of the session era": [inSession(connectV2("legacy")), ["both", "legacy"]],
  "v2 of 2026-07-28": [inModern, ["both", "modern"]],
};

for (const [name, [open, servers]] of Object.entries(CLIENTS)) {
  for (const server of servers) {
    const through = () => open(`${gateway.origin}/servers/${server}/mcp`);

    Deno.test(`${name}, server ${server}: every feature is what it is over HTTP`, async () => {
      await using peer = await through();
      await using other = await open(`${direct.origin}/mcp`);
      for (const [what, use] of Object.entries(FEATURES)) {
        assertEquals([what, await use(peer.client)], [what, await use(other.client)]);
      }
    });

    Deno.test(`${name}, server ${server}: every error is what it is over HTTP`, async () => {
      await using peer = await through();
      await using other = await open(`${direct.origin}/mcp`);
      for (const [what, use] of Object.entries(FAILURES)) {
        const expected = await errorOf(use(other.client));
        assertEquals([what, await errorOf(use(peer.client))], [what, expected]);
      }
    });
  }

  for (const [path, prefix] of [["/servers/both/mcp", ""], ["/mcp", "both-"]] as const) {
    const test = (promise: string, run: (peer: Peer) => Promise<void>) =>
      Deno.test(`${name} on ${path}: ${promise}`, async () => {
        await using peer = await open(`${single.origin}${path}`);
        await run(peer);
      });
    const tool = (own: string, args?: Record<string, unknown>): ToolParams => ({
      name: `${prefix}${own}`,
      ...args && { arguments: args },
    });

    test("progress arrives in order, before the result", async (peer) => {
      const steps: string[] = [];
      const result = await peer.call(tool("test_tool_with_progress"), {
        onprogress: ({ progress, total }) => void steps.push(`${progress} of ${total}`),
      });
      assertEquals([...steps, textOf(result)], STEPS);
    });

    test("every question gets the client's answer", async (peer) => {
      for (const [own, questions, text] of QUESTIONS) {
        const before = peer.asked.length;
        const result = await peer.call(tool(own));
        const asked = peer.asked.slice(before).sort();
        assertEquals({ own, text: textOf(result), asked }, { own, text, asked: questions });
      }
    });

    test("log messages arrive as far as the client asked for them", async (peer) => {
      await peer.callQuietly(tool("test_logging_tool"));
      const levels = peer.heard.map(({ params }) => (params as Message).level);
      assertEquals(levels, ["warning", "error"]);
    });

    test("a change of a resource is heard by who asked for it", async (peer) => {
      await peer.watchResource(WATCHED_URI);
      await until("the change", async () => {
        // The stream on which it is heard is opened besides.
        await peer.call(tool("test_trigger_resource_change"));
        return peer.heard.some(({ method }) => method === UPDATED);
      }, 15_000);
      const { params } = peer.heard.find(({ method }) => method === UPDATED)!;
      assertEquals((params as Message).uri, WATCHED_URI);
    });
  }

  for (const [path, prefix] of [["/servers/heard/mcp", ""], ["/mcp", "heard-"]] as const) {
    Deno.test(`${name} on ${path}: an aborted call is cancelled in the process`, async () => {
      await using peer = await open(`${gateway.origin}${path}`);
      await Deno.truncate(said);
      const abort = new AbortController();
      const label = crypto.randomUUID();
      const slow = { name: `${prefix}test_slow`, arguments: { ms: 30_000, label } };
      const call = peer.call(slow, { signal: abort.signal }).catch(() => {});
      const id = await until("the call to be there", async () => {
        return linesIn(await Deno.readTextFile(said)).find(({ params }) =>
          JSON.stringify(params ?? {}).includes(label)
        )?.id;
      });
      abort.abort();
      const cancelled = await until("it to be cancelled", async () => {
        return linesIn(await Deno.readTextFile(said)).find(({ method }) =>
          method === "notifications/cancelled"
        );
      });
      assertEquals((cancelled.params as Message).requestId, id);
      await call;
    });
  }
}

/** The same server, with a copy of all that is said to it. */
function overheard({ command, args }: { command: string; args: readonly string[] }) {
  const script = 'file=$1; shift; tee -a "$file" | "$@"';
  return { command: "sh", args: ["-c", script, "sh", said, command, ...args] };
}

/** Whole lines only. */
function linesIn(text: string): Message[] {
  return text.split("\n").slice(0, -1).filter(Boolean).map((line) => JSON.parse(line));
}

function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
