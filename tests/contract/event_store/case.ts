/**
 * One promise of the event store: a store of its own, a clock, and short ways to say what is done.
 *
 * @module
 */
import type {
  AppendOptions,
  Changed,
  EventStore,
  EventStoreOptions,
  NewEvent,
  NewStream,
} from "../../../src/events/store.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import { messages, type Text, textOf } from "../../support/event_model.ts";
import { type FakeClock, fakeClock } from "../../support/fake_clock.ts";

export type OpenedStore = EventStore & (Disposable | AsyncDisposable);

export type OpenStore = (
  options: EventStoreOptions,
  clock: Clock,
) => OpenedStore | Promise<OpenedStore>;

export type Fixture = ReturnType<typeof shortcuts> & {
  readonly clock: FakeClock;
};

/** Declares a test; `options` are those that matter to it. */
export type Case = (
  text: string,
  options: Partial<EventStoreOptions>,
  body: (fixture: Fixture) => Promise<void>,
) => void;

/** Nothing of this is reached by accident. */
export const ROOMY: EventStoreOptions = {
  eventsMax: 1_000,
  bytesMax: 1_000_000,
  ttlMs: 60_000,
  sessionStreamsMax: 100,
  totalBytesMax: 100_000_000,
};

export const ALL_BYTES = Number.MAX_SAFE_INTEGER;

export function casesOf(name: string, openStore: OpenStore): Case {
  const strict = { sanitizeOps: true, sanitizeResources: true };
  return (text, options, body) => {
    Deno.test(`${name}: ${text}`, strict, async () => {
      const clock = fakeClock();
      await using store = await openStore({ ...ROOMY, ...options }, clock);
      await body({ clock, ...shortcuts(store) });
    });
  };
}

/** The same store; each stream is of the session with which it was opened first. */
export type StoreOfStreams = ReturnType<typeof ofStreams>;

function ofStreams(store: EventStore) {
  const sessions = new Map<string, string>();
  const of = (id: string) => sessions.get(id) ?? "session";
  return {
    open(stream: NewStream) {
      if (!sessions.has(stream.id)) sessions.set(stream.id, stream.session);
      return store.open(stream);
    },
    append: (id: string, events: readonly NewEvent[], options?: AppendOptions) =>
      store.append(of(id), id, events, options),
    find: (id: string) => store.find(of(id), id),
    replay: (id: string, afterSeq: number, bytesMax: number) =>
      store.replay(of(id), id, afterSeq, bytesMax),
    claim: (id: string, from: string, to: string) => store.claim(of(id), id, from, to),
    follow: (id: string, changed: Changed) => store.follow(of(id), id, changed),
    erase: store.erase,
    sweep: store.sweep,
    close: store.close,
  };
}

export function shortcuts(all: EventStore) {
  const store = ofStreams(all);
  return {
    store,
    /** Under which a session finds no other one's stream. */
    all,
    open: (id: string, given: Partial<NewStream> = {}) =>
      store.open({ id, session: "session", runner: "runner", note: "", ...given }),
    append: (id: string, ...texts: Text[]) => store.append(id, messages(texts)),
    end: (id: string, ...texts: Text[]) => store.append(id, messages(texts), { ends: true }),
    /** All that is kept, as `number text`. */
    async kept(id: string, afterSeq = 0): Promise<string[] | undefined> {
      const replay = await store.replay(id, afterSeq, ALL_BYTES);
      return replay?.events.map(textOf);
    },
  };
}
