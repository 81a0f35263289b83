/**
 * `fixtures/old_sse/` as seen from a test: starts it, asks what reached it, and drops its streams.
 *
 * @module
 */
import { type RunningProcess, startFixture } from "./processes.ts";

/** See `fixtures/old_sse/README.md`. */
export interface OldSseStats {
  readonly methods: Readonly<Record<string, number>>;
  readonly opened: number;
  readonly connections: number;
  readonly started: number;
  readonly finished: number;
  readonly aborted: number;
  readonly lastHeaders: Readonly<Record<string, string>>;
}

export interface OldSse extends RunningProcess {
  stats(): Promise<OldSseStats>;
  /** Ends every stream without a word. */
  drop(): Promise<void>;
}

/** @param port a free one unless given */
export async function startOldSse(port = 0): Promise<OldSse> {
  const running = await startFixture("old_sse", ["--port", String(port)]);
  return {
    ...running,
    stats: async () => await (await fetch(`${running.origin}/stats`)).json(),
    async drop() {
      await (await fetch(`${running.origin}/drop`, { method: "POST" })).body?.cancel();
    },
  };
}
