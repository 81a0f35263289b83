/**
 * A view of many upstream servers behind the endpoint of a session. Each server has a session of its
 * own for each of ours, opened when it is first needed.
 *
 * What belongs to the session as a whole (log level, whether the client listens) is kept under the
 * key of the endpoint, like the state of a server, and handed to each server's session that is
 * opened later.
 *
 * @module
 */
import type { Views } from "../../catalog/views.ts";
import { ProtocolError } from "../../domain/errors.ts";
import { type Edit, edited, inOrder } from "../edit.ts";
import type { ViewEndpoint } from "../endpoint.ts";
import { findMember, nameOf } from "../json_scan.ts";
import { type ClientMessage, type JsonObject, METHOD_NOT_FOUND } from "../message.ts";
import { failureResponse, resultResponse } from "../rpc_error.ts";
import { capabilitiesOf, instructionsOf, serverInfoOf } from "../view/greeting.ts";
import { listedBy } from "../view/lists.ts";
import type { SessionLists } from "../view/session_lists.ts";
import {
  type CheckArguments,
  isRouted,
  RESOURCE_NOT_FOUND,
  type Route,
  routeOf,
  UnfitArguments,
} from "../view/routing.ts";
import type { Prepared } from "./calls.ts";
import { type Greeting, helloOf } from "./handshake.ts";
import type { SessionRegistry } from "./registry.ts";
import { idKey, upstreamIdOf } from "./reverse.ts";
import { createViewMessages, type ViewMessagesDeps } from "./view_messages.ts";
import { freshState, type Session } from "./session.ts";
import type { Plan, Target, Visitor } from "./target.ts";

export interface ViewTargetDeps extends ViewMessagesDeps {
  readonly registry: SessionRegistry;
  readonly views: Views;
  readonly lists: SessionLists;
  readonly check: CheckArguments | undefined;
}

export function createViewTarget(
  deps: ViewTargetDeps,
  options: { readonly firstByteMs: number },
): Target<ViewEndpoint> {
  const { registry, views } = deps;
  const said = createViewMessages(deps, options);

  async function initialize(
    { principal }: Visitor,
    endpoint: ViewEndpoint,
    message: ClientMessage,
  ): Promise<Greeting> {
    const { revision, params } = helloOf(message);
    const { kind, subject } = principal;
    const key = endpoint.key;
    const { id, session } = await registry.open({
      kind,
      subject,
      server: key,
      revision,
      initialize: params,
    });
    await registry.save(session, key, undefined, freshState(undefined, revision, ""));
    const result = welcome(endpoint, views.seenBy(principal, endpoint.view), revision);
    return { status: 200, body: resultResponse(message.id, result), sessionId: id };
  }

  function plan(
    visitor: Visitor,
    endpoint: ViewEndpoint,
    session: Session,
    message: ClientMessage,
  ): Plan {
    const { principal } = visitor;
    session.viewer = principal;
    const { method, id } = message;
    if (isRouted(method)) return routed(visitor, endpoint, message);
    if (method === "ping") return { kind: "answer", answer: resultResponse(id, {}) };
    if (method === "logging/setLevel") {
      return { kind: "answer", answer: said.setLevel(session, message) };
    }
    if (listedBy(method) === undefined) {
      throw new ProtocolError(METHOD_NOT_FOUND, 200, `There is no method "${method}" here`);
    }
    const caller = views.seenBy(principal, endpoint.view);
    return { kind: "answer", answer: deps.lists.answer(caller, principal, message) };
  }

  function routed(visitor: Visitor, endpoint: ViewEndpoint, message: ClientMessage): Plan {
    const { principal, correlationId } = visitor;
    try {
      const route = routeOf(endpoint.view, principal, message, {
        check: deps.check,
        notFound: RESOURCE_NOT_FOUND,
      });
      return { kind: "upstream", server: route.server, prepared: prepared(message, route) };
    } catch (error) {
      if (!(error instanceof UnfitArguments)) throw error;
      const answer = failureResponse(message.id, message.method, error, correlationId);
      return { kind: "answer", answer };
    }
  }

  return {
    initialize,
    plan,
    oneWay: (_, session, message) => said.oneWay(session, message),
  };
}

/** The result of `initialize`. */
export function welcome(
  endpoint: ViewEndpoint,
  caller: ReturnType<Views["seenBy"]>,
  protocolVersion: string,
): JsonObject {
  const instructions = instructionsOf(endpoint, caller);
  return {
    protocolVersion,
    capabilities: capabilitiesOf(caller),
    serverInfo: serverInfoOf(endpoint),
    ...(instructions !== undefined && { instructions }),
  };
}

/** The request with the server's own name for what it is about. */
function prepared(message: ClientMessage, { edit, name }: Route): Prepared {
  const { id, bytes, members, method, params } = message;
  const ids = { client: id, upstream: upstreamIdOf(id) };
  const edits: Edit[] = edit === undefined ? [] : [edit];
  if (ids.upstream !== id) {
    const { start, end } = findMember(bytes, members, ID)!;
    edits.push({ start, end, value: ids.upstream });
  }
  const body = edits.length === 0 ? bytes : edited(bytes, inOrder(edits));
  // What has to be said again to a new session is kept as the server knows it.
  const isOfUri = method.startsWith("resources/");
  return { key: idKey(id), ids, body, params: isOfUri ? { ...params, uri: name } : params };
}

const ID = nameOf("id");
