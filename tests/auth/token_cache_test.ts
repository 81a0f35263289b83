/**
 * Verified tokens are remembered until they expire, and no more of them than allowed.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createTokenCache } from "../../src/auth/token_cache.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import { fakeClock } from "../support/fake_clock.ts";

Deno.test("a kept token is found with its principal", () => {
  const { cache, alice } = start();
  cache.keep("a", alice);
  assertEquals(cache.find("a"), alice);
});

Deno.test("a token that was not kept is not found", () => {
  const { cache, alice } = start();
  cache.keep("a", alice);
  assertEquals(cache.find("b"), undefined);
});

Deno.test("a token is found until the moment it expires", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", alice);
  clock.advance(999);
  assertEquals(cache.find("a"), alice);
});

Deno.test("a token is not found from the moment it expires", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", alice);
  clock.advance(1_000);
  assertEquals(cache.find("a"), undefined);
});

Deno.test("a token without an end is found for ever", () => {
  const { cache, alice, clock } = start();
  cache.keep("a", { ...alice, expiresAtMs: Infinity });
  clock.advance(1e12);
  assertEquals(cache.find("a") !== undefined, true);
});

Deno.test("the oldest makes room when the cache is full", () => {
  const { cache, alice } = start(3);
  for (const token of ["a", "b", "c", "d"]) cache.keep(token, alice);
  assertEquals(["a", "b", "c", "d"].map((token) => cache.find(token) !== undefined), [
    false,
    true,
    true,
    true,
  ]);
});

Deno.test("room is kept for at least 10,000 tokens", () => {
  assertEquals(LIMITS.verifiedTokens >= 10_000, true);
});

function start(maxEntries?: number) {
  const clock = fakeClock();
  const alice: Principal = {
    ...ANONYMOUS,
    subject: "alice@example.com",
    expiresAtMs: clock.now() + 1_000,
  };
  return { clock, alice, cache: createTokenCache(clock, maxEntries) };
}
