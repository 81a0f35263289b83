/**
 * A gateway with exactly one upstream server, for one run.
 *
 * @module
 */
import type { Listener, Processes } from "./processes.ts";

const UPSTREAM = "everything";
const VIRTUAL = "chosen";

export interface Gateway extends AsyncDisposable {
  /** Where the upstream appears under its own tool names. */
  readonly endpoint: string;
  /** A virtual server with everything that it has, under the same names. */
  readonly virtualEndpoint: string;
}

/** Starts a gateway in front of `upstreamUrl`; disposing of the result ends it. */
export type StartGateway = (processes: Processes, upstreamUrl: string) => Promise<Gateway>;

export const startGateway: StartGateway = async (processes, upstreamUrl) => {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await gatewayDirectory(upstreamUrl));
  const listener = stack.use(await listen(processes, directory.path, "data"));
  const kept = stack.move();
  return {
    ...endpointsAt(listener.origin),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
};

export interface GatewayDirectory extends AsyncDisposable {
  readonly path: string;
}

/** A directory with the config file. */
export async function gatewayDirectory(upstreamUrl: string): Promise<GatewayDirectory> {
  const path = await Deno.makeTempDir({ prefix: "conformance-gateway-" });
  const mcpServers = { [UPSTREAM]: { type: "http", url: upstreamUrl } };
  const all = ["*"];
  const servers = { [VIRTUAL]: { tools: all, prompts: all, resources: all, naming: "verbatim" } };
  await Deno.writeTextFile(`${path}/mcp.json`, JSON.stringify({ mcpServers, servers }));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/**
 * One process of a gateway.
 *
 * @param path of the directory with the config file
 * @param data the name of its data directory
 */
export async function listen(
  processes: Processes,
  path: string,
  data: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Listener> {
  await Deno.mkdir(`${path}/${data}`);
  const places = ["--config", `${path}/mcp.json`, "--data", `${path}/${data}`];
  return await processes.listen(
    ["run", "-A", "main.ts", "serve", "--port", "0", ...places],
    { MCP_REQUIRE_AUTH: "false", ...env },
  );
}

export function endpointsAt(origin: string) {
  return {
    endpoint: `${origin}/servers/${UPSTREAM}/mcp`,
    virtualEndpoint: `${origin}/servers/${VIRTUAL}/mcp`,
  };
}
