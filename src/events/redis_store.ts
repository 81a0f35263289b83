/**
 * Event store in Redis: for several processes, and still there when one of them is gone.
 *
 * Each operation is one script (`redis_scripts.ts`), sent at the end of the turn of the event loop
 * together with all others. What stands there is sealed: messages, notes and the upstream server's
 * event ids. Time is that of Redis, and what is over its time goes by itself.
 *
 * Another process's appends are published; what is published is only a hint to read. A hint that
 * was lost is made up for by `sweep`, which asks for every stream that is followed here.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";
import type { Redis, RedisArgument, Reply, TimeArgument } from "../platform/redis.ts";
import type { SecretBox } from "../platform/secret_box.ts";
import { createFollowers } from "./followers.ts";
import { createHeld } from "./redis_held.ts";
import { createKnown } from "./redis_known.ts";
import { createNews } from "./redis_news.ts";
import { createSeals, type Seals } from "./redis_seals.ts";
import {
  APPEND,
  channelOf,
  CLAIM,
  ERASE,
  FIND,
  FORGET,
  listOf,
  OPEN,
  REPLAY,
  sessionPrefix,
  STREAM_BYTES,
  streamKeys,
  textOf,
} from "./redis_scripts.ts";
import type {
  AppendOptions,
  EventStore,
  EventStoreOptions,
  NewEvent,
  Replay,
  StreamEvent,
  StreamId,
  StreamSession,
  StreamState,
} from "./store.ts";

export interface RedisStoreDeps {
  readonly redis: Redis;
  /** For what is kept. */
  readonly box: SecretBox;
  readonly clock: Clock;
  readonly time: TimeArgument;
  /** Told of a value that nobody of us has written. */
  readonly forged: () => void;
}

export interface RedisStoreOptions extends EventStoreOptions {
  /** This process, as it signs what it publishes. */
  readonly replica: string;
  /** How long a stream of no call may wait for its next event: a session's life. */
  readonly sessionMs: number;
}

const NO_OPTIONS: AppendOptions = {};

