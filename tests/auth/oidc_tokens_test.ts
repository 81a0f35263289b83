/**
 * Tokens of external issuers: whose they are, for whom, and what their claims become.
 *
 * @module
 * @see security.md, AUTHN-03 to AUTHN-08, AUTHN-15, AUTHN-16
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { exportSPKI } from "jose";
import { createVerifyToken } from "../../src/auth/bearer_jwt.ts";
import type { OidcIssuer } from "../../src/auth/issuers.ts";
import type { Credential } from "../../src/domain/credential.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { makeKey } from "../support/oidc_issuer.ts";
import { type Claims, claims, ISSUER, NOW_MS, NOW_S, RESOURCE, signed } from "./claims.ts";
import { type OidcWorld, openOidcWorld } from "./oidc_world.ts";

const KEY = await makeKey("one");
const RSA = await makeKey(undefined, "RS256");
const FOREIGN = await makeKey("one");

Deno.test("a token of an external issuer says who somebody is, and no more", async () => {
  await using world = openWorld();
  const { credential } = await world.verify(await world.issuer.token(KEY));
  assertEquals(credential, {
    kind: `oidc_jwt ${world.issuer.issuer}`,
    subject: "user-1",
    claimsAdmin: false,
    teams: "stored",
    permissions: undefined,
    onlyServer: undefined,
    tokenId: undefined,
    issuedAtMs: NOW_MS,
    expiresAtMs: (NOW_S + 3600 + 60) * 1000,
  });
});

Deno.test("AUTHN-07: one subject of two issuers is two callers", async () => {
  await using world = openWorld();
  world.other.list(KEY);
  const tokens = [await world.issuer.token(KEY), await world.other.token(KEY)];
  const kinds = await Promise.all(
    tokens.map(async (token) => (await world.verify(token)).credential.kind),
  );
  assertEquals(new Set(kinds).size, 2);
});

Deno.test("AUTHN-07: a key of one issuer verifies no token that names another", async () => {
  await using world = openWorld();
  world.other.list(FOREIGN);
  await world.verify(await world.other.token(FOREIGN));
  await assertRefused(world, await world.other.token(FOREIGN, { iss: world.issuer.issuer }));
});

Deno.test("AUTHN-07: a key of an external issuer makes no token of ours", async () => {
  await using world = openWorld();
  const own = { iss: ISSUER.issuer, aud: ISSUER.audience, jti: "1", is_admin: true };
  await assertRefused(world, await world.issuer.token(KEY, own));
});

Deno.test("AUTHN-07: our own key makes no token of an external issuer", async () => {
  await using world = openWorld();
  await assertRefused(world, signed(claims({ iss: world.issuer.issuer, aud: "sallyport-tests" })));
});

for (
  const change of [
    (issuer: string) => `${issuer}/`,
    (issuer: string) => issuer.toUpperCase(),
    (issuer: string) => `${issuer}.evil.example`,
    (issuer: string) => issuer.slice(0, -1),
    (issuer: string) => ` ${issuer}`,
    (issuer: string) => issuer.replace("127.0.0.1", "localhost"),
    (issuer: string) => [issuer],
    () => undefined,
    () => null,
    () => ({}),
  ]
) {
  const shown = JSON.stringify(change("http://127.0.0.1:1000"));
  Deno.test(`AUTHN-07: the issuer ${shown} is nobody`, async () => {
    await using world = openWorld();
    await assertRefused(
      world,
      await world.issuer.token(KEY, { iss: change(world.issuer.issuer) }),
    );
  });
}

Deno.test("AUTHN-08: a token for the URL that the client used is for us", async () => {
  await using world = openWorld();
  const token = await world.issuer.token(KEY, { aud: RESOURCE });
  assertEquals((await world.verify(token)).resources, [RESOURCE]);
});

Deno.test("AUTHN-08: that token is not for another endpoint", async () => {
  await using world = openWorld();
  const token = await world.issuer.token(KEY, { aud: RESOURCE });
  await assertRefused(world, token, RESOURCE.replace("/mcp", "/servers/a/mcp"));
});

Deno.test("AUTHN-08: a token of ours may be for one endpoint too", async () => {
  await using world = openWorld();
  const { resources } = await world.verify(signed(claims({ aud: [RESOURCE, "x"] })));
  assertEquals(resources, [RESOURCE, "x"]);
});

Deno.test("AUTHN-08: a token that names the gateway is for every endpoint", async () => {
  await using world = openWorld();
  const token = await world.issuer.token(KEY, { aud: ["x", "sallyport-tests"] });
  assertEquals((await world.verify(token)).resources, undefined);
});

for (
  const aud of [undefined, null, "", [], "other", ISSUER.audience, `${RESOURCE}/`, {}, [1], [
    "sallyport-tests",
    1,
  ]]
) {
  Deno.test(`AUTHN-08: the audience ${JSON.stringify(aud)} is not us`, async () => {
    await using world = openWorld();
    await assertRefused(world, await world.issuer.token(KEY, { aud }));
  });
}

Deno.test("AUTHN-03: an external issuer has no secrets in common with us", async () => {
  await using world = openWorld();
  for (const secret of [await exportSPKI(KEY.publicKey), JSON.stringify(KEY.jwk)]) {
    const header = { alg: "HS256", kid: "one" };
    const all = { ...claims(), iss: world.issuer.issuer, aud: "sallyport-tests" };
    await assertRefused(world, signed(all, { header, secret }));
  }
});

for (
  const [what, secret] of [
    ["the public key in PEM form", await exportSPKI(RSA.publicKey)],
    ["the public key in PEM form, trimmed", (await exportSPKI(RSA.publicKey)).trim()],
    ["the public key as JWK", JSON.stringify(RSA.jwk)],
    ["the modulus as it is written", RSA.jwk.n!],
    ["the modulus", Buffer.from(RSA.jwk.n!, "base64url").toString("latin1")],
  ] as const
) {
  for (const alg of ["HS256", "RS256", "none"]) {
    Deno.test(`AUTHN-03: ${what} is no secret, under the name ${alg}`, async () => {
      const gateway = {
        ...ISSUER,
        algorithm: "RS256",
        keys: { verify: RSA.publicKey, sign: undefined },
      } as const;
      const deps = { clock: fakeClock(NOW_MS), gateway, trusted: [] };
      const verify = createVerifyToken(deps, { requireExpiration: true, requireTokenId: true });
      await assertRejects(() => verify(signed(claims(), { header: { alg }, secret }), RESOURCE), {
        code: "unauthenticated",
      });
    });
  }
}

for (
  const [what, more] of [
    ["no exp", { exp: undefined }],
    ["exp as text", { exp: String(NOW_S + 60) }],
    ["exp long ago", { exp: NOW_S - 61 }],
    ["nbf to come", { nbf: NOW_S + 61 }],
    ["iat to come", { iat: NOW_S + 61 }],
    ["iat null", { iat: null }],
    ["no sub", { sub: undefined }],
    ["sub as a number", { sub: 1 }],
    ["a blank sub", { sub: " " }],
    ["a sub of 256 characters", { sub: "s".repeat(256) }],
    ["jti as a number", { jti: 1 }],
  ] satisfies [string, Claims][]
) {
  Deno.test(`AUTHN-06, AUTHN-15: an external token with ${what} is refused`, async () => {
    await using world = openWorld();
    await assertRefused(world, await world.issuer.token(KEY, more));
  });
}

for (
  const [what, header] of [
    ["a kid that is a path", { kid: "../../etc/passwd" }],
    ["a kid with a quote", { kid: "one' or '1'='1" }],
    ["a kid with NUL", { kid: "one\0" }],
    ["a kid of 128 characters", { kid: "k".repeat(128) }],
    ["a kid that is a property", { kid: "__proto__" }],
  ] satisfies [string, Claims][]
) {
  Deno.test(`AUTHN-05: ${what} is no key, and is not asked for`, async () => {
    await using world = openWorld();
    await assertRefused(world, await world.issuer.token(KEY, {}, header));
    assertEquals(new Set(world.issuer.asked).size <= 2, true);
  });
}

for (const name of ["jku", "x5u"]) {
  Deno.test(`AUTHN-05: ${name} is not followed`, async () => {
    await using world = openWorld();
    const header = { [name]: world.other.jwksUri };
    world.other.list(FOREIGN);
    await assertRefused(world, await world.issuer.token(FOREIGN, {}, header));
    assertEquals(world.other.asked, []);
  });
}

Deno.test("AUTHN-05: a key that the token brings along does not count", async () => {
  await using world = openWorld();
  await assertRefused(world, await world.issuer.token(FOREIGN, {}, { jwk: FOREIGN.jwk }));
});

for (
  const [what, settings, more, expected] of [
    ["without emailClaim, sub", {}, { email: "a@b.c" }, "user-1"],
    [
      "a verified e-mail address",
      { emailClaim: "email" },
      { email: "alice@example.com", email_verified: true },
      "alice@example.com",
    ],
    ["another claim", { emailClaim: "upn" }, { upn: "alice@example.com" }, "alice@example.com"],
    [
      "a claim with a long name",
      { emailClaim: "https://example.com/mail" },
      { "https://example.com/mail": "alice@example.com" },
      "alice@example.com",
    ],
  ] satisfies [string, Partial<OidcIssuer>, Claims, string][]
) {
  Deno.test(`AUTHN-15: the subject is ${what}`, async () => {
    assertEquals((await credentialOf(settings, more)).subject, expected);
  });
}

for (
  const [emailClaim, more] of [
    ["email", {}],
    ["email", { email: "alice@example.com" }],
    ["email", { email: "alice@example.com", email_verified: false }],
    ["email", { email: "alice@example.com", email_verified: "true" }],
    ["email", { email: "alice@example.com", email_verified: 1 }],
    ["upn", { upn: "alice@example.com", email_verified: false }],
    ["upn", { upn: "alice@example.com", email_verified: "false" }],
    ["upn", {}],
    ["upn", { upn: "" }],
    ["upn", { upn: "alice" }],
    ["upn", { upn: ["alice@example.com"] }],
    ["upn", { upn: { email: "alice@example.com" } }],
    ["upn", { upn: "alice@example.com@evil.example" }],
    ["upn", { upn: "alice@example.com,bob@example.com" }],
    ["upn", { upn: `${"a".repeat(250)}@b.c.d` }],
    ["upn", { upn: "Alice <alice@example.com>" }],
    ["upn", { upn: "alice\u200b@example.com" }],
    ["upn", { upn: "alice\ud800@example.com" }],
    ["constructor", {}],
  ] satisfies [string, Claims][]
) {
  Deno.test(`AUTHN-15: ${emailClaim} of ${JSON.stringify(more).slice(0, 80)} is nobody`, async () => {
    await assertRejects(() => credentialOf({ emailClaim }, more), { code: "unauthenticated" });
  });
}

for (
  const [claim, expected] of [
    [undefined, undefined],
    [null, undefined],
    [[], []],
    [["red", { id: "blue" }], ["red", "blue"]],
  ] as const
) {
  Deno.test(`the teams claim ${JSON.stringify(claim)} is ${JSON.stringify(expected)}`, async () => {
    assertEquals((await credentialOf({ teamsClaim: "groups" }, { groups: claim })).teams, expected);
  });
}

for (const groups of ["red", 1, {}, [1], [""], [null]]) {
  Deno.test(`the teams claim ${JSON.stringify(groups)} is refused`, async () => {
    await assertRejects(() => credentialOf({ teamsClaim: "groups" }, { groups }), {
      code: "unauthenticated",
    });
  });
}

Deno.test("without teamsClaim a claim of that name is nothing", async () => {
  assertEquals((await credentialOf({}, { teams: ["red"] })).teams, "stored");
});

Deno.test("what an external issuer says of rights does not count", async () => {
  const all = {
    is_admin: true,
    user: { is_admin: true },
    scopes: { permissions: ["*"], server_id: "a" },
  };
  const { claimsAdmin, permissions, onlyServer } = await credentialOf({}, all);
  assertEquals([claimsAdmin, permissions, onlyServer], [false, undefined, undefined]);
});

Deno.test("AUTHN-21: signatures are compared by the platform's own verification", async () => {
  await using world = openWorld();
  const { verify } = crypto.subtle;
  let calls = 0;
  crypto.subtle.verify = (...args: Parameters<typeof verify>) => {
    calls++;
    return verify.apply(crypto.subtle, args);
  };
  try {
    await world.verify(signed(claims()));
    await assertRefused(world, signed(claims()).replace(/.{4}$/, "AAAA"));
  } finally {
    crypto.subtle.verify = verify;
  }
  assertEquals(calls, 2);
});

function openWorld(more: Partial<OidcIssuer> = {}): OidcWorld {
  const world = openOidcWorld(more);
  world.issuer.list(KEY);
  return world;
}

async function credentialOf(settings: Partial<OidcIssuer>, more: Claims): Promise<Credential> {
  await using world = openWorld(settings);
  return (await world.verify(await world.issuer.token(KEY, more))).credential;
}

async function assertRefused(world: OidcWorld, token: string, resource?: string): Promise<void> {
  await assertRejects(() => world.verify(token, resource), { code: "unauthenticated" });
}
