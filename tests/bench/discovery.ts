/**
 * Very many tools at once: how long until a server's 5,000 are listed, whether the process answers
 * others meanwhile, and what a page of them costs.
 *
 * Each measurement has a process of its own, which knows of no server yet.
 *
 * @module
 */

import { ALL_PATH, urlsOf } from "./contenders.ts";
import { newAccess, startGateway } from "./gateway.ts";
import type { Bench, HoldingPlan } from "./measure.ts";
import { BIG_PATH, BIG_TOOL_NAMES } from "./payload.ts";
import type { Processes } from "./processes.ts";
import { plainRequestOf } from "./requests.ts";
import type { DiscoverJob, DiscoverResult } from "./types.ts";

const NAME = "big";
const API_PATH = "/api/upstreams";

/** Measures round by round. */
export async function measureDiscovery(
  processes: Processes,
  bench: Bench,
  scratchDir: string,
  plan: HoldingPlan,
): Promise<DiscoverResult[]> {
  const results: DiscoverResult[] = [];
  for (let round = 0; round < plan.discoveryRounds; round++) {
    const { env, token } = await newAccess();
    const dataDir = `${scratchDir}/discovery-${round}`;
    // What is added through the API may lead to this machine only where that is allowed.
    const allowed = { ...env, EGRESS_ALLOW_PRIVATE: "127.0.0.1" };
    const listener = await startGateway(processes, {}, dataDir, allowed);
    const { [NAME]: url } = urlsOf(bench.stub, { [NAME]: BIG_PATH });
    const at = (path: string) => ({ port: listener.port, path, token });
    const job: DiscoverJob = {
      kind: "discover",
      address: at(ALL_PATH),
      add: plainRequestOf("POST", at(API_PATH), { name: NAME, url }),
      refresh: plainRequestOf("POST", at(`${API_PATH}/${NAME}/refresh`)),
      health: plainRequestOf("GET", at("/health")),
      names: BIG_TOOL_NAMES.map((tool) => `${NAME}-${tool}`),
      readings: plan.discoveryReadings,
    };
    try {
      results.push(await bench.load.discover(job));
    } finally {
      listener.check();
      await listener.stop();
    }
  }
  return results;
}
