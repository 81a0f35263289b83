/**
 * Tokens that the gateway mints are tokens that it takes, and say no more than was asked.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createVerifyToken } from "../../src/auth/bearer_jwt.ts";
import { issueToken, type TokenRequest } from "../../src/auth/issue_token.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { ISSUER, NOW_MS, NOW_S } from "./claims.ts";

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
    const principal = await createVerifyToken(clock, issuer, RULES)(token);
    assertEquals(principal.subject, "alice@example.com");
  });
}

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
  Deno.test(`a token for ${what} becomes the principal that was asked for`, async () => {
    const { isAdmin, teams, permissions, serverId } = { ...REQUEST, ...more };
    const clock = fakeClock(NOW_MS);
    const token = await issueToken(clock, ISSUER, { ...REQUEST, ...more });
    const principal = await createVerifyToken(clock, ISSUER, RULES)(token);
    const expected = { isAdmin, teams, permissions, onlyServer: serverId };
    assertEquals({ ...principal, ...expected }, principal);
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

function payload(token: string): Record<string, unknown> {
  return JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
}
