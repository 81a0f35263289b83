/**
 * The session era without sessions (`USE_STATEFUL_SESSIONS=false`): every request stands alone.
 *
 * Upstream servers still have sessions. Requests of one principal share one for each server, in
 * which ids and progress tokens are the gateway's own. Clients cannot be asked anything, nor told
 * anything outside of calls.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do", "Ids"
 */
import { GatewayError, ProtocolError, RateLimited } from "../../domain/errors.ts";
import { explained } from "../failure.ts";
import { type Batch, type ClientMessage, InvalidMessage, METHOD_NOT_FOUND } from "../message.ts";
import { outbound } from "../relay.ts";
import { BATCH_REVISION } from "../revisions/revision.ts";
import { failureResponse, resultResponse } from "../rpc_error.ts";
import type { Views } from "../../catalog/views.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Edit } from "../edit.ts";
import { listedBy } from "../view/lists.ts";
import type { SessionLists } from "../view/session_lists.ts";
import {
  type CheckArguments,
  isRouted,
  RESOURCE_NOT_FOUND,
  routeOf,
  UnfitArguments,
} from "../view/routing.ts";
import { welcome } from "./view_target.ts";
import type { SessionCalls } from "./calls.ts";
import { createDirectOutlet } from "./direct_outlet.ts";
import {
  ACCEPTED,
  mayUse,
  type Pending,
  type Posted,
  requestsOf,
  type SessionEndpoint,
  ungreeted,
  type Visitor,
} from "./endpoint.ts";
import { type Greeting, greeting, helloOf } from "./handshake.ts";
import { sendOneWay } from "./one_way.ts";
import { cancelledKey, idKey } from "./reverse.ts";
import type { InboundEdits } from "./inbound.ts";
import type { Shared, SharedSessions } from "./shared_sessions.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";
import { viewEdits } from "./view_edits.ts";

export interface SessionlessDeps {
  readonly upstream: UpstreamSessions;
  readonly calls: SessionCalls;
  readonly shared: SharedSessions;
  readonly views: Views;
  readonly lists: SessionLists;
  readonly check: CheckArguments | undefined;
}

export function createSessionless(
  deps: SessionlessDeps,
  options: { readonly firstByteMs: number },
): SessionEndpoint {
  const { upstream, calls, shared } = deps;
  // Unique among the open calls of this process.
  let lastId = 0;

  async function initialize(
    visitor: Visitor,
    _sessionId: string | undefined,
    message: ClientMessage,
  ): Promise<Greeting> {
    mayUse(visitor.principal, message);
    const hello = helloOf(message);
    try {
      const { endpoint, principal } = visitor;
      if (endpoint.kind === "view") {
        const caller = deps.views.seenBy(principal, endpoint.view);
        const body = resultResponse(message.id, welcome(endpoint, caller, hello.revision));
        return { status: 200, body, sessionId: undefined };
      }
      const opened = await (await shared.of(principal, endpoint.server)).opened;
      return { status: opened.status, body: greeting(opened, hello), sessionId: undefined };
    } catch (error) {
      return ungreeted(error, message, visitor.correlationId);
    }
  }

  async function post(
    visitor: Visitor,
    _sessionId: string | undefined,
    message: ClientMessage | Batch,
    isWhole: boolean,
  ): Promise<Posted> {
    const isBatch = message.kind === "batch";
    if (isBatch && (visitor.version ?? BATCH_REVISION) !== BATCH_REVISION) {
      throw new InvalidMessage("A body is one message; only 2025-03-26 has batches");
    }
    const messages = isBatch ? message.messages : [message];
    const refused = isBatch ? message.refused : undefined;
    const requests = requestsOf(visitor.principal, messages);
    for (const message of messages) {
      if (message.method !== "notifications/cancelled" || refused?.has(message)) continue;
      await cancel(visitor, message);
    }
    if (requests.length === 0) return ACCEPTED;
    try {
      return await pending(visitor, requests, isWhole, isBatch ? message : undefined);
    } catch (error) {
      if (isBatch || error instanceof ProtocolError) throw error;
      const { id, method } = requests[0]!;
      // Nothing was sent: what failed is the upstream session.
      const body = failureResponse(id, method, explained(error, true), visitor.correlationId);
      return { kind: "message", status: error instanceof RateLimited ? 429 : 200, body };
    }
  }

  async function pending(
    visitor: Visitor,
    requests: readonly ClientMessage[],
    isWhole: boolean,
    batch: Batch | undefined,
  ): Promise<Pending> {
    const steps = await Promise.all(
      requests.map((request) =>
        batch === undefined
          ? stepOf(deps, visitor, request)
          : stepOrFailure(deps, visitor, request, batch.refused?.get(request))
      ),
    );
    const outlet = createDirectOutlet(requests.length, isWhole);
    const { correlationId, clientHeaders } = visitor;
    for (const [i, request] of requests.entries()) {
      const step = steps[i]!;
      if ("answer" in step) {
        const events = [{ message: step.answer, isResponse: true }];
        await outlet.say({ events, status: 200, done: 1 });
        continue;
      }
      const { session, server } = step.at;
      const { edit, edits } = step;
      const call = { session, server, outlet, correlationId, canAsk: false, clientHeaders, edits };
      const { body, ids } = outbound(request, ++lastId, edit);
      const { client, upstream, progressToken } = ids;
      const key = `${lastId} ${idKey(client)}`;
      calls.start(call, request, {
        key,
        body,
        ids: { client, upstream, shared: { progressToken } },
      });
    }
    const isBatch = batch !== undefined;
    return { kind: "pending", whole: outlet.whole, isBatch, read: outlet.read };
  }

  /** Only when there is no doubt which call is meant: several clients may use the same id. */
  async function cancel(visitor: Visitor, message: ClientMessage): Promise<void> {
    const wanted = ` ${cancelledKey(message)}`;
    const meant = shared.openTo(visitor.principal).flatMap(({ session, server }) =>
      isBehind(visitor, server)
        ? session.calls.list().filter(({ key }) => key.endsWith(wanted))
          .map(({ key }) => ({ session, server, key }))
        : []
    );
    if (meant.length !== 1) return;
    const { session, server, key } = meant[0]!;
    calls.cancelled(session, key);
    const params = { requestId: parseInt(key), reason: message.params?.reason };
    const text = JSON.stringify({ jsonrpc: "2.0", method: message.method, params });
    await sendOneWay(upstream, session, server, encoder.encode(text), options.firstByteMs);
  }

  return { initialize, post, listen: refuseVerb, say: refuseVerb, end: refuseVerb };
}

