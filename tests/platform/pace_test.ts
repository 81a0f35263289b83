/**
 * Slices of long computations.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { setImmediate } from "node:timers";
import { atOnce, createPace, nextTurn, paced } from "../../src/platform/pace.ts";
import { fakeClock } from "../support/fake_clock.ts";

const TURNS = 60;

/** Whether others had their turn while this was waited for. */
async function lets(others: () => Promise<void>): Promise<boolean> {
  let hadTurn = false;
  setImmediate(() => hadTurn = true);
  await others();
  return hadTurn;
}

Deno.test("nobody waits within a slice", async () => {
  const pace = createPace(fakeClock().monotonic);
  assertEquals(await lets(pace), false);
});

Deno.test("a slice that is used up lets the others have their turn", async () => {
  const clock = fakeClock();
  const pace = createPace(clock.monotonic);
  clock.advance(5);
  assert(await lets(pace));
});

Deno.test("a new slice begins after each turn", async () => {
  const clock = fakeClock();
  const pace = createPace(clock.monotonic);
  clock.advance(5);
  await pace();
  assertEquals(await lets(pace), false);
});

Deno.test("who shares a pace waits for the same turn", async () => {
  const clock = fakeClock();
  const pace = createPace(clock.monotonic);
  clock.advance(5);
  assertEquals(pace(), pace());
  await pace();
});

Deno.test("a request that comes during many turns is answered within a few of them", async () => {
  let turns = 0;
  let answeredAt: number | undefined;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("ok"),
  );
  const asked = fetch(`http://127.0.0.1:${server.addr.port}`).then(async (response) => {
    await response.text();
    answeredAt = turns;
  });
  // It needs about ten. With immediates it would be hundreds, of whatever length each is.
  while (turns < TURNS && answeredAt === undefined) {
    await nextTurn();
    turns++;
  }
  await asked;
  assert(answeredAt! < TURNS);
});

Deno.test("a computation in steps gives the same at once and paced, with a turn after each step", async () => {
  function* steps(): Generator<void, number> {
    let sum = 0;
    for (let i = 1; i <= 10; i++) {
      sum += i;
      yield;
    }
    return sum;
  }
  let turns = 0;
  const pace = () => Promise.resolve(void turns++);
  assertEquals([atOnce(steps()), await paced(steps(), pace), turns], [55, 55, 10]);
});
