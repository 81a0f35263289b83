/**
 * LIM-10: how many event streams one principal may listen on, of all kinds together, and that a place
 * is free again however its stream ends.
 *
 * @module
 * @see contract.md, section 2, `STREAMS_PER_PRINCIPAL`
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  EVERYTHING_PATH,
  type EverythingWorld,
  openEverythingWorld,
} from "../support/everything.ts";
import { callModern, type Message, type ModernCall } from "../support/modern.ts";
import { greetOld, openOld, openOldReply } from "../support/old_sse_client.ts";
import { messageOf, openModern, type OpenReply, statusOf } from "../support/open_reply.ts";
import { lastEventId, openSession } from "../support/session_client.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const STREAMS_MAX = 3;
const RATE_LIMITED = -31006;
const OLD_PATH = "/servers/everything/sse";
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

let world: EverythingWorld;

Deno.test.beforeAll(async () => {
  world = await openEverythingWorld({
    env: { STREAMS_PER_PRINCIPAL: String(STREAMS_MAX), SHUTDOWN_GRACE: "1s" },
  });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

type Open = (token: string) => Promise<OpenReply>;

/** The ways to listen. A reply is an open stream or a refusal. */
const KINDS: Readonly<Record<string, Open>> = {
  "a subscription": (token) => openModern(world.gateway.origin, listen(token)),
  async "a GET stream"(token) {
    const session = await openSession(world.gateway.origin, { path: EVERYTHING_PATH, token });
    return await session.listen();
  },
  "a stream of the old transport": (token) =>
    openOldReply(world.gateway.origin, { path: OLD_PATH, token }),
};

for (const [what, open] of Object.entries(KINDS)) {
  Deno.test(`LIM-10: over the limit ${what} is 429 with Retry-After and -31006`, async () => {
    const token = await someone();
    using _streams = await filled(token);
    using reply = await open(token);
    assertEquals(await statusOf(reply), 429);
    await until("the whole refusal", () => reply.ended());
    assertEquals(reply.header("retry-after"), "30");
    assertEquals((JSON.parse(reply.text()).error as Message).code, RATE_LIMITED);
  });

  Deno.test(`LIM-10: ${what} takes a place of all kinds`, async () => {
    const token = await someone();
    using _streams = await filled(token, STREAMS_MAX - 1);
    using reply = await open(token);
    assertEquals(await statusOf(reply), 200);
    for (const other of Object.values(KINDS)) {
      using refused = await other(token);
      assertEquals(await statusOf(refused), 429);
    }
  });

  Deno.test(`LIM-10: when the client of ${what} leaves its place is free`, async () => {
    const token = await someone();
    using _streams = await filled(token, STREAMS_MAX - 1);
    const reply = await open(token);
    assertEquals(await statusOf(reply), 200);
    reply.close();
    await becomesFree(token);
  });

  Deno.test(`LIM-10: another principal has ${what} beside one that is over its limit`, async () => {
    using _streams = await filled(await someone());
    using reply = await open(await someone());
    assertEquals(await statusOf(reply), 200);
  });
}

Deno.test("LIM-10: what is refused does not disturb the streams that are open", async () => {
  const token = await someone();
  using streams = await filled(token);
  for (let i = 0; i < 5; i++) {
    for (const open of Object.values(KINDS)) {
      using refused = await open(token);
      assertEquals(await statusOf(refused), 429);
    }
  }
  await callModern(world.gateway.origin, {
    path: EVERYTHING_PATH,
    params: { name: "test_trigger_tool_change", arguments: {} },
    token,
  });
  for (const stream of streams.all) await messageOf(stream, "notifications/tools/list_changed");
});

Deno.test("LIM-10: what was refused has taken no place", async () => {
  const token = await someone();
  const streams = await filled(token);
  for (const open of Object.values(KINDS)) {
    using refused = await open(token);
    assertEquals(await statusOf(refused), 429);
  }
  streams[Symbol.dispose]();
  for (let i = 0; i < STREAMS_MAX; i++) await becomesFree(token);
  using _again = await filled(token);
});

Deno.test("LIM-10: a GET stream's place is free when its session ends", async () => {
  const token = await someone();
  using _streams = await filled(token, STREAMS_MAX - 1);
  const session = await openSession(world.gateway.origin, { path: EVERYTHING_PATH, token });
  using own = await session.listen();
  assertEquals(await statusOf(own), 200);
  await session.end();
  await until("the end of the stream", () => own.ended());
  using next = await openModern(world.gateway.origin, listen(token));
  assertEquals(await statusOf(next), 200);
});

Deno.test("LIM-10: a second GET of one session takes no place when it is refused", async () => {
  const token = await someone();
  using _streams = await filled(token, STREAMS_MAX - 2);
  const session = await openSession(world.gateway.origin, { path: EVERYTHING_PATH, token });
  using own = await session.listen();
  assertEquals(await statusOf(own), 200);
  for (let i = 0; i < 5; i++) {
    using second = await session.listen();
    assertEquals(await statusOf(second), 409);
  }
  await becomesFree(token);
});