/** What becomes of a request: an answer from here, or a call at a server. */
type Plan = { readonly answer: Uint8Array | Promise<Uint8Array> } | {
  readonly server: UpstreamServer;
  readonly edit?: Edit | undefined;
  /** Set on a view, and where not all of a server is shown. */
  readonly edits?: InboundEdits | undefined;
};

type Step = { readonly answer: Uint8Array } | {
  readonly at: Shared;
  readonly edit?: Edit | undefined;
  readonly edits?: InboundEdits | undefined;
};

type StepDeps = Pick<SessionlessDeps, "views" | "lists" | "check" | "shared">;

/** @throws as `planOf` and `SharedSessions.of` */
async function stepOf(deps: StepDeps, visitor: Visitor, request: ClientMessage): Promise<Step> {
  const plan = planOf(deps, visitor, request);
  if ("answer" in plan) return { answer: await plan.answer };
  return { ...plan, at: await deps.shared.of(visitor.principal, plan.server) };
}

/**
 * One of several: the others have their answers.
 * @param refusal why it is refused already
 */
async function stepOrFailure(
  deps: StepDeps,
  visitor: Visitor,
  request: ClientMessage,
  refusal: GatewayError | undefined,
): Promise<Step> {
  try {
    if (refusal !== undefined) throw refusal;
    return await stepOf(deps, visitor, request);
  } catch (error) {
    const { id, method } = request;
    const shown = error instanceof ProtocolError ? error : explained(error, true);
    return { answer: failureResponse(id, method, shown, visitor.correlationId) };
  }
}

/** @throws {ProtocolError} for what is not there, or not for this caller */
function planOf(
  deps: Pick<SessionlessDeps, "views" | "lists" | "check">,
  { endpoint, principal, correlationId }: Visitor,
  message: ClientMessage,
): Plan {
  const view = endpoint.kind === "view" ? endpoint.view : endpoint.narrowed;
  const { method, id } = message;
  if (method === "resources/subscribe" || method === "resources/unsubscribe") {
    throw new ProtocolError(METHOD_NOT_FOUND, 200, "Subscriptions need a session");
  }
  if (view !== undefined && listedBy(method) !== undefined) {
    const caller = deps.views.seenBy(principal, view);
    return { answer: deps.lists.answer(caller, principal, message) };
  }
  if (endpoint.kind === "verbatim" && !(view !== undefined && isRouted(method))) {
    return { server: endpoint.server };
  }
  if (isRouted(method)) {
    const check = endpoint.kind === "view" ? deps.check : undefined;
    try {
      const options = { check, notFound: RESOURCE_NOT_FOUND };
      const { server, edit } = routeOf(view!, principal, message, options);
      return { server, edit, edits: viewEdits(view!, principal, server, []) };
    } catch (error) {
      if (!(error instanceof UnfitArguments)) throw error;
      return { answer: failureResponse(id, method, error, correlationId) };
    }
  }
  // There is nothing outside of calls that a level could be for.
  if (method === "ping" || method === "logging/setLevel") {
    return { answer: resultResponse(id, {}) };
  }
  throw new ProtocolError(METHOD_NOT_FOUND, 200, `There is no method "${method}" here`);
}

function isBehind({ endpoint }: Visitor, server: UpstreamServer): boolean {
  return endpoint.kind === "view" || endpoint.server === server;
}

/** @throws {GatewayError} */
function refuseVerb(): Promise<never> {
  throw new GatewayError("method_not_allowed", "Sessions are switched off: this URL takes POST");
}

const encoder = new TextEncoder();
