/**
 * Idle sessions: what a process holds for many sessions, each with an open stream on which nothing comes.
 *
 * Each measurement has a process of its own, so that what other cases left behind does not count.
 *
 * @module
 */

import { type Contender, type ContenderName, startContender } from "./contenders.ts";
import type { Bench, HoldingPlan } from "./measure.ts";
import type { Listener, Processes } from "./processes.ts";
import { announceRequestOf, sessionScriptOf, streamRequestOf } from "./requests.ts";
import type { IdleJob, IdleResult } from "./types.ts";

/** Who takes part. What a session costs is told against the relay. */
const TAKING: readonly ContenderName[] = ["pass-through", "sallyport-jwt", "relay"];

/** One measurement of one contender. */
export interface IdleSample extends IdleResult {
  readonly contender: ContenderName;
  readonly sessions: number;
}

/** Measures those of the chosen ones that take part, round by round. */
export async function measureIdle(
  processes: Processes,
  bench: Bench,
  names: readonly ContenderName[],
  scratchDir: string,
  plan: HoldingPlan,
  onSample: (sample: IdleSample) => void,
): Promise<IdleSample[]> {
  const samples: IdleSample[] = [];
  for (let round = 0; round < plan.idleRounds; round++) {
    for (const name of TAKING.filter((it) => names.includes(it))) {
      const contender = await startContender(processes, name, bench.stub, `${scratchDir}/idle`);
      const { listener } = contender;
      try {
        const result = await bench.load.idle(jobOf(contender, bench.stub, plan));
        const sample = { contender: name, sessions: plan.idleSessions, ...result };
        samples.push(sample);
        onSample(sample);
      } finally {
        listener.check();
        await listener.stop();
      }
    }
  }
  return samples;
}

function jobOf({ name, session, listener }: Contender, stub: Listener, plan: HoldingPlan): IdleJob {
  // The relay passes on streams and nothing else.
  const opening = name === "relay" ? { ...session, port: stub.port } : session;
  return {
    kind: "idle",
    count: plan.idleSessions,
    sessionPort: opening.port,
    session: sessionScriptOf(opening),
    port: session.port,
    stream: streamRequestOf(session),
    stubPort: stub.port,
    announce: announceRequestOf(stub.port),
    settleMs: plan.settleMs,
    pid: listener.pid,
  };
}
