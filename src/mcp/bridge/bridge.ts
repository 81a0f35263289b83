/**
 * The bridge from clients of the stateless era to servers of the session era, put together.
 *
 * Servers have sessions all the same: one for each principal, server and client, which the requests
 * share. It is known to this process only.
 *
 * @module
 * @see protocol.md, section 1.3; design.md, "One call model, two codecs"
 */
import { ProtocolError } from "../../domain/errors.ts";
import type { Offer } from "../../domain/item.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Clock } from "../../platform/clock.ts";
import type { SecretBox } from "../../platform/secret_box.ts";
import type { Timers } from "../../platform/timers.ts";
import type { UpstreamClient } from "../../upstream/client.ts";
import type { Reply } from "../dispatch.ts";
import type { EraProbe } from "../era_probe.ts";
import { explained } from "../failure.ts";
import { type JsonObject, METHOD_NOT_FOUND } from "../message.ts";
import { createParamHeaders } from "../param_headers.ts";
import { STATELESS_REVISIONS } from "../revisions/revision.ts";
import { META_SERVER_INFO } from "../revisions/stateless_era.ts";
import { failureResponse, resultResponse } from "../rpc_error.ts";
import { createSessionCalls } from "../session/calls.ts";
import { createQuestions, type Questions } from "../session/questions.ts";
import type { Session } from "../session/session.ts";
import { createSharedSessions, saveInMemory } from "../session/shared_sessions.ts";
import type { StatelessServers } from "../session/stateless/servers.ts";
import { atOnce } from "../session/renewals.ts";
import { createUpstreamSessions } from "../session/upstream_sessions.ts";
import { createWatches } from "../session/watches.ts";
import type { RecordCall, UpstreamCall } from "../stateless_calls.ts";
import { type BridgedCalls, createBridgedCalls } from "./bridged_calls.ts";
import { offeredDownstream } from "./capabilities.ts";
import type { GoOnElsewhere } from "./elsewhere.ts";
import { type BridgedListening, createBridgedListening } from "./listening.ts";
import { createRequestStates } from "./request_state.ts";
import { type BridgeSessions, createBridgeSessions, isRefusal } from "./upstream_side.ts";

export interface Bridge {
  /**
   * What becomes of a request to a server of the session era is its reply.
   * @throws {ProtocolError} for what is refused before the server is asked
   * @throws {GatewayError} `rate_limited`, the same; either may be thrown at once
   */
  readonly request: (call: UpstreamCall) => Promise<Reply>;
  /** Ends the calls that wait for their clients, and all sessions. */
  readonly close: () => Promise<void>;
}

export interface BridgeDeps {
  readonly client: UpstreamClient;
  readonly eras: Pick<EraProbe, "forget">;
  /** A server may have been replaced by one that has no sessions. */
  readonly stateless: StatelessServers;
  readonly clock: Clock;
  readonly timers: Timers;
  /** For `requestState`. */
  readonly box: SecretBox;
  /** Of this program, for upstream servers. */
  readonly version: string;
  /** What is known of a server without asking it. */
  readonly offerOf: (server: UpstreamServer) => Offer | undefined;
  /** A tool of this name at a server, as discovery found it. */
  readonly toolOf: (server: UpstreamServer, name: unknown) => { definition: string } | undefined;
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  readonly record: RecordCall;
  /** This one. */
  readonly replica: string;
  /** For calls that wait on another one. */
  readonly goOnElsewhere: GoOnElsewhere;
  readonly failed: (call: Failing, error: unknown) => void;
}

/** What a log line says about a call. */
export interface Failing {
  readonly server: UpstreamServer;
  readonly subject: string;
  readonly method: string;
  readonly correlationId: string;
}

export interface BridgeOptions {
  readonly idleMs: number;
  readonly firstByteMs: number;
  readonly toolMs: number;
  readonly toolMsMax: number;
  readonly askMs: number;
}

/** The stateless era has other ways for these, or none. */
const OF_SESSIONS: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "logging/setLevel",
  "resources/subscribe",
  "resources/unsubscribe",
]);

const SWEEP_MS = 5_000;
const LATER_MS = 5_000;
/** Messages that are passed on at once. */
const MESSAGES_MAX = 64;

