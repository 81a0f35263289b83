/**
 * Calls that wait for their clients: how many, how long, with how much, and how often they are
 * found again.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { GatewayError, ProtocolError } from "../../../src/domain/errors.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { createParking } from "../../../src/mcp/bridge/parking.ts";
import type { RequestState } from "../../../src/mcp/bridge/request_state.ts";
import { fakeClock, fakeTimers } from "../../support/fake_clock.ts";
import { aCall, aPrincipal } from "../../support/upstream_calls.ts";

const ASK_MS = 10_000;

function open() {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const sealed: RequestState[] = [];
  // A state is its place in the list: how it is sealed is another test's affair.
  const states = {
    seal: (_: unknown, state: RequestState) => String(sealed.push(state) - 1),
    open: () => sealed.at(-1)!,
  };
  const parking = createParking<Waiting>({ states, timers, now: clock.now, replica: "this" }, {
    askMs: ASK_MS,
  });
  return { clock, timers, parking, sealed };
}

interface Waiting {
  readonly giveUp: () => void;
  readonly isGivenUp: () => boolean;
}

function waiting(): Waiting {
  let isGivenUp = false;
  return { giveUp: () => void (isGivenUp = true), isGivenUp: () => isGivenUp };
}

Deno.test("a call is found again once", () => {
  const { parking } = open();
  const one = waiting();
  parking.park(aCall(), one);
  assertEquals(parking.takeOut(aCall()), one);
  assert.throws(() => parking.takeOut(aCall()), ProtocolError);
});

Deno.test("a call that was found again is not given up later", () => {
  const { parking, timers } = open();
  const one = waiting();
  parking.park(aCall(), one);
  parking.takeOut(aCall());
  timers.advance(2 * ASK_MS);
  assertEquals(one.isGivenUp(), false);
});

Deno.test("a call that nobody comes back for is given up when its time is over", () => {
  const { parking, timers } = open();
  const one = waiting();
  parking.park(aCall(), one);
  timers.advance(ASK_MS - 1);
  assertEquals(one.isGivenUp(), false);
  timers.advance(1);
  assertEquals([one.isGivenUp(), parking.size()], [true, 0]);
});

Deno.test("a state expires when its call is given up", () => {
  const { parking, clock, sealed } = open();
  parking.park(aCall(), waiting());
  assertEquals(sealed[0]!.expiresMs, clock.now() + ASK_MS);
});

Deno.test("a principal can have so many calls waiting, and others still some", () => {
  const { parking } = open();
  for (let i = 0; i < LIMITS.parkedCallsPerPrincipal; i++) parking.park(aCall(), waiting());
  assert.throws(() => parking.park(aCall(), waiting()), isRateLimited);
  parking.park(aCall({ principal: aPrincipal("b@example.com") }), waiting());
});

Deno.test("a call that was found again makes room for another", () => {
  const { parking } = open();
  for (let i = 0; i < LIMITS.parkedCallsPerPrincipal; i++) parking.park(aCall(), waiting());
  parking.takeOut(aCall());
  parking.park(aCall(), waiting());
});

Deno.test("all together can have so many calls waiting", () => {
  const { parking } = open();
  for (let i = 0; i < LIMITS.parkedCalls; i++) {
    parking.park(aCall({ principal: aPrincipal(`p${i}@example.com`) }), waiting());
  }
  assert.throws(() => parking.park(aCall(), waiting()), isRateLimited);
});

Deno.test("the call with which too much waits is given up, and no other", () => {
  const { parking } = open();
  const small = waiting();
  const large = waiting();
  parking.park(aCall(), small);
  parking.park(aCall(), large);
  parking.held(small, 1_000);
  parking.held(large, LIMITS.parkedBytes);
  assertEquals([small.isGivenUp(), large.isGivenUp()], [false, true]);
});

Deno.test("at the end all calls are given up, and no timer is left", () => {
  const { parking, timers } = open();
  const all = [waiting(), waiting()];
  for (const one of all) parking.park(aCall(), one);
  parking.close();
  assertEquals([all.map((one) => one.isGivenUp()), timers.open()], [[true, true], 0]);
});

function isRateLimited(error: unknown): boolean {
  return error instanceof GatewayError && error.code === "rate_limited";
}
