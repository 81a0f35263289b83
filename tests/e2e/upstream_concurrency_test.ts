/**
 * `UPSTREAM_CONCURRENCY`: how many requests a server has at once, whose turn it is, and what becomes
 * of those that wait.
 *
 * @module
 * @see contract.md, section 2
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { callModern, type Message } from "../support/modern.ts";
import { openModern } from "../support/open_reply.ts";
import { headerOf, type RawReply } from "../support/raw_http.ts";
import {
  note,
  said,
  type SessionReply as Reply,
  type SessionRequest,
  type Slot,
} from "../support/scripted_session_server.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import { callSession, openSession, type Session, toolCall } from "../support/session_client.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const RATE_LIMITED = -31006;
/** As `LIMITS.upstreamWaitMs`, and some more. */
const WAITED_MS = 20_000;

let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld({ UPSTREAM_CONCURRENCY: "1" });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

/** A server whose calls end when the test says so, in the order in which they came. */
function playHeld(at = world) {
  const waiting: (() => void)[] = [];
  let most = 0;
  const slot = at.play(() => ({
    async "tools/call"(request, reply) {
      most = Math.max(most, waiting.length + 1);
      await new Promise<void>((resolve) => waiting.push(resolve));
      reply.json(said(request, nameOf(request)));
    },
  }));
  const calls = () => slot.requestsOf("tools/call").map(nameOf);
  return {
    slot,
    world: at,
    /** Names of the calls that have reached the server. */
    calls,
    /** The most that it had at once. */
    most: () => most,
    async endNext(): Promise<void> {
      await until("a call", () => waiting.length > 0);
      waiting.shift()!();
    },
    waiting: () => waiting.length,
  };
}

function nameOf(request: SessionRequest): string {
  return (request.message.params as { name: string }).name;
}

async function sessionOf(slot: Slot, subject: string, at = world): Promise<Session> {
  const { path } = await at.at(slot);
  return await openSession(at.gateway.origin, {
    path,
    token: await mintToken({ sub: subject }),
  });
}

function textOf({ response }: { readonly response: Message }): unknown {
  return ((response.result as Message).content as Message[])[0]!.text;
}

Deno.test("a server has no more requests at once than the setting says, and all are answered", async () => {
  const held = playHeld();
  const session = await world.open(held.slot);
  const replies = [1, 2, 3, 4, 5].map((at) => session.send(toolCall(`${at}`)));
  for (let i = 0; i < 5; i++) await held.endNext();
  const texts = (await Promise.all(replies)).map(textOf);
  assertEquals([texts.sort(), held.most()], [["1", "2", "3", "4", "5"], 1]);
});

Deno.test("two principals at a server that takes one request at a time take turns", async () => {
  const held = playHeld();
  const flood = await sessionOf(held.slot, "flood@example.com");
  const other = await sessionOf(held.slot, "other@example.com");
  const replies = [flood.send(toolCall("first"))];
  await until("the first call", () => held.calls().length === 1);
  for (let i = 0; i < 6; i++) replies.push(flood.send(toolCall("flood")));
  await pause();
  for (let i = 0; i < 3; i++) replies.push(other.send(toolCall("other")));
  await pause();
  for (let i = 0; i < 10; i++) await held.endNext();
  await Promise.all(replies);
  const turns = held.calls().slice(1);
  // However far the flood was ahead, the three of the other came within its first turns.
  assertEquals(turns, [
    "flood",
    "other",
    "flood",
    "other",
    "flood",
    "other",
    "flood",
    "flood",
    "flood",
  ]);
});

Deno.test("requests to another server do not wait", async () => {
  const held = playHeld();
  const session = await world.open(held.slot);
  const first = session.send(toolCall("first"));
  await until("the first call", () => held.calls().length === 1);
  const other = await world.open(world.play());
  assertEquals((await other.send(toolCall("any"))).status, 200);
  await held.endNext();
  await first;
});

Deno.test("a call that was cancelled while it waited never reaches the server", async () => {
  const held = playHeld();
  const session = await world.open(held.slot);
  const first = session.send(toolCall("first"));
  await until("the first call", () => held.calls().length === 1);
  const second = session.send({ ...toolCall("cancelled"), idText: "77" });
  await pause();
  await session.notify("notifications/cancelled", { requestId: 77 });
  await held.endNext();
  await first;
  const third = session.send(toolCall("third"));
  await held.endNext();
  await third;
  await second;
  assertEquals(held.calls(), ["first", "third"]);
});

Deno.test("answers to a question of the server do not wait for the call that asks it", async () => {
  const slot = world.play((slot) => ({
    async "tools/call"(request, reply) {
      const stream = reply.stream();
      stream.message('{"jsonrpc":"2.0","id":1,"method":"roots/list"}');
      await slot.arrival("response");
      stream.message(said(request, "done"));
      stream.end();
    },
  }));
  const session = await world.open(slot);
  using call = await session.open(toolCall("asks"));
  const question = await until(
    "the question",
    () => call.messages().find(({ method }) => method === "roots/list"),
  );
  await session.answer(question, { result: { roots: [] } });
  const answer = await until("the answer", () => call.messages().find((one) => "result" in one));
  assertEquals(textOf({ response: answer }), "done");
});

