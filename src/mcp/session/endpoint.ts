/**
 * The session era as an endpoint serves it: open a session, take messages, let the client listen
 * and resume, end the session.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Streamable HTTP"
 */
import { missingPermission } from "../../domain/access.ts";
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import type { Principal } from "../../domain/principal.ts";
import { InsufficientScope } from "../dispatch.ts";
import type { Endpoint, VerbatimEndpoint, ViewEndpoint } from "../endpoint.ts";
import { explained } from "../failure.ts";
import { type Batch, type ClientMessage, InvalidMessage } from "../message.ts";
import type { Refusal } from "../refusal.ts";
import { BATCH_REVISION } from "../revisions/revision.ts";
import { errorResponse } from "../rpc_error.ts";
import type { Greeting } from "./handshake.ts";
import type { Listening, ListenOptions } from "./listening.ts";
import type { Openings } from "./openings.ts";
import type { Others } from "./others.ts";
import { createPosted, type Pending, type PostedDeps } from "./posted.ts";
import type { Reader } from "./reader.ts";
import { keyOf, type SessionRegistry } from "./registry.ts";
import { idKey } from "./reverse.ts";
import { revisionOf, type Session, SessionNotFound, takesEmptyEvents } from "./session.ts";
import type { Target, Visitor } from "./target.ts";

export type { Pending } from "./posted.ts";
export type { Visitor } from "./target.ts";

export type Posted =
  | { readonly kind: "accepted" }
  | { readonly kind: "message"; readonly status: number; readonly body: Uint8Array }
  | Pending;

export interface SessionEndpoint {
  /**
   * @param sessionId what the client sent along
   * @throws {InvalidMessage} when that is a live session of its own
   * @throws as `shakeHands`
   */
  readonly initialize: (
    visitor: Visitor,
    sessionId: string | undefined,
    message: ClientMessage,
  ) => Promise<Greeting>;
  /**
   * @param sessionId what the client sent along
   * @param isWhole whether answers must be a body of their own
   * @throws {SessionNotFound}
   * @throws {ProtocolError} for what this session or its revision does not allow
   * @throws {GatewayError} `unavailable` when no record of a call can be kept
   * @throws as `UpstreamClient.send`, for a message that gets no answer
   */
  readonly post: (
    visitor: Visitor,
    sessionId: string | undefined,
    message: ClientMessage | Batch,
    isWhole: boolean,
  ) => Promise<Posted>;
  /** As `Listening.open`. @throws {SessionNotFound} */
  readonly listen: (
    visitor: Visitor,
    sessionId: string | undefined,
    lastEventId: string | undefined,
    connection: Pick<ListenOptions, "cut" | "stopped">,
  ) => Promise<Reader>;
  /**
   * Puts answers onto the stream on which the client listens, for transports that have no other.
   * @param answers each on one line
   * @returns false when the session is over
   * @throws {SessionNotFound}
   */
  readonly say: (
    visitor: Visitor,
    sessionId: string,
    answers: readonly Uint8Array[],
  ) => Promise<boolean>;
  /** @throws {SessionNotFound} */
  readonly end: (visitor: Visitor, sessionId: string | undefined) => Promise<void>;
}

export interface SessionEndpointDeps extends PostedDeps {
  readonly registry: SessionRegistry;
  readonly listening: Listening;
  readonly openings: Openings;
  readonly others: Others;
  /** Erases and closes what belonged to a session that has ended. */
  readonly clearUp: (session: Session) => Promise<void>;
}

/** What serves each kind of endpoint. */
export interface Targets {
  readonly verbatim: Target<VerbatimEndpoint>;
  readonly view: Target<ViewEndpoint>;
}

