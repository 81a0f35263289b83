/**
 * `subscriptions/listen` at servers of the session era: the server's own stream of the shared
 * session, watched for as long as somebody listens, and resources subscribed to for as long as
 * somebody wants to hear of them.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Subscriptions"; MCP 2025-11-25, Server Features, "Resources",
 *   "Subscriptions"
 */
import { ProtocolError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { NewEvent } from "../../events/store.ts";
import type { Reply } from "../dispatch.ts";
import { INVALID_PARAMS, isObject } from "../message.ts";
import type { Session, UpstreamState } from "../session/session.ts";
import type { UpstreamSessions } from "../session/upstream_sessions.ts";
import type { Watches } from "../session/watches.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import { createListener, type Listener, LISTS } from "./listener.ts";
import { createSubscribers, type Subscribers } from "./subscribers.ts";
import type { BridgeSessions, OpenShared } from "./upstream_side.ts";

export interface BridgedListening {
  /**
   * @throws {ProtocolError} for a filter that is none
   * @throws as `BridgeSessions.of`
   */
  readonly listen: (call: UpstreamCall) => Promise<Reply>;
  /** What a server has said outside of calls. @returns whether anybody listens */
  readonly heard: (session: Session, events: readonly NewEvent[]) => boolean;
}

export interface BridgedListeningDeps {
  readonly sessions: BridgeSessions;
  readonly upstream: UpstreamSessions;
  readonly watches: Watches;
}

/** Those who listen in one shared session. */
interface Hub {
  readonly listeners: Set<Listener>;
  readonly subscribers: Subscribers;
}

export function createBridgedListening(deps: BridgedListeningDeps): BridgedListening {
  const { sessions, upstream, watches } = deps;
  const hubs = new WeakMap<Session, Hub>();

  function hubOf(shared: OpenShared): Hub {
    let hub = hubs.get(shared.session);
    if (hub === undefined) {
      const subscribers = createSubscribers({
        subscribe: async (uri) => {
          const { error } = await sessions.ask(shared, "resources/subscribe", { uri });
          if (error === undefined) await note(shared, (uris) => [...uris, uri]);
          return error === undefined;
        },
        unsubscribe: async (uri) => {
          await note(shared, (uris) => uris.filter((other) => other !== uri));
          await sessions.ask(shared, "resources/unsubscribe", { uri });
        },
      }, { urisMax: LIMITS.subscriptionsPerSession });
      hubs.set(shared.session, hub = { listeners: new Set(), subscribers });
    }
    return hub;
  }

  /** What a session that is opened anew is told again. */
  function note(
    { session, server }: OpenShared,
    change: (uris: readonly string[]) => readonly string[],
  ): Promise<void> {
    return upstream.update(session, server, (state): UpstreamState => ({
      ...state,
      subscriptions: change(state.subscriptions),
    }));
  }

  async function listen(call: UpstreamCall): Promise<Reply> {
    const wanted = filterOf(call);
    const shared = await sessions.of(call);
    shared.holders++;
    const hub = hubOf(shared);
    const { lists, uris } = await honoured(shared, hub, wanted).catch((error) => {
      shared.holders--;
      throw error;
    });
    const { listener, next, ended } = createListener(call, lists, uris);
    hub.listeners.add(listener);
    ended.then(() => release(shared, hub, listener));
    return { kind: "stream", next };
  }

  /** What of the filter the server will be heard about. */
  async function honoured(shared: OpenShared, hub: Hub, wanted: ReturnType<typeof filterOf>) {
    const { capabilities } = shared;
    const offered = wanted.lists.filter((list) => {
      const capability = capabilities[LISTS[list]!];
      return isObject(capability) && capability.listChanged === true;
    });
    const { resources } = capabilities;
    const canSubscribe = isObject(resources) && resources.subscribe === true;
    const wantsUris = canSubscribe && wanted.uris.length > 0;
    const isHeard = offered.length > 0 || wantsUris ? await watched(shared) : false;
    const uris = isHeard && wantsUris ? await hub.subscribers.add(wanted.uris) : [];
    return { lists: isHeard ? offered : [], uris };
  }

  /** Whether the server can be heard. */
  async function watched({ session, server }: OpenShared): Promise<boolean> {
    await upstream.update(session, server, (state) => ({ ...state, isWatched: true }));
    if (session.watches.get(server.slug)?.isOver) watches.stop(session, server);
    await watches.ensure(session, server, false);
    return session.watches.get(server.slug)?.isOver === false;
  }

  function release(shared: OpenShared, hub: Hub, listener: Listener): void {
    const { session, server } = shared;
    shared.holders--;
    hub.listeners.delete(listener);
    hub.subscribers.remove([...listener.uris]);
    if (hub.listeners.size > 0) return;
    watches.stop(session, server);
    upstream.update(session, server, (state) => ({ ...state, isWatched: false })).catch(() => {});
  }

  return {
    listen,
    heard(session, events) {
      const { listeners = new Set<Listener>() } = hubs.get(session) ?? {};
      for (const { message } of events) for (const one of listeners) one.hear(message);
      return listeners.size > 0;
    },
  };
}

/** @throws {ProtocolError} -32602 */
function filterOf({ message }: UpstreamCall) {
  const filter = message.params?.notifications;
  if (!isObject(filter)) {
    throw new ProtocolError(INVALID_PARAMS, 200, "params.notifications must be an object");
  }
  const uris = filter.resourceSubscriptions ?? [];
  if (!Array.isArray(uris) || uris.length > LIMITS.subscriptionsPerSession) {
    const text = `resourceSubscriptions must be a list of up to ${LIMITS.subscriptionsPerSession}`;
    throw new ProtocolError(INVALID_PARAMS, 200, text);
  }
  return {
    lists: Object.keys(LISTS).filter((name) => filter[name] === true),
    uris: [...new Set(uris.filter((uri) => typeof uri === "string"))],
  };
}
