/**
 * What ends by itself: sessions that idle or are too old, and events that nobody has come back for.
 * The upstream server's session ends with the client's, and not with the gateway.
 *
 * @module
 * @see contract.md, section 2, `SESSION_IDLE_TTL`, `SESSION_MAX_TTL`, `STREAMABLE_HTTP_EVENT_TTL`
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { responseOf, statusOf } from "../support/open_reply.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import {
  note,
  said,
  type ScriptedStream,
  type SessionScript,
  type Slot,
} from "../support/scripted_session_server.ts";
import {
  followCall,
  lastEventId,
  messagesIn,
  type Session,
  type SessionStream,
  toolCall,
} from "../support/session_client.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { until } from "../support/until.ts";

const SECOND_MS = 1_000;
/** What has run out is looked for every second or so. */
const END_MS_MAX = 10_000;

const SETTINGS = {
  idle: { SESSION_IDLE_TTL: "2s" },
  max: { SESSION_MAX_TTL: "2s" },
  /** Every reply is a stream, to be resumed from its beginning. */
  events: { STREAMABLE_HTTP_EVENT_TTL: "1", JSON_RESPONSE_ENABLED: "false" },
  memory: { EVENT_STORE: "memory", JSON_RESPONSE_ENABLED: "false" },
} as const;
type Setting = keyof typeof SETTINGS;

const beside = sideBySide();
let worlds: Readonly<Record<Setting, ScriptedWorld>>;

Deno.test.beforeAll(async () => {
  const opened = Object.entries(SETTINGS).map(async ([name, env]) =>
    [name, await openScriptedWorld(env)] as const
  );
  worlds = Object.fromEntries(await Promise.all(opened)) as typeof worlds;
  beside.start();
});

Deno.test.afterAll(async () => {
  for (const world of Object.values(worlds ?? {})) await world[Symbol.asyncDispose]();
});

/** Runs in a session of its own, on an endpoint of its own. */
function test(
  promise: string,
  setting: Setting,
  run: (slot: Slot, session: Session) => Promise<void>,
  script?: (slot: Slot) => SessionScript,
): void {
  beside.test(promise, async () => {
    const slot = worlds[setting].play(script);
    await using session = await worlds[setting].open(slot);
    await run(slot, session);
  });
}

// ── Sessions ────────────────────────────────────────────────────────────────────────────────────

for (const [what, setting] of [["idles", "idle"], ["is too old", "max"]] as const) {
  test(`SESS-07: a session that ${what} ends at the server`, setting, async (slot) => {
    await until("DELETE", () => slot.requestsOf("DELETE")[0], END_MS_MAX);
    assertEquals(slot.sessions.size, 0);
  });

  test(`SESS-07: a session that ${what} is 404 to its client`, setting, async (slot, session) => {
    await until("DELETE", () => slot.requestsOf("DELETE")[0], END_MS_MAX);
    const statuses = [
      (await session.send({ method: "ping" })).status,
      (await session.send({ verb: "GET", headers: { Accept: "text/event-stream" } })).status,
      (await session.end()).status,
    ];
    assertEquals([statuses, slot.methods().slice(-1)], [[404, 404, 404], ["DELETE"]]);
  });

  test(
    `SESS-07: a session that ${what} ends where the server has none`,
    setting,
    async (_slot, session) => {
      const isOver = async () => (await session.listen().then(statusAndClose)) === 404;
      // Asking keeps an idle session alive: it is left alone before.
      if (setting === "idle") await pause(4 * SECOND_MS);
      await until("404", isOver, END_MS_MAX);
    },
    (slot) => ({
      initialize: (request, reply) =>
        slot.usual(request, { ...reply, json: (body) => reply.json(body) }),
      "notifications/initialized": (_request, reply) => reply.empty(202),
    }),
  );
}

for (
  const [what, hold] of Object.entries<(session: Session) => Promise<SessionStream>>({
    "an open stream": (session) => session.listen(),
    "a running call": (session) => session.open(toolCall("any")),
  })
) {
  test(`${what} keeps a session alive beyond the idle time`, "idle", async (slot, session) => {
    using stream = await hold(session);
    await outlived(slot);
    assertEquals([stream.ended(), (await session.send({ method: "ping" })).status], [
      undefined,
      200,
    ]);
  }, listenable);
}

test(
  "messages of the client keep a session alive beyond the idle time",
  "idle",
  async (slot, session) => {
    let isOver = false;
    const other = outlived(slot).finally(() => isOver = true);
    const statuses: number[] = [];
    while (!isOver) {
      statuses.push((await session.send({ method: "ping" })).status);
      await pause(SECOND_MS / 4);
    }
    await other;
    assertEquals([...new Set(statuses)], [200]);
  },
);

test(
  "SESS-07: a session that is too old ends with its streams and calls",
  "max",
  async (slot, session) => {
    using own = await session.listen();
    using call = await session.open(toolCall("any"));
    await until("the end of both", () => own.ended() && call.ended(), END_MS_MAX);
    await until("DELETE", () => slot.requestsOf("DELETE")[0], END_MS_MAX);
    await until("the end of the server's", () => STREAMS.get(slot.number)!.hasLeft(), END_MS_MAX);
  },
  listenable,
);

