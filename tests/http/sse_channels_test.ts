/**
 * Channels of the transport of 2024-11-05: how long one is kept for a client that is away, and how many
 * a principal has.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { type Channel, createSseChannels } from "../../src/http/sse_channels.ts";
import { createSseConnection } from "../../src/http/sse_connection.ts";
import type { Visitor } from "../../src/mcp/session/endpoint.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";

const AWAY_MS = 1_000;
const MAX = 3;

function openWorld() {
  const timers = fakeTimers(fakeClock());
  const ended: (string | undefined)[] = [];
  const channels = createSseChannels({
    timers,
    ended: ({ sessionId }) => void ended.push(sessionId),
  }, { perPrincipal: MAX, graceMs: AWAY_MS, replica: "this" });
  const alice = aVisitor("alice");
  /** One with a session, whose stream is open. */
  const joined = (sessionId: string, visitor = alice) => {
    const channel = channels.open(visitor);
    const connection = createSseConnection("");
    channels.joined(channel, connection);
    channels.bind(channel, sessionId);
    return { channel, connection };
  };
  const leave = (channel: Channel) => channels.left(channel, channel.connection!);
  return { timers, ended, channels, alice, joined, leave };
}

function aVisitor(subject: string, key = "one", userAgent = "test"): Visitor {
  return {
    principal: { kind: "own", subject } as unknown as Visitor["principal"],
    endpoint: { key } as Visitor["endpoint"],
    correlationId: "",
    address: () => "",
    version: undefined,
    clientHeaders: new Map([["user-agent", userAgent]]),
  };
}

Deno.test("a session ends when its client does not come back in time", () => {
  const { joined, leave, timers, ended } = openWorld();
  leave(joined("s").channel);
  timers.advance(AWAY_MS - 1);
  assertEquals(ended, []);
  timers.advance(1);
  assertEquals(ended, ["s"]);
});

Deno.test("a session goes on when its client comes back in time", () => {
  const { joined, leave, timers, ended, channels } = openWorld();
  const { channel } = joined("s");
  leave(channel);
  channels.joined(channel, createSseConnection(""));
  timers.advance(10 * AWAY_MS);
  assertEquals(ended, []);
});

Deno.test("that an older stream ends does not end the session of a newer one", () => {
  const { joined, timers, ended, channels } = openWorld();
  const { channel, connection } = joined("s");
  channels.joined(channel, createSseConnection(""));
  channels.left(channel, connection);
  timers.advance(10 * AWAY_MS);
  assertEquals(ended, []);
});

Deno.test("a channel without a session is over with its stream", () => {
  const { channels, alice, leave } = openWorld();
  const channel = channels.open(alice);
  channels.joined(channel, createSseConnection(""));
  leave(channel);
  assertEquals([channel.isOver, channels.find(channel.id, alice)], [true, undefined]);
});

Deno.test("when a channel is over none of its ids is known, and its place is free", () => {
  const { channels, alice, joined, leave, timers } = openWorld();
  const all = ["a", "b", "c"].map((id) => joined(id).channel);
  assertThrows(() => channels.open(alice), { code: "rate_limited" });
  leave(all[0]!);
  assertThrows(() => channels.open(alice), { code: "rate_limited" });
  timers.advance(AWAY_MS);
  channels.open(alice);
  assertEquals([all[0]!.id, "a"].map((id) => channels.find(id, alice)), [undefined, undefined]);
});

Deno.test("what one principal has does not count for another", () => {
  const { channels, joined } = openWorld();
  for (const id of ["a", "b", "c"]) joined(id);
  assertEquals(channels.open(aVisitor("bob")).isOver, false);
});

for (const other of [aVisitor("bob"), aVisitor("alice", "two")]) {
  const { principal: { subject }, endpoint: { key } } = other;
  Deno.test(`${subject} on ${key} does not find the channel of alice on one`, () => {
    const { channels, joined } = openWorld();
    const { channel } = joined("s");
    for (const id of [channel.id, "s"]) {
      assertThrows(() => channels.find(id, other), { httpStatus: 404 });
    }
  });
}

for (
  const [who, visitor, isFound] of [
    ["the same program", aVisitor("alice"), true],
    ["another program", aVisitor("alice", "one", "other"), false],
    ["another principal", aVisitor("bob"), false],
    ["somebody on another endpoint", aVisitor("alice", "two"), false],
  ] as const
) {
  Deno.test(`${who} is taken for the client that left: ${isFound}`, () => {
    const { channels, joined, leave } = openWorld();
    const { channel } = joined("s");
    leave(channel);
    assertEquals(channels.leftBy(visitor), isFound ? channel : undefined);
  });
}

Deno.test("a session does not end while its client is about to come back, but after that failed", () => {
  const { channels, joined, leave, timers, ended } = openWorld();
  const { channel } = joined("s");
  leave(channel);
  channels.hold(channel);
  timers.advance(10 * AWAY_MS);
  assertEquals(ended, []);
  channels.letGo(channel);
  timers.advance(AWAY_MS);
  assertEquals(ended, ["s"]);
});

Deno.test("that coming back fails does not end a session whose stream is open", () => {
  const { channels, joined, timers, ended } = openWorld();
  const { channel } = joined("s");
  channels.hold(channel);
  channels.letGo(channel);
  timers.advance(10 * AWAY_MS);
  assertEquals(ended, []);
});

Deno.test("of two channels that were left, none is taken for a client's", () => {
  const { channels, joined, leave, alice } = openWorld();
  for (const id of ["a", "b"]) leave(joined(id).channel);
  assertEquals(channels.leftBy(alice), undefined);
});

Deno.test("who waits for a client goes on when it is given up", async () => {
  const { channels, joined, leave, timers } = openWorld();
  const { channel } = joined("s");
  leave(channel);
  const ready = channels.ready(channel);
  timers.advance(AWAY_MS);
  await ready;
});

Deno.test("after the gateway has begun to stop no session is ended", () => {
  const { channels, joined, leave, timers, ended } = openWorld();
  const [early, late] = ["a", "b"].map((id) => joined(id).channel);
  leave(early!);
  channels.close();
  leave(late!);
  timers.advance(10 * AWAY_MS);
  assertEquals([ended, timers.open()], [[], 0]);
});
