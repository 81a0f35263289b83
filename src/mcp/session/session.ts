/**
 * A session of the session era: what its record says, and what this replica knows besides.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Session Management"
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { CredentialKind } from "../../domain/credential.ts";
import { ProtocolError } from "../../domain/errors.ts";
import type { Principal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { PRIMING_REVISION, type Revision } from "../revisions/revision.ts";
import { type Bag, type Bagged, createBag } from "../../platform/bag.ts";
import type { Timer } from "../../platform/timers.ts";
import type { StreamId } from "../../events/store.ts";
import type { SessionKey } from "./directory.ts";
import { STREAM_BYTES } from "./event_id.ts";
import type { Reader } from "./reader.ts";
import type { Watch } from "./watches.ts";

/** The part of the record that never changes. */
export interface SessionBase {
  readonly kind: CredentialKind;
  readonly subject: string;
  /** Key of the endpoint that it was opened on: the slug of a server, or that of `/mcp`. */
  readonly server: string;
  /** What was agreed with the client. */
  readonly revision: Revision;
  /** The client's parameters of `initialize`, JSON text: with them it is opened anew upstream. */
  readonly initialize: string;
  readonly endMs: number;
}

/** The part of the record that belongs to one upstream server. */
export interface UpstreamState {
  /** `undefined` for a server without sessions. */
  readonly sessionId: string | undefined;
  /** See `placeOf`; empty for what is no server's. */
  readonly place: string;
  /** Counts the sessions that there were at this server: 1, 2, 3 … */
  readonly epoch: number;
  /** What was agreed with the server. */
  readonly revision: Revision;
  readonly subscriptions: readonly string[];
  readonly logLevel: string | undefined;
  /** Whether the client ever listened or subscribed: the server's own stream is then watched. */
  readonly isWatched: boolean;
  /** Whether the client ever listened: until then everything that was said waits for it. */
  readonly isHeard: boolean;
}

/** Of a session that was just opened. */
export function freshState(
  sessionId: string | undefined,
  revision: Revision,
  place: string,
): UpstreamState {
  return {
    sessionId,
    place,
    epoch: 1,
    revision,
    subscriptions: [],
    logLevel: undefined,
    isWatched: false,
    isHeard: false,
  };
}

export interface Upstream {
  /** Of the record's field; 0 when it is not there yet. */
  readonly generation: number;
  readonly state: UpstreamState;
}

/** Where an upstream server asks: in a call, or beside all calls. */
export interface Asks {
  /** Questions that the client has not answered yet, by server and its own id; made when needed. */
  asks: Map<string, Timer> | undefined;
  /** When the last of them was answered, on the clock for durations. */
  answeredMs: number;
}

/** A call that runs on this replica. */
export interface RunningCall extends Asks, Bagged {
  /** Made of the id that the client gave. */
  readonly key: string;
  readonly server: UpstreamServer;
  readonly abort: AbortController;
  /** The client does not want the answer any more. */
  isCancelled: boolean;
}

export interface Session extends Asks {
  readonly key: SessionKey;
  /** The stream on which the client listens. */
  readonly listening: StreamId;
  readonly base: SessionBase;
  /** By slug. */
  readonly upstreams: Map<string, Upstream>;
  readonly calls: Bag<RunningCall>;
  /** The connection on which the client listens, or listened last. */
  listener: Reader | undefined;
  /** Who sent the last message, or listens. What a session may see depends on its credential. */
  viewer: Principal | undefined;
  /** Whether the gateway says when its lists have changed. */
  isFollowing: boolean;
  /** By slug: the upstream server's own streams that this replica watches. */
  readonly watches: Map<string, Watch>;
  /** Aborted when the session ends. */
  readonly end: AbortController;
}

export function newSession(key: SessionKey, base: SessionBase): Session {
  const end = new AbortController();
  const calls = createBag<RunningCall>();
  end.signal.addEventListener("abort", () => {
    for (const call of calls.list()) call.abort.abort(end.signal.reason);
  });
  return {
    key,
    listening: listeningStream(key),
    base,
    upstreams: new Map(),
    calls,
    listener: undefined,
    viewer: undefined,
    isFollowing: false,
    watches: new Map(),
    asks: undefined,
    answeredMs: -Infinity,
    end,
  };
}

/** Every session has one, so its id need not be kept. */
function listeningStream(key: SessionKey): StreamId {
  const hash = createHash("sha256").update(`${key} listening`).digest();
  return Buffer.from(hash.subarray(0, STREAM_BYTES)).toString("base64url");
}

/** One answer for unknown, foreign, ended, and another endpoint's. */
export class SessionNotFound extends ProtocolError {
  constructor() {
    super(-32001, 404, "Session not found");
  }
}

/** Whether it is this principal's, on this endpoint. A renewed credential changes nothing. */
export function isOwnedBy(base: SessionBase, principal: Principal, server: string): boolean {
  return base.kind === principal.kind && base.subject === principal.subject &&
    base.server === server;
}

/** Whether the server is still in the session in which it asked. */
export function isOpenTo(
  { server, epoch }: { readonly server: string; readonly epoch: number },
  { upstreams }: Session,
  { slug }: { readonly slug: string },
): boolean {
  return server === slug && upstreams.get(slug)?.state.epoch === epoch;
}

/** What the client may expect: the older of what was agreed with it and with the server. */
export function revisionOf({ base, upstreams }: Session): Revision {
  const upstream = upstreams.get(base.server)?.state.revision;
  return upstream !== undefined && upstream < base.revision ? upstream : base.revision;
}

/**
 * Whether the client understands events without data, to resume from.
 * @param header `MCP-Protocol-Version` of the request; one that is missing says nothing
 */
export function takesEmptyEvents(session: Session, header: string | undefined): boolean {
  return revisionOf(session) >= PRIMING_REVISION &&
    (header ?? PRIMING_REVISION) >= PRIMING_REVISION;
}
