/**
 * What is counted together, and what apart.
 *
 * @module
 */
import {
  deepStrictEqual as assertEquals,
  notStrictEqual as assertNotEquals,
} from "node:assert/strict";
import { RateLimited } from "../../src/domain/errors.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import { parseRate } from "../../src/domain/rate.ts";
import { createLocalRateLimiter } from "../../src/policy/rate_limit.ts";
import { createRateLimits, sourceOf, type Verdict } from "../../src/policy/rate_limits.ts";
import { fakeClock } from "../support/fake_clock.ts";

const ONE = parseRate("1/h");
const NONE = { rateOfSource: undefined, rateOfPrincipal: undefined, rateOfTool: undefined };
const { monotonic } = fakeClock();
const local = () => createLocalRateLimiter(ONE, monotonic);
const all = () =>
  createRateLimits(local, { rateOfSource: ONE, rateOfPrincipal: ONE, rateOfTool: ONE });

const principal = (subject: string, kind = "gateway_jwt"): Principal =>
  ({ ...ANONYMOUS, kind, subject }) as Principal;
const isRefused = (verdict: Verdict | Promise<Verdict>) => verdict instanceof RateLimited;

Deno.test("without settings nothing is counted", () => {
  assertEquals(createRateLimits(local, NONE), {
    source: undefined,
    principal: undefined,
    tool: undefined,
  });
});

Deno.test("two subjects have each their own budget", () => {
  const { principal: count } = all();
  const answers = ["ada", "ada", "bob"].map((subject) => isRefused(count!(principal(subject))));
  assertEquals(answers, [false, true, false]);
});

Deno.test("one subject with two kinds of credentials is two principals", () => {
  const { principal: count } = all();
  const kinds = ["gateway_jwt", "anonymous"].map((kind) => isRefused(count!(principal("a", kind))));
  assertEquals(kinds, [false, false]);
});

Deno.test("two tools have each their own budget, for each principal", () => {
  const { tool } = all();
  const [ada, bob] = [principal("ada"), principal("bob")];
  const calls = [[ada, "x"], [ada, "x"], [ada, "y"], [bob, "x"]] as const;
  assertEquals(calls.map(([who, name]) => isRefused(tool!(who, name))), [
    false,
    true,
    false,
    false,
  ]);
});

Deno.test("no principal can be named so that its calls count as those of another tool", () => {
  const { tool } = all();
  tool!(principal("b"), "x gateway_jwt a");
  assertEquals(isRefused(tool!(principal("a gateway_jwt b"), "x")), false);
});

Deno.test("the limits do not count together", () => {
  const { source, principal: count, tool } = all();
  const verdicts = [source!("a"), count!(principal("a")), tool!(principal("a"), "a")];
  assertEquals(verdicts.map(isRefused), [false, false, false]);
});

Deno.test("a limiter that has to ask is waited for", async () => {
  const limiter = { take: () => Promise.resolve(2_000) };
  const { principal: count } = createRateLimits(() => limiter, { ...NONE, rateOfPrincipal: ONE });
  const verdict = await count!(principal("a"));
  assertEquals([verdict?.code, verdict?.waitMs], ["rate_limited", 2_000]);
});

Deno.test("the time to wait is that of each refusal, in whole seconds and never too short", async () => {
  const waits = [1, 1_000, 1_001, 60_000, 1];
  const limiter = { take: () => waits.shift() ?? 0 };
  const { principal: count } = createRateLimits(() => limiter, { ...NONE, rateOfPrincipal: ONE });
  const told: unknown[] = [];
  for (let i = 0; i < 6; i++) told.push((await count!(principal("a")))?.waitMs);
  assertEquals(told, [1_000, 1_000, 2_000, 60_000, 1_000, undefined]);
});

Deno.test("an IPv4 address is a source of its own", () => {
  assertNotEquals(sourceOf("192.0.2.1"), sourceOf("192.0.2.2"));
});

Deno.test("all addresses of one IPv6 network are one source", () => {
  assertEquals(sourceOf("2001:db8:1:2::1"), sourceOf("2001:db8:1:2:ffff:ffff:ffff:ffff"));
});

Deno.test("two IPv6 networks are two sources", () => {
  assertNotEquals(sourceOf("2001:db8:1:2::1"), sourceOf("2001:db8:1:3::1"));
});

Deno.test("two IPv4 addresses are two sources on a listener for both", () => {
  assertNotEquals(sourceOf("::ffff:192.0.2.1"), sourceOf("::ffff:192.0.2.2"));
});

Deno.test("an IPv4 address is no IPv6 network", () => {
  assertNotEquals(sourceOf("::ffff:0.0.0.1"), sourceOf("0:0:0:1::"));
});
