/**
 * What a fault cost, said beside what it may cost.
 *
 * @module
 */

/** @param name of the fault, as in the list of security.md, section 5 */
export function figure(name: string, what: string, value: number, bar: string, unit = ""): void {
  const shown = Number.isInteger(value) ? value : value.toFixed(2);
  console.log(`${name}  ${what}: ${shown}${unit} (${bar})`);
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The middle one of an odd number of values. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** The value that so many per cent do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * percent / 100) - 1)] ?? NaN;
}
