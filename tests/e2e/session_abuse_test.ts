/**
 * Clients that ask for too much, leave in the middle, or send what is no request: they get what they
 * deserve, their calls are made once, and everybody else is served.
 *
 * @module
 * @see protocol.md, section 8.3; contract.md, section 8, "Streams", "Sessions"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { descriptorsBack, openDescriptors } from "../support/file_descriptors.ts";
import type { Message } from "../support/modern.ts";
import { openRaw, type OpenReply, statusOf } from "../support/open_reply.ts";
import { headerOf } from "../support/raw_http.ts";
import { openScriptedWorld, type ScriptedWorld, slotEndpoint } from "../support/scripted_world.ts";
import { note, said, type SessionScript, type Slot } from "../support/scripted_session_server.ts";
import { seeded } from "../support/seeded.ts";
import {
  followCall,
  initialize,
  lastEventId,
  messagesIn,
  openSession,
  openSessionStream,
  type Session,
  sessionBytes,
  type SessionCall,
  type SessionOptions,
  type SessionStream,
  toolCall,
} from "../support/session_client.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { until } from "../support/until.ts";

const SESSIONS_MAX = 5;
const FLOOD = 60;
const CHURN = 400;
const FUZZ = 400;

const beside = sideBySide();
let world: ScriptedWorld;
let fleeting: ScriptedWorld;

Deno.test.beforeAll(async () => {
  const open = { MCP_REQUIRE_AUTH: "false", JSON_RESPONSE_ENABLED: "false" };
  [world, fleeting] = await Promise.all([
    openScriptedWorld({ ...open, SESSIONS_PER_PRINCIPAL: String(SESSIONS_MAX) }),
    openScriptedWorld({ SESSION_IDLE_TTL: "2s", SESSIONS_PER_PRINCIPAL: String(2 * CHURN) }),
  ]);
  beside.start();
});

Deno.test.afterAll(async () => {
  for (const one of [world, fleeting]) await one?.[Symbol.asyncDispose]();
});

// ── Too many ────────────────────────────────────────────────────────────────────────────────────

for (const who of ["a subject", "nobody"] as const) {
  Deno.test(`SESS-08: of ${FLOOD} sessions that ${who} asks for at once ${SESSIONS_MAX} are opened`, async () => {
    const slot = world.play();
    await using crowd = await flood(slot, who);
    const refused = crowd.replies.filter(({ status }) => status === 429);
    assertEquals([crowd.ids.length, refused.length], [SESSIONS_MAX, FLOOD - SESSIONS_MAX]);
    assert(refused.every((reply) => /^\d+$/.test(headerOf(reply, "retry-after") ?? "")));
  });

  Deno.test(`the server hears nothing of the sessions that are too many for ${who}`, async () => {
    const slot = world.play();
    await using _crowd = await flood(slot, who);
    assertEquals(slot.requestsOf("initialize").length, SESSIONS_MAX);
  });
}

Deno.test("a subject is let in beside nobody who has too many sessions", async () => {
  const slot = world.play();
  await using _crowd = await flood(slot, "nobody");
  await using session = await world.open(slot);
  assertEquals((await session.send({ method: "ping" })).status, 200);
});

Deno.test("clients that leave before they are told their session do not use up sessions", async () => {
  const slot = world.play((slot) => ({
    async initialize(request, reply) {
      await pause(100);
      return slot.usual(request, reply);
    },
  }));
  const at = await world.at(slot);
  for (let nth = 0; nth < SESSIONS_MAX; nth++) {
    const hello = await openSessionStream(world.gateway.origin, { ...HELLO, ...at });
    await slot.arrival("initialize", nth);
    hello.close();
  }
  const letIn = async () => (await initialize(world.gateway.origin, at)).status === 200;
  await until("a session", letIn);
});

const HELLO: SessionCall = {
  method: "initialize",
  params: {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "x", version: "1" },
  },
  idText: "0",
};

async function flood(slot: Slot, who: "a subject" | "nobody") {
  const { path, token } = await world.at(slot);
  const options: SessionOptions = who === "nobody" ? { path } : { path, token };
  const replies = await Promise.all(
    Array.from({ length: FLOOD }, () => initialize(world.gateway.origin, options)),
  );
  const ids = replies.flatMap((reply) => headerOf(reply, "mcp-session-id") ?? []);
  const end = (id: string) =>
    openSessionStream(world.gateway.origin, {
      ...options,
      verb: "DELETE",
      headers: { "Mcp-Session-Id": id },
    }).then((reply) => until("the end", () => reply.ended()));
  return { replies, ids, [Symbol.asyncDispose]: async () => void await Promise.all(ids.map(end)) };
}

Deno.test(`SESS-09: of ${FLOOD} streams that a session asks for at once one is opened`, async () => {
  const slot = world.play(listenable);
  await using session = await world.open(slot);
  const streams = await Promise.all(Array.from({ length: FLOOD }, () => session.listen()));
  const statuses = await Promise.all(streams.map((stream) => statusOf(stream)));
  const counts = [200, 409].map((one) => statuses.filter((status) => status === one).length);
  assertEquals([counts, slot.requestsOf("GET").length], [[1, FLOOD - 1], 1]);
  for (const stream of streams) stream.close();
});

Deno.test(`of ${FLOOD} clients that come back to one stream at once one stays`, async () => {
  const slot = world.play(listenable);
  await using session = await world.open(slot);
  const first = await session.listen();
  await until("an event", () => first.messages()[0]);
  const id = lastEventId(first.events());
  const streams = await Promise.all(Array.from({ length: FLOOD }, () => session.listen(id)));
  const open = () => streams.filter((stream) => !stream.ended());
  await until("all but one are ended", () => open().length === 1 && first.ended());
  assertEquals(slot.requestsOf("GET").length, 1);
  for (const stream of streams) stream.close();
});

Deno.test(`${CHURN} sessions that are opened and ended leave nothing behind`, async () => {
  const { pid } = world.gateway;
  const slot = world.play();
  const end = async (session: Session) => void await session.end();
  await churn(world, slot, 20, end);
  const before = await openDescriptors(pid);
  await churn(world, slot, CHURN, end);
  assertEquals(slot.sessions.size, 0);
  await descriptorsBack(pid, before);
});

beside.test(`${CHURN / 4} sessions that are left with calls and streams end by themselves`, async () => {
  const { pid } = fleeting.gateway;
  const slot = fleeting.play(listenable);
  const before = await openDescriptors(pid);
  await churn(fleeting, slot, CHURN / 4, async (session) => {
    const own = await session.listen();
    const call = await session.open(toolCall("short"));
    await statusOf(own);
    for (const stream of [own, call]) stream.close();
  });
  await until("the server's sessions are ended", () => slot.sessions.size === 0, 15_000);
  await descriptorsBack(pid, before);
});

/** Opens so many sessions, some at a time, and has each used. */
async function churn(
  { at, gateway }: ScriptedWorld,
  slot: Slot,
  count: number,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  const options = await at(slot);
  let left = count;
  await Promise.all(Array.from({ length: SESSIONS_MAX }, async () => {
    while (left-- > 0) await use(await openSession(gateway.origin, options));
  }));
}

