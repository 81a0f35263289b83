/**
 * The SDKs' own clients, of both eras, in front of `/mcp` and of a virtual server with the names of
 * its server: they get what they get directly.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { abortIsSeen, type Everything, startEverything } from "../support/everything.ts";
import type { Message } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import type { SdkCaller, SessionPeer } from "../support/sdk_caller.ts";
import { errorOf } from "../support/sdk_client.ts";
import { type Connect, connectV1, connectV2 } from "../support/sdk_peers.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { FAILURES, FEATURES, QUESTIONS } from "./sdk_features.ts";

const WATCHED_URI = "test://watched-resource";

let one: Everything;
let two: Everything;
let gateway: Gateway;
let both: Gateway;

Deno.test.beforeAll(async () => {
  [one, two] = await Promise.all([startEverything(), startEverything()]);
  const env = { JWT_SECRET_KEY: TEST_JWT_SECRET };
  const entry = ({ origin }: Everything) => ({ type: "http", url: `${origin}/mcp` });
  const all = { tools: ["*"], prompts: ["*"], resources: ["*"] };
  [gateway, both] = await Promise.all([
    startGateway({
      config: {
        mcpServers: { one: entry(one) },
        servers: { same: { ...all, naming: "verbatim" } },
      },
      env,
    }),
    startGateway({ config: { mcpServers: { one: entry(one), two: entry(two) } }, env }),
  ]);
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, both, one, two]) await process?.[Symbol.asyncDispose]();
});

const CLIENTS: Readonly<Record<string, Connect>> = {
  "v1": connectV1,
  "v2 legacy": connectV2("legacy"),
  "v2 modern": connectV2("pinned"),
};

async function open(connect: Connect, to: Gateway, path = "/mcp"): Promise<SessionPeer> {
  return await connect(`${to.origin}${path}`, { token: await mintToken() });
}

/** The client of `/mcp` as one that does not know of the names there. */
function prefixed(client: SdkCaller, prefix: string): SdkCaller {
  const named = <P extends { name: string }>(params: P) => ({
    ...params,
    name: `${prefix}-${params.name}`,
  });
  const plain = async (list: Promise<unknown>) =>
    JSON.parse(JSON.stringify(await list).replaceAll(`"name":"${prefix}-`, '"name":"'));
  return {
    listTools: () => plain(client.listTools()),
    listPrompts: () => plain(client.listPrompts()),
    listResources: () => client.listResources(),
    listResourceTemplates: () => client.listResourceTemplates(),
    callTool: (params) => client.callTool(named(params)),
    getPrompt: (params) => client.getPrompt(named(params)),
    readResource: (params) => client.readResource(params),
    complete: ({ ref, argument }) =>
      client.complete({ ref: ref.type === "ref/prompt" ? named(ref) : ref, argument }),
  };
}

for (const [name, connect] of Object.entries(CLIENTS)) {
  for (const [feature, use] of Object.entries(FEATURES)) {
    Deno.test(`${name}: ${feature} through a virtual server is what it is directly`, async () => {
      await using direct = await connect(`${one.origin}/mcp`);
      await using through = await open(connect, gateway, "/servers/same/mcp");
      assertEquals(seen(await use(through.client)), seen(await use(direct.client)));
    });

    Deno.test(`${name}: ${feature} through \`/mcp\` is what it is directly`, async () => {
      await using direct = await connect(`${one.origin}/mcp`);
      await using through = await open(connect, gateway);
      const client = prefixed(through.client, "one");
      assertEquals(seen(await use(client)), seen(await use(direct.client)));
    });
  }

  for (const [failure, use] of Object.entries(FAILURES)) {
    Deno.test(`${name}: ${failure} is a failure through \`/mcp\`, too`, async () => {
      await using through = await open(connect, gateway);
      const { code } = await errorOf(use(prefixed(through.client, "one")));
      assertEquals(typeof code, "number");
    });
  }

  for (const [tool, asked, text] of QUESTIONS) {
    Deno.test(`${name}: ${tool} asks the client through \`/mcp\``, async () => {
      await using through = await open(connect, gateway);
      const result = await through.client.callTool({ name: `one-${tool}` });
      assertEquals([through.asked.toSorted(), textIn(result)], [asked.toSorted(), text]);
    });
  }

  Deno.test(`${name}: two servers ask the client at the same time`, async () => {
    await using through = await open(connect, both);
    const tool = "test_input_required_result_elicitation";
    const results = await Promise.all(
      ["one", "two", "one", "two"].map((server) =>
        through.client.callTool({ name: `${server}-${tool}` })
      ),
    );
    assertEquals(results.map(textIn), Array(4).fill("Hello, Ada!"));
  });

  Deno.test(`${name}: tools of two servers stand in one list`, async () => {
    await using through = await open(connect, both);
    const { tools } = await through.client.listTools() as { tools: { name: string }[] };
    const count = (server: string) => tools.filter(({ name }) => name.startsWith(server)).length;
    assertEquals([count("one-") > 10, count("one-")], [true, count("two-")]);
  });

  Deno.test(`${name}: progress comes through \`/mcp\``, async () => {
    await using through = await open(connect, both);
    const steps: number[] = [];
    await through.call({ name: "two-test_tool_with_progress" }, {
      onprogress: ({ progress }) => steps.push(progress),
    });
    assertEquals(steps, [0, 50, 100]);
  });

  Deno.test(`${name}: a cancelled call ends at its server`, async () => {
    await using through = await open(connect, both);
    const params = { name: "two-test_slow", arguments: { ms: 60_000, label: "x" } };
    await abortIsSeen(two, (signal) => through.call(params, { signal }));
  });
}

for (const [name, connect] of Object.entries(CLIENTS).slice(0, 2)) {
  Deno.test(`${name}: subscriptions, log levels and pings work on \`/mcp\``, async () => {
    await using through = await open(connect, gateway);
    const { client, heard } = through;
    await client.ping();
    await client.setLoggingLevel("warning");
    await client.subscribeResource({ uri: WATCHED_URI });
    await client.callTool({ name: "one-test_trigger_resource_change" });
    await until(
      "the update",
      () =>
        heard.some(({ method, params }) =>
          method === "notifications/resources/updated" && (params as Message).uri === WATCHED_URI
        ),
    );
    await client.unsubscribeResource({ uri: WATCHED_URI });
  });

  Deno.test(`${name}: a changed list is told on \`/mcp\`, and is another`, async () => {
    await using through = await open(connect, gateway);
    const { client, heard } = through;
    const names = async () => JSON.stringify(await client.listTools());
    const before = await names();
    await client.callTool({ name: "one-test_trigger_tool_change" });
    await until(
      "the news",
      () => heard.some(({ method }) => method === "notifications/tools/list_changed"),
    );
    await until("the change", async () => await names() !== before);
  });
}

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** Without what is said of a list as a whole, which is the gateway's own. */
function seen(result: unknown): unknown {
  const { _meta, ttlMs: _, cacheScope: __, ...rest } = result as Message;
  const meta = { ...(_meta ?? {}) as Message };
  delete meta["io.modelcontextprotocol/serverInfo"];
  return { ...rest, ...Object.keys(meta).length > 0 && { _meta: meta } };
}

function textIn(result: unknown): unknown {
  return ((result as Message).content as [Message] | undefined)?.[0].text;
}
