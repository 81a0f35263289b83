/**
 * The sessions that the gateway has at upstream servers, one per client session and server: opened
 * with the client's own `initialize`, opened anew when the server has lost it, ended with the
 * client's.
 *
 * @module
 * @see MCP 2025-11-25, Base Protocol, "Lifecycle"; Transports, "Session Management"
 */
import { GatewayError, ProtocolError, RateLimited } from "../../domain/errors.ts";
import { callerOf } from "../../domain/principal.ts";
import { placeOf, type UpstreamServer } from "../../domain/server.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import type { UpstreamClient, UpstreamRequest } from "../../upstream/client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../../upstream/reply.ts";
import type { Proven } from "./inbound.ts";
import type { SessionRegistry } from "./registry.ts";
import type { InTurn } from "./renewals.ts";
import type { ClientMessage } from "../message.ts";
import { isStateless } from "../revisions/revision.ts";
import type { Session, UpstreamState } from "./session.ts";
import type { StatelessServers } from "./stateless/servers.ts";
import {
  markOf,
  type Opened,
  type Opening,
  openUpstream,
  ownInitialize,
  refusesSessions,
  tellAgain,
} from "./upstream_handshake.ts";

/** A request without what the session adds to it. */
export interface SessionRequest extends Omit<UpstreamRequest, "headers"> {
  /** Event of the server's behind which a GET goes on. */
  readonly eventId?: string | undefined;
  /** The body as a message, where it has been read before. */
  readonly message?: ClientMessage | undefined;
}

export interface SessionReply extends UpstreamReply {
  /** Which of the server's sessions it came from, see `UpstreamState`. */
  readonly epoch: number;
  /** The answer, where that was proven to be one before it came here. */
  readonly proven?: (() => Proven | undefined) | undefined;
}

export interface UpstreamSessions {
  /** As `openUpstream`. */
  readonly open: (
    server: UpstreamServer,
    body: Uint8Array,
    id: unknown,
    asked?: unknown,
  ) => Promise<Opened>;
  /**
   * Sends one message, or opens the server's stream. When the server does not know its session any
   * more, that is opened anew and a message is sent again: it was not carried out.
   * @throws {NotSent} when it cannot be opened anew
   * @throws as `UpstreamClient.send`
   */
  readonly send: (
    session: Session,
    server: UpstreamServer,
    request: SessionRequest,
  ) => Promise<SessionReply>;
  /** Opens the session at this server if there is none. @throws {NotSent} */
  readonly ensure: (session: Session, server: UpstreamServer) => Promise<void>;
  /** Changes what is known about the session at this server. */
  readonly update: (
    session: Session,
    server: Pick<UpstreamServer, "slug">,
    change: (state: UpstreamState) => UpstreamState,
  ) => Promise<void>;
  /** Ends the session at this server, as far as that can be done. */
  readonly close: (server: UpstreamServer, state: UpstreamState) => Promise<void>;
}

export interface UpstreamSessionsDeps {
  readonly client: UpstreamClient;
  /** `load` where other replicas may have been told something of the session. */
  readonly registry: Pick<SessionRegistry, "save"> & Partial<Pick<SessionRegistry, "load">>;
  readonly inTurn: InTurn;
  /** For servers without sessions. */
  readonly stateless: StatelessServers;
  /**
   * Begins to watch the server's own stream anew; resolves when it is open or cannot be.
   * @param isFirst whether there was no session at this server before
   */
  readonly watchAgain: (
    session: Session,
    server: UpstreamServer,
    isFirst: boolean,
  ) => Promise<void>;
  readonly timers: Timers;
  readonly failed: (session: Session, server: UpstreamServer, error: unknown) => void;
}

export interface UpstreamSessionsOptions {
  readonly firstByteMs: number;
}

const CLOSE_MS = 2_000;
/** How long calls wait until a new session has been told everything; the rest follows. */
const TELL_MS = 2_000;

/** The message was not sent: there is no session at the server, and it gave none. */
export class NotSent extends GatewayError {
  constructor(cause: unknown, isFirst: boolean) {
    const isKnown = cause instanceof GatewayError || cause instanceof ProtocolError;
    const why = isKnown ? `: ${cause.message}` : "";
    const text = isFirst
      ? `No session could be opened at the upstream server${why}`
      : `The upstream server has lost the session, and a new one failed${why}`;
    super("upstream_unavailable", text, { cause });
  }
}

