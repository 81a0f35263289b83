/**
 * Requests go round: no caller and no server is left out of a measurement.
 *
 * @module
 */

import { deepStrictEqual as assertEquals } from "node:assert/strict";

import { shareOf } from "./drive.ts";

for (const [count, connections] of [[1_000, 32], [20, 32], [7, 4], [4, 4], [1, 8]] as const) {
  Deno.test(`${connections} connections send all of ${count} requests between them`, () => {
    const requests = Array.from({ length: count }, (_, at) => String(at));
    const turns = Array.from({ length: connections }, (_, turn) => turn);
    const sent = turns.flatMap((turn) => shareOf(requests, turn, connections));
    assertEquals(new Set(sent), new Set(requests));
  });
}
