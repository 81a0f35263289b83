/**
 * Who watches for a session: the record names one replica, and the fence of the stream it listens on
 * keeps out every other.
 *
 * @module
 */
import type { Remote } from "../../events/remote.ts";
import { type EventStore, writerOf } from "../../events/store.ts";
import type { Session, UpstreamState } from "./session.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";
import type { Watches } from "./watches.ts";

export interface Watcher {
  /** Another replica that watches. */
  readonly elsewhere: (session: Session) => Promise<string | undefined>;
  /** Makes this replica the one that watches, unless another one does. */
  readonly claim: (session: Session, isHeard: boolean) => Promise<Claimed>;
  /** From now on nobody else puts onto the stream what servers say there. */
  readonly fence: (session: Session) => Promise<void>;
  /** What was watched here before is another replica's affair, or begins anew. */
  readonly leave: (session: Session) => void;
}

export interface Claimed {
  /** Another replica that watches. */
  readonly other: string | undefined;
  /** Whether anybody did before. */
  readonly wasWatched: boolean;
}

export interface WatcherDeps {
  readonly remote: Remote;
  readonly upstream: () => UpstreamSessions;
  readonly watches: Watches;
  readonly store: EventStore;
}

export function createWatcher({ remote, upstream, watches, store }: WatcherDeps): Watcher {
  const self = remote.self;
  const writer = writerOf(self);

  async function elsewhere(session: Session): Promise<string | undefined> {
    const watcher = wholeState(session)?.watcher;
    if (watcher === undefined || watcher === self) return undefined;
    return await remote.isAlive(watcher) ? watcher : undefined;
  }

  async function claim(session: Session, isHeard: boolean): Promise<Claimed> {
    let wasWatched = false;
    for (;;) {
      const state = wholeState(session);
      const other = await elsewhere(session);
      const watcher = other ?? self;
      if (watcher !== state?.watcher) leave(session);
      await upstream().update(session, { slug: session.base.server }, (now) => {
        // What the copy here said before may be what was long ago.
        wasWatched = now.isWatched;
        if (now.watcher !== state?.watcher) return now;
        const isSame = now.watcher === watcher && now.isWatched && (now.isHeard || !isHeard);
        return isSame ? now : { ...now, watcher, isWatched: true, isHeard: now.isHeard || isHeard };
      });
      const now = wholeState(session);
      if (now === undefined || now.watcher === watcher) return { other, wasWatched };
    }
  }

  function leave(session: Session): void {
    for (const slug of [...session.watches.keys()]) watches.stop(session, { slug });
  }

  async function fence({ key, listening }: Session): Promise<void> {
    if (await store.open({ id: listening, session: key, runner: writer, note: "" })) return;
    for (;;) {
      const runner = (await store.find(key, listening))?.runner;
      if (runner === undefined || runner === writer) return;
      if (await store.claim(key, listening, runner, writer)) return;
    }
  }

  return { elsewhere, claim, fence, leave };
}

/** What the record says of the session as a whole. */
export function wholeState({ base, upstreams }: Session): UpstreamState | undefined {
  return upstreams.get(base.server)?.state;
}
