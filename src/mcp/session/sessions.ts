/**
 * Puts the parts of the session era together, and does what has to be done from time to time.
 *
 * @module
 */
import { maySee } from "../../domain/access.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { EventStore } from "../../events/store.ts";
import type { Clock } from "../../platform/clock.ts";
import { randomText } from "../../platform/random.ts";
import type { SecretBox } from "../../platform/secret_box.ts";
import type { Timers } from "../../platform/timers.ts";
import type { UpstreamClient } from "../../upstream/client.ts";
import type { CallOf } from "./call_run.ts";
import { createSessionCalls } from "./calls.ts";
import type { SessionDirectory } from "./directory.ts";
import { createSessionEndpoint, type SessionEndpoint, type Targets } from "./endpoint.ts";
import type { Views } from "../../catalog/views.ts";
import type { Endpoints } from "../endpoint.ts";
import type { ListChanges, ListName } from "../view/list_changes.ts";
import type { SessionLists } from "../view/session_lists.ts";
import type { CheckArguments } from "../view/routing.ts";
import type { RecordCall } from "../stateless_calls.ts";
import type { InboundEdits } from "./inbound.ts";
import { createVerbatimTarget, type VerbatimTargetDeps } from "./verbatim_target.ts";
import { createViewTarget } from "./view_target.ts";
import { createEventIds, STREAM_BYTES } from "./event_id.ts";
import { createListening } from "./listening.ts";
import { createOutlets } from "./outlet.ts";
import { createQuestions } from "./questions.ts";
import { createSessionRegistry, type Ended, type LiveSession } from "./registry.ts";
import type { Session } from "./session.ts";
import { createSessionless } from "./sessionless.ts";
import { createSharedSessions, saveInMemory } from "./shared_sessions.ts";
import type { StatelessServers } from "./stateless/servers.ts";
import { createStreams, portionOf } from "./streams.ts";
import { createUpstreamSessions } from "./upstream_sessions.ts";
import { createWatches } from "./watches.ts";

export interface Sessions {
  readonly endpoint: SessionEndpoint;
  readonly list: () => Promise<readonly LiveSession[]>;
  /** Has clients that listen reconnect, elsewhere; calls go on. */
  readonly drain: () => void;
  /** Ends what still runs. It can be gone on with: sessions and upstream sessions are kept. */
  readonly abandon: () => void;
  readonly close: () => void;
}

export interface SessionsDeps {
  readonly client: UpstreamClient;
  readonly stateless: StatelessServers;
  readonly directory: SessionDirectory;
  readonly store: EventStore;
  /** For records. */
  readonly recordBox: SecretBox;
  /** For event ids. */
  readonly eventBox: SecretBox;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  readonly views: SessionViews;
  readonly record: RecordCall;
  readonly failed: (
    what: string,
    fields: Readonly<Record<string, unknown>>,
    error: unknown,
  ) => void;
}

/** What sessions need to serve views. */
export interface SessionViews {
  readonly views: Views;
  readonly lists: SessionLists;
  readonly changes: ListChanges;
  /** `undefined` when arguments are not checked. */
  readonly check: CheckArguments | undefined;
  /** See `Endpoints`. */
  readonly shownAt: Endpoints["shownAt"];
  /** What is different in messages of this server for a session to which not all is shown as it is. */
  readonly editsOf: (session: Session, server: UpstreamServer) => InboundEdits | undefined;
}

export interface SessionsOptions {
  readonly idleMs: number;
  readonly maxMs: number;
  /** How many events of a stream are kept, and how long. */
  readonly streamEventsMax: number;
  readonly streamEventMs: number;
  readonly perPrincipal: number;
  readonly firstByteMs: number;
  readonly toolMs: number;
  readonly toolMsMax: number;
  readonly askMs: number;
}

const SWEEP_MS = 5_000;

