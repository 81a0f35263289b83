/**
 * The three deadlines of an exchange: first sign of life, silence, and the whole; and the time for
 * which somebody else is waited for.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type DeadlineOptions, startDeadline } from "../../src/upstream/deadline.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";

const SPANS = { firstMs: 100, silenceMs: 1_000, totalMs: 10_000 };

Deno.test("an upstream without any sign of life expires after firstMs", () => {
  const { advance, expired } = start();
  advance(100);
  assertEquals(expired, [100]);
});

Deno.test("it does not expire before", () => {
  const { advance, expired } = start();
  advance(99);
  assertEquals(expired, []);
});

Deno.test("after the first sign of life silenceMs counts", () => {
  const { advance, deadline, expired } = start();
  deadline.touch();
  advance(999);
  assertEquals(expired, []);
});

Deno.test("an upstream that falls silent expires after silenceMs", () => {
  const { advance, deadline, expired } = start();
  deadline.touch();
  advance(1_000);
  assertEquals(expired, [1_000]);
});

Deno.test("each sign of life starts the silence anew", () => {
  const { advance, deadline, expired } = start();
  for (let i = 0; i < 9; i++) {
    deadline.touch();
    advance(999);
  }
  assertEquals(expired, []);
});

Deno.test("silence is counted from the last sign of life, not from the one before", () => {
  const { advance, deadline, expired, clock } = start();
  deadline.touch();
  advance(700);
  deadline.touch();
  advance(1_000);
  assertEquals([expired, clock.monotonic()], [[1_000], 1_700]);
});

Deno.test("signs of life do not move the absolute end", () => {
  const { advance, deadline, expired } = start();
  for (let i = 0; i < 20 && expired.length === 0; i++) {
    deadline.touch();
    advance(500);
  }
  assertEquals(expired, [10_000]);
});

Deno.test("equal spans work like different ones", () => {
  const { advance, deadline, expired } = start({ firstMs: 1_000 });
  advance(900);
  deadline.touch();
  advance(900);
  assertEquals(expired, []);
});

Deno.test("a span that never ends sets no timer", () => {
  const { timers } = start({ firstMs: Infinity, totalMs: Infinity });
  assertEquals(timers.open(), 0);
});

Deno.test("a subscription may be silent for ever once it has begun", () => {
  const { advance, deadline, expired } = start({ silenceMs: Infinity, totalMs: Infinity });
  deadline.touch();
  advance(1e9);
  assertEquals(expired, []);
});

Deno.test("end() leaves no timer behind", () => {
  const { deadline, timers } = start();
  deadline.touch();
  deadline.end();
  assertEquals(timers.open(), 0);
});

Deno.test("nothing expires after end()", () => {
  const { advance, deadline, expired } = start();
  deadline.end();
  advance(1e6);
  assertEquals(expired, []);
});

Deno.test("expired is called once, even when a sign of life comes too late", () => {
  const { advance, deadline, expired } = start();
  advance(100);
  deadline.touch();
  advance(1e6);
  assertEquals(expired, [100]);
});

// ── While somebody else is waited for ───────────────────────────────────────────────────────────

Deno.test("as long as somebody else is waited for no silence counts", () => {
  const { advance, deadline, expired } = startPaused();
  deadline.touch();
  advance(9_999);
  assertEquals(expired, []);
});

Deno.test("before the first sign of life neither", () => {
  const { advance, expired } = startPaused();
  advance(9_999);
  assertEquals(expired, []);
});

Deno.test("the absolute end does not wait for anybody", () => {
  const { advance, deadline, expired } = startPaused();
  deadline.touch();
  advance(10_000);
  assertEquals(expired, [10_000]);
});

Deno.test("silence counts from when nobody else was waited for any more", () => {
  const { advance, deadline, expired, clock, pause } = startPaused();
  deadline.touch();
  advance(4_200);
  pause.endMs = clock.monotonic();
  advance(999);
  const before = [...expired];
  advance(1);
  assertEquals([before, expired, clock.monotonic()], [[], [1_000], 5_200]);
});

Deno.test("a pause of long ago does not shorten the silence that is allowed", () => {
  const { advance, deadline, expired, clock, pause } = startPaused();
  deadline.touch();
  advance(500);
  pause.endMs = clock.monotonic();
  advance(500);
  deadline.touch();
  advance(1_000);
  assertEquals([expired, clock.monotonic()], [[1_000], 2_000]);
});

Deno.test("a second pause is one too", () => {
  const { advance, deadline, expired, clock, pause } = startPaused();
  deadline.touch();
  advance(3_000);
  pause.endMs = clock.monotonic();
  advance(500);
  pause.endMs = undefined;
  advance(3_000);
  pause.endMs = clock.monotonic();
  advance(1_000);
  assertEquals([expired, clock.monotonic()], [[1_000], 7_500]);
});

Deno.test("when nobody was ever waited for silence counts as usual", () => {
  const { advance, deadline, expired } = start({ pausedAtMs: () => -Infinity });
  deadline.touch();
  advance(1_000);
  assertEquals(expired, [1_000]);
});

/** Somebody else is waited for until `pause.endMs`. */
function startPaused() {
  const pause: { endMs: number | undefined } = { endMs: undefined };
  const started = start({ pausedAtMs: () => pause.endMs ?? started.clock.monotonic() });
  return { ...started, pause };
}

function start(spans: Partial<DeadlineOptions> = {}) {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const expired: number[] = [];
  const deadline = startDeadline({ timers, now: clock.monotonic }, {
    ...SPANS,
    ...spans,
    expired: (spanMs) => void expired.push(spanMs),
  });
  return { clock, timers, deadline, expired, advance: timers.advance };
}
