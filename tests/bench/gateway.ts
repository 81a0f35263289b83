/**
 * The gateway as a process: with which upstream servers it is started, and a token for it.
 *
 * @module
 */

import { type JWTPayload, SignJWT } from "jose";

import type { Listener, Processes } from "./processes.ts";
import { SESSIONS_HELD_MAX } from "./types.ts";

/** Flags of its process. */
const FLAGS = ["-A"];

/** Beside those that are held, some are just being opened or ended. */
const SESSIONS_PER_PRINCIPAL = SESSIONS_HELD_MAX + 1_000;
const TOKEN_LIFE_S = 3600;

/** Its settings for requests with a token, and that token. */
export interface Access {
  readonly env: Readonly<Record<string, string>>;
  readonly token: string;
  /** A token of another subject: an administrator's unless it claims otherwise. */
  readonly tokenOf: (subject: string, claims?: JWTPayload) => Promise<string>;
}

/** URLs by name, or that and more of what a config file says of a server. */
export type Upstreams = Readonly<Record<string, string | { readonly url: string }>>;

/**
 * Starts the gateway.
 *
 * @param dataDir may exist from an earlier start
 */
export async function startGateway(
  processes: Processes,
  upstreams: Upstreams,
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<Listener> {
  await Deno.mkdir(dataDir, { recursive: true });
  const config = `${dataDir}/bench.json`;
  const servers = Object.entries(upstreams).map(([name, given]) => {
    return [name, { type: "http", ...(typeof given === "string" ? { url: given } : given) }];
  });
  await Deno.writeTextFile(config, JSON.stringify({ mcpServers: Object.fromEntries(servers) }));
  const serve = ["serve", "--config", config, "--port", "0", "--data", `${dataDir}/data`];
  const main = program("../../main.ts");
  return await processes.startListener(["run", ...FLAGS, main, ...serve], env);
}

/** A secret of its own for each process. */
export async function newAccess(): Promise<Access> {
  const secret = crypto.getRandomValues(new Uint8Array(32)).toHex();
  const key = new TextEncoder().encode(secret);
  const tokenOf: Access["tokenOf"] = (subject, claims = { is_admin: true }) =>
    claimed(new SignJWT(claims), "HS256", subject).sign(key);
  return {
    env: {
      JWT_SECRET_KEY: secret,
      SESSIONS_PER_PRINCIPAL: String(SESSIONS_PER_PRINCIPAL),
    },
    token: await tokenOf("bench@example.com"),
    tokenOf,
  };
}

/** Asks the management API for something. @throws {Error} when it is not done */
export async function tellApi(
  { port, token }: { readonly port: number; readonly token: string },
  method: string,
  path: string,
  body: object,
): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const url = `http://127.0.0.1:${port}/api${path}`;
  const reply = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!reply.ok) throw new Error(`${method} ${url}: ${reply.status}: ${await reply.text()}`);
  await reply.body?.cancel();
}

/** With what the gateway itself would say in a token. */
export function claimed(token: SignJWT, alg: string, subject: string): SignJWT {
  const now = Math.floor(Date.now() / 1000);
  return token
    .setProtectedHeader({ alg, typ: "JWT" })
    .setIssuer("mcpgateway")
    .setAudience("mcpgateway-api")
    .setSubject(subject)
    .setIssuedAt(now)
    .setExpirationTime(now + TOKEN_LIFE_S)
    .setJti(crypto.randomUUID());
}

/** Path of a program next to this file. */
export function program(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
