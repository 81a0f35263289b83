/**
 * Who takes over a call goes on behind all that the one before has said.
 *
 * @module
 * @see security.md, F40, F41
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { StreamState } from "../../../src/events/store.ts";
import type { Session } from "../../../src/mcp/session/session.ts";
import { takeOver, type TakeOverDeps } from "../../../src/mcp/session/takeover.ts";
import { anUpstream } from "../../support/memory_catalog.ts";

const STATE: StreamState = {
  runner: "dead",
  note: JSON.stringify({ server: "alpha", epoch: 1, ids: ["1"] }),
  upstreamEventId: "e1",
  lastSeq: 1,
  isEnded: false,
};

/** @param now how the stream stands once it is claimed */
async function takenOver(now: StreamState | undefined, seq: number) {
  const done: unknown[] = [];
  const deps = {
    store: {
      claim: () => Promise.resolve(true),
      find: () => Promise.resolve(now),
      replay(_: unknown, __: unknown, afterSeq: number) {
        done.push(`reads behind ${afterSeq}`);
        return Promise.resolve({ events: [], lastSeq: 1, isEnded: false });
      },
    },
    remote: { self: "self" },
    outlets: { takeOver: () => ({ attached() {} }) },
    calls: { resume: (_: unknown, __: unknown, from: unknown) => void done.push(from) },
    serverOf: () => anUpstream(),
  } as unknown as TakeOverDeps;
  const left = { session: { key: "key" } as Session, stream: "s", seq, correlationId: "" };
  await takeOver(deps, left, STATE);
  return done;
}

Deno.test("what was kept until the claim is not asked for again", async () => {
  const now = { ...STATE, upstreamEventId: "e2", lastSeq: 2 };
  assertEquals(await takenOver(now, 1), [{ eventId: "e2", epoch: 1 }]);
});

Deno.test("a call that ended before the claim is left alone", async () => {
  assertEquals(await takenOver({ ...STATE, isEnded: true }, 1), []);
  assertEquals(await takenOver(undefined, 1), []);
});

Deno.test("F25: a store that is behind the client learns what the client has", async () => {
  assertEquals(await takenOver(STATE, 4), ["reads behind 4", { eventId: "e1", epoch: 1 }]);
});
