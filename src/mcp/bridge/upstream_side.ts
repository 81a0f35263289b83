/**
 * The sessions that a bridged client uses at servers of the session era, and what is said in them
 * besides its calls.
 *
 * @module
 */
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { isObject, type JsonObject } from "../message.ts";
import { descriptionOf } from "../own/identity.ts";
import {
  META_CAPABILITIES,
  META_CLIENT_INFO,
  UNSUPPORTED_VERSION,
} from "../revisions/stateless_era.ts";
import { ownId } from "../session/reverse.ts";
import type { Session } from "../session/session.ts";
import type { Shared, SharedClient, SharedSessions } from "../session/shared_sessions.ts";
import type { Opened } from "../session/upstream_handshake.ts";
import type { UpstreamSessions } from "../session/upstream_sessions.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import { declaredUpstream } from "./capabilities.ts";
import { LOG_LEVELS } from "./results.ts";

/** A shared session that is open. */
export interface OpenShared extends Shared {
  /** What the server said when it was opened. */
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject | undefined;
  readonly serverInfoText: string | undefined;
  readonly instructions: string | undefined;
}

export interface BridgeSessions {
  /** The same as `of` where it is open already, without waiting; `undefined` where it is not. */
  readonly known: (call: UpstreamCall) => OpenShared | undefined;
  /**
   * The session of this request.
   * @throws {GatewayError} when there is none to be had; nothing was carried out then
   * @throws {ProtocolError} as `SharedSessions.of`
   */
  readonly of: (call: UpstreamCall) => Promise<OpenShared>;
  /** Has the server log at least so much. What it has against that is its own affair. */
  readonly logAtLeast: (shared: OpenShared, level: string) => Promise<void>;
  /**
   * Asks the server something on the gateway's own account.
   * @returns the response
   * @throws as `UpstreamSessions.send`
   */
  readonly ask: (shared: Shared, method: string, params: JsonObject) => Promise<JsonObject>;
}

export interface BridgeSessionsDeps {
  readonly shared: SharedSessions;
  readonly upstream: UpstreamSessions;
  /** The server is not of the era that was assumed. */
  readonly otherEra: (server: UpstreamServer) => void;
}

export function createBridgeSessions(
  { shared, upstream, otherEra }: BridgeSessionsDeps,
  { firstByteMs }: { readonly firstByteMs: number },
): BridgeSessions {
  let lastId = 0;
  const turns = new WeakMap<Session, Promise<void>>();
  const known = new WeakMap<Shared, OpenShared>();

  async function of(call: UpstreamCall): Promise<OpenShared> {
    try {
      const found = await shared.of(call.principal, call.server, clientOf(call));
      let open = known.get(found);
      if (open === undefined) known.set(found, open = openOf(found, await found.opened));
      return open;
    } catch (error) {
      const isOfOtherEra = error instanceof ProtocolError && error.rpcCode === UNSUPPORTED_VERSION;
      if (!isOfOtherEra) throw error;
      otherEra(call.server);
      throw refused(error);
    }
  }

  async function ask({ session, server }: Shared, method: string, params: JsonObject) {
    const id = ownId(`bridge-${++lastId}`);
    const abort = new AbortController();
    const reply = await upstream.send(session, server, {
      body: encoder.encode(JSON.stringify({ jsonrpc: "2.0", id, method, params })),
      idempotent: true,
      firstMs: firstByteMs,
      silenceMs: firstByteMs,
      totalMs: firstByteMs,
      abort,
    });
    try {
      for (let bytes = await reply.next(); bytes !== undefined; bytes = await reply.next()) {
        const message: unknown = JSON.parse(decoder.decode(bytes));
        if (isObject(message) && message.id === id && message.method === undefined) return message;
      }
    } finally {
      reply.close();
    }
    throw new GatewayError("upstream_protocol", "The upstream server did not answer the request");
  }

  async function setLevel(shared: OpenShared, level: string): Promise<void> {
    const { session, server } = shared;
    const known = session.upstreams.get(server.slug)?.state.logLevel;
    if (known !== undefined && severityOf(known) <= severityOf(level)) return;
    const { error } = await ask(shared, "logging/setLevel", { level });
    if (error !== undefined) return;
    await upstream.update(session, server, (state) => ({ ...state, logLevel: level }));
  }

  return {
    known(call) {
      const found = shared.find(call.principal, call.server, clientOf(call));
      return found && known.get(found);
    },
    of,
    ask,
    async logAtLeast(shared, level) {
      if (!isObject(shared.capabilities.logging)) return;
      const { session } = shared;
      // One after the other: the last one said is what counts.
      const turn = (turns.get(session) ?? Promise.resolve()).then(() => setLevel(shared, level))
        .catch(() => {});
      turns.set(session, turn);
      await turn;
    },
  };
}

/** @throws {GatewayError} when the server gave no session, or does not say what it is */
function openOf(shared: Shared, { message, state }: Opened): OpenShared {
  const { result } = message;
  if (state === undefined || !isObject(result)) throw refused();
  // Bounded: some of it goes into every result.
  const { capabilities, serverInfo, instructions } = descriptionOf(result, state.revision, false);
  const serverInfoText = serverInfo && JSON.stringify(serverInfo);
  return Object.assign(shared, { capabilities, serverInfo, serverInfoText, instructions });
}

/** Whether a request is refused as a whole: nothing is known to be wrong with the server. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof ProtocolError) return true;
  return error instanceof GatewayError && error.code === "rate_limited";
}

function severityOf(level: string): number {
  return LOG_LEVELS.indexOf(level);
}

/** What the client has declared. */
export function capabilitiesOf({ message }: Pick<UpstreamCall, "message">): JsonObject {
  const meta = message.params?._meta;
  const declared = isObject(meta) ? meta[META_CAPABILITIES] : undefined;
  return isObject(declared) ? declared : {};
}

function clientOf(call: UpstreamCall): SharedClient {
  return {
    capabilities: declaredUpstream(capabilitiesOf(call)),
    clientInfo: clientInfoOf(call),
    clientHeaders: call.clientHeaders,
  };
}

function clientInfoOf({ message }: UpstreamCall): JsonObject | undefined {
  const meta = message.params?._meta;
  const info = isObject(meta) ? meta[META_CLIENT_INFO] : undefined;
  return isObject(info) ? info : undefined;
}

function refused(cause?: unknown): GatewayError {
  const text = "No session could be opened at the upstream server";
  return new GatewayError("upstream_unavailable", text, { cause });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
