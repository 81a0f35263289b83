/**
 * The eight levels of MCP, as levels of the log.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { logLevelOf } from "../../src/telemetry/log.ts";

const EXPECTED: readonly (readonly [level: unknown, expected: string])[] = [
  ["debug", "debug"],
  ["info", "info"],
  ["notice", "info"],
  ["warning", "warning"],
  ["error", "error"],
  ["critical", "error"],
  ["alert", "error"],
  ["emergency", "error"],
  ["of its own", "info"],
  ["constructor", "info"],
  [undefined, "info"],
  [3, "info"],
];

for (const [level, expected] of EXPECTED) {
  Deno.test(`the level ${JSON.stringify(level)} of a server is ${expected} in the log`, () => {
    assertEquals(logLevelOf(level), expected);
  });
}
