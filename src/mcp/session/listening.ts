/**
 * The client's GET: listen to what is said outside of calls, or resume any stream of the session.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Listening for Messages from the Server", "Resumability and
 *   Redelivery"
 */
import { GatewayError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import {
  type AppendOptions,
  type NewEvent,
  type StreamId,
  type StreamState,
  writerOf,
} from "../../events/store.ts";
import type { EventIds } from "./event_id.ts";
import type { Others } from "./others.ts";
import type { Reader } from "./reader.ts";
import type { Session } from "./session.ts";
import type { Streams } from "./streams.ts";
import { answerForCalls, runsElsewhere, standBy, takeOver, type TakeOverDeps } from "./takeover.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";
import type { Watching } from "./watching.ts";

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
  readonly say: (session: Session, events: readonly NewEvent[]) => Promise<boolean>;
  /** The same for what a server has said that is watched here; false when another replica does. */
  readonly heard: (
    session: Session,
    events: readonly NewEvent[],
    upstreamEventId: string | undefined,
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
  /** Called when servers' own streams are open, or cannot be. */
  readonly watched?: (() => void) | undefined;
  readonly correlationId: string;
}

export interface ListeningDeps extends TakeOverDeps {
  readonly streams: Streams;
  readonly ids: EventIds;
  readonly watching: Watching;
  readonly others: Pick<Others, "isRead" | "readsHere">;
  readonly upstream: UpstreamSessions;
}

export function createListening(deps: ListeningDeps): Listening {
  const { store, streams, watching, remote, others } = deps;
  answerForCalls(deps);

  async function open(session: Session, options: ListenOptions): Promise<Reader> {
    const { lastEventId } = options;
    const own = session.listening;
    if (lastEventId === undefined) return await listen(session, own, options);
    const place = deps.ids.parse(session.key, lastEventId);
    const state = place && await store.find(session.key, place.stream);
    if (state === undefined) throw unknownEvent();
    const { stream, seq } = place!;
    const left = { session, stream, seq, correlationId: options.correlationId };
    if (stream === own) {
      const watched = watching.all(session, { isHeard: true, isKnown: true });
      await Promise.all([watched, others.readsHere(stream)]);
      return read(session, stream, seq, options);
    }
    await others.readsHere(stream);
    if (!state.isEnded && !isRunningHere(stream, state)) {
      if (await runsElsewhere(deps, stream, state)) {
        const stop = standBy(deps, left);
        const stopped = () => (stop(), options.stopped?.());
        return read(session, stream, seq, { ...options, stopped });
      }
      await takeOver(deps, left, state);
    }
    return read(session, stream, seq, options);
  }

  function isRunningHere(stream: StreamId, { runner }: StreamState): boolean {
    return runner === remote.self && deps.calls.isRunning(stream);
  }

  async function listen(
    session: Session,
    own: StreamId,
    options: ListenOptions,
  ): Promise<Reader> {
    if (streams.hasReader(own)) throw listensAlready();
    const wasHeard = session.upstreams.get(session.base.server)?.state.isHeard ?? false;
    // Nobody's answer is waited for before servers are asked: the client sends more meanwhile.
    const watched = watching.all(session, { isHeard: true, isKnown: false })
      .finally(options.watched);
    const [isRead] = await Promise.all([others.isRead(own), watched]);
    if (isRead) throw listensAlready();
    await begin(session);
    // Who listens for the first time hears what has waited; others have said where they are.
    const seq = session.listener?.seq() ??
      (wasHeard ? (await store.find(session.key, own))?.lastSeq : 0);
    if (session.end.signal.aborted) {
      // What was begun since the session's streams were erased goes with them.
      await store.erase(session.key);
      throw session.end.signal.reason;
    }
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
    const left = new AbortController();
    const ended = () => reader.stop();
    const reader = streams.read(session.key, stream, {
      afterSeq,
      takesEmptyEvents: canPrime,
      primes: canPrime && lastEventId === undefined,
      isOfCall,
      cut,
      stopped() {
        left.abort();
        session.end.signal.removeEventListener("abort", ended);
        stopped?.();
      },
    });
    if (isOfCall) return reader;
    // Another replica that ends the session may have erased its streams before this one was begun.
    session.end.signal.addEventListener("abort", ended);
    session.listener = reader;
    watching.keep(session, left.signal);
    return reader;
  }

  /** Makes the stream if it is not there, or not any more. */
  async function begin({ key, listening, base, upstreams }: Session): Promise<void> {
    const watcher = upstreams.get(base.server)?.state.watcher;
    const runner = watcher === undefined ? "" : writerOf(watcher);
    await store.open({ session: key, id: listening, runner, note: "" });
  }

  async function append(
    session: Session,
    events: readonly NewEvent[],
    options?: AppendOptions,
  ): Promise<boolean> {
    const put = () => streams.append(session.key, session.listening, events, options);
    if (await put()) return true;
    if (session.end.signal.aborted) return false;
    await begin(session);
    return await put();
  }

  return {
    open,
    async subscribing(session, server) {
      await deps.upstream.ensure(session, server);
      await deps.watching.one(session, server);
    },
    say: append,
    heard: (session, events, upstreamEventId) =>
      append(session, events, { runner: writerOf(remote.self), upstreamEventId }),
  };
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
