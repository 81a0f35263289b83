/**
 * A call of a client of the stateless era, while it runs in a session at its server: how it is sent,
 * and how the server is told what becomes of its questions, and that the client has left.
 *
 * @module
 */
import type { Timers } from "../../platform/timers.ts";
import { Draining } from "../failure.ts";
import { decodeClientMessage } from "../message.ts";
import type { SentCall } from "../session/call_run.ts";
import type { SessionCalls } from "../session/calls.ts";
import { sendOneWay } from "../session/one_way.ts";
import type { UpstreamSessions } from "../session/upstream_sessions.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import { type Conversation, type ConversationDeps, createConversation } from "./conversation.ts";
import { outgoing } from "./outgoing.ts";
import type { Parkable, Parking } from "./parking.ts";
import type { OpenShared } from "./upstream_side.ts";

export interface Running extends Parkable, Pick<SentCall, "answer"> {
  /** From now on all that is said in the call is said here. */
  readonly talk: () => Conversation;
}

/** Sends a request. */
export type StartCall = (call: UpstreamCall, shared: OpenShared) => Running;

export interface RunningCallDeps {
  readonly upstream: UpstreamSessions;
  readonly calls: SessionCalls;
  readonly parking: Parking<Running>;
  readonly timers: Timers;
}

/** Those with which a client can be asked something. */
export const ASKING: ReadonlySet<string> = new Set([
  "tools/call",
  "prompts/get",
  "resources/read",
]);

export function createRunningCalls(
  { upstream, calls, parking, timers }: RunningCallDeps,
  options: { readonly firstByteMs: number },
): StartCall {
  let lastId = 0;

  function start(call: UpstreamCall, shared: OpenShared): Running {
    const { session, server } = shared;
    const { message, correlationId, clientHeaders } = call;
    const { body, id } = outgoing(message, ++lastId, call.route?.edit);
    const key = String(lastId);
    const canAsk = ASKING.has(message.method);
    // Ids are the client's own again when it is told.
    const ids = { client: id, upstream: id, shared: { progressToken: id } };
    const about = { session, server, correlationId, canAsk, clientHeaders };
    const { answer, follow } = calls.send(about, message, { key, ids, body });
    let talk: Conversation | undefined;
    const running: Running = {
      answer,
      talk() {
        if (talk === undefined) {
          talk = createConversation(talkDeps(shared, key, running));
          follow(talk.outlet);
        }
        return talk;
      },
      giveUp() {
        running.talk().abandon();
        cancel(shared, key);
      },
    };
    return running;
  }

  function talkDeps(shared: OpenShared, key: string, running: Running): ConversationDeps {
    const { session, server } = shared;
    return {
      timers,
      again: parking.again,
      serverInfo: () => shared.serverInfoText,
      settle(ask, member, value) {
        const text = `{"jsonrpc":"2.0","id":${ask.id},"${member}":${value}}`;
        const answer = calls.answered(session, server, decodeClientMessage(encoder.encode(text)));
        if (answer !== undefined) tell(shared, answer);
      },
      park: (call) => parking.park(call, running),
      held: (bytes) => parking.held(running, bytes),
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
    sendOneWay(upstream, session, server, body, options.firstByteMs).catch(() => {});
  }

  return start;
}

const encoder = new TextEncoder();
