/**
 * Which replica watches the upstream servers' own streams for a session. It is the first that was
 * asked to, and the record says so; another one follows only when it has died.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do", "Watching"
 */
import { principalFrom, type ToldPrincipal, toldPrincipal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import type { SessionKey } from "./directory.ts";
import type { SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";
import { createWatcher, type WatcherDeps, wholeState } from "./watcher.ts";

export interface Watching {
  /** Of all servers at which the session has a session. */
  readonly all: (session: Session, client?: ClientHears) => Promise<void>;
  /** Of one more. */
  readonly one: (session: Session, server: UpstreamServer) => Promise<void>;
  /** Of one with which a session was opened anew; see `Watches`. */
  readonly again: (session: Session, server: UpstreamServer, isFirst: boolean) => Promise<void>;
  /**
   * Changes what a server without sessions is to tell of, where another replica listens to it.
   * @returns whether the server agrees; `undefined` when this replica is to do it
   */
  readonly subscribe: Subscribe;
  /** Goes on until aborted: somebody watches, also when the replica dies that does. */
  readonly keep: (session: Session, signal: AbortSignal) => void;
  /** Others may have held this replica for dead: what it watches may be theirs. */
  readonly lost: (sessions: Iterable<Session>) => Promise<void>;
}

export interface ClientHears {
  /** It listens, from now on or before. */
  readonly isHeard: boolean;
  /** It has heard some of it: that was watched then, whatever the record says. */
  readonly isKnown: boolean;
}

const NOBODY_HEARS: ClientHears = { isHeard: false, isKnown: false };

export type Subscribe = (
  session: Session,
  server: UpstreamServer,
  uri: string,
  isWanted: boolean,
) => Promise<boolean | undefined>;

export interface WatchingDeps extends WatcherDeps {
  readonly timers: Timers;
  readonly registry: Pick<SessionRegistry, "load">;
  /** What `subscribe` does here. */
  readonly subscribeHere: (...about: Parameters<Subscribe>) => Promise<boolean>;
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  /** Passes changes of a view's lists on to the session, which listens. */
  readonly followLists: (session: Session) => void;
  readonly failed: (session: Session, error: unknown) => void;
}

/** What another replica is told. */
interface Wanted {
  readonly session: SessionKey;
  readonly viewer: ToldPrincipal | undefined;
  /** The only server that it is about. */
  readonly server?: string;
  /** Whether that has another session now, and whether it is the first. */
  readonly anew?: { readonly isFirst: boolean };
}

interface Subscribed {
  readonly session: SessionKey;
  readonly server: string;
  readonly uri: string;
  readonly isWanted: boolean;
}

const WATCH = "watch for a session";
const SUBSCRIBE = "subscribe for a session";
const LOOK_MS = 1_000;

export function createWatching(deps: WatchingDeps): Watching {
  const { remote, watches } = deps;
  const self = remote.self;
  const { elsewhere, claim, fence, leave } = createWatcher(deps);

  async function here(session: Session, slug: string, wasWatched: boolean): Promise<void> {
    const server = deps.serverOf(slug);
    // What is kept for a view as a whole is no server's.
    if (server === undefined) return;
    await deps.upstream().update(
      session,
      server,
      (state) => state.isWatched ? state : { ...state, isWatched: true },
    );
    await watches.ensure(session, server, wasWatched);
  }

  async function there(replica: string, session: Session, more: Partial<Wanted>): Promise<void> {
    const viewer = session.viewer && toldPrincipal(session.viewer);
    const about: Wanted = { session: session.key, viewer, ...more };
    await remote.tell(replica, WATCH, { about }).catch((error) => deps.failed(session, error));
  }

  async function all(session: Session, client: ClientHears = NOBODY_HEARS): Promise<void> {
    const { isHeard, isKnown } = client;
    const claimed = await claim(session, isHeard);
    const { other } = claimed;
    const wasWatched = isKnown || claimed.wasWatched;
    if (other !== undefined) return await there(other, session, {});
    await fence(session);
    deps.followLists(session);
    // Servers of a view that another replica has begun to use since the copy here was read.
    if (deps.serverOf(session.base.server) === undefined) await deps.registry.load(session.key);
    await Promise.all([...session.upstreams.keys()].map((slug) => here(session, slug, wasWatched)));
  }

  async function one(session: Session, { slug }: UpstreamServer): Promise<void> {
    const wasWatched = session.upstreams.get(slug)?.state.isWatched ?? false;
    const claimed = await claim(session, false);
    if (claimed.other !== undefined) return await there(claimed.other, session, { server: slug });
    await fence(session);
    const isWhole = slug === session.base.server;
    await here(session, slug, isWhole ? claimed.wasWatched : wasWatched);
  }

  async function again(session: Session, server: UpstreamServer, isFirst: boolean): Promise<void> {
    const { other } = await claim(session, false);
    if (other === undefined) return await watches.again(session, server, isFirst);
    await there(other, session, { server: server.slug, anew: { isFirst } });
  }

  remote.serve(WATCH, async function* ({ about }) {
    const { session: key, viewer, server: slug, anew } = about as Wanted;
    // What the copy here says may be what was before.
    const session = await deps.registry.load(key);
    const server = slug === undefined ? undefined : deps.serverOf(slug);
    if (viewer !== undefined) session.viewer = principalFrom(viewer);
    if (server === undefined) await all(session);
    else if (anew === undefined) await one(session, server);
    else await watches.again(session, server, anew.isFirst);
    yield { about: undefined };
  });

  remote.serve(SUBSCRIBE, async function* ({ about }) {
    const { session: key, server: slug, uri, isWanted } = about as Subscribed;
    const server = deps.serverOf(slug);
    const session = await deps.registry.load(key);
    yield { about: server && await deps.subscribeHere(session, server, uri, isWanted) };
  });

  return {
    all,
    one,
    again,
    async subscribe(session, { slug: server }, uri, isWanted) {
      const watcher = await elsewhere(session);
      if (watcher === undefined) return undefined;
      const about: Subscribed = { session: session.key, server, uri, isWanted };
      return (await remote.tell(watcher, SUBSCRIBE, { about }))?.about as boolean | undefined;
    },
    async lost(sessions) {
      for (const { key } of sessions) {
        const session = await deps.registry.load(key).catch(() => undefined);
        if (session === undefined || session.watches.size === 0) continue;
        leave(session);
        if (wholeState(session)?.watcher === self) await all(session);
      }
    },
    keep(session, signal) {
      const look = async () => {
        for (;;) {
          await sleep(deps.timers, LOOK_MS, signal);
          const watcher = wholeState(session)?.watcher;
          if (watcher === self || watcher === undefined) continue;
          if (!await remote.isAlive(watcher)) await all(session);
        }
      };
      look().catch((error) => signal.aborted || deps.failed(session, error));
    },
  };
}
