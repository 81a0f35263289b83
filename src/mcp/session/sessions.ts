/**
 * Puts the parts of the session era together, and does what has to be done from time to time.
 *
 * @module
 */
import type { UpstreamServer } from "../../domain/server.ts";
import type { EventStore } from "../../events/store.ts";
import type { Clock } from "../../platform/clock.ts";
import { repeat } from "../../platform/again.ts";
import { randomText } from "../../platform/random.ts";
import type { SecretBox } from "../../platform/secret_box.ts";
import type { Timers } from "../../platform/timers.ts";
import type { UpstreamClient } from "../../upstream/client.ts";
import type { Claims } from "../../events/claims.ts";
import type { CallClaims } from "./call_claims.ts";
import type { CallOf } from "./call_run.ts";
import { createSessionCalls } from "./calls.ts";
import type { SessionDirectory } from "./directory.ts";
import type { Remote } from "../../events/remote.ts";
import type { Endpoint } from "../endpoint.ts";
import {
  createSessionEndpoint,
  oneWayHere,
  type SessionEndpoint,
  type Targets,
} from "./endpoint.ts";
import type { Views } from "../../catalog/views.ts";
import type { Endpoints } from "../endpoint.ts";
import type { ListChanges } from "../view/list_changes.ts";
import type { SessionLists } from "../view/session_lists.ts";
import type { CheckArguments } from "../view/routing.ts";
import type { CallAudit } from "../call_audit.ts";
import type { RecordCall } from "../stateless_calls.ts";
import type { InboundEdits } from "./inbound.ts";
import { createVerbatimTarget, type VerbatimTargetDeps } from "./verbatim_target.ts";
import { createViewTarget } from "./view_target.ts";
import { createEventIds, STREAM_BYTES } from "./event_id.ts";
import { createFollowing, type Following } from "./following.ts";
import { createListening, type Listening } from "./listening.ts";
import { createOpenings } from "./openings.ts";
import { createOthers } from "./others.ts";
import { createOutlets } from "./outlet.ts";
import { createQuestions } from "./questions.ts";
import {
  createSessionRegistry,
  type LiveSession,
  type RegistryDeps,
  type SessionRegistry,
} from "./registry.ts";
import { atOnce, createInTurn } from "./renewals.ts";
import type { Session } from "./session.ts";
import { createSessionless } from "./sessionless.ts";
import { createSharedSessions, saveInMemory } from "./shared_sessions.ts";
import type { StatelessServers } from "./stateless/servers.ts";
import { createStreams, portionOf } from "./streams.ts";
import { createUpkeep } from "./upkeep.ts";
import { createUpstreamSessions } from "./upstream_sessions.ts";
import { createWatches } from "./watches.ts";
import { createWatching, type Subscribe } from "./watching.ts";

export interface Sessions {
  readonly endpoint: SessionEndpoint;
  readonly list: () => Promise<readonly LiveSession[]>;
  /** See `Watching`. */
  readonly subscribeElsewhere: Subscribe;
  /** Other replicas may have held this one for dead. */
  readonly lost: () => void;
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
  readonly remote: Remote;
  readonly claims: CallClaims | undefined;
  /** Of what one replica does for a session. */
  readonly turns: Pick<Claims, "take">;
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  /** The endpoint of a session, whoever may see it. */
  readonly endpointOf: (key: string) => Endpoint | undefined;
  readonly views: SessionViews;
  readonly record: RecordCall;
  readonly audit: CallAudit | undefined;
  /** A session is over, otherwise than by a message; see `SessionRegistry`. */
  readonly ended: RegistryDeps["ended"];
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
  const { store, clock, timers, remote } = deps;
  const runner = remote.self;
  const registry = createSessionRegistry({ ...deps, box: deps.recordBox }, options);
  const ids = createEventIds(deps.eventBox);
  const streams = createStreams({ store, ids, timers });
  const failed = (session: Session, server: UpstreamServer, error: unknown) =>
    deps.failed("A request of a session failed", fieldsOf(session, server), error);
  const following = createFollowing({
    ...deps.views,
    serverOf: deps.serverOf,
    say: (session, events) => listening.say(session, events),
  });
  const { upstream, watching, questions } = createUpstreamParts(deps, {
    registry,
    following,
    failed,
    heard: (...events) => listening.heard(...events),
  }, options);
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
  const shared = {
    store,
    streams,
    ids,
    watching,
    upstream,
    outlets,
    calls,
    registry,
    remote,
    runner,
  };
  const others = createOthers({
    ...shared,
    timers,
    oneWay: async (session, message) => {
      const endpoint = deps.endpointOf(session.base.server);
      return endpoint && await oneWayHere(targets, endpoint, session, message);
    },
    failed: (kind, error) => deps.failed("Another replica did not answer", { kind }, error),
  });
  const openings = createOpenings({ remote, timers, claims: deps.claims });
  const listening = createListening({
    ...shared,
    others,
    timers,
    serverOf: deps.serverOf,
    failed: ({ session, correlationId }, server, error) => {
      const { subject } = session.base;
      deps.failed("A call was lost", { server, subject, correlationId }, error);
    },
  });
  const upkeep = createUpkeep({ ...shared, serverOf: deps.serverOf });
  const targets = createTargets(deps, { registry, upstream, calls }, failed, options);
  const endpoint = createSessionEndpoint({
    ...shared,
    claims: deps.claims,
    openings,
    audit: deps.audit,
    targets,
    listening,
    others,
    clearUp: upkeep.clearUp,
  });

