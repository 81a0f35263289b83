/**
 * Keys of external issuers: found, kept, renewed and given up, against issuers that run.
 *
 * @module
 * @see security.md, AUTHN-07, AUTHN-09, AUTHN-18
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { makeKey, type TestIssuer } from "../support/oidc_issuer.ts";
import { type OidcWorld, openOidcWorld } from "./oidc_world.ts";

const ONE = await makeKey("one");
const TWO = await makeKey("two");

Deno.test("AUTHN-09: a key is found by way of the issuer's own document", async () => {
  await using world = openWorld();
  await world.verify(await world.issuer.token(ONE));
  assertEquals(world.issuer.asked, ["/.well-known/openid-configuration", "/keys"]);
});

Deno.test("AUTHN-09: with a place of keys that is given nothing else is asked for", async () => {
  await using own = openWorld();
  await using world = openOidcWorld({ jwksUri: own.issuer.jwksUri });
  await world.verify(await world.issuer.token(ONE));
  assertEquals([own.issuer.asked, world.issuer.asked], [["/keys"], []]);
});

Deno.test("AUTHN-09: keys are kept", async () => {
  await using world = openWorld();
  for (let i = 0; i < 20; i++) await world.verify(await world.issuer.token(ONE));
  assertEquals(fetchesOf(world.issuer), 1);
});

Deno.test("AUTHN-09: however many tokens come at once, keys are asked for once", async () => {
  await using world = openWorld();
  const token = await world.issuer.token(ONE);
  await Promise.all(Array.from({ length: 50 }, () => world.verify(token)));
  assertEquals(fetchesOf(world.issuer), 1);
});

Deno.test("AUTHN-09: a new key is taken with its first token", async () => {
  await using world = openWorld();
  await world.verify(await world.issuer.token(ONE));
  world.issuer.list(ONE, TWO);
  world.clock.advance(LIMITS.keysRetryMs);
  await world.verify(await world.issuer.token(TWO));
  assertEquals(fetchesOf(world.issuer), 2);
});

Deno.test("AUTHN-09: 1,000 tokens with unknown kids are one request, then and 30 s later", async () => {
  await using world = openWorld();
  await world.verify(await world.issuer.token(ONE));
  world.clock.advance(LIMITS.keysRetryMs);
  await flood(world);
  assertEquals(fetchesOf(world.issuer), 2);
  world.clock.advance(LIMITS.keysRetryMs - 1);
  await flood(world);
  assertEquals(fetchesOf(world.issuer), 2);
  world.clock.advance(1);
  await flood(world);
  assertEquals(fetchesOf(world.issuer), 3);
});

Deno.test("AUTHN-09: a flood right after the start is one request", async () => {
  await using world = openWorld();
  await flood(world);
  assertEquals(fetchesOf(world.issuer), 1);
});

Deno.test("AUTHN-09: a flood against one issuer takes nothing from another", async () => {
  await using world = openWorld();
  world.other.list(TWO);
  await flood(world);
  await world.verify(await world.other.token(TWO));
});

Deno.test("AUTHN-09: a removed key stops working within the refresh time", async () => {
  await using world = openWorld();
  const token = await world.issuer.token(ONE);
  const { freshMs } = await world.verify(token);
  world.issuer.list(TWO);
  world.clock.advance(LIMITS.keysFreshMs);
  await assertRefused(world, token);
  assert(freshMs <= LIMITS.keysFreshMs);
});

Deno.test("AUTHN-09: what is verified late is remembered for the rest of that time only", async () => {
  await using world = openWorld();
  await world.verify(await world.issuer.token(ONE));
  world.clock.advance(LIMITS.keysFreshMs - 10);
  assertEquals((await world.verify(await world.issuer.token(ONE))).freshMs, 10);
});

Deno.test("AUTHN-09: while the source is away, the keys that were seen last go on", async () => {
  await using world = openWorld();
  await world.verify(await world.issuer.token(ONE));
  world.issuer.answer(() => new Response(null, { status: 500 }));
  world.clock.advance(LIMITS.keysFreshMs + 60_000);
  const { freshMs } = await world.verify(await world.issuer.token(ONE));
  assertEquals([world.failures.length, freshMs], [1, LIMITS.keysRetryMs]);
});

Deno.test("AUTHN-09: such a source is asked once in 30 s", async () => {
  await using world = openWorld();
  await world.verify(await world.issuer.token(ONE));
  world.issuer.answer(() => new Response(null, { status: 500 }));
  world.clock.advance(LIMITS.keysFreshMs);
  for (let i = 0; i < 10; i++) await world.verify(await world.issuer.token(ONE));
  world.clock.advance(LIMITS.keysRetryMs);
  for (let i = 0; i < 10; i++) await world.verify(await world.issuer.token(ONE));
  assertEquals(world.failures.length, 2);
});

Deno.test("AUTHN-09, AUTHN-18: old keys do not go on for ever", async () => {
  await using world = openWorld();
  await world.verify(await world.issuer.token(ONE));
  world.issuer.answer(() => new Response(null, { status: 500 }));
  world.clock.advance(LIMITS.keysStaleMs);
  await assertUnavailable(world, await world.issuer.token(ONE));
});

Deno.test("AUTHN-18: keys that were never to be had are no fault of the token", async () => {
  await using world = openWorld();
  world.issuer.answer(() => new Response(null, { status: 503 }));
  await assertUnavailable(world, await world.issuer.token(ONE));
});

Deno.test("AUTHN-18: a source that comes back is found again soon", async () => {
  await using world = openWorld();
  world.issuer.answer(() => new Response(null, { status: 503 }));
  const token = await world.issuer.token(ONE);
  await assertUnavailable(world, token);
  world.issuer.answer(undefined);
  world.clock.advance(1_000);
  await world.verify(token);
});

Deno.test("AUTHN-18: a source that never answered is asked less and less often", async () => {
  await using world = openWorld();
  world.issuer.answer(() => new Response(null, { status: 503 }));
  const token = await world.issuer.token(ONE);
  for (let second = 0; second < 120; second++, world.clock.advance(1_000)) {
    await assertUnavailable(world, token);
  }
  // At 0, 1, 3, 7, 15, 31, 61 and 91 s.
  assertEquals(world.failures.length, 8);
});

for (
  const [what, answer] of [
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/keys")],
    ["a document of another issuer", (origin) => ({ issuer: `${origin}/`, jwks_uri: origin })],
    ["a document without an issuer", (origin) => ({ jwks_uri: `${origin}/keys` })],
    ["a document without keys", (origin) => ({ issuer: origin })],
    ["keys at a file", (origin) => ({ issuer: origin, jwks_uri: "file:///etc/passwd" })],
    ["keys inside the network", (origin) => ({ issuer: origin, jwks_uri: "http://10.0.0.1/k" })],
    ["keys on this machine", (origin) => ({ issuer: origin, jwks_uri: "http://localhost:1/k" })],
    ["keys of a cloud", (origin) => ({ issuer: origin, jwks_uri: "http://169.254.169.254/k" })],
    ["null", () => null],
    ["no JSON", () => new Response("<html>")],
    ["more than fits", () => new Response(" ".repeat(LIMITS.keyReplyBytes + 1))],
    [
      "more than fits, in pieces",
      () =>
        new Response(
          ReadableStream.from(Array.from({ length: 20 }, () => new Uint8Array(32 * 1024))),
        ),
    ],
  ] satisfies [string, (origin: string) => unknown][]
) {
  Deno.test(`AUTHN-09: ${what} is no source of keys`, async () => {
    await using world = openWorld();
    world.issuer.answer((request) => {
      const { origin, pathname } = new URL(request.url);
      const given = pathname.startsWith("/.well-known/") ? answer(origin) : { keys: [ONE.jwk] };
      return given instanceof Response ? given : Response.json(given);
    });
    await assertUnavailable(world, await world.issuer.token(ONE));
  });
}

for (const keys of [undefined, null, {}, "keys"]) {
  Deno.test(`AUTHN-09: ${JSON.stringify({ keys })} is no set of keys`, async () => {
    await using world = openWorld();
    serveKeys(world.issuer, keys);
    await assertUnavailable(world, await world.issuer.token(ONE));
  });
}

for (
  const [what, entries] of [
    ["is for encryption", [{ ...ONE.jwk, use: "enc" }]],
    ["is for signing only", [{ ...ONE.jwk, key_ops: ["sign"] }]],
    ["is for another algorithm", [{ ...ONE.jwk, alg: "ES384" }]],
    ["is of another type", [{ ...ONE.jwk, kty: "RSA" }]],
    ["is a secret", [{ kty: "oct", kid: "one", k: "AAAA" }]],
    ["is on another curve", [{ ...ONE.jwk, crv: "P-384" }]],
    ["is broken", [{ ...ONE.jwk, x: "AAAA" }]],
    ["has another id", [{ ...ONE.jwk, kid: "One" }]],
    ["has no id", [{ ...ONE.jwk, kid: undefined }]],
    ["is not the only one of that id", [ONE.jwk, { ...TWO.jwk, kid: "one" }]],
    ["stands among too many", [...Array(LIMITS.keysPerIssuer).fill({}), ONE.jwk]],
  ] satisfies [string, unknown[]][]
) {
  Deno.test(`AUTHN-07, AUTHN-09: a key that ${what} is not the one that a token means`, async () => {
    await using world = openWorld();
    serveKeys(world.issuer, entries);
    await assertRefused(world, await world.issuer.token(ONE));
  });
}

Deno.test("AUTHN-09: keys that cannot be used stand beside those that can", async () => {
  await using world = openWorld();
  serveKeys(world.issuer, [null, 1, {}, { kty: "constructor" }, { ...TWO.jwk, x: 1 }, ONE.jwk]);
  await world.verify(await world.issuer.token(ONE));
});

Deno.test("AUTHN-05: without kid a token means the only key of its algorithm", async () => {
  const rsa = await makeKey("rsa", "RS256");
  await using world = openWorld();
  world.issuer.list(ONE, rsa);
  await world.verify(await world.issuer.token(ONE, {}, { kid: undefined }));
});

Deno.test("AUTHN-05: without kid, several keys are not tried", async () => {
  await using world = openWorld();
  world.issuer.list(ONE, TWO);
  await assertRefused(world, await world.issuer.token(ONE, {}, { kid: undefined }));
});

for (
  const algorithm of [
    "RS256",
    "RS512",
    "PS256",
    "PS384",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
  ]
) {
  Deno.test(`AUTHN-03: ${algorithm} of an external issuer is verified`, async () => {
    await using world = openWorld();
    const key = await makeKey("k", algorithm);
    world.issuer.list(key);
    await world.verify(await world.issuer.token(key));
  });
}

function openWorld(): OidcWorld {
  const world = openOidcWorld();
  world.issuer.list(ONE);
  return world;
}

function serveKeys(issuer: TestIssuer, keys: unknown): void {
  issuer.answer((request) => {
    const { origin, pathname } = new URL(request.url);
    return Response.json(
      pathname === "/keys" ? { keys } : { issuer: origin, jwks_uri: `${origin}/keys` },
    );
  });
}

function fetchesOf({ asked }: TestIssuer): number {
  return asked.filter((path) => path === "/keys").length;
}

async function flood({ issuer, verify }: OidcWorld): Promise<void> {
  const token = await issuer.token(ONE);
  const [, ...rest] = token.split(".");
  const tokens = Array.from({ length: 1_000 }, () => {
    const header = btoa(JSON.stringify({ alg: "ES256", kid: crypto.randomUUID() }));
    return [header.replaceAll("=", ""), ...rest].join(".");
  });
  const results = await Promise.allSettled(tokens.map((one) => verify(one)));
  const codes = results.map((one) => one.status === "rejected" && one.reason.code);
  assertEquals(new Set(codes), new Set(["unauthenticated"]));
}

async function assertRefused({ verify }: OidcWorld, token: string): Promise<void> {
  await assertRejects(() => verify(token), { code: "unauthenticated" });
}

async function assertUnavailable({ verify }: OidcWorld, token: string): Promise<void> {
  await assertRejects(() => verify(token), { code: "unavailable" });
}
