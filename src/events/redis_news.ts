/**
 * What other processes append to streams that are followed here.
 *
 * @module
 */
import type { Heard, Redis } from "../platform/redis.ts";
import type { Followers } from "./followers.ts";
import { channelOf } from "./redis_scripts.ts";
import type { EventStore, StreamId, StreamSession } from "./store.ts";

export interface RemoteNews {
  readonly follow: EventStore["follow"];
  /** This process runs the call of this stream: nobody else writes to it. */
  readonly isOurs: (id: StreamId) => void;
  readonly isForeign: (id: StreamId) => void;
  /** This process has appended itself. */
  readonly told: (id: StreamId, lastSeq: number, isEnded: boolean) => void;
  /** Asks how far all streams have got that are followed here. */
  readonly ask: () => Promise<void>;
  readonly close: () => void;
}

export interface RemoteNewsDeps {
  readonly redis: Redis;
  readonly followers: Followers;
  readonly find: EventStore["find"];
}

interface Followed {
  readonly session: StreamSession;
  /** How far followers know it to have got. */
  lastSeq: number;
  count: number;
  readonly stop: () => void;
}

export function createNews(
  { redis, followers, find }: RemoteNewsDeps,
  replica: string,
): RemoteNews {
  const followed = new Map<StreamId, Followed>();
  const ours = new Set<StreamId>();

  function tell(id: StreamId, lastSeq: number, isEnded: boolean): void {
    const entry = followed.get(id);
    if (entry === undefined || (lastSeq <= entry.lastSeq && !isEnded)) return;
    entry.lastSeq = lastSeq;
    followers.tell(id, { firstSeq: lastSeq + 1, events: [], isEnded });
  }

  async function look(id: StreamId, { session }: Followed): Promise<void> {
    const state = await find(session, id);
    if (!followed.has(id)) return;
    if (state === undefined) followers.dismiss(id);
    else tell(id, state.lastSeq, state.isEnded);
  }

  function hear(id: StreamId, entry: Followed): Heard {
    return (message) => {
      // It may be gone, or something was missed: what is in the store counts.
      if (message === undefined || message.length === 0) {
        return void look(id, entry).catch(() => {});
      }
      const [lastSeq, isEnded, writer] = message.toString().split(" ");
      if (writer !== replica) tell(id, Number(lastSeq), isEnded === "1");
    };
  }

  function begin(session: StreamSession, id: StreamId): Followed {
    const entry: Followed = {
      session,
      lastSeq: 0,
      count: 0,
      // Of a call that runs here there is nothing to hear from elsewhere.
      stop: ours.has(id)
        ? () => {}
        : redis.subscribe(channelOf(session, id), (message) => hear(id, entry)(message)),
    };
    followed.set(id, entry);
    return entry;
  }

  return {
    follow(session, id, changed) {
      const entry = followed.get(id) ?? begin(session, id);
      entry.count++;
      const unfollow = followers.follow(id, changed);
      let isOver = false;
      return () => {
        unfollow();
        if (isOver) return;
        isOver = true;
        if (--entry.count > 0) return;
        entry.stop();
        if (followed.get(id) === entry) followed.delete(id);
      };
    },
    isOurs: (id) => void ours.add(id),
    isForeign: (id) => void ours.delete(id),
    told(id, lastSeq, isEnded) {
      if (isEnded) ours.delete(id);
      const entry = followed.get(id);
      if (entry !== undefined) entry.lastSeq = Math.max(entry.lastSeq, lastSeq);
    },
    async ask() {
      await Promise.all([...followed].map(([id, entry]) => look(id, entry)));
    },
    close() {
      for (const { stop } of followed.values()) stop();
      followed.clear();
    },
  };
}