export function createUpstreamSessions(
  deps: UpstreamSessionsDeps,
  options: UpstreamSessionsOptions,
): UpstreamSessions {
  const { client, registry } = deps;
  const opening = { client, firstByteMs: options.firstByteMs };
  const servers = createServers(deps, opening);
  const reopening = new WeakMap<Session, Map<string, Promise<void>>>();

  async function send(
    session: Session,
    server: UpstreamServer,
    request: SessionRequest,
  ): Promise<SessionReply> {
    const isGet = request.body === undefined;
    for (let isLast = isGet;; isLast = true) {
      // Nothing more is said, and above all no session opened, for one that has ended.
      session.end.signal.throwIfAborted();
      // A new session is watched before it is used: that must not wait for the use.
      const renewal = isGet ? undefined : reopening.get(session)?.get(server.slug);
      if (renewal !== undefined) {
        await asLongAsWanted(renewal, request, !session.upstreams.has(server.slug));
      }
      const upstream = session.upstreams.get(server.slug);
      if (upstream !== undefined && servers.isUsable(upstream.state, server)) {
        const reply = await servers.send(session, server, upstream.state, request, isLast);
        if (reply !== undefined) return reply;
      }
      const isFirst = upstream === undefined;
      await asLongAsWanted(renew(session, server, upstream?.state), request, isFirst);
    }
  }

  /** One at a time, of all replicas: whoever comes while it runs waits for the same one. */
  function renew(
    session: Session,
    server: UpstreamServer,
    lost: UpstreamState | undefined,
  ): Promise<void> {
    const running = reopening.get(session) ?? new Map<string, Promise<void>>();
    reopening.set(session, running);
    const known = running.get(server.slug);
    if (known !== undefined) return known;
    const isDone = () => isReplaced(session, server, lost);
    const mine = deps.inTurn(session, server.slug, isDone, () => openAnew(session, server, lost))
      .finally(() => running.delete(server.slug));
    running.set(server.slug, mine);
    return mine;
  }

  async function openAnew(
    session: Session,
    server: UpstreamServer,
    lost: UpstreamState | undefined,
  ): Promise<void> {
    const { body, id } = ownInitialize(session.base.initialize);
    const { state } = await servers.open(server, body, id);
    if (state === undefined) {
      throw new GatewayError("upstream_unavailable", "The upstream server refused a new session");
    }
    const kept = await keep(session, server, lost, state).catch(async (error) => {
      await close(server, state);
      throw error;
    });
    if (kept === undefined) return await close(server, state);
    const next = await caughtUp(registry, session, server, kept);
    if (next.isWatched) await deps.watchAgain(session, server, lost === undefined);
    // There is nobody who could know it: it is said with every request.
    if (isStateless(next.revision)) return;
    const told = tellAgain(opening, server, next, (error) => deps.failed(session, server, error));
    await Promise.race([told, sleep(deps.timers, TELL_MS)]);
  }

  /** Writes it down; `undefined` when another replica was faster, whose session counts then. */
  async function keep(
    session: Session,
    server: UpstreamServer,
    lost: UpstreamState | undefined,
    state: UpstreamState,
  ): Promise<UpstreamState | undefined> {
    while (!isReplaced(session, server, lost)) {
      const known = session.upstreams.get(server.slug);
      const next = followed(session, server, known?.state, state);
      if (await registry.save(session, server.slug, known, next)) return next;
    }
    return undefined;
  }

  async function close(server: UpstreamServer, state: UpstreamState): Promise<void> {
    if (state.sessionId === undefined) return;
    // It is over for the client whatever the server says; most of them expire by themselves.
    await client.remove(server, markOf(state), CLOSE_MS).catch(() => {});
  }

  return {
    open: servers.open,
    send,
    async ensure(session, server) {
      const known = session.upstreams.get(server.slug)?.state;
      if (known !== undefined && servers.isUsable(known, server)) return;
      await renew(session, server, undefined).catch((error) => {
        throw notOpened(error, true);
      });
    },
    update: (...what) => update(registry, ...what),
    close,
  };
}

async function update(
  registry: UpstreamSessionsDeps["registry"],
  session: Session,
  server: Pick<UpstreamServer, "slug">,
  change: (state: UpstreamState) => UpstreamState,
): Promise<void> {
  for (;;) {
    const known = session.upstreams.get(server.slug);
    if (known === undefined) return;
    const next = change(known.state);
    if (next === known.state || await registry.save(session, server.slug, known, next)) return;
  }
}

/**
 * What another replica was told of a view as a whole, which the copy here did not say yet. It is
 * read when this server is in the record: who is told something later finds it there.
 */
async function caughtUp(
  registry: UpstreamSessionsDeps["registry"],
  session: Session,
  server: UpstreamServer,
  kept: UpstreamState,
): Promise<UpstreamState> {
  if (server.slug === session.base.server || registry.load === undefined) return kept;
  await registry.load(session.key);
  const { logLevel, isWatched = false } = inherited(session, server);
  await update(registry, session, server, (now) => {
    const isSame = now.logLevel === logLevel && now.isWatched === isWatched;
    return isSame ? now : { ...now, logLevel, isWatched };
  });
  return session.upstreams.get(server.slug)?.state ?? kept;
}

