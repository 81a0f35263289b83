/**
 * Tokens of the gateway's own issuer: one algorithm, one key, exact names, honest times and types.
 *
 * @module
 * @see security.md, AUTHN-03 to AUTHN-06, AUTHN-08, AUTHN-10, AUTHN-15, AUTHN-16
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { type ClaimRules, createVerifyToken } from "../../src/auth/bearer_jwt.ts";
import type { Credential } from "../../src/domain/credential.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { type Claims, claims, ISSUER, NOW_MS, NOW_S, RESOURCE, signed } from "./claims.ts";

const STRICT: ClaimRules = { requireExpiration: true, requireTokenId: true };

Deno.test("a correct token is let in", async () => {
  const credential = await verify(signed(claims()));
  assertEquals(credential, {
    kind: "gateway_jwt",
    subject: "alice@example.com",
    claimsAdmin: false,
    teams: undefined,
    permissions: undefined,
    onlyServer: undefined,
    tokenId: "token-1",
    issuedAtMs: NOW_MS,
    expiresAtMs: (NOW_S + 3600 + 60) * 1000,
  });
});

for (
  const [what, token] of [
    ["the algorithm none", unsigned("none")],
    ["the algorithm None", unsigned("None")],
    ["the algorithm nOnE and a signature", signed(claims(), { header: { alg: "nOnE" } })],
    ["no signature", signed(claims()).replace(/\.[^.]*$/, "")],
    ["an empty signature", signed(claims()).replace(/[^.]*$/, "")],
    ["half a signature", signed(claims()).slice(0, -20)],
    ["a changed signature", signed(claims()).replace(/.{4}$/, "AAAA")],
    ["a padded signature", `${signed(claims())}=`],
    ["a signature with bits behind its end", respelt(signed(claims()))],
    ["a signature in base64 that is not for URLs", inOtherBase64()],
    ["another key", signed(claims(), { secret: "another key of more than 32 bytes in all" })],
    ["an empty key", signed(claims(), { secret: "" })],
    ["HS384 with our key", signed(claims(), { header: { alg: "HS384" }, hash: "sha384" })],
    ["HS512 with our key", signed(claims(), { header: { alg: "HS512" }, hash: "sha512" })],
    ["HS256 that is called RS256", signed(claims(), { header: { alg: "RS256" } })],
    ["no algorithm", signed(claims(), { header: { alg: undefined } })],
    ["a list of algorithms", signed(claims(), { header: { alg: ["HS256"] } })],
    ["a kid", signed(claims(), { header: { kid: "1" } })],
    ["an empty kid", signed(claims(), { header: { kid: "" } })],
    ["a kid that is a path", signed(claims(), { header: { kid: "../../dev/null" } })],
    ["an unknown crit", signed(claims(), { header: { crit: ["x"], x: 1 } })],
    ["an unencoded payload", signed(claims(), { header: { crit: ["b64"], b64: false } })],
    ["encryption and compression", `${header({ alg: "dir", enc: "A256GCM", zip: "DEF" })}..a.b.c`],
    ["a payload that is no JSON", signed("hello")],
    ["a payload that is a list", signed("[]")],
    ["a payload that is null", signed("null")],
    ["a kid of 128 characters", signed(claims(), { header: { kid: "k".repeat(128) } })],
    ["a number as kid", signed(claims(), { header: { kid: 1 } })],
    ["compression", signed(claims(), { header: { zip: "DEF" } })],
    ["five parts", "a.b.c.d.e"],
    ["one part", "a"],
    ["a part that is not base64url", signed(claims()).replace(".", ".!")],
  ] as const
) {
  Deno.test(`AUTHN-04, AUTHN-05, AUTHN-16: a token with ${what} is refused`, () =>
    assertRefused(token));
}

for (const header of [{ jku: "https://evil.example/k" }, { x5u: "https://evil.example/c" }]) {
  Deno.test(`AUTHN-05: ${Object.keys(header)} is never followed`, async () => {
    // The key is ours: the token is good, and nothing is fetched (these tests have no network).
    await verify(signed(claims(), { header }));
  });
}

Deno.test("AUTHN-05: a key that the token brings along does not count", async () => {
  const secret = "a key of the attacker that is more than 32 bytes";
  const jwk = { kty: "oct", k: btoa(secret) };
  await assertRefused(signed(claims(), { header: { jwk }, secret }));
});

Deno.test("the configured algorithm is the one that counts", async () => {
  const gateway = { ...ISSUER, algorithm: "HS512" } as const;
  const verifyToken = createVerifyToken({ clock: clock(), gateway, trusted: [] }, STRICT);
  await verifyToken(signed(claims(), { header: { alg: "HS512" }, hash: "sha512" }), RESOURCE);
});

for (
  const [what, good] of [
    ["exp 59 s ago", { exp: NOW_S - 59 }],
    ["nbf in 60 s", { nbf: NOW_S + 60 }],
    ["iat in 60 s", { iat: NOW_S + 60 }],
    ["iat long ago", { iat: 0 }],
    ["no iat", { iat: undefined }],
    ["fractions of a second", { exp: NOW_S + 0.5, iat: NOW_S - 0.5 }],
    ["our audience among others", { aud: ["other", "mcpgateway-api"] }],
    ["a subject of one character", { sub: "a" }],
    ["a subject of 255 characters", { sub: "a".repeat(255) }],
    ["unknown claims", { anything: { a: [1] } }],
  ] satisfies [string, Claims][]
) {
  Deno.test(`AUTHN-06, AUTHN-08, AUTHN-15: ${what} is accepted`, async () =>
    void await verify(signed(claims(good))));
}

const WRONG_TIMES = ["1785585600", "", null, true, [NOW_S], {}, -1, 1e308, 8.65e12, "1e3"];

for (
  const [what, bad] of [
    ["exp 60 s ago", { exp: NOW_S - 60 }],
    ["no exp", { exp: undefined }],
    ["nbf in 61 s", { nbf: NOW_S + 61 }],
    ["iat in 61 s", { iat: NOW_S + 61 }],
    ...["exp", "nbf", "iat"].flatMap((name) =>
      WRONG_TIMES.map((
        value,
      ): [string, Claims] => [`${name} ${JSON.stringify(value)}`, { [name]: value }])
    ),
    ["no issuer", { iss: undefined }],
    ["another issuer", { iss: "other" }],
    ["an issuer that begins like ours", { iss: "mcpgateway/" }],
    ["an issuer in capitals", { iss: "MCPGATEWAY" }],
    ["a list of issuers", { iss: ["mcpgateway"] }],
    ["no audience", { aud: undefined }],
    ["another audience", { aud: "mcpgateway" }],
    ["an audience that begins like ours", { aud: "mcpgateway-api/" }],
    ["other audiences", { aud: ["a", "b"] }],
    ["no audiences", { aud: [] }],
    ["an object as audience", { aud: { "mcpgateway-api": true } }],
    ["no subject", { sub: undefined }],
    ["an empty subject", { sub: "" }],
    ["a blank subject", { sub: " \t " }],
    ["a subject of 256 characters", { sub: "a".repeat(256) }],
    ["a subject null", { sub: null }],
    ["a number as subject", { sub: 1 }],
    ["a subject with two at-signs", { sub: "alice@example.com@evil.example" }],
    ["a subject with NUL", { sub: "alice\0@example.com" }],
    ["a subject with half a character", { sub: "alice\ud800" }],
    ["a list as subject", { sub: ["alice@example.com"] }],
    ["an object as subject", { sub: { email: "alice@example.com" } }],
    ["no jti", { jti: undefined }],
    ["a number as jti", { jti: 1 }],
    ["jti null", { jti: null }],
  ] satisfies [string, Claims][]
) {
  Deno.test(`AUTHN-06, AUTHN-08, AUTHN-10, AUTHN-15: ${what} is refused`, () => {
    return assertRefused(signed(claims(bad)));
  });
}

Deno.test("without exp a token lives for ever, where that is allowed", async () => {
  const credential = await verify(signed(claims({ exp: undefined })), { requireExpiration: false });
  assertEquals(credential.expiresAtMs, Infinity);
});

Deno.test("exp counts where it is not required too", async () => {
  const token = signed(claims({ exp: NOW_S - 100 }));
  await assertRejects(() => verify(token, { requireExpiration: false }));
});

Deno.test("without jti a token is let in where that is allowed", async () => {
  const credential = await verify(signed(claims({ jti: undefined })), { requireTokenId: false });
  assertEquals(credential.tokenId, undefined);
});

for (
  const [what, good, expected] of [
    ["teams absent", {}, { teams: undefined }],
    ["teams null", { teams: null }, { teams: undefined }],
    ["no teams", { teams: [] }, { teams: [] }],
    ["teams by slug", { teams: ["red", "blue"] }, { teams: ["red", "blue"] }],
    ["teams as objects", { teams: [{ id: "red", name: "Red" }, "blue"] }, {
      teams: ["red", "blue"],
    }],
    ["is_admin true", { is_admin: true }, { claimsAdmin: true }],
    ["is_admin false", { is_admin: false }, { claimsAdmin: false }],
    ["user.is_admin true", { user: { is_admin: true } }, { claimsAdmin: true }],
    ["user without is_admin", { user: { a: 1 } }, { claimsAdmin: false }],
    ["scopes null", { scopes: null }, { permissions: undefined }],
    ["permissions null", { scopes: { permissions: null } }, { permissions: undefined }],
    ["no permissions", { scopes: { permissions: [] } }, { permissions: [] }],
    ["permissions", { scopes: { permissions: ["tools.read"] } }, { permissions: ["tools.read"] }],
    ["a server", { scopes: { server_id: "ops" } }, { onlyServer: "ops" }],
    ["server null", { scopes: { server_id: null } }, { onlyServer: undefined }],
  ] satisfies [string, Claims, Partial<Credential>][]
) {
  Deno.test(`${what} becomes ${JSON.stringify(expected)}`, async () => {
    const credential = await verify(signed(claims(good)));
    assertEquals({ ...credential, ...expected }, credential);
  });
}

for (
  const bad of [
    { teams: "red" },
    { teams: 1 },
    { teams: {} },
    { teams: true },
    { teams: [1] },
    { teams: [null] },
    { teams: [["red"]] },
    { teams: [""] },
    { teams: [{}] },
    { teams: [{ id: 1 }] },
    { teams: [{ id: "" }] },
    { is_admin: "true" },
    { is_admin: 1 },
    { is_admin: null },
    { is_admin: [true] },
    { user: "admin" },
    { user: [] },
    { user: { is_admin: "true" } },
    { user: { is_admin: 1 } },
    { scopes: "tools.read" },
    { scopes: ["tools.read"] },
    { scopes: { permissions: "tools.read" } },
    { scopes: { permissions: [1] } },
    { scopes: { permissions: {} } },
    { scopes: { server_id: 1 } },
    { scopes: { server_id: ["ops"] } },
  ]
) {
  Deno.test(`${JSON.stringify(bad)} is refused, not read as something else`, () => {
    return assertRefused(signed(claims(bad)));
  });
}

Deno.test("all refusals say the same", async () => {
  const tokens = [unsigned("none"), signed(claims({ exp: 1 })), signed(claims({ sub: 1 })), "a"];
  const errors = await Promise.all(tokens.map((token) => verify(token).catch((error) => error)));
  assertEquals(new Set(errors.map(({ message }) => message)).size, 1);
});

Deno.test("the reason is the cause, for the log", async () => {
  const error = await verify(signed(claims({ iat: NOW_S + 100 }))).catch((error) => error);
  assert.match(String(error.cause), /iat/);
});

async function verify(token: string, rules: Partial<ClaimRules> = {}): Promise<Credential> {
  const deps = { clock: clock(), gateway: ISSUER, trusted: [] };
  return (await createVerifyToken(deps, { ...STRICT, ...rules })(token, RESOURCE)).credential;
}

async function assertRefused(token: string): Promise<void> {
  await assertRejects(() => verify(token), { name: "GatewayError", code: "unauthenticated" });
}

function clock() {
  return fakeClock(NOW_MS);
}

/** The same bytes: the last character holds two bits that are not theirs. */
function respelt(token: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)!) + 1];
}

function inOtherBase64(): string {
  for (let i = 0;; i++) {
    const [head, payload, signature] = signed(claims({ jti: String(i) })).split(".");
    const other = signature!.replaceAll("-", "+").replaceAll("_", "/");
    if (other !== signature) return `${head}.${payload}.${other}`;
  }
}

function unsigned(alg: string): string {
  return signed(claims(), { header: { alg } }).replace(/[^.]*$/, "");
}

function header(fields: Claims): string {
  return signed(claims(), { header: { typ: undefined, ...fields } }).split(".")[0]!;
}
