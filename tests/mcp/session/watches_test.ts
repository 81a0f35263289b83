/**
 * How long a client waits for a server's own stream.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Session } from "../../../src/mcp/session/session.ts";
import { createWatches, type WatchesDeps } from "../../../src/mcp/session/watches.ts";
import { fakeClock, fakeTimers } from "../../support/fake_clock.ts";
import { anUpstream } from "../../support/memory_catalog.ts";

function aSession(): Session {
  return { watches: new Map(), end: new AbortController() } as unknown as Session;
}

async function isOver(waiting: Promise<void>): Promise<boolean> {
  let over = false;
  void waiting.then(() => over = true);
  for (let i = 0; i < 50; i++) await Promise.resolve();
  return over;
}

Deno.test("ensure() waits less for a server that did not say that the stream is open", async () => {
  const timers = fakeTimers(fakeClock());
  const reply = Promise.withResolvers<never>();
  const deps = { timers, upstream: () => ({ send: () => reply.promise }), failed() {} };
  const watches = createWatches(deps as unknown as WatchesDeps);
  const server = anUpstream();

  const first = watches.ensure(aSession(), server, false);
  timers.advance(499);
  assert(!await isOver(first));
  timers.advance(1);
  assert(await isOver(first));

  const second = watches.ensure(aSession(), server, false);
  timers.advance(99);
  assert(!await isOver(second));
  timers.advance(1);
  assert(await isOver(second));

  const third = watches.ensure(aSession(), server, false);
  reply.reject(new Error("It cannot be reached"));
  assert(await isOver(third));
  const fourth = watches.ensure(aSession(), anUpstream(), false);
  assert(await isOver(fourth));
});
