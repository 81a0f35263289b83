/**
 * Sessions that come and go, each with a stream and a call, and what the process holds after each
 * round of them. Memory that grows with them, or sockets that stay open, show here; so do sessions
 * that were ended here and not at the upstream server.
 *
 * @module
 */

import { CASES } from "./cases.ts";
import type { ContenderName } from "./contenders.ts";
import { sumOfFaults } from "./faults.ts";
import type { Bench, HoldingPlan } from "./measure.ts";
import { COUNTS_PATH } from "./payload.ts";
import { type Holding, holdingOf } from "./proc.ts";
import { requestOf, sessionScriptOf, streamRequestOf } from "./requests.ts";
import type { ChurnJob, Faults } from "./types.ts";

/** The case whose call is made in each session, and whose contenders can take part. */
const CALL = CASES.find(({ name }) => name === "session-call-1k-32");

/** What was found. */
export interface Growth extends Faults {
  readonly contender: ContenderName;
  readonly warmSessions: number;
  readonly sessionsPerRound: number;
  /** Before the first round that counts, and after each. */
  readonly holdings: readonly Holding[];
  readonly sessionsPerSecond: number;
  /** What the stub has more than before. */
  readonly leftSessions: number;
  readonly leftStreams: number;
}

/** Who can take part: of those that are chosen, the last does. */
export const GROWTH_CONTENDERS: readonly ContenderName[] = CALL?.contenders ?? [];

/** Opens and ends sessions in rounds; undefined when nobody can take part. */
export async function measureGrowth(bench: Bench, plan: HoldingPlan): Promise<Growth | undefined> {
  const asks = CALL?.asks;
  const contender = bench.contenders.findLast(({ name }) => GROWTH_CONTENDERS.includes(name));
  if (contender === undefined || asks?.kind !== "request") return undefined;
  const { session, listener } = contender;
  const job: ChurnJob = {
    kind: "churn",
    count: plan.growthSessions,
    sessionPort: session.port,
    session: sessionScriptOf(session),
    port: session.port,
    stream: streamRequestOf(session),
    request: requestOf(asks, session),
    expect: asks.expect,
  };
  const before = await countsOf(bench);
  const holdings: Holding[] = [];
  const faults: Faults[] = [];
  let wallMs = 0;
  for (let round = 1 - plan.growthWarmRounds; round <= plan.growthRounds; round++) {
    const result = await bench.load.churn(job).finally(listener.check);
    faults.push(result);
    if (round > 0) wallMs += result.wallMs;
    if (round < 0) continue;
    await new Promise((resolve) => setTimeout(resolve, plan.settleMs));
    holdings.push(holdingOf(listener.pid));
  }
  const after = await countsOf(bench);
  return {
    contender: contender.name,
    warmSessions: plan.growthWarmRounds * plan.growthSessions,
    sessionsPerRound: plan.growthSessions,
    holdings,
    sessionsPerSecond: plan.growthRounds * plan.growthSessions / wallMs * 1000,
    leftSessions: after.sessions - before.sessions,
    leftStreams: after.streams - before.streams,
    ...sumOfFaults(faults),
  };
}

async function countsOf(bench: Bench): Promise<{ sessions: number; streams: number }> {
  const response = await fetch(`http://127.0.0.1:${bench.stub.port}${COUNTS_PATH}`);
  return await response.json();
}
