/**
 * The client's GET: listen to what is said outside of calls, or resume any stream of the session.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Listening for Messages from the Server", "Resumability and
 *   Redelivery"
 */
import { GatewayError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { NewEvent, StreamId, StreamState } from "../../events/store.ts";
import type { EventIds } from "./event_id.ts";
import type { Reader } from "./reader.ts";
import type { Session, UpstreamState } from "./session.ts";
import type { Streams } from "./streams.ts";
import { standBy, takeOver, type TakeOverDeps } from "./takeover.ts";
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
    options: ListenOptions,
  ) => Promise<Reader>;
  /** Has the client told what is said outside of calls, when it listens; false after the end. */
  readonly say: (
    session: Session,
    events: readonly NewEvent[],
    upstreamEventId?: string,
  ) => Promise<boolean>;
  /** The client is about to subscribe at this server, whose own stream is watched from now on. */
  readonly subscribing: (session: Session, server: UpstreamServer) => Promise<void>;
}

export interface ListenOptions {
  readonly lastEventId: string | undefined;
  /** Whether the client understands events without data. */
  readonly canPrime: boolean;
  /** Breaks the connection of a client that takes nothing any more. */
  readonly cut: () => void;
  /** Called once when nobody reads any more, also when another connection takes over. */
  readonly stopped?: (() => void) | undefined;
  readonly correlationId: string;
}

export interface ListeningDeps extends TakeOverDeps {
  readonly streams: Streams;
  readonly ids: EventIds;
  readonly watches: Watches;
  readonly upstream: UpstreamSessions;
  /** Passes changes of a view's lists on to the session, which listens. */
  readonly followLists: (session: Session) => void;
}

export function createListening(deps: ListeningDeps): Listening {
  const { store, streams } = deps;

  async function open(session: Session, options: ListenOptions): Promise<Reader> {
    const { lastEventId } = options;
    const own = session.listening;
    if (lastEventId === undefined) return await listen(session, own, options);
    const place = deps.ids.parse(session.key, lastEventId);
    const state = place && await store.find(session.key, place.stream);
    if (state === undefined) throw unknownEvent();
    const { stream, seq } = place!;
    const { correlationId } = options;
    if (stream === own) await watch(session);
    else if (!state.isEnded && !isRunningHere(stream, state)) {
      if (await runsElsewhere(deps, state)) {
        const stop = standBy(deps, session, stream, correlationId);
        const stopped = () => (stop(), options.stopped?.());
        return read(session, stream, seq, { ...options, stopped });
      }
      await takeOver(deps, session, stream, state, correlationId);
    }
    return read(session, stream, seq, options);
  }

  function isRunningHere(stream: StreamId, { runner }: StreamState): boolean {
    return runner === deps.runner && deps.calls.isRunning(stream);
  }

  async function listen(
    session: Session,
    own: StreamId,
    options: ListenOptions,
  ): Promise<Reader> {
    if (streams.hasReader(own)) throw listensAlready();
    await begin(session);
    const wasHeard = session.upstreams.get(session.base.server)?.state.isHeard ?? false;
    await watch(session, { isWatched: true, isHeard: true });
    // Who listens for the first time hears what has waited; others have said where they are.
    const seq = session.listener?.seq() ??
      (wasHeard ? (await store.find(session.key, own))?.lastSeq : 0);
    // Another GET may have come while this one waited.
    if (streams.hasReader(own)) throw listensAlready();
    return read(session, own, seq ?? 0, options);
  }

  function read(
    session: Session,
    stream: StreamId,
    afterSeq: number,
    { lastEventId, canPrime, cut, stopped }: ListenOptions,
  ): Reader {
    const isOfCall = stream !== session.listening;
    const reader = streams.read(session.key, stream, {
      afterSeq,
      takesEmptyEvents: canPrime,
      primes: canPrime && lastEventId === undefined,
      isOfCall,
      cut,
      stopped,
    });
    if (!isOfCall) session.listener = reader;
    return reader;
  }

  /** Makes the stream if it is not there. */
  async function begin(session: Session): Promise<void> {
    const stream = { session: session.key, runner: "", note: "" };
    await store.open({ ...stream, id: session.listening });
  }

  /** The streams of all servers at which the session has one. */
  async function watch(
    session: Session,
    next: Partial<UpstreamState> = { isWatched: true },
  ): Promise<void> {
    const { base, upstreams } = session;
    const wasWatched = upstreams.get(base.server)?.state.isWatched ?? false;
    await note(session, base.server, next);
    deps.followLists(session);
    await Promise.all(
      [...upstreams.keys()].map((slug) => watchServer(session, slug, wasWatched)),
    );
  }

  async function watchServer(session: Session, slug: string, wasWatched: boolean): Promise<void> {
    const server = deps.serverOf(slug);
    // What is kept for a view as a whole is no server's.
    if (server === undefined) return;
    await note(session, slug, { isWatched: true });
    await deps.watches.ensure(session, server, wasWatched);
  }

  function note(session: Session, slug: string, next: Partial<UpstreamState>): Promise<void> {
    return deps.upstream.update(session, { slug }, (state) => {
      const isSame = state.isWatched && (state.isHeard || !next.isHeard);
      return isSame ? state : { ...state, ...next };
    });
  }

  async function subscribing(session: Session, server: UpstreamServer): Promise<void> {
    const wasWatched = session.upstreams.get(server.slug)?.state.isWatched ?? false;
    await deps.upstream.ensure(session, server);
    await watchServer(session, server.slug, wasWatched);
  }

  return {
    open,
    subscribing,
    async say(session, events, upstreamEventId) {
      const append = () =>
        streams.append(session.key, session.listening, events, { upstreamEventId });
      if (await append()) return true;
      if (session.end.signal.aborted) return false;
      await begin(session);
      return await append();
    },
  };
}

/** In another process, which lives. */
async function runsElsewhere(
  { runner: self, presence }: TakeOverDeps,
  { runner }: StreamState,
): Promise<boolean> {
  return runner !== self && await presence.isAlive(runner);
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