export function createSessions(deps: SessionsDeps, options: SessionsOptions): Sessions {
  const { client, store, clock, timers } = deps;
  const runner = randomText(STREAM_BYTES);
  const registry = createSessionRegistry({ ...deps, box: deps.recordBox }, options);
  const ids = createEventIds(deps.eventBox);
  const streams = createStreams({ store, ids, timers });
  const failed = (session: Session, server: UpstreamServer, error: unknown) =>
    deps.failed("A request of a session failed", fieldsOf(session, server), error);
  const watches = createWatches({
    timers,
    failed,
    serverOf: deps.serverOf,
    mayHear: (session, server) => !isOfView(session) || isShown(deps.views.views, session, server),
    editsOf: deps.views.editsOf,
    upstream: () => upstream,
    questions: () => questions,
    // Of several servers none can be asked again for what it said: there is one id for all.
    say: (session, events, eventId) =>
      listening.say(session, events, isOfView(session) ? undefined : eventId),
    messagesMax: portionOf(options.streamEventsMax),
    lastEventId: async (session) => (await store.find(session.listening))?.upstreamEventId,
  });
  const upstream = createUpstreamSessions({
    client,
    registry,
    stateless: deps.stateless,
    failed,
    timers,
    watchAgain: watches.again,
  }, options);
  const questions = createQuestions({ upstream, timers, now: clock.monotonic }, options);
  const lost = (call: CallOf, method: string, error: unknown) =>
    callFailed(deps, call, method, error);
  const calls = createSessionCalls({
    upstream,
    questions,
    timers,
    now: clock.monotonic,
    record: deps.record,
    subscribing: (session, server) => listening.subscribing(session, server),
    editsOf: deps.views.editsOf,
    failed: lost,
  }, options);
  const outlets = createOutlets({
    store,
    streams,
    runner,
    newStreamId: () => randomText(STREAM_BYTES),
    aside: (session, events) => listening.say(session, events),
  });
  const shared = { store, streams, ids, watches, upstream, outlets, calls, registry, runner };
  const listening = createListening({
    ...shared,
    serverOf: deps.serverOf,
    followLists,
    failed: ({ session, correlationId }, server, error) => {
      const { subject } = session.base;
      deps.failed("A call was lost", { server, subject, correlationId }, error);
    },
  });
  const targets = createTargets(deps, { registry, upstream, calls }, failed, options);
  const endpoint = createSessionEndpoint({ ...shared, targets, listening, clearUp });

  function isOfView({ base }: Session): boolean {
    return deps.serverOf(base.server) === undefined;
  }

  /** Of a view, and where not all is shown, it is the gateway that says when lists have changed. */
  function followLists(session: Session): void {
    const isShown = isOfView(session) || deps.views.shownAt(session.base.server) !== undefined;
    if (!isShown || session.isFollowing || session.viewer === undefined) return;
    session.isFollowing = true;
    const stop = deps.views.changes.follow(session.base.server, () => session.viewer!, (lists) => {
      const events = lists.map((list) => ({ message: listChanged(list), isResponse: false }));
      listening.say(session, events).catch(() => {});
    });
    session.end.signal.addEventListener("abort", stop);
  }

  /** What must not outlive a session. */
  async function clearUp({ key, upstreams }: Ended): Promise<void> {
    const closing = [...upstreams].map(async ([slug, { state }]) => {
      const server = deps.serverOf(slug);
      if (server !== undefined) await upstream.close(server, state);
    });
    await Promise.all([store.erase(key), ...closing]);
  }

  async function sweep(): Promise<void> {
    await Promise.all((await registry.sweep(useOf)).map(clearUp));
    calls.keepStreams();
    await store.sweep();
  }

  function useOf(session: Session): "active" | "held" | "none" {
    const isListening = streams.hasReader(session.listening);
    if (isListening || session.calls.size() > 0) return "active";
    return session.watches.size > 0 ? "held" : "none";
  }

  const stopSweeping = repeat(sweep, deps, options);

  return {
    endpoint,
    list: registry.list,
    drain: () => streams.hangUpAll(false),
    abandon() {
      calls.abandon();
      streams.hangUpAll(true);
    },
    close() {
      stopSweeping();
      deps.directory.close();
      store.close();
    },
  };
}

export type SessionsOffDeps =
  & Pick<SessionsDeps, "client" | "stateless" | "clock" | "timers" | "failed" | "views" | "record">
  & {
    /** Of this program, for upstream servers. */
    readonly version: string;
  };

/** The same for `USE_STATEFUL_SESSIONS=false`. */
export function createSessionsOff(deps: SessionsOffDeps, options: SessionsOptions): Sessions {
  const { client, clock, timers } = deps;
  const upstream = createUpstreamSessions({
    client,
    registry: { save: saveInMemory },
    stateless: deps.stateless,
    timers,
    watchAgain: () => Promise.resolve(),
    failed: (session, server, error) =>
      deps.failed("A request of a session failed", fieldsOf(session, server), error),
  }, options);
  const questions = createQuestions({ upstream, timers, now: clock.monotonic }, options);
  const calls = createSessionCalls({
    upstream,
    questions,
    timers,
    now: clock.monotonic,
    record: deps.record,
    subscribing: () => Promise.resolve(),
    editsOf: deps.views.editsOf,
    failed: (call, method, error) => callFailed(deps, call, method, error),
  }, options);
  const shared = createSharedSessions({ ...deps, upstream }, options);
  return {
    endpoint: createSessionless({ upstream, calls, shared, ...deps.views }, options),
    list: () => Promise.resolve([]),
    drain() {},
    abandon: calls.abandon,
    close: repeat(shared.sweep, deps, options),
  };
}

function createTargets(
  { views, serverOf }: SessionsDeps,
  shared: Pick<VerbatimTargetDeps, "registry" | "upstream" | "calls">,
  failed: (session: Session, server: UpstreamServer, error: unknown) => void,
  options: SessionsOptions,
): Targets {
  const common = { ...shared, ...views };
  return {
    verbatim: createVerbatimTarget(common, options),
    view: createViewTarget({ ...common, serverOf, failed }, options),
  };
}

/** Whether the view shows something of this server to whoever uses the session. */
function isShown({ latest }: Views, { base, viewer }: Session, { slug }: UpstreamServer): boolean {
  const shelf = latest(base.server)?.shelves.find(({ server }) => server.slug === slug);
  return shelf !== undefined && viewer !== undefined && maySee(viewer, shelf.server);
}

function listChanged(list: ListName): Uint8Array {
  return new TextEncoder().encode(
    `{"jsonrpc":"2.0","method":"notifications/${list}/list_changed"}`,
  );
}

/** Gives what ends it. */
function repeat(
  sweep: () => Promise<void>,
  deps: Pick<SessionsDeps, "failed">,
  { idleMs, streamEventMs }: SessionsOptions,
): () => void {
  let isRunning = false;
  const interval = setInterval(() => {
    if (isRunning) return;
    isRunning = true;
    sweep().catch((error) => deps.failed("Clearing up sessions failed", {}, error))
      .finally(() => isRunning = false);
  }, Math.min(SWEEP_MS, idleMs / 2, streamEventMs / 4));
  return () => clearInterval(interval);
}

function callFailed(
  deps: Pick<SessionsDeps, "failed">,
  { session, server, correlationId }: CallOf,
  method: string,
  error: unknown,
): void {
  const fields = { ...fieldsOf(session, server), correlationId, method };
  deps.failed("An upstream call failed", fields, error);
}

function fieldsOf(session: Session, server: UpstreamServer) {
  const { subject } = session.base;
  return { server: server.slug, subject };
}
