/**
 * Who wants to hear at once what is appended to a stream, in this process.
 *
 * @module
 */
import type { Changed, News, StreamId } from "./store.ts";

export interface Followers {
  /** Gives what ends it; nothing is called after that. */
  readonly follow: (id: StreamId, changed: Changed) => () => void;
  readonly has: (id: StreamId) => boolean;
  /** In the order of the calls, even when a follower causes the next one. */
  readonly tell: (id: StreamId, news: News) => void;
  /** The stream is gone: says so, once, and forgets who followed. */
  readonly dismiss: (id: StreamId) => void;
  readonly clear: () => void;
}

interface Follower {
  readonly changed: Changed;
}

interface Telling {
  readonly id: StreamId;
  readonly news: News | undefined;
}

export function createFollowers(): Followers {
  const byStream = new Map<StreamId, Set<Follower>>();
  const waiting: Telling[] = [];
  let isTelling = false;

  function deliver({ id, news }: Telling): void {
    const followers = byStream.get(id);
    if (followers === undefined) return;
    if (news === undefined) byStream.delete(id);
    for (const { changed } of followers) changed(news);
  }

  function enqueue(telling: Telling): void {
    if (!byStream.has(telling.id)) return;
    waiting.push(telling);
    // A follower that appends would otherwise have the second event told before the first.
    if (isTelling) return;
    isTelling = true;
    try {
      for (const next of waiting) deliver(next);
    } finally {
      waiting.length = 0;
      isTelling = false;
    }
  }

  return {
    follow(id, changed) {
      const follower = { changed };
      const followers = byStream.get(id) ?? new Set();
      if (followers.size === 0) byStream.set(id, followers);
      followers.add(follower);
      return () => {
        followers.delete(follower);
        if (followers.size === 0 && byStream.get(id) === followers) byStream.delete(id);
      };
    },
    has: (id) => byStream.has(id),
    tell: (id, news) => enqueue({ id, news }),
    dismiss: (id) => enqueue({ id, news: undefined }),
    clear: () => byStream.clear(),
  };
}
