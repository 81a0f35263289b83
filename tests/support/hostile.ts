/**
 * The hostile fixture as seen from a test: starts it, and asks what it has seen.
 *
 * @module
 */

import { requestBytes, sendRaw } from "./raw_http.ts";
import { type RunningProcess, startFixture } from "./processes.ts";

export interface HostileStats {
  readonly executions: Readonly<Record<string, number>>;
  readonly connectionsOpen: number;
  readonly aborted: number;
  readonly requests: readonly {
    readonly method: string;
    readonly target: string;
    readonly headers: readonly (readonly [name: string, value: string])[];
    readonly body: string;
  }[];
}

export interface Hostile extends RunningProcess {
  stats(): Promise<HostileStats>;
  /** How often a fault was run. */
  executions(fault: string): Promise<number>;
}

export async function startHostile(): Promise<Hostile> {
  const running = await startFixture("hostile");
  const request = requestBytes("GET /stats HTTP/1.1", ["Host: fixture"]);
  const stats = async () => JSON.parse((await sendRaw(running.origin, request)).text);
  return {
    ...running,
    stats,
    executions: async (fault) => (await stats()).executions[fault] ?? 0,
  };
}
