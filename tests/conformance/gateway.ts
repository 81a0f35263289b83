/**
 * A gateway with exactly one upstream server, for one run.
 *
 * @module
 */
import type { Processes } from "./processes.ts";

const UPSTREAM = "everything";
const VIRTUAL = "chosen";

export interface Gateway extends AsyncDisposable {
  /** Where the upstream appears under its own tool names. */
  readonly endpoint: string;
  /** A virtual server with everything that it has, under the same names. */
  readonly virtualEndpoint: string;
}

/** Starts the gateway in front of `upstreamUrl`; disposing of the result ends it. */
export async function startGateway(processes: Processes, upstreamUrl: string): Promise<Gateway> {
  const directory = await Deno.makeTempDir({ prefix: "conformance-gateway-" });
  const remove = () => Deno.remove(directory, { recursive: true });
  try {
    const config = `${directory}/mcp.json`;
    const mcpServers = { [UPSTREAM]: { type: "http", url: upstreamUrl } };
    const all = ["*"];
    const servers = {
      [VIRTUAL]: { tools: all, prompts: all, resources: all, naming: "verbatim" },
    };
    await Deno.writeTextFile(config, JSON.stringify({ mcpServers, servers }));
    const data = `${directory}/data`;
    await Deno.mkdir(data);
    const listener = await processes.listen(
      ["run", "-A", "main.ts", "serve", "--config", config, "--port", "0", "--data", data],
      { MCP_REQUIRE_AUTH: "false" },
    );
    return {
      endpoint: `${listener.origin}/servers/${UPSTREAM}/mcp`,
      virtualEndpoint: `${listener.origin}/servers/${VIRTUAL}/mcp`,
      async [Symbol.asyncDispose]() {
        await listener[Symbol.asyncDispose]();
        await remove();
      },
    };
  } catch (cause) {
    await remove();
    throw cause;
  }
}
