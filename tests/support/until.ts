/**
 * Waits for a condition instead of for a time.
 *
 * @module
 */

const EVERY_MS = 20;

/**
 * Asks again and again until the answer is not `undefined` or `false`.
 *
 * @throws after `deadlineMs`, naming what was awaited
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 15_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  while (performance.now() < end) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Error(`Waited ${deadlineMs} ms in vain: ${what}`);
}