// ── Clients that leave ──────────────────────────────────────────────────────────────────────────

/** When a client leaves: what it has sent, or what it has seen. */
const MOMENTS: Readonly<
  Record<string, (session: Session, slot: Slot) => Promise<SessionStream | undefined>>
> = {
  "in its head": (session, slot) => sendPart(session, slot, 60),
  "in its body": (session, slot) => sendPart(session, slot, -10),
  "when it has sent all": async (session) => {
    const call = await session.open(toolCall("short"));
    return call;
  },
  "when it has the head of the reply": async (session) => {
    const call = await session.open(toolCall("short"));
    await statusOf(call);
    return call;
  },
  "when it has an event id": async (session) => {
    const call = await session.open(toolCall("short"));
    await until("an event", () => call.events()[0]);
    return call;
  },
  "when it has a message": async (session) => {
    const call = await session.open(toolCall("short"));
    await until("a message", () => call.messages()[0]);
    return call;
  },
};

for (const [moment, start] of Object.entries(MOMENTS)) {
  Deno.test(`a client that leaves ${moment} makes its call once at most`, async () => {
    const slot = world.play(listenable);
    await using session = await world.open(slot);
    for (let at = 0; at < 10; at++) (await start(session, slot))?.close();
    const { text } = await session.send(toolCall("short"));
    const ids = slot.requestsOf("tools/call").map(({ idText }) => idText);
    assertEquals([new Set(ids).size, text.includes("done")], [ids.length, true]);
  });
}

