/**
 * The session's own stream ends with the session, also when that ends while the stream is begun.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createMemoryStore } from "../../../src/events/memory_store.ts";
import { createEventIds } from "../../../src/mcp/session/event_id.ts";
import { createListening, type ListeningDeps } from "../../../src/mcp/session/listening.ts";
import { newSession, SessionNotFound } from "../../../src/mcp/session/session.ts";
import { createStreams } from "../../../src/mcp/session/streams.ts";
import { createSecretBox } from "../../../src/platform/secret_box.ts";
import { fakeClock, fakeTimers } from "../../support/fake_clock.ts";

const OPTIONS = { lastEventId: undefined, canPrime: false, cut() {}, correlationId: "" };

/** @param looks whoever looks whether the stream is read elsewhere waits for this */
function world(looks: Promise<void>) {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const store = createMemoryStore({
    eventsMax: 100,
    bytesMax: 1e6,
    ttlMs: 1e6,
    sessionStreamsMax: 10,
    totalBytesMax: 1e9,
  }, { clock });
  const ids = createEventIds(createSecretBox("a secret of over thirty-two bytes.", "events"));
  const base = {
    kind: "anonymous",
    subject: "",
    server: "alpha",
    revision: "2025-11-25",
    initialize: "{}",
    endMs: Infinity,
  } as const;
  const session = newSession("key", base);
  const listening = createListening({
    store,
    ids,
    streams: createStreams({ store, ids, timers }),
    watching: { all: () => Promise.resolve(), keep() {} },
    others: { isRead: () => looks.then(() => false), readsHere: () => Promise.resolve() },
    remote: { serve() {} },
  } as unknown as ListeningDeps);
  return { store, session, listening };
}

Deno.test("a session that ends while its stream is begun leaves nothing", async () => {
  const looks = Promise.withResolvers<void>();
  const { store, session, listening } = world(looks.promise);
  const opened = listening.open(session, OPTIONS);
  session.end.abort(new SessionNotFound());
  await store.erase(session.key);
  looks.resolve();
  await assert.rejects(opened, SessionNotFound);
  assertEquals(await store.find(session.key, session.listening), undefined);
});

Deno.test("the end of a session ends its stream, whatever has been erased", async () => {
  const { session, listening } = world(Promise.resolve());
  const reader = await listening.open(session, OPTIONS);
  const next = reader.next();
  session.end.abort(new SessionNotFound());
  assertEquals(await next, undefined);
});
