/**
 * Stops on a programming mistake. Never used on input: what comes from outside is refused with a
 * `GatewayError`, not asserted.
 *
 * @module
 */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`Broken invariant: ${what}`);
}