test("the server hears the end of a session that idles once, with its id", "idle", async (slot) => {
  await until("DELETE", () => slot.requestsOf("DELETE")[0], END_MS_MAX);
  await outlived(slot);
  const named = slot.requestsOf("DELETE").map((request) => request.header("mcp-session-id"));
  assertEquals(named.filter((id) => id === `upstream-${slot.number}-1`).length, 1);
});

/** Waits for the end of a session that begins now, and is left alone. */
async function outlived(slot: Slot): Promise<void> {
  const { length } = slot.requestsOf("DELETE");
  await worlds.idle.open(slot);
  await until("the end of another session", () => slot.requestsOf("DELETE")[length], END_MS_MAX);
}

// ── Events ──────────────────────────────────────────────────────────────────────────────────────

test(
  "EVT-07: after its time an event of a call that has ended is 404",
  "events",
  async (_slot, session) => {
    const { events } = await session.send(toolCall("any"));
    const resume = async () => await session.listen(events[0]!.id).then(statusAndClose);
    await until("404", async () => await resume() === 404, END_MS_MAX);
  },
);

test("a quiet call outlives the time of its events", "events", async (_slot, session) => {
  const call = await session.open(toolCall("any"));
  await until("an event", () => call.events()[0]);
  call.close();
  await pause(2.5 * SECOND_MS);
  using again = await session.listen(lastEventId(call.events()));
  const { result } = await responseOf(again, END_MS_MAX);
  assert(JSON.stringify(result).includes("at last"));
}, () => ({
  async "tools/call"(request, reply) {
    await pause(4 * SECOND_MS);
    reply.json(said(request, "at last"));
  },
}));

test(
  "EVT-04, EVT-07: of the session's own stream it is told what was lost with the time",
  "events",
  async (slot, session) => {
    const first = await session.listen();
    await until("a message", () => first.messages()[0]);
    first.close();
    const upstream = STREAMS.get(slot.number)!;
    upstream.message(note("lost"));
    await pause(2.5 * SECOND_MS);
    upstream.message(note("kept"));
    using again = await session.listen(lastEventId(first.events()));
    await until("the last message", () => dataIn(again).includes("kept"));
    assertEquals(dataIn(again), [{ gap: true, lost: 1 }, "kept"]);
  },
  listenable,
);

// ── In memory ───────────────────────────────────────────────────────────────────────────────────

test(
  "events in memory: a call that is lost brings each message once",
  "memory",
  async (_slot, session) => {
    const call = await session.open(toolCall("any"));
    await until("a message", () => call.messages()[0]);
    call.close();
    const rest = await followCall(session, await session.listen(lastEventId(call.events())));
    const all = messagesIn([...call.events(), ...rest]);
    assertEquals([dataOf(all), all.filter((one) => "result" in one).length], [[1, 2, 3], 1]);
  },
  () => ({
    async "tools/call"(request, reply) {
      const stream = reply.stream();
      for (const at of [1, 2, 3]) {
        stream.message(note(at));
        await pause(100);
      }
      stream.message(said(request, "done"));
      stream.end();
    },
  }),
);

test(
  "events in memory: the session's own stream goes on behind its last event",
  "memory",
  async (slot, session) => {
    const first = await session.listen();
    await until("a message", () => first.messages()[0]);
    first.close();
    for (const data of ["one", "two"]) STREAMS.get(slot.number)!.message(note(data));
    using again = await session.listen(lastEventId(first.events()));
    await until("the last message", () => dataIn(again).includes("two"));
    assertEquals(dataIn(again), ["one", "two"]);
  },
  listenable,
);

test(
  "SESS-06, EVT-07: events in memory: after DELETE an event id is 404",
  "memory",
  async (_slot, session) => {
    const { events } = await session.send(toolCall("any"));
    await session.end();
    assertEquals(await session.listen(events[0]!.id).then(statusAndClose), 404);
  },
);

// ── The gateway's own end ───────────────────────────────────────────────────────────────────────

Deno.test("on SIGTERM no session ends at the server", async () => {
  await using world = await openScriptedWorld();
  const slot = world.play(listenable);
  await using session = await world.open(slot);
  using own = await session.listen();
  await statusOf(own);
  const { code } = await world.gateway.stop();
  assertEquals([code, slot.requestsOf("DELETE"), slot.sessions.size], [0, [], 1]);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** The servers' own streams, by slot. */
const STREAMS = new Map<number, ScriptedStream>();

/** A server with a stream of its own, whose calls are never answered. */
function listenable(slot: Slot): SessionScript {
  return {
    GET(_request, reply) {
      const stream = reply.stream();
      STREAMS.set(slot.number, stream);
      stream.message(note("first"));
    },
    "tools/call": () => {},
  };
}

async function statusAndClose(stream: SessionStream): Promise<number> {
  const status = await statusOf(stream);
  stream.close();
  return status;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function dataIn(stream: SessionStream): unknown[] {
  return dataOf(stream.messages());
}

function dataOf(messages: readonly Message[]): unknown[] {
  return messages.flatMap(({ method, params }) =>
    method === "notifications/message" ? [(params as Message).data] : []
  );
}
