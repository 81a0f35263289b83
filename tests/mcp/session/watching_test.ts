/**
 * Who watches a server's own stream for a session goes on where it was left, or says that something
 * may be lost.
 *
 * @module
 * @see security.md, F21, F41; section 5.6, point 3
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { GatewayError } from "../../../src/domain/errors.ts";
import type { NewEvent } from "../../../src/events/store.ts";
import { freshState, newSession, type Session } from "../../../src/mcp/session/session.ts";
import type { UpstreamState } from "../../../src/mcp/session/session.ts";
import type {
  SessionReply,
  SessionRequest,
  UpstreamSessions,
} from "../../../src/mcp/session/upstream_sessions.ts";
import { createWatcher, type WatcherDeps } from "../../../src/mcp/session/watcher.ts";
import { createWatching, type WatchingDeps } from "../../../src/mcp/session/watching.ts";
import { createWatches, type WatchesDeps } from "../../../src/mcp/session/watches.ts";
import { bytesOf, textOf } from "../../support/bytes.ts";
import { fakeClock, fakeTimers } from "../../support/fake_clock.ts";
import { anUpstream } from "../../support/memory_catalog.ts";

const SERVER = anUpstream();

function aSession(state: UpstreamState): Session {
  const base = {
    kind: "anonymous",
    subject: "",
    server: SERVER.slug,
    revision: "2025-11-25",
    initialize: "{}",
    endMs: Infinity,
  } as const;
  const session = newSession("key", base);
  session.upstreams.set(SERVER.slug, { generation: 1, state });
  return session;
}

/** A server that has said so much and says the rest to whoever goes on; a store that may be away. */
function watched(said: readonly string[]) {
  const kept: string[] = [];
  const asked: (string | undefined)[] = [];
  let place: string | undefined;
  /** How the next messages are kept: not at all, or without a word of it. */
  let fails: "before" | "after" | undefined;
  const timers = fakeTimers(fakeClock());

  function reply(from: number): SessionReply {
    let at = from;
    const take = () => at < said.length ? bytesOf(note(said[at++]!)) : undefined;
    return {
      status: 200,
      isStream: true,
      isOwned: true,
      epoch: 1,
      sessionId: () => undefined,
      lastEventId: () => at === 0 ? undefined : `e${at}`,
      retryMs: () => undefined,
      next: () => at < said.length ? Promise.resolve(take()) : new Promise(() => {}),
      take,
      close() {},
    };
  }

  const deps = {
    timers,
    upstream: () => ({
      send(_: unknown, __: unknown, { eventId }: SessionRequest) {
        asked.push(eventId);
        return Promise.resolve(reply(Number(eventId?.slice(1) ?? 0)));
      },
    } as unknown as UpstreamSessions),
    say(_: Session, events: readonly NewEvent[], eventId: string | undefined) {
      const how = fails;
      fails = undefined;
      if (how !== "before") {
        kept.push(...events.map(({ message }) => textOf(message)!));
        place = eventId;
      }
      const away = new GatewayError("unavailable", "The gateway cannot reach Redis at the moment");
      return how === undefined ? Promise.resolve(true) : Promise.reject(away);
    },
    messagesMax: 1,
    lastEventId: () => Promise.resolve(place),
    serverOf: () => SERVER,
    mayHear: () => true,
    editsOf: () => undefined,
    failed() {},
  } as unknown as WatchesDeps;
  return {
    watches: createWatches(deps),
    kept,
    asked,
    fail: (how: "before" | "after") => void (fails = how),
    async pass(ms: number) {
      await setImmediate();
      timers.advance(ms);
      await setImmediate();
    },
    goBack: (to: string | undefined) => void (place = to),
  };
}

const note = (data: string) =>
  `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${data}"}}`;

for (const how of ["before", "after"] as const) {
  Deno.test(`F21: what could not be said comes once, when the store fails ${how} it keeps it`, async () => {
    const world = watched(["one", "two"]);
    const session = aSession(freshState("u", "2025-11-25", ""));
    world.fail(how);
    world.watches.ensure(session, SERVER, false);
    await world.pass(5_000);
    await world.pass(5_000);
    const gap = how === "before" ? [world.kept[0]!] : [];
    assertEquals(world.kept, [...gap, note("one"), note("two")]);
    assertEquals(gap.every((text) => text.includes('"gap":true')), true);
  });
}

Deno.test("F25: it goes on behind what is known to be kept, though the store says less", async () => {
  const said = ["one", "two"];
  const world = watched(said);
  const session = aSession(freshState("u", "2025-11-25", ""));
  world.watches.ensure(session, SERVER, false);
  await world.pass(10);
  said.push("three");
  world.watches.stop(session, SERVER);
  world.watches.ensure(session, SERVER, true);
  world.fail("before");
  await world.pass(10);
  world.goBack("e1");
  await world.pass(5_000);
  assertEquals(world.kept, said.map(note));
  assertEquals(world.asked, [undefined, "e2", "e2"]);
});

Deno.test("F40: who takes over watching knows that it was watched, with an old copy too", async () => {
  const fresh = freshState("u", "2025-11-25", "");
  const session = aSession(fresh);
  // Another replica watched since that copy was made, and has died.
  let record: UpstreamState = { ...fresh, watcher: "dead", isWatched: true };
  const deps = {
    remote: { self: "self", isAlive: () => Promise.resolve(false) },
    upstream: () => ({
      update(_: Session, __: unknown, change: (state: UpstreamState) => UpstreamState) {
        const state = session.upstreams.get(SERVER.slug)!.state;
        change(state);
        record = change(record);
        session.upstreams.set(SERVER.slug, { generation: 2, state: record });
        return Promise.resolve();
      },
    }),
    watches: { stop() {} },
  } as unknown as WatcherDeps;
  const claimed = await createWatcher(deps).claim(session, false);
  assertEquals(claimed, { other: undefined, wasWatched: true });
  assertEquals(record.watcher, "self");
});

Deno.test("F25: a client that comes back was listening, whatever the record says", async () => {
  const session = aSession(freshState("u", "2025-11-25", ""));
  const occasions: boolean[] = [];
  const deps = {
    remote: { self: "self", serve() {} },
    upstream: () => ({
      update(_: Session, __: unknown, change: (state: UpstreamState) => UpstreamState) {
        const { state } = session.upstreams.get(SERVER.slug)!;
        session.upstreams.set(SERVER.slug, { generation: 2, state: change(state) });
        return Promise.resolve();
      },
    }),
    watches: {
      stop() {},
      ensure(_: Session, __: unknown, wasWatched: boolean) {
        occasions.push(wasWatched);
        return Promise.resolve();
      },
    },
    store: { open: () => Promise.resolve(true) },
    serverOf: () => SERVER,
    followLists() {},
  } as unknown as WatchingDeps;
  await createWatching(deps).all(session, { isHeard: true, isKnown: true });
  assertEquals(occasions, [true]);
});
