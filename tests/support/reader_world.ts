/**
 * A stream of a memory store, and connections that read it. Time and the store stand still until a
 * test lets them go on.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { LIMITS } from "../../src/domain/limits.ts";
import { createMemoryStore } from "../../src/events/memory_store.ts";
import type { EventStore, EventStoreOptions } from "../../src/events/store.ts";
import {
  createReader,
  type OutEvent,
  type Reader,
  type ReaderOptions,
} from "../../src/mcp/session/reader.ts";
import { textOf } from "./bytes.ts";
import { messages, type Text } from "./event_model.ts";
import { fakeClock, fakeTimers } from "./fake_clock.ts";

const STREAM = "stream";

/** Three of them fill what may wait for a client. */
export const LARGE = "x".repeat(Math.ceil(LIMITS.streamBufferBytes / 3));

export interface Opened {
  readonly reader: Reader;
  /** How often nobody read any more. */
  readonly stopped: () => number;
  readonly cuts: () => number;
}

/** Ids of its events are `e1`, `e2` …; what is taken is said as `number text`. */
export async function openStream(
  { runner = "runner", ...bounds }: Partial<EventStoreOptions> & { readonly runner?: string } = {},
) {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const store = createMemoryStore({
    eventsMax: 10_000,
    bytesMax: 1e9,
    ttlMs: 1e6,
    sessionStreamsMax: 10,
    totalBytesMax: 1e9,
    ...bounds,
  }, { clock });
  await store.open({ id: STREAM, session: "session", runner, note: "" });
  let replays = 0;
  let gate: Promise<void> = Promise.resolve();
  let reached = () => {};
  const slow: EventStore = {
    ...store,
    async replay(...args) {
      replays++;
      const found = await store.replay(...args);
      reached();
      await gate;
      return found;
    },
  };

  const append = (...texts: readonly Text[]) => store.append("session", STREAM, messages(texts));

  function open(options: Partial<ReaderOptions> = {}): Opened {
    let stopped = 0;
    let cuts = 0;
    const reader = createReader({ store: slow, timers, idOf: (seq) => `e${seq}` }, {
      session: "session",
      id: STREAM,
    }, {
      afterSeq: 0,
      takesEmptyEvents: false,
      primes: false,
      isOfCall: false,
      stopped: () => void stopped++,
      cut: () => void cuts++,
      ...options,
    });
    return { reader, stopped: () => stopped, cuts: () => cuts };
  }

  async function take(reader: Reader): Promise<string[] | undefined> {
    return (await reader.next())?.map(textIn);
  }

  /** Takes until that event has been handed out. */
  async function takeAll(reader: Reader, seq: number, seen: string[] = []): Promise<string[]> {
    while (reader.seq() < seq) seen.push(...(await take(reader))!);
    return seen;
  }

  return {
    clock,
    timers,
    store,
    replays: () => replays,
    append,
    end: (...texts: readonly Text[]) =>
      store.append("session", STREAM, messages(texts), { ends: true }),
    open,
    take,
    takeAll,
    /** Has the reader up to date, then stores so many large events that it does not take. */
    async fill(reader: Reader, count: number) {
      await append("first");
      await take(reader);
      for (let i = 0; i < count; i++) await append(LARGE);
    },
    /** Until it is released whoever reads the store waits for what was found. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const isReading = new Promise<void>((resolve) => reached = resolve);
      gate = promise;
      return { isReading, release: resolve };
    },
  };
}

/** All that has data. */
export async function readToEnd(reader: Reader): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const events = await reader.next();
    if (events === undefined) return seen;
    seen.push(...events.filter(({ data }) => data !== undefined).map(textIn));
  }
}

/** What is lost is said as `number lost count`. */
export function textIn({ id, data }: OutEvent): string {
  const text = textOf(data) ?? "nothing";
  const lost = /"lost":(\d+)/.exec(text)?.[1];
  return `${id?.slice(1)} ${lost === undefined ? text : `lost ${lost}`}`;
}

/** Lets everything run that can. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
