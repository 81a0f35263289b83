/**
 * A hundred seeds break no promise, and what would break one is found by them.
 *
 * @module
 * @see security.md, section 5.7
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { MUTANTS } from "./mutants.ts";
import { simulate } from "./simulation.ts";

const SEEDS = Array.from({ length: 100 }, (_, i) => i + 1);
const TOLD = 30;

Deno.test("a hundred seeds break no promise", async () => {
  let steps = 0;
  let executed = 0;
  for (const seed of SEEDS) {
    const done = await simulate(seed);
    steps += done.steps;
    executed += done.executed;
    const told = done.told.slice(-TOLD).join("\n");
    assert(
      done.broken === undefined,
      `SEED=${seed}, step ${done.steps}: ${done.broken}\n\n${told}\n\n` +
        `All of it: SEED=${seed} deno task simulate`,
    );
  }
  console.log(`${SEEDS.length} seeds, ${steps} steps, ${executed} calls executed`);
  assert(executed > 5 * SEEDS.length, "Almost nothing was executed");
});

Deno.test("a seed makes the same happen each time", async () => {
  const [one, other] = [await simulate(3), await simulate(3)];
  assertEquals(one, other);
});

for (const { name, found, ...mutant } of MUTANTS) {
  Deno.test(`a simulation finds out that ${name}`, async () => {
    for (const seed of SEEDS) {
      const { broken } = await simulate(seed, mutant);
      // Which of the promises it breaks first differs from seed to seed.
      if (broken === undefined || !found.test(broken)) continue;
      return console.log(`found by seed ${seed}: ${broken}`);
    }
    assert.fail("No seed has found it");
  });
}
