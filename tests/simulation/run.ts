/**
 * Simulates many seeds, or one and tells what happened: `deno task simulate`.
 *
 * `SEEDS` says how many, from `FROM` on; `SEED` names one.
 *
 * @module
 */
import { simulate } from "./simulation.ts";

const numberOf = (name: string, otherwise: number) => Number(Deno.env.get(name) ?? otherwise);

const seed = Deno.env.get("SEED");
const from = seed === undefined ? numberOf("FROM", 1) : Number(seed);
const count = seed === undefined ? numberOf("SEEDS", 1_000) : 1;
const startedMs = performance.now();
let steps = 0;
let executed = 0;
let failures = 0;
for (let one = from; one < from + count; one++) {
  const done = await simulate(one);
  steps += done.steps;
  executed += done.executed;
  if (seed !== undefined) console.log(done.told.join("\n"));
  if (done.broken === undefined) continue;
  failures++;
  console.log(`SEED=${one}, step ${done.steps}: ${done.broken}`);
}
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
console.log(`${count} seeds, ${steps} steps, ${executed} calls executed, ${seconds} s`);
console.log(`${failures} seeds broke a promise`);
Deno.exit(failures > 0 ? 1 : 0);
