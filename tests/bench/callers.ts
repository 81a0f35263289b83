/**
 * A gateway as a platform team runs it: a thousand principals with tokens of an asymmetric key, who
 * are members of two hundred teams, and a hundred servers, each of which is there for one team.
 *
 * Told against one with the same servers that asks nobody who he is.
 *
 * @module
 */

import { exportSPKI, generateKeyPair, SignJWT } from "jose";

import { type Access, claimed, tellApi, type Upstreams } from "./gateway.ts";
import { manyName } from "./payload.ts";
import type { Address } from "./types.ts";

/** With the twenty tools of each: 2,000 items. */
export const CALLER_SERVERS = 100;
const CALLERS = 1_000;
const TEAMS = 200;
const ALG = "ES256";

/** Settings of the gateway that knows its callers; limits that are counted and never reached. */
const KNOWING = {
  JWT_ALGORITHM: ALG,
  RATE_LIMIT_SOURCE: "1000000/s",
  RATE_LIMIT_PRINCIPAL: "1000000/s",
  RATE_LIMIT_TOOL: "1000000/s",
};

/** And of the one that does not. */
export const OPEN = { MCP_REQUIRE_AUTH: "false", AUDIT: "false" };

/** Each of these servers for one of the teams. */
export function forTeams(urls: Readonly<Record<string, string>>): Upstreams {
  const entries = Object.entries(urls);
  return Object.fromEntries(
    entries.map(([name, url], at) => [name, { url, visibility: "team", team: teamName(at) }]),
  );
}

/** Settings with a key of their own, and tokens by it. */
export async function newCallers(dataDir: string): Promise<Pick<Access, "env" | "tokenOf">> {
  const { publicKey, privateKey } = await generateKeyPair(ALG);
  const path = `${dataDir}/key.pem`;
  await Deno.mkdir(dataDir, { recursive: true });
  await Deno.writeTextFile(path, await exportSPKI(publicKey));
  return {
    env: { ...KNOWING, JWT_PUBLIC_KEY_PATH: path },
    tokenOf: (subject, claims = { is_admin: true }) =>
      claimed(new SignJWT(claims), ALG, subject).sign(privateKey),
  };
}

/**
 * Makes the teams, puts every caller into two of them, and gives a token to each.
 * @param admin may do anything
 * @returns the address with a token and a prefix for each caller, who sees that server
 */
export async function enrolled(
  admin: Address & { readonly token: string },
  tokenOf: Access["tokenOf"],
): Promise<Address> {
  const tell = (method: string, path: string, body: object) =>
    tellApi(admin, method, `/teams${path}`, body);
  for (let at = 0; at < TEAMS; at++) {
    await tell("POST", "", { name: teamName(at), slug: teamName(at) });
  }
  const tokens: string[] = [];
  const prefixes: string[] = [];
  for (let at = 0; at < CALLERS; at++) {
    const subject = `caller-${at}@example.com`;
    const server = at % CALLER_SERVERS;
    const teams = [teamName(server), teamName(server + TEAMS / 2)];
    for (const team of teams) {
      await tell("PUT", `/${team}/members/${subject}`, { role: "member" });
    }
    tokens.push(await tokenOf(subject, { teams }));
    prefixes.push(`${manyName(server)}-`);
  }
  return { ...admin, tokens, prefixes };
}

function teamName(at: number): string {
  return `team-${at}`;
}
