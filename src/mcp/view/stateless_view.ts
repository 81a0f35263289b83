/**
 * A view as a stateless client sees it: what the gateway answers itself, and what goes to one
 * upstream server.
 *
 * @module
 * @see contract.md, section 4
 */
import type { View } from "../../catalog/view.ts";
import type { CallerView, Views } from "../../catalog/views.ts";
import { ProtocolError } from "../../domain/errors.ts";
import type { CallContext, Reply } from "../dispatch.ts";
import type { ViewEndpoint } from "../endpoint.ts";
import { INVALID_PARAMS, type JsonObject, METHOD_NOT_FOUND } from "../message.ts";
import { createParamHeaders } from "../param_headers.ts";
import { STATELESS_REVISIONS } from "../revisions/revision.ts";
import { META_SERVER_INFO } from "../revisions/stateless_era.ts";
import { failureResponse } from "../rpc_error.ts";
import type { StatelessCalls } from "../stateless_calls.ts";
import { capabilitiesOf, freshnessOf, instructionsOf, serverInfoOf } from "./greeting.ts";
import type { Listen } from "./listen.ts";
import { type ListAnswer, listedBy, type Lists } from "./lists.ts";
import {
  type CheckArguments,
  isRelayedNarrowed,
  isRouted,
  type Route,
  routeOf,
  UnfitArguments,
} from "./routing.ts";

export interface StatelessView {
  /** As `Dispatch`. */
  readonly serve: (call: CallContext, endpoint: ViewEndpoint) => Promise<Reply>;
  /**
   * The answer that an upstream server's endpoint gives itself because something of the server is
   * not to be shown; `undefined` for what goes to the server.
   * @throws {ProtocolError} for what is not shown
   */
  readonly narrowed: (call: CallContext, view: View) => Promise<Reply> | undefined;
}

export interface StatelessViewDeps {
  readonly views: Views;
  readonly lists: Lists;
  readonly calls: StatelessCalls;
  readonly listen: Listen;
  /** `undefined` when arguments are not checked at all. */
  readonly check: CheckArguments | undefined;
}

export function createStatelessView(deps: StatelessViewDeps): StatelessView {
  const members = new WeakMap<CallerView, Map<string, string>>();
  const paramHeaders = createParamHeaders();

  /** What a list has besides, put together once. */
  function membersOf(endpoint: ViewEndpoint, caller: CallerView, method: string): string {
    let known = members.get(caller);
    if (known === undefined) members.set(caller, known = new Map());
    let text = known.get(method);
    if (text === undefined) known.set(method, text = listMembers(endpoint, caller, method));
    return text;
  }

  function serve(call: CallContext, endpoint: ViewEndpoint): Promise<Reply> {
    const { message, principal } = call;
    if (message.kind === "notification") return Promise.resolve({ kind: "accepted" });
    const { method } = message;
    if (isRouted(method) && !OF_SESSIONS.has(method)) return routed(call, endpoint);
    if (method === "subscriptions/listen") return deps.listen(call, endpoint);
    const caller = deps.views.seenBy(principal, endpoint.view);
    if (method === "server/discover") return whole(discovered(call, endpoint, caller));
    if (listedBy(method) === undefined) {
      throw new ProtocolError(METHOD_NOT_FOUND, 404, `There is no method "${method}" here`);
    }
    return whole(
      deps.lists.answer(caller, principal, message, membersOf(endpoint, caller, method)),
    );
  }

  function routed(call: CallContext, endpoint: ViewEndpoint): Promise<Reply> {
    const { message, principal, correlationId } = call;
    let route: Route;
    try {
      route = routeOf(endpoint.view, principal, message, {
        check: deps.check,
        notFound: INVALID_PARAMS,
      });
    } catch (error) {
      if (!(error instanceof UnfitArguments)) throw error;
      const more = { resultType: "complete" } as const;
      return whole(failureResponse(message.id, message.method, error, correlationId, more));
    }
    const { server, binding } = route;
    // Other servers look at them themselves, or have the bridge do it.
    if (server.transport === "own") paramHeaders.check(message, call.headers, binding.item);
    return deps.calls.request({ ...call, server, route });
  }

  function narrowed(call: CallContext, view: View): Promise<Reply> | undefined {
    const { message, principal } = call;
    const { method, kind } = message;
    if (kind === "notification") return undefined;
    if (isRouted(method) && !OF_SESSIONS.has(method)) {
      routeOf(view, principal, message, { check: undefined, notFound: INVALID_PARAMS });
    }
    if (method === "subscriptions/listen") {
      return deps.listen(call, { kind: "view", key: view.key, view, server: undefined });
    }
    if (listedBy(method) !== undefined) {
      const caller = deps.views.seenBy(principal, view);
      return whole(deps.lists.answer(caller, principal, message, UNCACHED));
    }
    if (isRelayedNarrowed(method) && !OF_SESSIONS.has(method)) return undefined;
    throw new ProtocolError(METHOD_NOT_FOUND, 404, `There is no method "${method}" here`);
  }

  return { serve, narrowed };
}

const UNCACHED = '"resultType":"complete","ttlMs":0,"cacheScope":"private",';

/** Revision 2026-07-28 has other ways for these. */
const OF_SESSIONS: ReadonlySet<string> = new Set(["resources/subscribe", "resources/unsubscribe"]);

async function whole(body: ListAnswer | Promise<ListAnswer>): Promise<Reply> {
  return { kind: "message", status: 200, body: body instanceof Promise ? await body : body };
}

function discovered(
  { message }: CallContext,
  endpoint: ViewEndpoint,
  caller: CallerView,
): Uint8Array {
  const instructions = instructionsOf(endpoint, caller);
  const result: JsonObject = {
    resultType: "complete",
    supportedVersions: STATELESS_REVISIONS,
    capabilities: capabilitiesOf(caller),
    ...(instructions !== undefined && { instructions }),
    ...freshnessOf(endpoint, caller, undefined),
    _meta: { [META_SERVER_INFO]: serverInfoOf(endpoint) },
  };
  const id = new TextDecoder().decode(message.id);
  return new TextEncoder().encode(
    `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`,
  );
}

/** What results of this era have besides, as JSON text to stand before other members. */
function listMembers(endpoint: ViewEndpoint, caller: CallerView, method: string): string {
  const text = JSON.stringify({
    resultType: "complete",
    ...freshnessOf(endpoint, caller, listedBy(method)),
    _meta: { [META_SERVER_INFO]: serverInfoOf(endpoint) },
  });
  return `${text.slice(1, -1)},`;
}
