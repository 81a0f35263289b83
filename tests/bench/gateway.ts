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
  /** A token of another subject. */
  readonly tokenOf: (subject: string, claims?: JWTPayload) => Promise<string>;
}

/**
 * Starts the gateway.
 *
 * @param upstreams URLs by name
 * @param dataDir may exist from an earlier start
 */
export async function startGateway(
  processes: Processes,
  upstreams: Readonly<Record<string, string>>,
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<Listener> {
  await Deno.mkdir(dataDir, { recursive: true });
  const config = `${dataDir}/bench.json`;
  const servers = Object.entries(upstreams).map(([name, url]) => [name, { type: "http", url }]);
  await Deno.writeTextFile(config, JSON.stringify({ mcpServers: Object.fromEntries(servers) }));
  const serve = ["serve", "--config", config, "--port", "0", "--data", `${dataDir}/data`];
  const main = program("../../main.ts");
  return await processes.startListener(["run", ...FLAGS, main, ...serve], env);
}

/** A secret of its own for each process. */
export async function newAccess(): Promise<Access> {
  const secret = crypto.getRandomValues(new Uint8Array(32)).toHex();
  return {
    env: {
      JWT_SECRET_KEY: secret,
      SESSIONS_PER_PRINCIPAL: String(SESSIONS_PER_PRINCIPAL),
    },
    token: await signToken(secret, "bench@example.com"),
    tokenOf: (subject, claims) => signToken(secret, subject, claims),
  };
}

/** A token as the gateway itself would issue it. */
function signToken(
  secret: string,
  subject: string,
  claims: JWTPayload = { is_admin: true },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer("mcpgateway")
    .setAudience("mcpgateway-api")
    .setSubject(subject)
    .setIssuedAt(now)
    .setExpirationTime(now + TOKEN_LIFE_S)
    .setJti(crypto.randomUUID())
    .sign(new TextEncoder().encode(secret));
}

/** Path of a program next to this file. */
export function program(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