Deno.test("a stream that is open takes the place until it ends", async () => {
  const end = Promise.withResolvers<void>();
  const slot = world.play(() => ({
    async "tools/call"(request, reply) {
      if (nameOf(request) !== "streams") return reply.json(said(request, "hello"));
      const stream = reply.stream();
      stream.message(note("begun"));
      await end.promise;
      stream.message(said(request, "done"));
      stream.end();
    },
  }));
  const session = await world.open(slot);
  using stream = await session.open(toolCall("streams"));
  await until("the first message", () => stream.messages().length > 0);
  const next = session.send(toolCall("next"));
  await pause();
  assertEquals(slot.requestsOf("tools/call").map(nameOf), ["streams"]);
  end.resolve();
  assertEquals(textOf(await next), "hello");
});

Deno.test("listening at a server does not count", async () => {
  const slot = world.play(() => ({
    GET: (_request: SessionRequest, reply: Reply) => void reply.stream().message(note("heard")),
  }));
  const session = await world.open(slot);
  using own = await session.listen();
  await until("the first message", () => own.messages().length > 0);
  assertEquals((await session.send(toolCall("any"))).status, 200);
});

type Held = ReturnType<typeof playHeld>;

/** What a client gets whose call finds the place taken, and for how long it stays so. */
async function waitsInVain(
  held: Held,
  call: (name: string) => Promise<RawReply & { readonly response: Message }>,
) {
  const holder = await sessionOf(held.slot, "holder@example.com", held.world);
  // What has to be said to the server before a call is said while there is a place.
  const early = call("early");
  await held.endNext();
  await early;
  const first = holder.send({ ...toolCall("first"), options: { deadlineMs: WAITED_MS } });
  await until("the first call", () => held.waiting() === 1);
  const reply = await call("late");
  await held.endNext();
  await first;
  const { error } = reply.response as { error: Message };
  assertEquals([error.code, (error.data as Message).retryable], [RATE_LIMITED, true]);
  assertEquals(held.calls(), ["early", "first"]);
  return reply;
}

Deno.test("a call in a session that waits in vain ends with -31006, and is not sent", async () => {
  const held = playHeld();
  const session = await world.open(held.slot);
  await waitsInVain(held, (name) => session.send(toolCall(name)));
});

Deno.test("a call of 2026-07-28 that waits in vain ends with -31006, and is not sent", async () => {
  const held = playHeld();
  const at = await world.at(held.slot);
  await waitsInVain(
    held,
    (name) => callModern(world.gateway.origin, { ...at, params: { name, arguments: {} } }),
  );
});

Deno.test("where the answer is a body of its own, it is 429 with Retry-After", async () => {
  await using other = await openScriptedWorld({
    UPSTREAM_CONCURRENCY: "1",
    JSON_RESPONSE_ENABLED: "true",
  });
  const held = playHeld(other);
  const session = await other.open(held.slot);
  const reply = await waitsInVain(held, (name) => session.send(toolCall(name)));
  assertEquals([reply.status, headerOf(reply, "retry-after")], [429, "1"]);
});

Deno.test("a client of 2026-07-28 that leaves while it waits is not carried out", async () => {
  const held = playHeld();
  const holder = await sessionOf(held.slot, "holder@example.com");
  const at = await world.at(held.slot);
  // Its session at the server is opened before the place is taken.
  const early = callModern(world.gateway.origin, {
    ...at,
    params: { name: "early", arguments: {} },
  });
  await held.endNext();
  await early;
  const first = holder.send(toolCall("first"));
  await until("the first call", () => held.calls().includes("first"));
  const leaver = await openModern(world.gateway.origin, {
    ...at,
    params: { name: "leaver", arguments: {} },
  });
  await pause();
  leaver.close();
  await pause();
  await held.endNext();
  await first;
  const next = holder.send(toolCall("next"));
  await held.endNext();
  await next;
  assertEquals(held.calls(), ["early", "first", "next"]);
});

Deno.test("without sessions calls take turns, too", async () => {
  await using off = await openScriptedWorld({
    UPSTREAM_CONCURRENCY: "1",
    USE_STATEFUL_SESSIONS: "false",
  });
  let running = 0;
  let most = 0;
  const slot = off.play(() => ({
    async "tools/call"(request, reply) {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      reply.json(said(request, "hello"));
    },
  }));
  const at = await off.at(slot);
  const headers = { "MCP-Protocol-Version": "2025-11-25" };
  const replies = await Promise.all(
    Array.from(
      { length: 10 },
      () => callSession(off.gateway.origin, { ...at, ...toolCall("any"), headers }),
    ),
  );
  assertEquals([replies.map(textOf), most], [Array(10).fill("hello"), 1]);
  assert(slot.requestsOf("tools/call").length === 10);
});

/** What is on its way arrives. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 300));
}
