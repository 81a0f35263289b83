/**
 * The soak: very many calls through one process, and what it holds before and after. Memory that grows
 * with the calls, or files that stay open, show here.
 *
 * @module
 */

import type { BenchCase } from "./cases.ts";
import type { Contender } from "./contenders.ts";
import { sumOfFaults } from "./faults.ts";
import { type Bench, runCase } from "./measure.ts";
import { type Holding, holdingOf } from "./proc.ts";
import type { Faults } from "./types.ts";

/** What the soak found. */
export interface SoakResult extends Faults {
  readonly before: Holding;
  readonly after: Holding;
  readonly requests: number;
  readonly wallMs: number;
}

/** Calls enough for code and pools to be as warm as they get. */
const WARM_REQUESTS = 20_000;

/** Time for closed connections to be cleaned up before holdings are read. */
const SETTLE_MS = 2_000;

/** Sends so many calls of the case through the contender. */
export async function soak(
  bench: Bench,
  which: BenchCase,
  contender: Contender,
  requests: number,
): Promise<SoakResult> {
  const { pid } = contender.listener;
  const warm = await runCase(bench, which, contender, 0, { requests: WARM_REQUESTS });
  await settle();
  const before = holdingOf(pid);
  const result = await runCase(bench, which, contender, 0, { requests });
  await settle();
  return {
    before,
    after: holdingOf(pid),
    requests: result.requests,
    wallMs: result.wallMs,
    ...sumOfFaults([warm, result]),
  };
}

/** The result in words. */
export function soakReport(name: string, result: SoakResult): string {
  const { before, after, requests, wallMs } = result;
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  return [
    `Soak of ${name}: ${requests} calls in ${(wallMs / 1000).toFixed(1)} s, ${result.wrong} wrong`,
    `RSS ${mb(before.rssBytes)} before, ${mb(after.rssBytes)} after`,
    `Open files ${before.openFiles} before, ${after.openFiles} after`,
  ].join("\n");
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
