/**
 * The client's GET: listen to what is said outside of calls, or resume any stream of the session.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Listening for Messages from the Server", "Resumability and
 *   Redelivery"
 */
import { GatewayError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { EventStore, NewEvent, StreamId, StreamState } from "../../events/store.ts";
import { errorResponse } from "../rpc_error.ts";
import { type CallOf, lostRunner } from "./call_run.ts";
import type { SessionCalls } from "./calls.ts";
import type { EventIds } from "./event_id.ts";
import type { CallNote, Outlets } from "./outlet.ts";
import type { Reader } from "./reader.ts";
import type { Session, UpstreamState } from "./session.ts";
import type { Streams } from "./streams.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";
import type { Watches } from "./watches.ts";

export interface Listening {
  /**
   * A connection for the stream behind the event with this id, or for what is said outside of
   * calls.
   * @throws {GatewayError} `not_found` for an id that is not of this session, `conflict` when the
   *   client listens already and gives no id
   */
  readonly open: (
    session: Session,
    server: UpstreamServer,
    options: ListenOptions,
  ) => Promise<Reader>;
  /** Has the client told what is said outside of calls, when it listens; false after the end. */
  readonly say: (
    session: Session,
    events: readonly NewEvent[],
    upstreamEventId?: string,
  ) => Promise<boolean>;
  /** The client subscribes or listens: from now on the server's own stream is watched. */
  readonly watch: (session: Session, server: UpstreamServer) => Promise<void>;
}

export interface ListenOptions {
  readonly lastEventId: string | undefined;
  /** Whether the client understands events without data. */
  readonly canPrime: boolean;
  /** Breaks the connection of a client that takes nothing any more. */
  readonly cut: () => void;
  readonly correlationId: string;
}

export interface ListeningDeps {
  readonly store: EventStore;
  readonly streams: Streams;
  readonly ids: EventIds;
  readonly watches: Watches;
  readonly upstream: UpstreamSessions;
  readonly outlets: Outlets;
  readonly calls: SessionCalls;
  /** This process. */
  readonly runner: string;
  readonly failed: (call: CallOf, method: string, error: unknown) => void;
}

const LOOK_BACK_BYTES = 1024 * 1024;

export function createListening(deps: ListeningDeps): Listening {
  const { store, streams } = deps;

  async function open(
    session: Session,
    server: UpstreamServer,
    options: ListenOptions,
  ): Promise<Reader> {
    const { lastEventId } = options;
    const own = session.listening;
    if (lastEventId === undefined) return await listen(session, server, own, options);
    const place = deps.ids.parse(session.key, lastEventId);
    const state = place && await store.find(place.stream);
    if (state === undefined || state.session !== session.key) throw unknownEvent();
    if (place!.stream === own) await watch(session, server);
    else if (!state.isEnded && !isRunningHere(place!.stream, state)) {
      await takeOver(session, server, place!.stream, state, options.correlationId);
    }
    return read(session, place!.stream, place!.seq, options);
  }

  function isRunningHere(stream: StreamId, { runner }: StreamState): boolean {
    return runner === deps.runner && deps.calls.isRunning(stream);
  }

  async function listen(
    session: Session,
    server: UpstreamServer,
    own: StreamId,
    options: ListenOptions,
  ): Promise<Reader> {
    if (streams.hasReader(own)) throw listensAlready();
    await begin(session);
    const wasHeard = session.upstreams.get(server.slug)?.state.isHeard ?? false;
    await watch(session, server, { isWatched: true, isHeard: true });
    // Who listens for the first time hears what has waited; others have said where they are.
    const seq = session.listener?.seq() ?? (wasHeard ? (await store.find(own))?.lastSeq : 0);
    // Another GET may have come while this one waited.
    if (streams.hasReader(own)) throw listensAlready();
    return read(session, own, seq ?? 0, options);
  }

  function read(
    session: Session,
    stream: StreamId,
    afterSeq: number,
    { lastEventId, canPrime, cut }: ListenOptions,
  ): Reader {
    const isOfCall = stream !== session.listening;
    const reader = streams.read(session.key, stream, {
      afterSeq,
      takesEmptyEvents: canPrime,
      primes: canPrime && lastEventId === undefined,
      isOfCall,
      cut,
    });
    if (!isOfCall) session.listener = reader;
    return reader;
  }

  /** Makes the stream if it is not there. */
  async function begin(session: Session): Promise<void> {
    const stream = { session: session.key, runner: "", note: "" };
    await store.open({ ...stream, id: session.listening });
  }

  async function watch(
    session: Session,
    server: UpstreamServer,
    next: Partial<UpstreamState> = { isWatched: true },
  ): Promise<void> {
    const wasWatched = session.upstreams.get(server.slug)?.state.isWatched ?? false;
    await deps.upstream.update(session, server, (state) => {
      const isSame = state.isWatched && (state.isHeard || !next.isHeard);
      return isSame ? state : { ...state, ...next };
    });
    await deps.watches.ensure(session, server, wasWatched);
  }

  /** The process that ran the call is gone. Whoever asks first goes on with it, or ends it. */
  async function takeOver(
    session: Session,
    server: UpstreamServer,
    stream: StreamId,
    state: StreamState,
    correlationId: string,
  ): Promise<void> {
    if (!await store.claim(stream, state.runner, deps.runner)) return;
    const { ids, server: slug, epoch } = JSON.parse(state.note) as CallNote;
    const left = await unanswered(store, stream, ids);
    const outlet = deps.outlets.takeOver(session, stream, left.length);
    outlet.attached();
    const [id] = left;
    const call = { session, server, outlet, correlationId, canAsk: true };
    if (ids.length === 1 && slug === server.slug && state.upstreamEventId !== undefined) {
      return deps.calls.resume(call, id!, { eventId: state.upstreamEventId, epoch });
    }
    const error = lostRunner();
    deps.failed(call, "", error);
    const events = left.map((id) => ({
      message: errorResponse(encoder.encode(id), error, correlationId),
      isResponse: true,
    }));
    await outlet.say({ events, status: 200, done: left.length });
  }

  return {
    open,
    watch: (session, server) => watch(session, server),
    async say(session, events, upstreamEventId) {
      const stream = session.listening;
      if (await streams.append(stream, events, { upstreamEventId })) return true;
      if (session.end.signal.aborted) return false;
      await begin(session);
      return await streams.append(stream, events, { upstreamEventId });
    },
  };
}

/** Of several requests some may have their answers. */
async function unanswered(
  store: EventStore,
  stream: StreamId,
  ids: readonly string[],
): Promise<readonly string[]> {
  if (ids.length === 1) return ids;
  const left = new Set(ids);
  for (let seq = 0, hasMore = true; hasMore;) {
    const replay = await store.replay(stream, seq, LOOK_BACK_BYTES);
    for (const { message } of replay?.events ?? []) {
      const { id, method } = JSON.parse(decoder.decode(message));
      if (method === undefined) left.delete(JSON.stringify(id));
    }
    hasMore = (replay?.events.length ?? 0) > 0;
    seq = replay?.events.at(-1)?.seq ?? seq;
  }
  return [...left];
}

function unknownEvent(): GatewayError {
  return new GatewayError("not_found", "Last-Event-ID names no event of this session");
}

function listensAlready(): GatewayError {
  return new GatewayError(
    "conflict",
    "This session has an open GET stream; resume it with Last-Event-ID to take it over",
  );
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
