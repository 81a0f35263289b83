/**
 * A gateway that answers what is simple itself: its own tools, prompts and resources, and of the
 * fixture server only what they cannot express.
 *
 * Its items are there first, so that they have the names and URIs that the fixture has too.
 *
 * @module
 */
import { openApi } from "../support/api_client.ts";
import type { EverythingStats } from "../support/everything.ts";
import { TEST_JWT_SECRET } from "../support/tokens.ts";
import { listen } from "./gateway.ts";
import { ALWAYS_CALLED, OWN_PROMPTS, OWN_RESOURCES, ownTools } from "./own_items.ts";
import { startOwnApi } from "./own_api.ts";
import type { Listener, Processes } from "./processes.ts";

export interface OwnGateway extends AsyncDisposable {
  readonly endpoint: string;
  /** @throws when the fixture was asked for what is the gateway's own, or the API was not asked */
  readonly check: () => Promise<void>;
}

/** What the fixture adds: `README.md` says why each cannot be the gateway's own. */
const FROM_FIXTURE = {
  tools: [
    "test_multiple_content_types",
    "test_tool_with_*",
    "test_logging_tool",
    "test_sampling",
    "test_elicitation*",
    "test_streaming_elicitation",
    "test_missing_capability",
    "test_reconnection",
    "test_input_required_result_*",
  ],
  prompts: ["test_input_required_result_prompt"],
};

export async function startOwnGateway(
  processes: Processes,
  fixture: Listener,
): Promise<OwnGateway> {
  await using stack = new AsyncDisposableStack();
  const path = await Deno.makeTempDir({ prefix: "conformance-own-" });
  stack.defer(() => Deno.remove(path, { recursive: true }));
  await Deno.writeTextFile(`${path}/mcp.json`, "{}");
  const { origin } = stack.use(
    await listen(processes, path, "data", {
      JWT_SECRET_KEY: TEST_JWT_SECRET,
      EGRESS_ALLOW_PRIVATE: "127.0.0.1",
    }),
  );
  const api = await openApi(() => origin);
  const behind = stack.use(startOwnApi(api));
  const tools = ownTools(behind.url);
  const create = async (plural: string, records: readonly unknown[]) => {
    for (const record of records) await api.must("POST", `/${plural}`, record);
  };
  await create("tools", tools);
  await create("prompts", OWN_PROMPTS);
  await create("resources", OWN_RESOURCES);
  const name = "everything";
  await create("upstreams", [{ name, url: `${fixture.origin}/mcp` }]);
  // When this has answered, the fixture's lists have been read.
  await api.must("POST", `/upstreams/${name}/refresh`);
  const fromFixture = (names: readonly string[]) => names.map((each) => `${name}-${each}`);
  await create("servers", [{
    name: "own",
    naming: "verbatim",
    tools: [...tools.map((tool) => tool.name), ...fromFixture(FROM_FIXTURE.tools)],
    prompts: [...OWN_PROMPTS.map((prompt) => prompt.name), ...fromFixture(FROM_FIXTURE.prompts)],
    resources: OWN_RESOURCES.map(({ uri, uriTemplate }) => uri ?? uriTemplate),
  }]);
  const kept = stack.move();
  return {
    endpoint: `${origin}/servers/own/mcp`,
    async check() {
      const names = new Set([...tools, ...OWN_PROMPTS].map((record) => record.name));
      const stats: EverythingStats = await (await fetch(`${fixture.origin}/stats`)).json();
      const astray = [
        ...Object.keys({ ...stats.calls, ...stats.prompts }).filter((one) => names.has(one)),
        ...RESOURCE_METHODS.filter((method) => stats.methods[method] !== undefined),
      ];
      if (astray.length > 0) throw new Error(`The fixture was asked for ${astray.join(", ")}`);
      const idle = ALWAYS_CALLED.filter((tool) => !behind.counts.has(tool));
      if (idle.length > 0) throw new Error(`No call has reached the API: ${idle.join(", ")}`);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** All resources are the gateway's own, and so is all that is completed. */
const RESOURCE_METHODS = ["resources/read", "resources/subscribe", "completion/complete"];
