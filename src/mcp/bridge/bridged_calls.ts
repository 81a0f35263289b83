/**
 * Requests of the stateless era, carried out in sessions at servers of the session era.
 *
 * @module
 * @see protocol.md, section 1.3, "modern, legacy"
 */
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import { explained } from "../failure.ts";
import type { Reply } from "../dispatch.ts";
import { INVALID_PARAMS, isObject } from "../message.ts";
import { META_LOG_LEVEL } from "../revisions/stateless_era.ts";
import { failureResponse } from "../rpc_error.ts";
import type { SessionCalls } from "../session/calls.ts";
import type { UpstreamSessions } from "../session/upstream_sessions.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import { areAnswers } from "./ask.ts";
import type { Round } from "./conversation.ts";
import type { GoOnElsewhere } from "./elsewhere.ts";
import { finalFor } from "./final.ts";
import { progressTokenOf } from "./outgoing.ts";
import { createParking, type ParkingDeps } from "./parking.ts";
import { badState } from "./request_state.ts";
import { ASKING, createRunningCalls, type Running } from "./running_call.ts";
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
  /** For calls that wait on another replica. */
  readonly goOnElsewhere: GoOnElsewhere;
  readonly failed: (call: UpstreamCall, error: unknown) => void;
}

export function createBridgedCalls(
  deps: BridgedCallsDeps,
  options: { readonly firstByteMs: number; readonly askMs: number },
): BridgedCalls {
  const { sessions } = deps;
  const parking = createParking<Running>(deps, options);
  const start = createRunningCalls({ ...deps, parking }, options);

  function request(call: UpstreamCall): Promise<Reply> {
    const { method, params } = call.message;
    const isRetry = params?.requestState !== undefined || params?.inputResponses !== undefined;
    return isRetry && ASKING.has(method) ? goOn(call) : begin(call);
  }

  async function goOn(call: UpstreamCall): Promise<Reply> {
    const { params = {} } = call.message;
    if (!areAnswers(params.inputResponses)) {
      throw new ProtocolError(INVALID_PARAMS, 400, "params.inputResponses must hold objects");
    }
    if (params.requestState === undefined) throw badState();
    const replica = parking.elsewhere(call);
    if (replica !== undefined) return await onElsewhere(replica, call);
    const running = parking.takeOut(call);
    if (running !== undefined) return await running.talk().answered(roundOf(call));
    if (!isDeclined(params.inputResponses)) return await begin(call);
    return failed(call, new GatewayError("refused", "The user did not open what the call needs"));
  }

  async function onElsewhere(replica: string, call: UpstreamCall): Promise<Reply> {
    try {
      return await deps.goOnElsewhere(replica, call);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      deps.failed(call, error);
      return failed(call, error);
    }
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
      shared = sessions.known(call) ?? await sessions.of(call);
      const level = logLevelOf(call);
      if (level !== undefined) await sessions.logAtLeast(shared, level);
      call.abort.signal.throwIfAborted();
    } catch (error) {
      if (isRefusal(error)) throw error;
      deps.failed(call, error);
      // Nothing was sent: what failed is the upstream session.
      return failed(call, explained(error, true));
    }
    return await firstWords(call, shared);
  }

  /** Most calls are answered at once; only the others become conversations. */
  async function firstWords(call: UpstreamCall, shared: OpenShared): Promise<Reply> {
    const running = start(call, shared);
    const round = roundOf(call);
    const { signal } = call.abort;
    let reply: Promise<Reply> | undefined;
    const converse = () => reply ??= running.talk().reply(round);
    signal.addEventListener("abort", converse);
    const about = { serverInfo: shared.serverInfoText, again: parking.again };
    const final = await running.answer((answer) => finalFor(answer, round, about));
    signal.removeEventListener("abort", converse);
    if (final === undefined) return await converse();
    return { kind: "message", status: final.status, body: final.message };
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
