/**
 * Verified tokens are remembered until they expire or their key is to be asked for again, where they
 * count, and no more of them than allowed.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Verdict } from "../../src/auth/bearer_jwt.ts";
import { createTokenCache } from "../../src/auth/token_cache.ts";
import { NO_CREDENTIAL } from "../../src/domain/credential.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { fakeClock } from "../support/fake_clock.ts";

const HERE = "http://gateway.example/mcp";
const ELSEWHERE = "http://gateway.example/servers/a/mcp";

Deno.test("a kept token is found with its credential", () => {
  const { cache, alice } = start();
  cache.keep("a", alice);
  assertEquals(cache.find("a", { resource: HERE }), alice.credential);
});

Deno.test("a token that was not kept is not found", () => {
  const { cache, alice } = start();
  cache.keep("a", alice);
  assertEquals(cache.find("b", { resource: HERE }), undefined);
});

Deno.test("a token is found until the moment it expires", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", alice);
  clock.advance(999);
  assertEquals(cache.find("a", { resource: HERE }), alice.credential);
});

Deno.test("a token is not found from the moment it expires", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", alice);
  clock.advance(1_000);
  assertEquals(cache.find("a", { resource: HERE }), undefined);
});

Deno.test("a token without an end is found for ever", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", { ...alice, credential: { ...alice.credential, expiresAtMs: Infinity } });
  clock.advance(1e12);
  assertEquals(cache.find("a", { resource: HERE }) !== undefined, true);
});

Deno.test("AUTHN-09: a token is found until its key is to be asked for again", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", { ...alice, freshMs: 500 });
  clock.advance(499);
  assertEquals(cache.find("a", { resource: HERE }), alice.credential);
  clock.advance(1);
  assertEquals(cache.find("a", { resource: HERE }), undefined);
});

Deno.test("AUTHN-09: that a token was just in use makes its key no fresher", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", { ...alice, freshMs: 500 });
  for (let i = 0; i < 5; i++, clock.advance(100)) cache.find("a", { resource: HERE });
  assertEquals(cache.find("a", { resource: HERE }), undefined);
});

Deno.test("AUTHN-09: a token that is verified again is fresh again", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", { ...alice, freshMs: 100 });
  cache.find("a", { resource: HERE });
  cache.keep("a", { ...alice, freshMs: 500 });
  clock.advance(200);
  assertEquals(cache.find("a", { resource: HERE }), alice.credential);
});

Deno.test("AUTHN-08: a token that is for one URL is not found at another", () => {
  const { cache, alice } = start();
  cache.keep("a", { ...alice, resources: [HERE] });
  assertEquals([cache.find("a", { resource: ELSEWHERE }), cache.find("a", { resource: HERE })], [
    undefined,
    alice.credential,
  ]);
});

Deno.test("the oldest makes room when the cache is full", () => {
  const { cache, alice } = start(3);
  for (const token of ["a", "b", "c", "d"]) cache.keep(token, alice);
  assertEquals(
    ["a", "b", "c", "d"].map((token) => cache.find(token, { resource: HERE }) !== undefined),
    [
      false,
      true,
      true,
      true,
    ],
  );
});

Deno.test("room is kept for at least 10,000 tokens", () => {
  assertEquals(LIMITS.verifiedTokens >= 10_000, true);
});

function start(maxEntries?: number) {
  const clock = fakeClock();
  const credential = {
    ...NO_CREDENTIAL,
    subject: "alice@example.com",
    expiresAtMs: clock.now() + 1_000,
  };
  const alice: Verdict = { credential, resources: undefined, freshMs: Infinity };
  return { clock, alice, cache: createTokenCache(clock, maxEntries) };
}