/** Servers of either era, with and without sessions. */
function createServers(
  { client, stateless }: Pick<UpstreamSessionsDeps, "client" | "stateless">,
  opening: Opening,
) {
  return {
    open: (server: UpstreamServer, body: Uint8Array, id: unknown, asked?: unknown) =>
      stateless.open(server, body, () => openUpstream(opening, server, body, id, asked)),
    isUsable(state: UpstreamState, server: UpstreamServer): boolean {
      if (!isHere(state, server)) return false;
      return !isStateless(state.revision) || !stateless.isReplaced(server);
    },
    /** `undefined` when the server has lost the session and that is not the caller's to know. */
    async send(
      session: Session,
      server: UpstreamServer,
      state: UpstreamState,
      request: SessionRequest,
      isLast: boolean,
    ): Promise<SessionReply | undefined> {
      if (!isStateless(state.revision)) {
        return await sendOnce(client, server, state, {
          ...request,
          caller: callerOf(session.base),
        }, isLast);
      }
      const reply = await stateless.send(session, server, state, request);
      return Object.assign(reply, { epoch: state.epoch });
    },
  };
}

/** The state of a session that follows a lost one, or none. */
function followed(
  session: Session,
  server: UpstreamServer,
  known: UpstreamState | undefined,
  state: UpstreamState,
): UpstreamState {
  const { sessionId, revision, place } = state;
  const epoch = (known?.epoch ?? 0) + 1;
  return { ...state, ...inherited(session, server), ...known, sessionId, revision, place, epoch };
}

/** What a view's session has been told before it needed this server. */
function inherited(
  { base, upstreams }: Session,
  { slug }: UpstreamServer,
): Partial<UpstreamState> {
  const whole = slug === base.server ? undefined : upstreams.get(base.server)?.state;
  return whole === undefined ? {} : { logLevel: whole.logLevel, isWatched: whole.isWatched };
}

/** `undefined` when the server has lost the session and that is not the caller's to know. */
async function sendOnce(
  client: UpstreamClient,
  server: UpstreamServer,
  state: UpstreamState,
  request: SessionRequest,
  isLast: boolean,
): Promise<SessionReply | undefined> {
  const { eventId } = request;
  const resume = eventId === undefined ? "" : `Last-Event-ID: ${eventId}\r\n`;
  try {
    const { headers, session } = markOf(state);
    const reply = await client.send(server, { ...request, headers: headers + resume, session });
    if (isLast || !isLost(state, reply.status)) {
      const first = isLast || reply.status !== 400 ? undefined : reply.take();
      if (first === undefined) return Object.assign(reply, { epoch: state.epoch });
      if (!refusesSessions(first)) return { ...withFirst(reply, first), epoch: state.epoch };
    }
    reply.close();
  } catch (error) {
    if (isLast || !isLost(state, statusOf(error))) throw error;
  }
  return undefined;
}

/** Whether the server has another session by now than the one that was lost. */
function isReplaced(
  session: Session,
  server: UpstreamServer,
  lost: UpstreamState | undefined,
): boolean {
  const known = session.upstreams.get(server.slug)?.state;
  return known !== undefined && isHere(known, server) && known.sessionId !== lost?.sessionId;
}

/** @throws {NotSent}, or the reason with which the request was aborted meanwhile */
async function asLongAsWanted(
  renewal: Promise<void>,
  { abort: { signal } }: SessionRequest,
  isFirst: boolean,
): Promise<void> {
  let stop!: () => void;
  const aborted = new Promise<never>((_, reject) => stop = () => reject(signal.reason));
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    await Promise.race([
      renewal.catch((error) => Promise.reject(notOpened(error, isFirst))),
      aborted,
    ]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** That the server is busy is told as such: it is all that there is to know. */
function notOpened(error: unknown, isFirst: boolean): GatewayError {
  return error instanceof RateLimited ? error : new NotSent(error, isFirst);
}

/** Whether the session is one of this server's, not of one that had its name before. */
function isHere({ place }: UpstreamState, server: UpstreamServer): boolean {
  return place === placeOf(server);
}

/** "Session not found" is the only meaning of a 404 to a request with a session id. */
function isLost(state: UpstreamState, status: number | undefined): boolean {
  return status === 404 && state.sessionId !== undefined;
}

/** The reply with the message that was taken from it. */
function withFirst(reply: UpstreamReply, first: Uint8Array): UpstreamReply {
  let left: Uint8Array | undefined = first;
  const take = () => {
    const one = left ?? reply.take();
    left = undefined;
    return one;
  };
  return {
    ...reply,
    take,
    next: () => left === undefined ? reply.next() : Promise.resolve(take()),
  };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof UpstreamStatusError ? error.status : undefined;
}
