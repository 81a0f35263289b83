/**
 * Coarse timers, and sleeping by them: never early, at most a tick late, and nothing left running
 * when none is set.
 *
 * The clock is the test's; only the ticking itself is real, and it is awaited, never timed.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { createTimers, sleep, TICK_MS, type Timers } from "../../src/platform/timers.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";

const STRICT = { sanitizeOps: true, sanitizeResources: true };

Deno.test("a timer fires once its time has passed", STRICT, async () => {
  const { clock, timers } = start();
  const fired = firing(timers, 1_000);
  clock.advance(1_000 + TICK_MS);
  await fired;
});

Deno.test("a timer does not fire early", STRICT, async () => {
  const { clock, timers } = start();
  let hasFired = false;
  const fired = firing(timers, 1_000).then(() => hasFired = true);
  const marker = firing(timers, 900);
  clock.advance(999.9);
  await marker;
  const wasEarly = hasFired;
  clock.advance(TICK_MS);
  await fired;
  assertEquals(wasEarly, false);
});

for (const startMs of [0, 0.3, 12.5, TICK_MS, 99.999]) {
  for (const delayMs of [0, 1, TICK_MS - 1, TICK_MS, TICK_MS + 1, 1_000.5]) {
    Deno.test(`set at ${startMs} for ${delayMs} it is due within a tick`, STRICT, async () => {
      const { clock, timers } = start();
      clock.advance(startMs);
      const fired = firing(timers, delayMs);
      clock.advance(delayMs + TICK_MS);
      await fired;
    });
  }
}

Deno.test("timers that fall due together all fire", STRICT, async () => {
  const { clock, timers } = start();
  const all = [100, 100, 110, 500].map((delayMs) => firing(timers, delayMs));
  clock.advance(1_000);
  await Promise.all(all);
});

Deno.test(
  "timers fire in the order of their ticks, however late the clock is read",
  STRICT,
  async () => {
    const { clock, timers } = start();
    const order: number[] = [];
    const all = [900, 100, 500].map((delayMs) =>
      firing(timers, delayMs).then(() => order.push(delayMs))
    );
    clock.advance(10_000);
    await Promise.all(all);
    assertEquals(order, [100, 500, 900]);
  },
);

Deno.test("a cancelled timer does not fire", STRICT, async () => {
  const { clock, timers } = start();
  let fired = false;
  timers.after(100, () => fired = true).cancel();
  const other = firing(timers, 200);
  clock.advance(1_000);
  await other;
  assertEquals(fired, false);
});

Deno.test("a timer may cancel another that is due at the same time", STRICT, async () => {
  const { clock, timers } = start();
  let fired = 0;
  const both = [0, 1].map(() =>
    timers.after(100, () => {
      fired++;
      for (const timer of both) timer.cancel();
    })
  );
  const other = firing(timers, 200);
  clock.advance(1_000);
  await other;
  assertEquals(fired, 1);
});

Deno.test("cancelling twice, and after firing, does nothing", STRICT, async () => {
  const { clock, timers } = start();
  const fired = Promise.withResolvers<void>();
  const timer = timers.after(100, fired.resolve);
  clock.advance(1_000);
  await fired.promise;
  timer.cancel();
  timer.cancel();
});

Deno.test("cancelling one of two timers of a tick leaves the other", STRICT, async () => {
  const { clock, timers } = start();
  const kept = firing(timers, 100);
  timers.after(100, () => {}).cancel();
  clock.advance(1_000);
  await kept;
});

Deno.test("a timer may set the next one", STRICT, async () => {
  const { clock, timers } = start();
  const second = Promise.withResolvers<void>();
  timers.after(100, () => {
    timers.after(100, second.resolve);
    clock.advance(1_000);
  });
  clock.advance(130);
  await second.promise;
});

// Exactly on a tick, "now" lies in the round that is under way.
Deno.test("a timer set for now while others fire is not lost", STRICT, async () => {
  const { clock, timers } = start();
  let isLost = true;
  const first = Promise.withResolvers<void>();
  timers.after(100, () => {
    timers.after(0, () => isLost = false);
    first.resolve();
  });
  clock.advance(4 * TICK_MS);
  await first.promise;
  const later = firing(timers, 1_000);
  clock.advance(2_000);
  await later;
  assertEquals(isLost, false);
});

Deno.test("after a pause with no timer set the next one still fires", STRICT, async () => {
  const { clock, timers } = start();
  const first = firing(timers, 10);
  clock.advance(100);
  await first;
  clock.advance(1e7);
  const second = firing(timers, 10);
  clock.advance(100);
  await second;
});

// ── sleep() ─────────────────────────────────────────────────────────────────────────────────────

const REASON = new Error("Reason of this test");

Deno.test("sleep() ends after its time", STRICT, async () => {
  const timers = fakeTimers(fakeClock());
  const slept = sleep(timers, 1_000);
  timers.advance(1_000);
  await slept;
  assertEquals(timers.open(), 0);
});

Deno.test("sleep() does not end before", STRICT, async () => {
  const timers = fakeTimers(fakeClock());
  let isOver = false;
  const slept = sleep(timers, 1_000).then(() => isOver = true);
  timers.advance(999);
  await Promise.resolve();
  const wasEarly = isOver;
  timers.advance(1);
  await slept;
  assertEquals(wasEarly, false);
});

Deno.test(
  "sleep() ends early with the reason of its signal, and leaves no timer",
  STRICT,
  async () => {
    const timers = fakeTimers(fakeClock());
    const abort = new AbortController();
    const slept = sleep(timers, 1_000, abort.signal);
    abort.abort(REASON);
    await assertRejects(slept, REASON);
    assertEquals(timers.open(), 0);
  },
);

Deno.test("sleep() does not begin under a signal that is aborted already", STRICT, async () => {
  const timers = fakeTimers(fakeClock());
  await assertRejects(sleep(timers, 1_000, AbortSignal.abort(REASON)), REASON);
  assertEquals(timers.open(), 0);
});

Deno.test("a signal that is aborted after sleep() does no harm", STRICT, async () => {
  const timers = fakeTimers(fakeClock());
  const abort = new AbortController();
  const slept = sleep(timers, 1_000, abort.signal);
  timers.advance(1_000);
  await slept;
  abort.abort(REASON);
});

Deno.test("of two that sleep under one signal each has its own time", STRICT, async () => {
  const timers = fakeTimers(fakeClock());
  const abort = new AbortController();
  const short = sleep(timers, 1_000, abort.signal);
  const long = sleep(timers, 2_000, abort.signal);
  timers.advance(1_000);
  await short;
  abort.abort(REASON);
  await assertRejects(long, REASON);
});

function start() {
  const clock = fakeClock();
  return { clock, timers: createTimers(clock.monotonic) };
}

/** Resolves when a timer of this delay fires. */
function firing(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => timers.after(delayMs, resolve));
}