export function createRedisStore(deps: RedisStoreDeps, options: RedisStoreOptions): EventStore {
  const { redis, time } = deps;
  const seals = createSeals(deps.box, deps.forged);
  const followers = createFollowers();
  const known = createKnown();
  const held = createHeld(deps.clock, options);
  const news = createNews({ redis, followers, find }, options.replica);
  const ttl = String(options.ttlMs);
  const live = String(options.sessionMs);
  const bounds = [ttl, live, String(options.eventsMax), String(options.bytesMax)];

  function forget(ids: readonly Reply[]): void {
    for (const id of ids.map(textOf)) {
      held.remove(id);
      known.forget(id);
      news.isForeign(id);
      followers.dismiss(id);
    }
  }

  async function makeRoom(): Promise<void> {
    await Promise.all(
      held.takeSurplus().map(async ({ session, id }) => {
        const prefix = sessionPrefix(session);
        await redis.run(FORGET, [`${prefix}streams`], [prefix, id]);
        forget([id]);
      }),
    );
  }

  async function find(session: StreamSession, id: StreamId): Promise<StreamState | undefined> {
    const found = await redis.run(FIND, streamKeys(session, id), [time(), ttl]);
    return stateOf(seals, `${session}/${id}`, listOf(found));
  }

  /** Tells who follows here, before it resolves. */
  function kept(
    session: StreamSession,
    id: StreamId,
    events: readonly NewEvent[],
    isEnded: boolean,
    reply: readonly Reply[],
  ): number {
    const lastSeq = Number(reply[0]);
    if (isEnded) known.forget(id);
    else known.note(id, lastSeq);
    if (held.note(session, id, Number(reply[1]), isEnded)) makeRoom().catch(() => {});
    news.told(id, lastSeq, isEnded);
    if (followers.has(id)) {
      followers.tell(id, { firstSeq: lastSeq - events.length + 1, events, isEnded });
    }
    return lastSeq;
  }

  return {
    async open({ session, id, runner, note }) {
      const prefix = sessionPrefix(session);
      const keys = [...streamKeys(session, id), `${prefix}streams`];
      const sealed = seals.sealText(note, noteOf(`${session}/${id}`));
      const stream = [prefix, id, runner, sealed];
      const times = [time(), ttl, live, String(options.sessionStreamsMax)];
      const forgotten = listOf(await redis.run(OPEN, keys, [...stream, ...times]));
      if (forgotten === undefined) return false;
      if (runner !== "") news.isOurs(id);
      held.note(session, id, STREAM_BYTES, false);
      forget(forgotten);
      return true;
    },

    async append(session, id, events, given = NO_OPTIONS) {
      const said = [channelOf(session, id), options.replica, String(known.seqOf(id))];
      const args = [...appendArguments(seals, `${session}/${id}`, given), ...said];
      for (const { message, isResponse } of events) {
        args.push(isResponse ? "r" : "n", seals.seal(message, `${session}/${id}`));
      }
      const all = [time(), ...bounds, ...args];
      const reply = listOf(await redis.run(APPEND, streamKeys(session, id), all));
      if (reply !== undefined) return kept(session, id, events, given.ends === true, reply);
      held.remove(id);
      news.isForeign(id);
      return undefined;
    },

    find,

    async replay(session, id, afterSeq, bytesMax) {
      const args = [time(), ttl, String(afterSeq), String(bytesMax)];
      const reply = listOf(await redis.run(REPLAY, streamKeys(session, id), args));
      const replay = replayOf(seals, `${session}/${id}`, reply);
      // Somebody has the one that is asked for behind.
      if (replay !== undefined) known.note(id, Math.max(afterSeq, replay.lastSeq));
      return replay;
    },

    async claim(session, id, from, to) {
      const args = [time(), ttl, live, from, to];
      const isMoved = await redis.run(CLAIM, streamKeys(session, id), args) === 1;
      if (isMoved) held.note(session, id, STREAM_BYTES, false);
      return isMoved;
    },

    follow: news.follow,

    async erase(session) {
      const prefix = sessionPrefix(session);
      forget(listOf(await redis.run(ERASE, [`${prefix}streams`], [prefix])) ?? []);
    },

    async sweep() {
      held.sweep();
      await Promise.all([makeRoom(), news.ask()]);
    },

    close() {
      news.close();
      followers.clear();
    },
  };
}

const noteOf = (name: string) => `${name}/note`;
const placeOf = (name: string) => `${name}/place`;

function appendArguments(
  seals: Seals,
  name: string,
  { runner, upstreamEventId, ends }: AppendOptions,
): RedisArgument[] {
  return [
    ...runner === undefined ? ["0", ""] : ["1", runner],
    ...upstreamEventId === undefined
      ? ["0", ""]
      : ["1", seals.sealText(upstreamEventId, placeOf(name))],
    ends ? "1" : "0",
  ];
}

/** One whose note was not written here is none of ours. */
function stateOf(
  seals: Seals,
  name: string,
  found: readonly Reply[] | undefined,
): StreamState | undefined {
  if (found === undefined) return undefined;
  const [runner, sealedNote, place, lastSeq, isEnded] = found;
  const note = seals.openText(sealedNote, noteOf(name));
  return note === undefined ? undefined : {
    runner: textOf(runner),
    note,
    upstreamEventId: place === null ? undefined : seals.openText(place, placeOf(name)),
    lastSeq: Number(lastSeq),
    isEnded: isEnded === 1,
  };
}

/** What does not open is left out, and so is lost. */
function replayOf(
  seals: Seals,
  name: string,
  reply: readonly Reply[] | undefined,
): Replay | undefined {
  if (reply === undefined) return undefined;
  const events: StreamEvent[] = [];
  for (let i = 2; i < reply.length; i += 2) {
    const message = seals.open(reply[i + 1], name);
    if (message !== undefined) events.push({ seq: Number(reply[i]), message });
  }
  return { events, lastSeq: Number(reply[0]), isEnded: reply[1] === 1 };
}
