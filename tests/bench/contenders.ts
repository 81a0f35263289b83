/**
 * The contenders: how each is started and what a request to it looks like.
 *
 * @module
 */

import { SignJWT } from "jose";

import type { Listener, Processes } from "./processes.ts";

/** All contenders, in the order in which they are printed. */
export const CONTENDER_NAMES = [
  "direct",
  "pass-through",
  "naive",
  "sallyport",
  "sallyport-jwt",
] as const;

export type ContenderName = typeof CONTENDER_NAMES[number];

/** A contender that is running, and how to address it. */
export interface Contender {
  readonly name: ContenderName;
  readonly listener: Listener;
  readonly path: string;
  readonly token?: string;
}

/** Flags of the gateway's process. */
const SALLYPORT_FLAGS = ["-A"];
const SALLYPORT_PATH = "/servers/stub/mcp";
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
      return { name, listener: stub, path: "/mcp" };
    case "pass-through":
      return { name, listener: await startProxy(processes, "pass_through.ts", stub), path: "/mcp" };
    case "naive":
      return { name, listener: await startProxy(processes, "naive.ts", stub), path: "/mcp" };
    case "sallyport": {
      const listener = await startSallyport(processes, stub, `${scratchDir}/${name}`, {
        MCP_REQUIRE_AUTH: "false",
      });
      return { name, listener, path: SALLYPORT_PATH };
    }
    case "sallyport-jwt": {
      const secret = crypto.getRandomValues(new Uint8Array(32)).toHex();
      const listener = await startSallyport(processes, stub, `${scratchDir}/${name}`, {
        JWT_SECRET_KEY: secret,
      });
      return { name, listener, path: SALLYPORT_PATH, token: await signToken(secret) };
    }
  }
}

/** Starts the gateway with the stub as its one upstream; the directory may exist from an earlier start. */
async function startSallyport(
  processes: Processes,
  stub: Listener,
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<Listener> {
  await Deno.mkdir(dataDir, { recursive: true });
  const config = `${dataDir}/bench.json`;
  const url = `http://127.0.0.1:${stub.port}/mcp`;
  const settings = { mcpServers: { stub: { type: "http", url } } };
  await Deno.writeTextFile(config, JSON.stringify(settings));
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