Deno.test("LIM-10: with all places taken a client can still come back to its own GET stream", async () => {
  const token = await someone();
  using _streams = await filled(token, STREAMS_MAX - 1);
  const session = await openSession(world.gateway.origin, { path: EVERYTHING_PATH, token });
  let own = await session.listen();
  await until("an event with an id", () => own.events().some(({ id }) => id !== undefined));
  const id = lastEventId(own.events());
  // The connection before is still open: nobody knows yet that its client has gone.
  for (let i = 0; i < 2 * STREAMS_MAX; i++) {
    const again = await session.listen(id);
    assertEquals(await statusOf(again), 200);
    await until("the end of the one before", () => own.ended());
    own = again;
  }
  using refused = await openModern(world.gateway.origin, listen(token));
  assertEquals(await statusOf(refused), 429);
  own.close();
});

Deno.test("LIM-10: with all places taken a client can still come back over the old transport", async () => {
  const token = await someone();
  using _streams = await filled(token, STREAMS_MAX - 1);
  using stream = await greetOld(world.gateway.origin, { path: OLD_PATH, token });
  for (let i = 0; i < 2 * STREAMS_MAX; i++) {
    const resume = { path: OLD_PATH, token, lastEventId: stream.lastEventId() };
    const again = await openOldReply(world.gateway.origin, resume);
    assertEquals(await statusOf(again), 200);
    again.close();
  }
});

Deno.test("LIM-10: the stream of a call takes no place", async () => {
  const token = await someone();
  using _streams = await filled(token);
  const params = { name: "test_steps", arguments: { count: 2, ms: 10, label: "x" } };
  const headers = { Accept: "text/event-stream" };
  const meta = { progressToken: "p" };
  const call = { path: EVERYTHING_PATH, params, headers, meta, token };
  assertEquals((await callModern(world.gateway.origin, call)).status, 200);
});

Deno.test("LIM-10: with all places taken a client can still resume the stream of a call", async () => {
  const token = await someone();
  using _streams = await filled(token);
  const session = await openSession(world.gateway.origin, { path: EVERYTHING_PATH, token });
  const params = { name: "test_steps", arguments: { count: 5, ms: 100, label: "x" } };
  const call = await session.open({
    params: { ...params, _meta: { progressToken: "p" } },
    headers: { Accept: "text/event-stream, application/json" },
  });
  await until("an event with an id", () => call.events().some(({ id }) => id !== undefined));
  call.close();
  using again = await session.listen(lastEventId(call.events()));
  await until("the result", () => again.messages().find((message) => "result" in message));
});

Deno.test("LIM-10: many GETs of one session at once are refused for what they are", async () => {
  const token = await someone();
  const session = await openSession(world.gateway.origin, { path: EVERYTHING_PATH, token });
  const replies = await Promise.all(Array.from({ length: 20 }, () => session.listen()));
  const statuses = await Promise.all(replies.map((reply) => statusOf(reply)));
  for (const reply of replies) reply.close();
  assertEquals(statuses.sort(), [200, ...Array(19).fill(409)]);
});

Deno.test("LIM-10: many clients that come and go at once leave all places free", async () => {
  const token = await someone();
  const opens = Object.values(KINDS);
  await Promise.all(Array.from({ length: 60 }, async (_, at) => {
    const reply = await opens[at % opens.length]!(token).catch(() => undefined);
    if (at % 2 === 0 && reply !== undefined) await statusOf(reply).catch(() => {});
    reply?.close();
  }));
  await until("all places to be free", async () => {
    const replies = await Promise.all(
      Array.from({ length: STREAMS_MAX }, () => openModern(world.gateway.origin, listen(token))),
    );
    const statuses = await Promise.all(replies.map((reply) => statusOf(reply)));
    for (const reply of replies) reply.close();
    return statuses.every((status) => status === 200);
  });
});

Deno.test("LIM-10: without the setting there are as many as sessions", async () => {
  await using other = await openEverythingWorld({ env: { SESSIONS_PER_PRINCIPAL: "2" } });
  const open = () => openModern(other.gateway.origin, listen(other.token));
  const replies = [await open(), await open(), await open()];
  const statuses = await Promise.all(replies.map((reply) => statusOf(reply)));
  for (const reply of replies) reply.close();
  assertEquals(statuses.sort(), [200, 200, 429]);
});

Deno.test("LIM-10: streams of the old transport that say nothing count, too", async () => {
  const token = await someone();
  const streams = [];
  for (let i = 0; i < STREAMS_MAX; i++) {
    streams.push(await openOld(world.gateway.origin, { path: OLD_PATH, token }));
  }
  using refused = await openModern(world.gateway.origin, listen(token));
  assertEquals(await statusOf(refused), 429);
  for (const stream of streams) stream[Symbol.dispose]();
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

function someone(): Promise<string> {
  return mintToken({ sub: `${crypto.randomUUID()}@example.com` });
}

function listen(token: string): ModernCall {
  return {
    path: EVERYTHING_PATH,
    method: "subscriptions/listen",
    params: { notifications: { toolsListChanged: true } },
    token,
  };
}

/** Holds so many places. */
async function filled(token: string, count = STREAMS_MAX) {
  const all: OpenReply[] = [];
  for (let i = 0; i < count; i++) {
    const reply = await openModern(world.gateway.origin, listen(token));
    all.push(reply);
    await messageOf(reply, ACKNOWLEDGED);
  }
  return {
    all,
    [Symbol.dispose]() {
      for (const reply of all) reply.close();
    },
  };
}

async function becomesFree(token: string): Promise<void> {
  await until("a free place", async () => {
    using reply = await openModern(world.gateway.origin, listen(token));
    return await statusOf(reply) === 200;
  });
}
