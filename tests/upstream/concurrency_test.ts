/**
 * So many requests at once to one upstream server: what counts, for how long, and what does not.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import type { UpstreamRequest } from "../../src/upstream/client.ts";
import { createConcurrencyClient, UpstreamBusy } from "../../src/upstream/concurrency.ts";
import type { UpstreamReply } from "../../src/upstream/reply.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { anUpstream } from "../support/memory_catalog.ts";
import { aReply, aRequest } from "./health_world.ts";

function open(upstreamConcurrency = 1) {
  const timers = fakeTimers(fakeClock());
  const running: { readonly caller: string; readonly end: PromiseWithResolvers<UpstreamReply> }[] =
    [];
  const callers: string[] = [];
  const client = createConcurrencyClient(
    {
      send(_, { caller = "" }) {
        const end = Promise.withResolvers<UpstreamReply>();
        callers.push(caller);
        running.push({ caller, end });
        return end.promise;
      },
      remove: () => Promise.resolve(200),
    },
    timers,
    { upstreamConcurrency },
  );
  const server = anUpstream();
  const send = (members: Partial<UpstreamRequest> = {}, to = server) => {
    const reply = client.send(to, aRequest(members));
    reply.catch(() => {});
    return reply;
  };
  /** The oldest request ends so. */
  async function ends(reply: UpstreamReply = aReply()): Promise<void> {
    running.shift()!.end.resolve(reply);
    await settled();
  }
  return { timers, client, send, ends, running, callers };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

const STREAM = () => aReply({ isStream: true });

Deno.test("a request beyond the limit is sent when another one has ended", async () => {
  const { send, ends, callers } = open(2);
  for (const caller of ["a", "b", "c"]) send({ caller });
  assertEquals(callers, ["a", "b"]);
  await ends();
  assertEquals(callers, ["a", "b", "c"]);
});

Deno.test("a request that fails makes room, too", async () => {
  const { send, running, callers } = open();
  send({ caller: "a" });
  send({ caller: "b" });
  running[0]!.end.reject(new Error("Cut"));
  await settled();
  assertEquals(callers, ["a", "b"]);
});

Deno.test("two principals at a server that takes one request at a time take turns", async () => {
  const { send, ends, callers } = open();
  for (let i = 0; i < 4; i++) send({ caller: "a" });
  for (let i = 0; i < 4; i++) send({ caller: "b" });
  for (let i = 0; i < 8; i++) await ends();
  // The first one found a place.
  assertEquals(callers.join(""), "aabababb");
});

Deno.test("each server has places of its own", () => {
  const { send, callers } = open();
  send();
  send({}, anUpstream());
  assertEquals(callers.length, 2);
});

for (
  const [how, end] of Object.entries<(reply: UpstreamReply, abort: AbortController) => unknown>({
    "is closed": (reply) => reply.close(),
    "has ended": (reply) => reply.next(),
    "is aborted": (_, abort) => abort.abort(),
  })
) {
  Deno.test(`a stream keeps its place until it ${how}`, async () => {
    const { send, ends, callers } = open();
    const abort = new AbortController();
    const first = send({ caller: "a", abort });
    send({ caller: "b" });
    await ends(STREAM());
    assertEquals(callers, ["a"]);
    await end(await first, abort);
    await settled();
    assertEquals(callers, ["a", "b"]);
  });
}

Deno.test("a stream that breaks gives its place back", async () => {
  const { send, ends, callers } = open();
  const first = send({ caller: "a" });
  send({ caller: "b" });
  await ends(aReply({ isStream: true, next: () => Promise.reject(new Error("Cut")) }));
  await rejects((await first).next(), /Cut/);
  await settled();
  assertEquals(callers, ["a", "b"]);
});

Deno.test("a stream gives one place back, however often it ends", async () => {
  const { send, ends, callers } = open();
  const abort = new AbortController();
  const first = send({ caller: "a", abort });
  send({ caller: "b" });
  send({ caller: "c" });
  await ends(STREAM());
  const reply = await first;
  await reply.next();
  reply.close();
  reply.close();
  abort.abort();
  await settled();
  assertEquals(callers, ["a", "b"]);
});

for (
  const [what, members] of Object.entries<Partial<UpstreamRequest>>({
    "a stream on which the server is listened to": { isQuiet: true },
    "a subscription": { totalMs: Infinity },
    "what gets no answer": { isOneWay: true },
  })
) {
  Deno.test(`${what} needs no place`, () => {
    const { send, callers } = open();
    send({ caller: "a" });
    send({ caller: "b", ...members });
    assertEquals(callers, ["a", "b"]);
  });

  Deno.test(`${what} takes none`, () => {
    const { send, callers } = open();
    send({ caller: "a", ...members });
    send({ caller: "b" });
    assertEquals(callers, ["a", "b"]);
  });
}

Deno.test("who has waited too long is told that the server is busy, and nothing is sent", async () => {
  const { send, timers, callers } = open();
  send({ caller: "a" });
  const late = send({ caller: "b" });
  timers.advance(LIMITS.upstreamWaitMs);
  await rejects(late, UpstreamBusy);
  assertEquals(callers, ["a"]);
});

Deno.test("beyond those who may wait, the rest is told at once", async () => {
  const { send } = open();
  for (let i = 0; i <= LIMITS.upstreamWaiting; i++) send();
  await rejects(send(), UpstreamBusy);
});

Deno.test("who is aborted while it waits is never sent", async () => {
  const { send, ends, callers } = open();
  send({ caller: "a" });
  const abort = new AbortController();
  const leaver = send({ caller: "b", abort });
  abort.abort(new Error("The client has left"));
  await rejects(leaver, /has left/);
  await ends();
  assertEquals(callers, ["a"]);
});

Deno.test("what is not wanted any more when its turn comes is not sent, and the next one is", async () => {
  const { send, ends, callers } = open();
  send({ caller: "a" });
  const cancelled = send({ caller: "b", isWanted: () => false });
  send({ caller: "c" });
  await ends();
  await rejects(cancelled, /cancelled/);
  await settled();
  assertEquals(callers, ["a", "c"]);
});