export function createSessionEndpoint(deps: SessionEndpointDeps): SessionEndpoint {
  const { registry, targets, openings } = deps;
  const begin = createPosted(deps);

  async function initialize(
    visitor: Visitor,
    sessionId: string | undefined,
    message: ClientMessage,
  ): Promise<Greeting> {
    mayUse(visitor.principal, message);
    if (sessionId !== undefined && await isLive(registry, sessionId, visitor)) {
      throw new InvalidMessage("This session is initialized already", message.id);
    }
    try {
      const { endpoint } = visitor;
      return endpoint.kind === "view"
        ? await targets.view.initialize(visitor, endpoint, message)
        : await targets.verbatim.initialize(visitor, endpoint, message);
    } catch (error) {
      return ungreeted(error, message, visitor.correlationId);
    }
  }

  async function post(
    visitor: Visitor,
    sessionId: string | undefined,
    message: ClientMessage | Batch,
    isWhole: boolean,
  ): Promise<Posted> {
    const { principal, endpoint } = visitor;
    const found = registry.find(needed(sessionId), principal, endpoint.key);
    const session = found instanceof Promise ? await found : found;
    if (message.kind === "batch") return await postBatch(visitor, session, message, isWhole);
    mayUse(principal, message);
    if (message.kind === "request") {
      return await begin(visitor, session, { requests: [message], isWhole });
    }
    const refusal = await oneWay(visitor, session, message);
    return refusal === undefined ? ACCEPTED : { kind: "message", ...refusal };
  }

  async function postBatch(
    visitor: Visitor,
    session: Session,
    batch: Batch,
    isWhole: boolean,
  ): Promise<Posted> {
    if (revisionOf(session) !== BATCH_REVISION) {
      throw new InvalidMessage("A body is one message; only 2025-03-26 has batches");
    }
    const requests = requestsOf(visitor.principal, batch.messages);
    for (const message of batch.messages) {
      if (message.kind === "request" || batch.refused?.has(message)) continue;
      await oneWay(visitor, session, message);
    }
    if (requests.length === 0) return ACCEPTED;
    return await begin(visitor, session, { requests, isWhole, batch });
  }

  async function oneWay({ endpoint }: Visitor, session: Session, message: ClientMessage) {
    if (await deps.others.take(session, message)) return undefined;
    return await oneWayHere(targets, endpoint, session, message);
  }

  return {
    initialize,
    post,
    async listen({ principal, endpoint, version, correlationId }, sessionId, lastEventId, of) {
      mayListen(principal);
      const id = needed(sessionId);
      // Before anything is waited for; of whomever the session is, it is told nothing by that.
      const watched = lastEventId === undefined ? openings.begin(keyOf(id)) : undefined;
      try {
        const session = await registry.find(id, principal, endpoint.key);
        session.viewer = principal;
        const canPrime = takesEmptyEvents(session, version);
        const options = { lastEventId, canPrime, correlationId, watched, ...of };
        return await deps.listening.open(session, options);
      } finally {
        watched?.();
      }
    },
    say: (visitor, sessionId, answers) => sayAside(deps, visitor, sessionId, answers),
    async end({ principal, endpoint }, sessionId) {
      const session = await registry.find(needed(sessionId), principal, endpoint.key);
      if (!await registry.end(session)) throw new SessionNotFound();
      await Promise.all([deps.others.ended(session), deps.clearUp(session)]);
    },
  };
}

/** A message that gets no answer. */
export function oneWayHere(
  targets: Targets,
  endpoint: Endpoint,
  session: Session,
  message: ClientMessage,
): Promise<Refusal | undefined> {
  return endpoint.kind === "view"
    ? targets.view.oneWay(endpoint, session, message)
    : targets.verbatim.oneWay(endpoint, session, message);
}

async function sayAside(
  { registry, listening }: Pick<SessionEndpointDeps, "registry" | "listening">,
  { principal, endpoint }: Visitor,
  sessionId: string,
  answers: readonly Uint8Array[],
): Promise<boolean> {
  const session = await registry.find(sessionId, principal, endpoint.key);
  // As what is said outside of calls: within the bounds of the stream, where an answer to a call of
  // its own would be kept beyond them.
  const events = answers.map((message) => ({ message, isResponse: false }));
  return await listening.say(session, events);
}

export const ACCEPTED = { kind: "accepted" } as const;

/**
 * The requests among the messages of one body.
 * @throws {InvalidMessage} when they cannot stand together
 * @throws {InsufficientScope}
 */
export function requestsOf(
  principal: Principal,
  messages: readonly ClientMessage[],
): readonly ClientMessage[] {
  for (const message of messages) {
    if (message.method === "initialize") {
      throw new InvalidMessage("A batch must not contain initialize", message.id);
    }
    mayUse(principal, message);
  }
  const requests = messages.filter(({ kind }) => kind === "request");
  const keys = new Set(requests.map(({ id }) => idKey(id)));
  if (keys.size < requests.length) throw new InvalidMessage("Two requests have the same id");
  return requests;
}

/** Whether the id is one of a session of this visitor's. */
async function isLive(
  registry: SessionRegistry,
  id: string,
  { principal, endpoint }: Visitor,
): Promise<boolean> {
  try {
    await registry.find(id, principal, endpoint.key);
    return true;
  } catch (error) {
    if (error instanceof SessionNotFound) return false;
    throw error;
  }
}

/** What SDKs answer to a request that names no session, or a revision that nobody knows. */
export const BAD_REQUEST = -32000;

/**
 * A failure of the upstream server as the answer to `initialize`.
 * @throws every other error
 */
export function ungreeted(
  thrown: unknown,
  message: ClientMessage,
  correlationId: string,
): Greeting {
  const error = explained(thrown, true);
  if (!(error instanceof GatewayError) || !OF_UPSTREAM.includes(error.code)) throw error;
  const body = errorResponse(message.id, error, correlationId);
  return { status: 200, body, sessionId: undefined };
}

const OF_UPSTREAM: readonly string[] = [
  "upstream_unavailable",
  "upstream_timeout",
  "upstream_protocol",
];

/** @throws {ProtocolError} */
function needed(sessionId: string | undefined): string {
  if (sessionId !== undefined) return sessionId;
  throw new ProtocolError(BAD_REQUEST, 400, "The header Mcp-Session-Id is needed");
}

/** @throws {InsufficientScope} */
export function mayUse(principal: Principal, message: ClientMessage): void {
  if (message.kind === "response") return mayListen(principal);
  const missing = missingPermission(principal, message.method);
  if (missing !== undefined) throw new InsufficientScope(missing);
}

/** @throws {InsufficientScope} for a credential that permits nothing */
function mayListen(principal: Principal): void {
  const missing = missingPermission(principal, "");
  if (missing !== undefined) throw new InsufficientScope(missing);
}
