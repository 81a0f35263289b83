/**
 * One promise of the event store: a store of its own, a clock, and short ways to say what is done.
 *
 * @module
 */
import type { EventStore, EventStoreOptions, NewStream } from "../../../src/events/store.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import { messages, type Text, textOf } from "../../support/event_model.ts";
import { type FakeClock, fakeClock } from "../../support/fake_clock.ts";

export type OpenStore = (options: EventStoreOptions, clock: Clock) => EventStore & Disposable;

export type Fixture = ReturnType<typeof shortcuts> & {
  readonly store: EventStore;
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
      using store = openStore({ ...ROOMY, ...options }, clock);
      await body({ store, clock, ...shortcuts(store) });
    });
  };
}

export function shortcuts(store: EventStore) {
  return {
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
