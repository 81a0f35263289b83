/**
 * Failed attempts are counted by source and by subject, for a while, in bounded memory, and lock
 * nobody out.
 *
 * @module
 * @see security.md, AUTHN-19
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createFailedAttempts, type FailedAttempts } from "../../src/auth/failed_attempts.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { fakeClock } from "../support/fake_clock.ts";

const A = "192.0.2.1";
const VICTIM = "alice@example.com";

Deno.test("AUTHN-19: so many failures of one source are answered as failures", () => {
  const { attempts } = world();
  assertEquals(failures(attempts, A, LIMITS.failuresAnswered), 0);
});

Deno.test("AUTHN-19: one more is one too many", () => {
  const { attempts } = world();
  assertEquals(failures(attempts, A, LIMITS.failuresAnswered + 1), 1);
});

Deno.test("AUTHN-19: after a while a source begins anew", () => {
  const { attempts, clock } = world();
  failures(attempts, A, LIMITS.failuresVerified);
  clock.advance(LIMITS.failuresMs);
  attempts.check(A);
  assertEquals(failures(attempts, A, 1), 0);
});

Deno.test("AUTHN-19: a source is held back before that", () => {
  const { attempts, clock } = world();
  failures(attempts, A, LIMITS.failuresVerified);
  clock.advance(LIMITS.failuresMs - 1);
  assertEquals(isHeldBack(() => attempts.check(A)), true);
});

Deno.test("AUTHN-19: all spellings of an address are one source", () => {
  const { attempts } = world();
  failures(attempts, "::ffff:192.0.2.1", LIMITS.failuresVerified);
  assertEquals(isHeldBack(() => attempts.check(A)), true);
});

Deno.test("AUTHN-19: all addresses of one IPv6 network are one source", () => {
  const { attempts } = world();
  failures(attempts, "2001:db8:1:2::1", LIMITS.failuresVerified);
  assertEquals(isHeldBack(() => attempts.check("2001:db8:1:2:ffff::9")), true);
});

Deno.test("AUTHN-19: another IPv6 network is another source", () => {
  const { attempts } = world();
  failures(attempts, "2001:db8:1:2::1", LIMITS.failuresVerified);
  assertEquals(isHeldBack(() => attempts.check("2001:db8:1:3::1")), false);
});

Deno.test("AUTHN-19: many sources that guess at one subject are held back together", () => {
  const { attempts } = world();
  const each = LIMITS.failuresFree + 1;
  const sources = Array.from({ length: 60 }, (_, i) => `198.51.100.${i}`);
  for (const source of sources) failures(attempts, source, each, VICTIM);
  assertEquals(failures(attempts, sources[0]!, 1, VICTIM), 1);
});

Deno.test("AUTHN-19: the subject itself, elsewhere, still learns that its token has ended", () => {
  const { attempts } = world();
  for (let i = 0; i < 200; i++) failures(attempts, `198.51.100.${i}`, 10, VICTIM);
  assertEquals(failures(attempts, "203.0.113.9", LIMITS.failuresFree, VICTIM), 0);
});

Deno.test("AUTHN-19: however many sources fail, so many are counted and no more", () => {
  const { attempts } = world();
  failures(attempts, A, LIMITS.failuresVerified);
  for (let i = 0; i < LIMITS.failuresTracked; i++) {
    failures(attempts, `10.${i >> 16 & 255}.${i >> 8 & 255}.${i & 255}`, 1);
  }
  assertEquals(isHeldBack(() => attempts.check(A)), false);
});

function world() {
  const clock = fakeClock();
  return { clock, attempts: createFailedAttempts(clock) };
}

/** How many of these failures were answered with a limit. */
function failures(attempts: FailedAttempts, source: string, times: number, subject?: string) {
  let held = 0;
  for (let i = 0; i < times; i++) if (isHeldBack(() => attempts.note(source, subject))) held++;
  return held;
}

function isHeldBack(act: () => void): boolean {
  try {
    act();
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "rate_limited";
  }
}