for (const moment of ["when it has an event id", "when it has a message"]) {
  Deno.test(`a client that leaves ${moment} comes back to all that was said, once`, async () => {
    const slot = world.play(listenable);
    await using session = await world.open(slot);
    const calls = await Promise.all(Array.from({ length: 10 }, async () => {
      const call = (await MOMENTS[moment]!(session, slot))!;
      call.close();
      const rest = await followCall(session, await session.listen(lastEventId(call.events())));
      return messagesIn([...call.events(), ...rest]);
    }));
    assertEquals(calls.map(dataOf), Array(10).fill([1, 2, 3]));
    assertEquals(slot.requestsOf("tools/call").length, 10);
  });
}

/** Sends the first bytes of a call, or all but the last. */
async function sendPart(session: Session, slot: Slot, bytes: number): Promise<undefined> {
  const { origin } = world.gateway;
  const whole = sessionBytes(origin, {
    ...toolCall("short"),
    path: slotEndpoint(slot.number),
    headers: { "Mcp-Session-Id": session.id },
  });
  const reply = await openRaw(origin, whole.slice(0, bytes));
  await pause(10);
  reply.close();
}

for (
  const [what, call] of Object.entries<(session: Session) => Promise<OpenReply>>({
    "a call": (session) => session.open(toolCall("never")),
    "its own stream": (session) => session.listen(),
  })
) {
  Deno.test(`DELETE ends ${what}, whenever it comes`, async () => {
    const slot = world.play(listenable);
    await Promise.all(Array.from({ length: SESSIONS_MAX }, async (_, at) => {
      const session = await world.open(slot);
      using stream = await call(session);
      await pause(10 * at);
      assertEquals((await session.end()).status, 204);
      await until("the end of the stream", () => stream.ended());
    }));
    assertEquals(slot.sessions.size, 0);
  });
}

// ── Garbage ─────────────────────────────────────────────────────────────────────────────────────

Deno.test(`${FUZZ} requests that are broken at random are refused, and the session goes on`, async () => {
  const random = seeded("broken requests");
  const slot = world.play(listenable);
  await using session = await world.open(slot);
  const { origin } = world.gateway;
  const calls: SessionCall[] = [toolCall("short"), { verb: "GET" }, { verb: "DELETE" }];
  const faults: string[] = [];
  const sendOne = async () => {
    const call = random.pick(calls);
    const headers = { "Mcp-Session-Id": session.id, "Accept": "text/event-stream" };
    const path = slotEndpoint(slot.number);
    const bytes = broken(sessionBytes(origin, { ...call, path, headers }), random);
    using reply = await openRaw(origin, bytes);
    const status = await until("a status", () => reply.status() ?? (reply.ended() && 0), 500)
      .catch(() => undefined);
    if (status !== undefined && status >= 500) {
      faults.push(`${status} to ${new TextDecoder("latin1").decode(bytes)}`);
    }
  };
  let left = FUZZ;
  await Promise.all(Array.from({ length: 20 }, async () => {
    while (left-- > 0) await sendOne();
  }));
  const { status } = await session.send({ method: "ping" });
  // One of them may have been a correct DELETE.
  assertEquals([faults, status === 200 || status === 404], [[], true]);
});

/** Bytes of a request of which some are other, missing, or there twice; never the session id. */
function broken(bytes: Uint8Array, { below, pick }: ReturnType<typeof seeded>) {
  const at = below(bytes.length);
  const size = 1 + below(20);
  const kinds: (() => Uint8Array)[] = [
    () => bytes.with(at, below(256)),
    () => bytes.slice(0, at),
    () => concat(bytes.slice(0, at), bytes.slice(at + size)),
    () => concat(bytes.slice(0, at), bytes.slice(Math.max(0, at - size))),
    () => concat(bytes, bytes.slice(at)),
  ];
  return pick(kinds)();
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** A server with a stream of its own; its calls say three things, or never end. */
function listenable(slot: Slot): SessionScript {
  return {
    GET: (_request, reply) => reply.stream().message(note("first")),
    async "tools/call"(request, reply) {
      if ((request.message.params as Message | undefined)?.name === "never") return;
      if (!slot.sessions.has(request.header("mcp-session-id") ?? "")) return reply.empty(404);
      const stream = reply.stream();
      for (const at of [1, 2, 3]) {
        stream.message(note(at));
        await pause(30);
      }
      stream.message(said(request, "done"));
      stream.end();
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function dataOf(messages: readonly Message[]): unknown[] {
  return messages.flatMap(({ method, params }) =>
    method === "notifications/message" ? [(params as Message).data] : []
  );
}
