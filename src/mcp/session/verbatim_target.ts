/**
 * An upstream server as it is, behind the endpoint of a session: every message goes there.
 *
 * @module
 */
import type { View } from "../../catalog/view.ts";
import type { Views } from "../../catalog/views.ts";
import { ProtocolError } from "../../domain/errors.ts";
import type { Principal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { VerbatimEndpoint } from "../endpoint.ts";
import { type ClientMessage, METHOD_NOT_FOUND } from "../message.ts";
import { listedBy } from "../view/lists.ts";
import type { SessionLists } from "../view/session_lists.ts";
import { isRelayedNarrowed, isRouted, RESOURCE_NOT_FOUND, routeOf } from "../view/routing.ts";
import type { SessionCalls } from "./calls.ts";
import { shakeHands } from "./handshake.ts";
import { sendOneWay } from "./one_way.ts";
import type { SessionRegistry } from "./registry.ts";
import { cancelledKey, notificationFor } from "./reverse.ts";
import { isOpenTo, type Session } from "./session.ts";
import type { Target } from "./target.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

export interface VerbatimTargetDeps {
  readonly registry: SessionRegistry;
  readonly upstream: UpstreamSessions;
  readonly calls: SessionCalls;
  readonly views: Views;
  readonly lists: SessionLists;
}

export function createVerbatimTarget(
  { registry, upstream, calls, views, lists }: VerbatimTargetDeps,
  options: { readonly firstByteMs: number },
): Target<VerbatimEndpoint> {
  /**
   * The answer to a list of which something is left out.
   * @throws {ProtocolError} for what is left out
   */
  function shown(view: View, principal: Principal, message: ClientMessage) {
    if (isRouted(message.method)) {
      routeOf(view, principal, message, { check: undefined, notFound: RESOURCE_NOT_FOUND });
    }
    if (listedBy(message.method) !== undefined) {
      return lists.answer(views.seenBy(principal, view), principal, message);
    }
    if (isRelayedNarrowed(message.method)) return undefined;
    throw new ProtocolError(METHOD_NOT_FOUND, 200, `There is no method "${message.method}" here`);
  }

  return {
    initialize: ({ principal }, { server }, message) =>
      shakeHands({ registry, upstream }, principal, server, message),
    plan({ principal }, { server, narrowed }, session, message) {
      session.viewer = principal;
      const answer = narrowed && shown(narrowed, principal, message);
      if (answer !== undefined) return { kind: "answer", answer };
      return { kind: "upstream", server, prepared: undefined };
    },
    oneWay({ server }, session, message) {
      if (message.method === "notifications/cancelled") {
        calls.cancelled(session, cancelledKey(message) ?? "");
      }
      const body = message.kind === "response"
        ? calls.answered(session, server, message)
        : notificationBody(message, session, server);
      // An answer that nobody waits for is taken, as servers do.
      if (body === undefined) return Promise.resolve(undefined);
      return sendOneWay(upstream, session, server, body, options.firstByteMs);
    },
  };
}

/** `undefined` for progress on a question that this server has not asked, or not in this session. */
function notificationBody(
  message: ClientMessage,
  session: Session,
  server: UpstreamServer,
): Uint8Array | undefined {
  const { question, body } = notificationFor(message);
  return question === undefined || isOpenTo(question, session, server) ? body : undefined;
}
