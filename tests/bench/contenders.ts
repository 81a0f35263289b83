/**
 * The contenders: how each is started and what a request to it looks like.
 *
 * @module
 */

import { SignJWT } from "jose";

import { SESSION_PATH, STATELESS_PATH } from "./payload.ts";
import type { Listener, Processes } from "./processes.ts";
import type { Address } from "./requests.ts";
import { SESSIONS_HELD_MAX } from "./types.ts";

/** All contenders, in the order in which they are printed. */
export const CONTENDER_NAMES = [
  "direct",
  "pass-through",
  "naive",
  "sallyport",
  "sallyport-jwt",
  "sallyport-memory",
  "relay",
] as const;

export type ContenderName = typeof CONTENDER_NAMES[number];

/** A contender that is running, and how to address it. */
export interface Contender {
  readonly name: ContenderName;
  readonly listener: Listener;
  readonly stateless: Address;
  readonly session: Address;
}

/** Flags of the gateway's process. */
const SALLYPORT_FLAGS = ["-A"];

/** The stub is two upstreams to it, by the names of these, one for each era. */
const UPSTREAM_PATHS = { stub: STATELESS_PATH, "stub-session": SESSION_PATH };

/** Beside those that are held, some are just being opened or ended. */
const SESSIONS_PER_PRINCIPAL = SESSIONS_HELD_MAX + 1_000;
const TOKEN_LIFE_S = 3600;

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
  switch (name) {
    case "direct":
      return proxy(name, stub);
    case "pass-through":
      return proxy(name, await startProxy(processes, "pass_through.ts", stub));
    case "naive":
      return proxy(name, await startProxy(processes, "naive.ts", stub));
    case "relay":
      return proxy(name, await startProxy(processes, "relay.ts", stub));
    case "sallyport": {
      const env = { MCP_REQUIRE_AUTH: "false" };
      return sallyport(name, await startSallyport(processes, stub, `${scratchDir}/${name}`, env));
    }
    case "sallyport-jwt":
    case "sallyport-memory": {
      const secret = crypto.getRandomValues(new Uint8Array(32)).toHex();
      const env = {
        JWT_SECRET_KEY: secret,
        SESSIONS_PER_PRINCIPAL: String(SESSIONS_PER_PRINCIPAL),
        ...(name === "sallyport-memory" ? { EVENT_STORE: "memory" } : {}),
      };
      const listener = await startSallyport(processes, stub, `${scratchDir}/${name}`, env);
      return sallyport(name, listener, await signToken(secret));
    }
  }
}

/** A contender with the paths of the stub. */
function proxy(name: ContenderName, listener: Listener): Contender {
  const { port } = listener;
  return {
    name,
    listener,
    stateless: { port, path: STATELESS_PATH },
    session: { port, path: SESSION_PATH },
  };
}

function sallyport(name: ContenderName, listener: Listener, token?: string): Contender {
  const at = (upstream: keyof typeof UPSTREAM_PATHS) => {
    return { port: listener.port, path: `/servers/${upstream}/mcp`, token };
  };
  return { name, listener, stateless: at("stub"), session: at("stub-session") };
}

/** Starts the gateway in front of the stub; the directory may exist from an earlier start. */
async function startSallyport(
  processes: Processes,
  stub: Listener,
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<Listener> {
  await Deno.mkdir(dataDir, { recursive: true });
  const config = `${dataDir}/bench.json`;
  const servers = Object.entries(UPSTREAM_PATHS).map(([name, path]) => {
    return [name, { type: "http", url: `http://127.0.0.1:${stub.port}${path}` }];
  });
  await Deno.writeTextFile(config, JSON.stringify({ mcpServers: Object.fromEntries(servers) }));
  const serve = ["serve", "--config", config, "--port", "0", "--data", `${dataDir}/data`];
  const main = program("../../main.ts");
  return await processes.startListener(["run", ...SALLYPORT_FLAGS, main, ...serve], env);
}

function startProxy(processes: Processes, name: string, stub: Listener): Promise<Listener> {
  return processes.startListener(["run", "-A", program(name), String(stub.port)], {});
}

/** A token as the gateway itself would issue it. */
function signToken(secret: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ is_admin: true })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer("mcpgateway")
    .setAudience("mcpgateway-api")
    .setSubject("bench@example.com")
    .setIssuedAt(now)
    .setExpirationTime(now + TOKEN_LIFE_S)
    .setJti(crypto.randomUUID())
    .sign(new TextEncoder().encode(secret));
}

/** Path of a program next to this file. */
export function program(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