  const stopSweeping = sweeping(upkeep.sweep, deps, options);

  return {
    endpoint,
    list: registry.list,
    subscribeElsewhere: watching.subscribe,
    lost() {
      watching.lost(registry.copies()).catch((error) =>
        deps.failed("Sessions are not watched", {}, error)
      );
    },
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

/** What talks to upstream servers for sessions. Its parts know each other. */
function createUpstreamParts(
  deps: SessionsDeps,
  { registry, following, failed, heard }: {
    readonly registry: SessionRegistry;
    readonly following: Following;
    readonly failed: (session: Session, server: UpstreamServer, error: unknown) => void;
    readonly heard: Listening["heard"];
  },
  options: SessionsOptions,
) {
  const { client, store, clock, timers, remote } = deps;
  const watches = createWatches({
    timers,
    failed,
    serverOf: deps.serverOf,
    mayHear: following.mayHear,
    editsOf: deps.views.editsOf,
    upstream: () => upstream,
    questions: () => questions,
    // Of several servers none can be asked again for what it said: there is one id for all.
    say: (session, events, eventId) =>
      heard(session, events, following.isOfView(session) ? undefined : eventId),
    messagesMax: portionOf(options.streamEventsMax),
    lastEventId: async ({ key, listening }) => (await store.find(key, listening))?.upstreamEventId,
  });
  const upstream = createUpstreamSessions({
    client,
    registry,
    inTurn: createInTurn(
      { claims: deps.turns, registry, timers, monotonic: clock.monotonic },
      options.firstByteMs,
    ),
    stateless: deps.stateless,
    failed,
    timers,
    watchAgain: (session, server, isFirst) => watching.again(session, server, isFirst),
  }, options);
  const watching = createWatching({
    remote,
    timers,
    registry,
    upstream: () => upstream,
    watches,
    store,
    subscribeHere: deps.stateless.subscribe,
    serverOf: deps.serverOf,
    followLists: following.follow,
    failed: (session, error) => deps.failed("A session is not watched", about(session), error),
  });
  const questions = createQuestions({ upstream, timers, now: clock.monotonic }, options);
  return { upstream, watching, questions };
}

export type SessionsOffDeps =
  & Pick<SessionsDeps, "client" | "stateless" | "clock" | "timers" | "failed" | "views">
  & Pick<SessionsDeps, "record" | "audit">
  & {
    /** Of this program, for upstream servers. */
    readonly version: string;
  };

/** The same for `USE_STATEFUL_SESSIONS=false`. */
export function createSessionsOff(deps: SessionsOffDeps, options: SessionsOptions): Sessions {
  const { client, clock, timers, audit } = deps;
  const upstream = createUpstreamSessions({
    client,
    registry: { save: saveInMemory },
    inTurn: atOnce,
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
    endpoint: createSessionless({ ...deps.views, upstream, calls, shared, audit }, options),
    list: () => Promise.resolve([]),
    subscribeElsewhere: () => Promise.resolve(undefined),
    lost() {},
    drain() {},
    abandon: calls.abandon,
    close: sweeping(shared.sweep, deps, options),
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

/** Gives what ends it. */
function sweeping(
  sweep: () => Promise<void>,
  { timers, failed }: Pick<SessionsDeps, "timers" | "failed">,
  { idleMs, streamEventMs }: SessionsOptions,
): () => void {
  const everyMs = Math.min(SWEEP_MS, idleMs / 2, streamEventMs / 4);
  const report = (error: unknown) => failed("Clearing up sessions failed", {}, error);
  return repeat(timers, everyMs, () => sweep().catch(report));
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

function about({ base: { server, subject } }: Session) {
  return { endpoint: server, subject };
}

function fieldsOf(session: Session, server: UpstreamServer) {
  const { subject } = session.base;
  return { server: server.slug, subject };
}
