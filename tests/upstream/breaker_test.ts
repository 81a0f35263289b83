/**
 * The circuit breaker alone: when it opens, who may find out, when it closes, and that it does what
 * a plain model of it does, whatever happens in whichever order.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Breaker, createBreaker, FIND_OUT_MS } from "../../src/upstream/breaker.ts";
import { seeded } from "../support/seeded.ts";

const THRESHOLD = 3;

Deno.test("failures below the threshold leave it closed", () => {
  const breaker = aBreaker();
  fail(breaker, THRESHOLD - 1, 0);
  assertEquals(breaker.circuit(0), "closed");
});

Deno.test("as many failures in a row as the threshold open it", () => {
  const breaker = aBreaker();
  fail(breaker, THRESHOLD, 0);
  assertEquals(breaker.circuit(0), "open");
});

Deno.test("a success between them begins the count anew", () => {
  const breaker = aBreaker();
  fail(breaker, THRESHOLD - 1, 0);
  breaker.succeeded(breaker.admit(0, "caller")!, 0);
  fail(breaker, THRESHOLD - 1, 0);
  assertEquals(breaker.circuit(0), "closed");
});

Deno.test("while it is open nobody may go", () => {
  const breaker = opened(0);
  assertEquals([999, 500, 0].map((nowMs) => breaker.admit(nowMs, "own")), [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("after the back-off one may go, and no other", () => {
  const breaker = opened(0);
  const tickets = Array.from({ length: 1000 }, () => breaker.admit(1_000, "caller"));
  assertEquals(tickets.filter((ticket) => ticket !== undefined).length, 1);
});

Deno.test("its success closes the circuit", () => {
  const breaker = opened(0);
  breaker.succeeded(breaker.admit(1_000, "caller")!, 1_000);
  assertEquals([breaker.circuit(1_000), breaker.isCalm()], ["closed", true]);
});

Deno.test("its failure opens it again at once", () => {
  const breaker = opened(0);
  breaker.failed(breaker.admit(1_000, "caller")!, 1_000);
  assertEquals(breaker.circuit(1_000), "open");
});

Deno.test("while it is closed no moment is too early, by whatever reading of the clock", () => {
  const breaker = aBreaker();
  fail(breaker, THRESHOLD - 1, 0);
  assertEquals(breaker.nextMs(1_000) <= 999, true);
});

Deno.test("the back-off doubles up to a minute", () => {
  const breaker = opened(0);
  const waits: number[] = [];
  for (let nowMs = 0; waits.length < 9;) {
    waits.push(breaker.nextMs(nowMs) - nowMs);
    nowMs = breaker.nextMs(nowMs);
    breaker.failed(breaker.admit(nowMs, "caller")!, nowMs);
  }
  assertEquals(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60].map((s) => s * 1_000));
});

Deno.test("a hundred thousand failed attempts leave the back-off at a minute", () => {
  const breaker = opened(0);
  let nowMs = 0;
  for (let i = 0; i < 100_000; i++) {
    nowMs = breaker.nextMs(nowMs);
    breaker.failed(breaker.admit(nowMs, "caller")!, nowMs);
  }
  assertEquals(breaker.nextMs(nowMs) - nowMs, 60_000);
});

Deno.test("the back-off has the chance in it that it is given", () => {
  const breaker = aBreaker({ jittered: (ms: number) => ms + 77 });
  fail(breaker, THRESHOLD, 0);
  assertEquals(breaker.nextMs(0), 1_077);
});

Deno.test("a server that falls again within a minute goes on with its back-off", () => {
  const breaker = opened(0);
  breaker.succeeded(breaker.admit(1_000, "caller")!, 1_000);
  fail(breaker, THRESHOLD, 60_999);
  assertEquals(breaker.nextMs(60_999), 62_999);
});

Deno.test("one that was there for a minute begins with the shortest", () => {
  const breaker = opened(0);
  breaker.succeeded(breaker.admit(1_000, "caller")!, 1_000);
  fail(breaker, THRESHOLD, 61_000);
  assertEquals(breaker.nextMs(61_000), 62_000);
});

Deno.test("a request that finds nothing out in time gives its place up", () => {
  const breaker = opened(0);
  breaker.admit(1_000, "caller");
  const next = [1_000 + FIND_OUT_MS - 1, 1_000 + FIND_OUT_MS].map((ms) => breaker.circuit(ms));
  assertEquals(next, ["half-open", "open"]);
});

Deno.test("that counts as a failure: the back-off is longer", () => {
  const breaker = opened(0);
  breaker.admit(1_000, "caller");
  const endMs = 1_000 + FIND_OUT_MS;
  assertEquals(breaker.nextMs(endMs), endMs + 2_000);
});

Deno.test("when it succeeds in the end, the circuit closes all the same", () => {
  const breaker = opened(0);
  const ticket = breaker.admit(1_000, "caller")!;
  breaker.succeeded(ticket, 1_001 + FIND_OUT_MS);
  assertEquals(breaker.circuit(1_001 + FIND_OUT_MS), "closed");
});

Deno.test("when it fails in the end, that disturbs nobody who finds out meanwhile", () => {
  const breaker = opened(0);
  const late = breaker.admit(1_000, "caller")!;
  const nowMs = 1_000 + FIND_OUT_MS + 2_000;
  breaker.admit(nowMs, "caller");
  breaker.failed(late, nowMs);
  assertEquals(breaker.circuit(nowMs), "half-open");
});

Deno.test("a request that says nothing gives its place to the next at once", () => {
  const breaker = opened(0);
  breaker.left(breaker.admit(1_000, "caller")!, 1_500);
  assertEquals(breaker.admit(1_500, "caller") !== undefined, true);
});

Deno.test("the end of another request gives nobody's place away", () => {
  const breaker = aBreaker();
  const early = breaker.admit(0, "caller")!;
  fail(breaker, THRESHOLD, 0);
  breaker.admit(1_000, "caller");
  breaker.left(early, 1_000);
  assertEquals(breaker.circuit(1_000), "half-open");
});

Deno.test("a failure from before it opened does not count after it closed", () => {
  const breaker = aBreaker();
  const early = Array.from({ length: 10 }, () => breaker.admit(0, "caller")!);
  fail(breaker, THRESHOLD, 0);
  breaker.succeeded(breaker.admit(1_000, "caller")!, 1_000);
  for (const ticket of early) breaker.failed(ticket, 1_000);
  assertEquals(breaker.failures(), 0);
});

Deno.test("a failure from before it opened does not make the back-off longer", () => {
  const breaker = aBreaker();
  const early = Array.from({ length: 10 }, () => breaker.admit(0, "caller")!);
  for (const ticket of early) breaker.failed(ticket, 0);
  assertEquals(breaker.nextMs(0), 1_000);
});

Deno.test("a success from before it opened does not close it", () => {
  const breaker = aBreaker();
  const early = breaker.admit(0, "caller")!;
  fail(breaker, THRESHOLD, 0);
  breaker.succeeded(early, 500);
  assertEquals(breaker.circuit(500), "open");
});

Deno.test("a watch never finds out", () => {
  assertEquals(opened(0).admit(100_000, "watch"), undefined);
});

Deno.test("a watch may go while it is closed", () => {
  assertEquals(aBreaker().admit(0, "watch") !== undefined, true);
});

Deno.test("callers leave it to the gateway for the time they are told to", () => {
  const breaker = opened(0, { ownFirstMs: 500 });
  const may = [1_499, 1_500].map((nowMs) => breaker.admit(nowMs, "caller") !== undefined);
  assertEquals(may, [false, true]);
});

Deno.test("the gateway itself need not wait for that", () => {
  assertEquals(opened(0, { ownFirstMs: 500 }).admit(1_000, "own") !== undefined, true);
});

Deno.test("with a threshold without end it never opens", () => {
  const breaker = aBreaker({ threshold: Infinity });
  fail(breaker, 10_000, 0);
  assertEquals([breaker.circuit(0), breaker.failures()], ["closed", 10_000]);
});

Deno.test("whatever happens in whichever order, it does as its model", () => {
  const random = seeded("circuit breaker against its model");
  const threshold = 1 + random.below(4);
  const breaker = aBreaker({ threshold });
  const model = createModel(threshold);
  const running: (number | undefined)[] = [];
  let nowMs = 0;
  for (let step = 0; step < 20_000; step++) {
    nowMs += random.pick([0, 0, 1, 100, 1_000, 5_000, 61_000]);
    const what = random.pick(["admit", "admit", "succeeded", "failed", "failed", "left"] as const);
    if (what === "admit") {
      const ticket = breaker.admit(nowMs, "caller");
      const number = model.admit(nowMs);
      assertEquals(ticket !== undefined, number !== undefined, `step ${step}, seed ${random.seed}`);
      if (ticket !== undefined) running[number!] = ticket;
    } else {
      const open = [...running.keys()].filter((n) => running[n] !== undefined).slice(-20);
      if (open.length === 0) continue;
      const number = random.pick(open);
      breaker[what](running[number]!, nowMs);
      model[what](number, nowMs);
      running[number] = undefined;
    }
    assertEquals(breaker.circuit(nowMs), model.circuit(nowMs), `step ${step}, seed ${random.seed}`);
  }
});

/** The same rules in another way: everything is worked out from what became of each request. */
function createModel(threshold: number) {
  const periodOf: number[] = [];
  let period = 0;
  let state: "closed" | "open" | "half-open" = "closed";
  let inRow = 0;
  let backoffs = 0;
  let closedMs = -Infinity;
  let readyMs = 0;
  let finder = -1;
  let finderEndMs = 0;

  function opens(nowMs: number): void {
    state = "open";
    backoffs++;
    readyMs = nowMs + ([1, 2, 4, 8, 16, 32][backoffs - 1] ?? 60) * 1_000;
  }

  function tick(nowMs: number): void {
    if (state === "half-open" && nowMs >= finderEndMs) opens(finderEndMs);
  }

  return {
    circuit(nowMs: number) {
      tick(nowMs);
      return state;
    },
    admit(nowMs: number): number | undefined {
      tick(nowMs);
      if (state === "half-open" || (state === "open" && nowMs < readyMs)) return undefined;
      const number = periodOf.push(period) - 1;
      if (state === "open") {
        state = "half-open";
        finder = number;
        finderEndMs = nowMs + FIND_OUT_MS;
      }
      return number;
    },
    succeeded(number: number, nowMs: number) {
      tick(nowMs);
      if (periodOf[number] !== period) return;
      inRow = 0;
      if (state !== "closed") closedMs = nowMs;
      state = "closed";
    },
    failed(number: number, nowMs: number) {
      tick(nowMs);
      if (periodOf[number] !== period) return;
      if (state === "half-open" && number === finder) return opens(nowMs);
      if (state !== "closed" || ++inRow < threshold) return;
      if (nowMs - closedMs >= 60_000) backoffs = 0;
      period++;
      inRow = 0;
      opens(nowMs);
    },
    left(number: number, nowMs: number) {
      tick(nowMs);
      if (state !== "half-open" || number !== finder) return;
      state = "open";
      readyMs = nowMs;
    },
  };
}

function aBreaker(
  { threshold = THRESHOLD, ownFirstMs = 0, jittered = (ms: number) => ms } = {},
): Breaker {
  return createBreaker({ threshold, ownFirstMs, jittered });
}

function opened(nowMs: number, options: { ownFirstMs?: number } = {}): Breaker {
  const breaker = aBreaker(options);
  fail(breaker, THRESHOLD, nowMs);
  return breaker;
}

function fail(breaker: Breaker, times: number, nowMs: number): void {
  const tickets = Array.from({ length: times }, () => breaker.admit(nowMs, "caller")!);
  for (const ticket of tickets) breaker.failed(ticket, nowMs);
}
