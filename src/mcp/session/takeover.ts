/**
 * Calls whose runner is gone: whoever asks for the stream first goes on with the call where the
 * upstream server can resume it, or ends it.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do"
 */
import { GatewayError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { NotThere, type Remote } from "../../events/remote.ts";
import type { EventStore, StreamId, StreamState } from "../../events/store.ts";
import { repeat } from "../../platform/again.ts";
import type { Timers } from "../../platform/timers.ts";
import { errorResponse } from "../rpc_error.ts";
import { type CallOf, lostRunner } from "./call_run.ts";
import type { SessionCalls } from "./calls.ts";
import type { CallNote, Outlets } from "./outlet.ts";
import type { Session } from "./session.ts";

export interface TakeOverDeps {
  readonly store: EventStore;
  readonly remote: Remote;
  readonly timers: Timers;
  readonly outlets: Outlets;
  readonly calls: SessionCalls;
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  readonly failed: (
    call: Pick<CallOf, "session" | "correlationId">,
    slug: string,
    error: unknown,
  ) => void;
}

/** A stream of a call, and who comes back for it. */
export interface LeftStream {
  readonly session: Session;
  readonly stream: StreamId;
  /** The last event that the client has. */
  readonly seq: number;
  readonly correlationId: string;
}

const RUNS = "whether a call runs";

/** Answers other replicas that ask whether this one runs a call. */
export function answerForCalls({ remote, calls }: Pick<TakeOverDeps, "remote" | "calls">): void {
  remote.serve(RUNS, async function* ({ about }) {
    yield { about: calls.isRunning(about as StreamId) };
  });
}

/**
 * Whether another replica runs the call. One that lives may have lost it: while Redis was away its
 * answer could not be kept.
 */
export async function runsElsewhere(
  { remote }: TakeOverDeps,
  stream: StreamId,
  { runner }: StreamState,
): Promise<boolean> {
  if (runner === remote.self || !await remote.isAlive(runner)) return false;
  try {
    return (await remote.tell(runner, RUNS, { about: stream }))?.about !== false;
  } catch (error) {
    return !(error instanceof NotThere);
  }
}

/** How soon it is noticed that a runner has died, after the others know. */
const STAND_BY_MS = 1_000;

/**
 * For whoever follows a call that runs elsewhere: takes it over when its runner dies, so that the
 * stream ends. Gives what ends the watching.
 */
export function standBy(deps: TakeOverDeps, left: LeftStream): () => void {
  const { session, stream } = left;
  const stop = repeat(deps.timers, STAND_BY_MS, async () => {
    try {
      const state = await deps.store.find(session.key, stream);
      if (state === undefined || state.isEnded || state.runner === deps.remote.self) return stop();
      if (await runsElsewhere(deps, stream, state)) return;
      await takeOver(deps, left, state);
    } catch (error) {
      // With Redis away nothing is known; it is looked at again.
      if (!(error instanceof GatewayError && error.code === "unavailable")) throw error;
    }
  });
  return stop;
}

const LOOK_BACK_BYTES = 1024 * 1024;

/** The process that ran the call is gone. Whoever asks first goes on with it, or ends it. */
export async function takeOver(
  deps: TakeOverDeps,
  { session, stream, seq, correlationId }: LeftStream,
  { runner }: StreamState,
): Promise<void> {
  const { store } = deps;
  if (!await store.claim(session.key, stream, runner, deps.remote.self)) return;
  // Only now nothing is added to it any more by the one who had it.
  const state = await store.find(session.key, stream);
  if (state === undefined || state.isEnded) return;
  // A store that failed over may be behind the client: so it learns which numbers were given.
  if (seq > state.lastSeq) await store.replay(session.key, stream, seq, 1);
  const { ids, server: slug, epoch } = JSON.parse(state.note) as CallNote;
  const left = await unanswered(store, session, stream, ids);
  const outlet = deps.outlets.takeOver(session, stream, left.length);
  outlet.attached();
  const [id] = left;
  const server = deps.serverOf(slug);
  const call = { session, outlet, correlationId, canAsk: true };
  if (ids.length === 1 && server !== undefined && state.upstreamEventId !== undefined) {
    return deps.calls.resume({ ...call, server }, id!, { eventId: state.upstreamEventId, epoch });
  }
  const error = lostRunner();
  deps.failed({ session, correlationId }, slug, error);
  const events = left.map((id) => ({
    message: errorResponse(encoder.encode(id), error, correlationId),
    isResponse: true,
  }));
  await outlet.say({ events, status: 200, done: left.length });
}

/** Of several requests some may have their answers. */
async function unanswered(
  store: EventStore,
  session: Session,
  stream: StreamId,
  ids: readonly string[],
): Promise<readonly string[]> {
  if (ids.length === 1) return ids;
  const left = new Set(ids);
  for (let seq = 0, hasMore = true; hasMore;) {
    const replay = await store.replay(session.key, stream, seq, LOOK_BACK_BYTES);
    for (const { message } of replay?.events ?? []) {
      const { id, method } = JSON.parse(decoder.decode(message));
      if (method === undefined) left.delete(JSON.stringify(id));
    }
    hasMore = (replay?.events.length ?? 0) > 0;
    seq = replay?.events.at(-1)?.seq ?? seq;
  }
  return [...left];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
