/**
 * Tokens that the gateway mints are tokens that it takes, and say no more than was asked.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { ASYMMETRIC } from "../../src/auth/algorithms.ts";
import { createVerifyToken } from "../../src/auth/bearer_jwt.ts";
import type { GatewayIssuer } from "../../src/auth/issuers.ts";
import { issueToken, type TokenRequest } from "../../src/auth/issue_token.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { makeKey } from "../support/oidc_issuer.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { ISSUER, NOW_MS, NOW_S, RESOURCE } from "./claims.ts";

const REQUEST: TokenRequest = {
  subject: "alice@example.com",
  expiresInMs: 90_000,
  isAdmin: false,
  teams: undefined,
  permissions: undefined,
  serverId: undefined,
};

const RULES = { requireExpiration: true, requireTokenId: true };

for (const algorithm of ["HS256", "HS384", "HS512"] as const) {
  Deno.test(`a token of ours is verified by us, with ${algorithm}`, async () => {
    const clock = fakeClock(NOW_MS);
    const issuer = { ...ISSUER, algorithm };
    const token = await issueToken(clock, issuer, REQUEST);
    const { credential } = await verify(clock, issuer, token);
    assertEquals(credential.subject, "alice@example.com");
  });
}

for (const algorithm of ASYMMETRIC) {
  Deno.test(`a token of ours is verified by us, with ${algorithm}`, async () => {
    const clock = fakeClock(NOW_MS);
    const { privateKey, publicKey } = await makeKey(undefined, algorithm);
    const issuer = { ...ISSUER, algorithm, keys: { sign: privateKey, verify: publicKey } };
    const { credential } = await verify(clock, issuer, await issueToken(clock, issuer, REQUEST));
    assertEquals(credential.subject, "alice@example.com");
  });
}

Deno.test("without a key to sign with there is no token", async () => {
  const { publicKey } = await makeKey();
  const keys = { sign: undefined, verify: publicKey };
  const issuer = { ...ISSUER, algorithm: "ES256", keys } as const;
  await assertRejects(() => issueToken(fakeClock(NOW_MS), issuer, REQUEST));
});

for (
  const [what, more] of [
    ["an administrator", { isAdmin: true }],
    ["teams", { teams: ["red", "blue"] }],
    ["no teams", { teams: [] }],
    ["permissions", { permissions: ["tools.read"] }],
    ["no permissions", { permissions: [] }],
    ["one server", { serverId: "ops" }],
  ] satisfies [string, Partial<TokenRequest>][]
) {
  Deno.test(`a token for ${what} becomes the credential that was asked for`, async () => {
    const { isAdmin, teams, permissions, serverId } = { ...REQUEST, ...more };
    const clock = fakeClock(NOW_MS);
    const token = await issueToken(clock, ISSUER, { ...REQUEST, ...more });
    const { credential } = await verify(clock, ISSUER, token);
    const expected = { claimsAdmin: isAdmin, teams, permissions, onlyServer: serverId };
    assertEquals({ ...credential, ...expected }, credential);
  });
}

Deno.test("a token holds only the claims that were asked for", async () => {
  const claims = payload(await issueToken(fakeClock(NOW_MS), ISSUER, REQUEST));
  const { jti, ...others } = claims;
  assertEquals(others, {
    iss: "mcpgateway",
    aud: "mcpgateway-api",
    sub: "alice@example.com",
    iat: NOW_S,
    exp: NOW_S + 90,
  });
  assert(String(jti).length >= 20);
});

Deno.test("each token has an id of its own", async () => {
  const mint = () => issueToken(fakeClock(NOW_MS), ISSUER, REQUEST);
  assert(payload(await mint()).jti !== payload(await mint()).jti);
});

function verify(clock: Clock, gateway: GatewayIssuer, token: string) {
  return createVerifyToken({ clock, gateway, trusted: [] }, RULES)(token, RESOURCE);
}

function payload(token: string): Record<string, unknown> {
  return JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
}
