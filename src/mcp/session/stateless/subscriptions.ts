/**
 * The streams on which sessions hear servers of the stateless era: one for each session and server.
 *
 * @module
 */
import { LIMITS } from "../../../domain/limits.ts";
import { callerOf } from "../../../domain/principal.ts";
import type { UpstreamServer } from "../../../domain/server.ts";
import { ServerGone } from "../../../upstream/lifetimes.ts";
import { type UpstreamReply, UpstreamStatusError } from "../../../upstream/reply.ts";
import type { Session, UpstreamState } from "../session.ts";
import type { SessionRequest } from "../upstream_sessions.ts";
import type { IdentityOf } from "./identity.ts";
import { createListening, type Listening, type ListeningDeps } from "./listening.ts";

export interface Subscriptions {
  /** The stream of this session at this server. @throws as `createListening` */
  readonly open: (
    session: Session,
    server: UpstreamServer,
    state: UpstreamState,
    request: SessionRequest,
  ) => Promise<UpstreamReply>;
  /**
   * The client wants to be told of a resource, or no longer.
   * @returns false when the server does not agree to tell
   * @throws as `createListening`
   */
  readonly change: (
    session: Session,
    server: UpstreamServer,
    uri: string,
    isWanted: boolean,
  ) => Promise<boolean>;
}

interface Open {
  readonly server: UpstreamServer;
  readonly abort: AbortController;
  readonly listening: Promise<Listening>;
}

export function createSubscriptions(
  deps: ListeningDeps & { readonly identityOf: IdentityOf },
  options: { readonly firstByteMs: number },
): Subscriptions {
  const all = new Map<string, Open>();
  /** What is subscribed to from the next opening on, by slug: records are written a little later. */
  const promised = new WeakMap<Session, Map<string, Set<string>>>();
  /** Those that have no subscriptions. */
  const refusing = new WeakSet<UpstreamServer>();

  /** What the server agrees to tell of; `undefined` when that will be seen later. */
  async function changed(
    { server, listening }: Open,
    change: (uris: ReadonlySet<string>) => ReadonlySet<string>,
  ): Promise<ReadonlySet<string> | undefined> {
    try {
      // One that could not be opened is opened again, with what is wanted by then.
      return await (await listening.catch(() => undefined))?.change(change);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusing.add(server);
      return NONE;
    }
  }

  function promisedAt(session: Session, { slug }: UpstreamServer): Set<string> {
    const known = promised.get(session) ?? new Map<string, Set<string>>();
    promised.set(session, known);
    const uris = known.get(slug) ?? new Set();
    known.set(slug, uris);
    return uris;
  }

  return {
    async open(session, server, { subscriptions }, request) {
      const key = keyOf(session, server);
      const uris = new Set([...subscriptions, ...promisedAt(session, server)]);
      const { abort } = request;
      const listening = createListening(deps, {
        server,
        caller: callerOf(session.base),
        envelope: decoder.decode(deps.identityOf(session.base).envelope(undefined)),
        // A view has lists of its own.
        wants: { lists: session.base.server === server.slug, uris },
        request,
        firstByteMs: options.firstByteMs,
        done: () => void (all.get(key)?.abort === abort && all.delete(key)),
      });
      all.set(key, { server, abort, listening });
      try {
        const { reply } = await listening;
        refusing.delete(server);
        for (const uri of uris) promisedAt(session, server).delete(uri);
        return reply;
      } catch (error) {
        if (all.get(key)?.abort === abort) all.delete(key);
        if (isRefusal(error)) refusing.add(server);
        throw error;
      }
    },
    async change(session, server, uri, isWanted) {
      const later = promisedAt(session, server);
      if (!isWanted) later.delete(uri);
      const found = all.get(keyOf(session, server));
      if (found === undefined || found.server !== server) {
        if (isWanted && refusing.has(server)) return false;
        if (isWanted && later.size < LIMITS.subscriptionsPerSession) later.add(uri);
        // Whoever reads the stream opens it again, at the server that there is now.
        found?.abort.abort(new ServerGone());
        return true;
      }
      const honoured = await changed(found, (uris) => {
        const next = new Set(uris);
        if (isWanted && uris.size < LIMITS.subscriptionsPerSession) next.add(uri);
        else next.delete(uri);
        return next;
      });
      if (honoured === undefined && isWanted) later.add(uri);
      if (!isWanted || honoured === undefined || honoured.has(uri)) return true;
      await changed(found, (uris) => new Set([...uris].filter((other) => other !== uri)));
      return false;
    },
  };
}

/** The server has no such method. */
function isRefusal(error: unknown): boolean {
  return error instanceof UpstreamStatusError && error.status === 405;
}

const decoder = new TextDecoder();
const NONE: ReadonlySet<string> = new Set();

function keyOf({ key }: Session, { slug }: UpstreamServer): string {
  return `${key} ${slug}`;
}
