/**
 * Turns at opening a session at an upstream server anew: of several replicas that find out at the same
 * time that it is lost, one opens another and the others wait for that.
 *
 * The record decides which one counts, whoever opened it. Turns only spare servers sessions that
 * would be ended again at once.
 *
 * @module
 * @see security.md, F09
 */
import type { Claims } from "../../events/claims.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import type { SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";

/**
 * Resolves when it is done, by `open` or by another replica.
 * @param isDone as the session's record says
 * @throws what `open` throws
 */
export type InTurn = (
  session: Session,
  server: string,
  isDone: () => boolean,
  open: () => Promise<void>,
) => Promise<void>;

export interface InTurnDeps {
  readonly claims: Pick<Claims, "take">;
  readonly registry: Pick<SessionRegistry, "load">;
  readonly timers: Timers;
  readonly monotonic: () => number;
}

const LOOK_MS = 50;

/** @param waitMs how long another replica is waited for */
export function createInTurn(deps: InTurnDeps, waitMs: number): InTurn {
  const { claims, registry, timers, monotonic } = deps;
  return async ({ key, listening }, server, isDone, open) => {
    const endMs = monotonic() + waitMs;
    for (;;) {
      const turn = await claims.take(`opening ${listening} ${server}`, () => {});
      const isMine = typeof turn === "object";
      try {
        // Whoever had the turn before may have done it.
        await registry.load(key);
        if (isDone()) return;
        if (isMine || monotonic() >= endMs) return await open();
      } finally {
        // A claim that cannot be given back is free when this replica is gone.
        if (isMine) await turn.release().catch(() => {});
      }
      await sleep(timers, LOOK_MS);
    }
  };
}

/** For sessions of which no other replica knows. */
export const atOnce: InTurn = async (_session, _server, isDone, open) => {
  if (!isDone()) await open();
};
