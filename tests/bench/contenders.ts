/**
 * The contenders: how each is started and what a request to it looks like.
 *
 * @module
 */

import { CALLER_SERVERS, enrolled, forTeams, newCallers, OPEN } from "./callers.ts";
import { newAccess, program, startGateway, tellApi } from "./gateway.ts";
import { listed } from "./listing.ts";
import {
  LONG_PATH,
  LONG_SERVERS,
  manyName,
  manyPath,
  SESSION_PATH,
  STATELESS_PATH,
  TOOL_NAMES,
} from "./payload.ts";
import { recordTool } from "./record.ts";
import type { Listener, Processes } from "./processes.ts";
import type { Address } from "./types.ts";

/** All contenders, in the order in which they are printed. */
export const CONTENDER_NAMES = [
  "direct",
  "pass-through",
  "naive",
  "sallyport",
  "sallyport-jwt",
  "sallyport-memory",
  "sallyport-bridge",
  "relay",
  "mcp-1",
  "mcp-20",
  "mcp-200",
  "mcp-silent",
  "mcp-session",
  "mcp-open",
  "mcp-callers",
  "sallyport-rest",
] as const;

export type ContenderName = typeof CONTENDER_NAMES[number];

/** A contender that is running, and how to address it. */
export interface Contender {
  readonly name: ContenderName;
  readonly listener: Listener;
  readonly stateless: Address;
  readonly session: Address;
  /** Where the list of all tools of `LONG_SERVERS` servers is. */
  readonly long: Address;
}

/** The stub is two upstreams to the gateway, by the names of these, one for each era. */
const UPSTREAM_PATHS = { stub: STATELESS_PATH, "stub-session": SESSION_PATH };

/** What the gateways have whose endpoint of all servers is asked. */
const AGGREGATED = {
  "mcp-1": manyPaths(1),
  "mcp-20": manyPaths(LONG_SERVERS),
  "mcp-200": manyPaths(200),
  "mcp-silent": manyPaths(LONG_SERVERS),
  "mcp-session": { "stub-session": SESSION_PATH },
  "mcp-open": manyPaths(CALLER_SERVERS),
  "mcp-callers": manyPaths(CALLER_SERVERS),
};

/** Where the gateway shows all of its upstream servers. */
export const ALL_PATH = "/mcp";

/** The stub, which every other contender stands in front of. */
export function startStub(processes: Processes): Promise<Listener> {
  return processes.startListener(["run", "-A", program("stub.ts")], {});
}

/** Starts a contender in front of the stub. Whatever the gateway keeps goes into `scratchDir`. */
export async function startContender(
  processes: Processes,
  name: ContenderName,
  stub: Listener,
  scratchDir: string,
): Promise<Contender> {
  const dataDir = `${scratchDir}/${name}`;
  const start = (paths: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>) =>
    startGateway(processes, urlsOf(stub, paths), dataDir, env);
  switch (name) {
    case "direct":
      return proxy(name, stub);
    case "pass-through":
      return proxy(name, await startProxy(processes, "pass_through.ts", stub));
    case "naive":
      return proxy(name, await startProxy(processes, "naive.ts", stub));
    case "relay":
      return proxy(name, await startProxy(processes, "relay.ts", stub));
    case "sallyport":
      return verbatim(name, await start(UPSTREAM_PATHS, { MCP_REQUIRE_AUTH: "false" }));
    case "sallyport-jwt":
    case "sallyport-memory": {
      const { env, token } = await newAccess();
      const more = name === "sallyport-memory" ? { EVENT_STORE: "memory" } : {};
      return verbatim(name, await start(UPSTREAM_PATHS, { ...env, ...more }), token);
    }
    case "sallyport-bridge": {
      const { env, token } = await newAccess();
      return crossed(verbatim(name, await start(UPSTREAM_PATHS, env), token));
    }
    case "mcp-1":
    case "mcp-20":
    case "mcp-200":
    case "mcp-silent":
    case "mcp-session": {
      const paths = AGGREGATED[name];
      const { env, token } = await newAccess();
      const more = name === "mcp-silent" ? { AUDIT: "false" } : {};
      const listener = await start(paths, { ...env, ...more });
      return await aggregated(name, listener, token, Object.keys(paths));
    }
    case "sallyport-rest": {
      const { env, token } = await newAccess();
      const { port } = stub;
      const listener = await start({}, { ...env, EGRESS_ALLOW_PRIVATE: "127.0.0.1" });
      const all = { port: listener.port, path: ALL_PATH, token };
      await tellApi(all, "POST", "/tools", recordTool(port));
      return { name, listener, stateless: all, session: all, long: all };
    }
    case "mcp-open": {
      const paths = AGGREGATED[name];
      return await aggregated(name, await start(paths, OPEN), undefined, Object.keys(paths));
    }
    case "mcp-callers": {
      const urls = urlsOf(stub, AGGREGATED[name]);
      const { env, tokenOf } = await newCallers(dataDir);
      const token = await tokenOf("bench@example.com");
      const listener = await startGateway(processes, forTeams(urls), dataDir, env);
      const contender = await aggregated(name, listener, token, Object.keys(urls));
      const { port } = listener;
      const stateless = await enrolled({ port, path: ALL_PATH, token }, tokenOf);
      return { ...contender, stateless };
    }
  }
}

/** Paths of so many of the stub's servers, by the names that they have at the gateway. */
export function manyPaths(count: number): Readonly<Record<string, string>> {
  const indexes = Array.from({ length: count }, (_, index) => index);
  return Object.fromEntries(indexes.map((index) => [manyName(index), manyPath(index)]));
}

/** The stub's servers as upstream servers. */
export function urlsOf(
  stub: Listener,
  paths: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const urls = Object.entries(paths).map(([name, path]) => {
    return [name, `http://127.0.0.1:${stub.port}${path}`];
  });
  return Object.fromEntries(urls);
}

/** A contender with the paths of the stub. */
function proxy(name: ContenderName, listener: Listener): Contender {
  const { port } = listener;
  return {
    name,
    listener,
    stateless: { port, path: STATELESS_PATH },
    session: { port, path: SESSION_PATH },
    long: { port, path: LONG_PATH },
  };
}

/** The gateway's endpoints of single servers. */
function verbatim(name: ContenderName, listener: Listener, token?: string): Contender {
  const at = (upstream: keyof typeof UPSTREAM_PATHS) => {
    return { port: listener.port, path: `/servers/${upstream}/mcp`, token };
  };
  return {
    name,
    listener,
    stateless: at("stub"),
    session: at("stub-session"),
    long: { port: listener.port, path: ALL_PATH, token },
  };
}

/** The same, but clients of each era ask at the server of the other. */
function crossed(contender: Contender): Contender {
  return { ...contender, stateless: contender.session, session: contender.stateless };
}

/** The gateway's endpoint of all servers, where each tool has its server's name before its own. */
async function aggregated(
  name: ContenderName,
  listener: Listener,
  token: string | undefined,
  slugs: readonly string[],
): Promise<Contender> {
  const prefixes = slugs.map((slug) => `${slug}-`);
  const all = { port: listener.port, path: ALL_PATH, token, prefixes };
  // What is still to be read when it listens must not be read while it is measured.
  await listed(all, slugs.length * TOOL_NAMES.length);
  return { name, listener, stateless: all, session: all, long: all };
}

function startProxy(processes: Processes, name: string, stub: Listener): Promise<Listener> {
  return processes.startListener(["run", "-A", program(name), String(stub.port)], {});
}
