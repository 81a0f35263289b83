/**
 * Requests of the stateless era, carried out in sessions at servers of the session era.
 *
 * @module
 * @see protocol.md, section 1.3, "modern, legacy"
 */
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import { Draining, explained } from "../failure.ts";
import type { Reply } from "../dispatch.ts";
import { decodeClientMessage, INVALID_PARAMS, isObject } from "../message.ts";
import { META_LOG_LEVEL } from "../revisions/stateless_era.ts";
import { failureResponse } from "../rpc_error.ts";
import type { SessionCalls } from "../session/calls.ts";
import { sendOneWay } from "../session/one_way.ts";
import type { UpstreamSessions } from "../session/upstream_sessions.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import { areAnswers } from "./ask.ts";
import {
  type Conversation,
  type ConversationDeps,
  createConversation,
  type Round,
} from "./conversation.ts";
import { outgoing, progressTokenOf } from "./outgoing.ts";
import { createParking, type Parkable, type ParkingDeps } from "./parking.ts";
import { badState } from "./request_state.ts";
import {
  type BridgeSessions,
  capabilitiesOf,
  isRefusal,
  type OpenShared,
} from "./upstream_side.ts";

export interface BridgedCalls {
  /**
   * @throws {ProtocolError} for a request that goes on with nothing, before a server is asked
   * @throws {GatewayError} `rate_limited`, the same
   */
  readonly request: (call: UpstreamCall) => Promise<Reply>;
  /** Calls that wait for their clients. */
  readonly parked: () => number;
  /** Gives up the calls that wait. */
  readonly close: () => void;
}

export interface BridgedCallsDeps extends ParkingDeps {
  readonly sessions: BridgeSessions;
  readonly upstream: UpstreamSessions;
  readonly calls: SessionCalls;
  readonly failed: (call: UpstreamCall, error: unknown) => void;
}

/** A call at its server. */
interface Running extends Parkable {
  readonly talk: Conversation;
}

/** Those with which a client can be asked something. */
const ASKING: ReadonlySet<string> = new Set(["tools/call", "prompts/get", "resources/read"]);

export function createBridgedCalls(
  deps: BridgedCallsDeps,
  options: { readonly firstByteMs: number; readonly askMs: number },
): BridgedCalls {
  const { sessions, calls } = deps;
  const parking = createParking<Running>(deps, options);
  let lastId = 0;

  async function request(call: UpstreamCall): Promise<Reply> {
    const { method, params } = call.message;
    const isRetry = params?.requestState !== undefined || params?.inputResponses !== undefined;
    if (!isRetry || !ASKING.has(method)) return await begin(call);
    if (!areAnswers(params.inputResponses)) {
      throw new ProtocolError(INVALID_PARAMS, 400, "params.inputResponses must hold objects");
    }
    if (params.requestState === undefined) throw badState();
    const running = parking.takeOut(call);
    if (running !== undefined) return await running.talk.answered(roundOf(call));
    if (!isDeclined(params.inputResponses)) return await begin(call);
    return failed(call, new GatewayError("refused", "The user did not open what the call needs"));
  }

  function failed(call: UpstreamCall, error: unknown): Reply {
    const { id, method } = call.message;
    const more = { resultType: "complete" } as const;
    const body = failureResponse(id, method, error, call.correlationId, more);
    return { kind: "message", status: 200, body };
  }

  async function begin(call: UpstreamCall): Promise<Reply> {
    let shared: OpenShared;
    try {
      shared = await sessions.of(call);
      await sessions.logAtLeast(shared, logLevelOf(call));
      call.abort.signal.throwIfAborted();
    } catch (error) {
      if (isRefusal(error)) throw error;
      deps.failed(call, error);
      // Nothing was sent: what failed is the upstream session.
      return failed(call, explained(error, true));
    }
    return await start(call, shared).talk.reply(roundOf(call));
  }

  /** Sends the request; what becomes of it is said in the conversation. */
  function start(call: UpstreamCall, shared: OpenShared): Running {
    const { session, server } = shared;
    const { message, correlationId, clientHeaders } = call;
    const { body, id } = outgoing(message, ++lastId, call.route?.edit);
    const key = String(lastId);
    const running: Running = {
      talk: createConversation({
        ...talkDeps(shared, key, () => running),
        timers: deps.timers,
        again: parking.again,
      }),
      giveUp() {
        running.talk.abandon();
        cancel(shared, key);
      },
    };
    const { outlet } = running.talk;
    const canAsk = ASKING.has(message.method);
    // Ids are the client's own again when it is told.
    const ids = { client: id, upstream: id, shared: { progressToken: id } };
    calls.start({ session, server, outlet, correlationId, canAsk, clientHeaders }, message, {
      key,
      ids,
      body,
    });
    return running;
  }

  function talkDeps(
    shared: OpenShared,
    key: string,
    running: () => Running,
  ): Pick<ConversationDeps, "serverInfo" | "settle" | "park" | "held" | "left"> {
    const { session, server } = shared;
    return {
      serverInfo: () => shared.serverInfoText,
      settle(ask, member, value) {
        const text = `{"jsonrpc":"2.0","id":${ask.id},"${member}":${value}}`;
        const answer = calls.answered(session, server, decodeClientMessage(encoder.encode(text)));
        if (answer !== undefined) tell(shared, answer);
      },
      park: (call) => parking.park(call, running()),
      held: (bytes) => parking.held(running(), bytes),
      left(reason) {
        if (reason instanceof Draining) {
          session.calls.find((one) => one.key === key)?.abort.abort(reason);
        } else cancel(shared, key);
      },
    };
  }

  /** The client wants no answer any more. @see MCP 2025-11-25, Utilities, "Cancellation" */
  function cancel(shared: OpenShared, key: string): void {
    if (shared.session.calls.find((one) => one.key === key) === undefined) return;
    calls.cancelled(shared.session, key);
    const params = `{"requestId":${key}}`;
    const text = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`;
    tell(shared, encoder.encode(text));
  }

  /** The server may be gone: then nobody waits for it. */
  function tell({ session, server }: OpenShared, body: Uint8Array): void {
    sendOneWay(deps.upstream, session, server, body, options.firstByteMs).catch(() => {});
  }

  return { request, parked: parking.size, close: parking.close };
}

/** Whether the user has refused one of the URLs that an error has named. */
function isDeclined(responses: unknown): boolean {
  return isObject(responses) &&
    Object.values(responses).some((one) => isObject(one) && one.action !== "accept");
}

function roundOf(call: UpstreamCall): Round {
  const { message, route } = call;
  return {
    call,
    method: message.method,
    id: message.id,
    progressToken: progressTokenOf(message),
    logLevel: logLevelOf(call),
    renamed: route?.renamed,
    declared: capabilitiesOf(call),
  };
}

function logLevelOf({ message }: UpstreamCall): string | undefined {
  const meta = message.params?._meta;
  const level = isObject(meta) ? meta[META_LOG_LEVEL] : undefined;
  return typeof level === "string" ? level : undefined;
}

const encoder = new TextEncoder();
