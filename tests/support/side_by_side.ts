/**
 * Tests of one file that mostly wait: all begin together, and each is told on its own.
 *
 * @module
 */

export interface SideBySide {
  readonly test: (promise: string, run: () => Promise<void>) => void;
  /** Begins all tests; for `beforeAll`, when what they need is there. */
  readonly start: () => void;
}

export function sideBySide(): SideBySide {
  const starts: (() => void)[] = [];
  return {
    test(promise, run) {
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      // Told by the test of that name.
      ended.catch(() => {});
      starts.push(() => resolve(run()));
      Deno.test(promise, () => ended);
    },
    start() {
      for (const start of starts) start();
    },
  };
}