export function createBridge(deps: BridgeDeps, options: BridgeOptions): Bridge {
  const parts = createParts(deps, options);
  const { sessions, calls, listening } = parts;
  const headers = createParamHeaders();
  const sweeping = setInterval(() => {
    parts.shared.sweep().catch(() => {});
  }, Math.min(SWEEP_MS, options.idleMs / 2));

  async function discovered(call: UpstreamCall): Promise<Reply> {
    const known = deps.offerOf(call.server);
    const about = known ?? await sessions.of(call);
    const result: JsonObject = {
      resultType: "complete",
      supportedVersions: STATELESS_REVISIONS,
      capabilities: offeredDownstream(about.capabilities),
      ...(about.instructions !== undefined && { instructions: about.instructions }),
      ttlMs: 0,
      cacheScope: "private",
      ...(about.serverInfo !== undefined && { _meta: { [META_SERVER_INFO]: about.serverInfo } }),
    };
    return { kind: "message", status: 200, body: resultResponse(call.message.id, result) };
  }

  /** The answer when there is no session at the server: nothing was carried out. */
  async function orFailure(call: UpstreamCall, reply: Promise<Reply>): Promise<Reply> {
    try {
      return await reply;
    } catch (error) {
      if (isRefusal(error)) throw error;
      deps.failed(failing(call), error);
      const { message: { id, method }, correlationId } = call;
      const body = failureResponse(id, method, explained(error, true), correlationId);
      return { kind: "message", status: 200, body };
    }
  }

  function request(call: UpstreamCall): Promise<Reply> {
    const { message, server, route } = call;
    const { method } = message;
    if (OF_SESSIONS.has(method) || method.startsWith("tasks/")) {
      throw new ProtocolError(METHOD_NOT_FOUND, 404, `There is no method "${method}" here`);
    }
    if (method === "server/discover") return orFailure(call, discovered(call));
    if (method === "subscriptions/listen") return orFailure(call, listening.listen(call));
    if (method === "tools/call") {
      const name = route?.name ?? message.params?.name;
      headers.check(message, call.headers, deps.toolOf(server, name));
    }
    return calls.request(call);
  }

  return {
    request,
    async close() {
      clearInterval(sweeping);
      calls.close();
      await parts.shared.close();
    },
  };
}

interface Parts {
  readonly sessions: BridgeSessions;
  readonly shared: ReturnType<typeof createSharedSessions>;
  readonly calls: BridgedCalls;
  readonly listening: BridgedListening;
}

function createParts(deps: BridgeDeps, options: BridgeOptions): Parts {
  const { clock, timers } = deps;
  const failed = (session: Session, server: UpstreamServer, error: unknown) =>
    deps.failed({
      server,
      subject: session.base.subject,
      method: "",
      correlationId: "",
    }, error);
  const watches = createWatches({
    timers,
    failed,
    serverOf: deps.serverOf,
    // Whoever listens on a view is asked again what it may hear.
    mayHear: () => true,
    editsOf: () => undefined,
    upstream: () => upstream,
    // Outside of calls there is nobody to ask.
    questions: (): Questions => ({ ...questions, open: questions.refuse }),
    say: (session, events) => Promise.resolve(listening.heard(session, events)),
    messagesMax: MESSAGES_MAX,
    lastEventId: () => Promise.resolve(undefined),
  });
  const upstream = createUpstreamSessions({
    client: deps.client,
    stateless: deps.stateless,
    inTurn: atOnce,
    registry: { save: saveInMemory },
    watchAgain: watches.again,
    timers,
    failed,
  }, options);
  const questions = createQuestions({ upstream, timers, now: clock.monotonic }, {
    ...options,
    // A call whose client does not come back is cancelled; it is not to go on without an answer.
    askMs: options.askMs + LATER_MS,
  });
  const sessionCalls = createSessionCalls({
    upstream,
    questions,
    timers,
    now: clock.monotonic,
    record: deps.record,
    subscribing: () => Promise.resolve(),
    // A session is shared by the endpoints of a client: what differs there differs by request.
    editsOf: () => undefined,
    failed: ({ session, server, correlationId }, method, error) =>
      deps.failed({ server, subject: session.base.subject, method, correlationId }, error),
  }, { ...options, streamEventsMax: 2 * MESSAGES_MAX });
  const shared = createSharedSessions({ upstream, clock, version: deps.version }, options);
  const otherEra = deps.eras.forget;
  const sessions = createBridgeSessions({ shared, upstream, otherEra }, options);
  const listening = createBridgedListening({ sessions, upstream, watches });
  const states = createRequestStates({ box: deps.box, now: clock.now });
  const calls = createBridgedCalls({
    sessions,
    upstream,
    calls: sessionCalls,
    states,
    timers,
    replica: deps.replica,
    goOnElsewhere: deps.goOnElsewhere,
    now: clock.now,
    failed: (call, error) => deps.failed(failing(call), error),
  }, options);
  return { sessions, shared, calls, listening };
}

function failing({ server, principal, message, correlationId }: UpstreamCall): Failing {
  return { server, subject: principal.subject, method: message.method, correlationId };
}
