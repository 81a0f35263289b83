/**
 * Clients that read nothing of what is said to them, and servers that say more than anybody can
 * bear: what the gateway keeps for them is bounded, and nothing of the outcome is lost.
 *
 * @module
 * @see design.md, "Event ids"; contract.md, section 8, "Streams"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { statusOf } from "../support/open_reply.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import { type Handler, note, said } from "../support/scripted_session_server.ts";
import {
  eventsIn,
  lastEventId,
  messagesIn,
  openSession,
  type Session,
  sessionBytes,
  toolCall,
} from "../support/session_client.ts";
import { openUnread, type UnreadReply } from "../support/unread_reply.ts";
import { until } from "../support/until.ts";

const MEBIBYTE = 1024 * 1024;
/** A client that takes nothing for 10 s is cut off. */
const STALL_MS_MAX = 25_000;
const READERS = 6;
/** More than what lies in all buffers of the system on the way. */
const NOTES = 2_500;
const NOTE_BYTES = 10_000;
/** All that is said to them is more. What was sealed for the file is there until it is collected. */
const RISE_MEBIBYTES_MAX = 110;
const QUESTIONS = 400;
const LONG = "x".repeat(MEBIBYTE / 2);

/** Each where nobody else is, for what memory costs. */
let calm: ScriptedWorld;
let world: ScriptedWorld;
/** This takes long: it runs beside the other tests. */
let slow: Promise<SlowStory>;

Deno.test.beforeAll(async () => {
  [calm, world] = await Promise.all([openScriptedWorld(), openScriptedWorld()]);
  slow = playSlow();
  slow.catch(() => {});
});

Deno.test.afterAll(async () => {
  for (const one of [calm, world]) await one?.[Symbol.asyncDispose]();
});

// ── Servers that ask too much ───────────────────────────────────────────────────────────────────

Deno.test("a server that asks without end costs little memory, and its call ends", async () => {
  const { pid } = world.gateway;
  const slot = world.play((slot) => ({
    async "tools/call"(request, reply) {
      if (slot.requestsOf("tools/call").length > 1) return slot.usual(request, reply);
      const stream = reply.stream();
      for (let at = 0; at < QUESTIONS && !stream.hasLeft(); at++) {
        stream.message(`{"jsonrpc":"2.0","id":"${at}${LONG}","method":"roots/list"}`);
        await stream.drained();
      }
      stream.message(said(request, "done"));
      stream.end();
    },
  }));
  await using session = await world.open(slot);
  const before = await residentBytes(pid);
  const call = { ...toolCall("any"), idText: "77" };
  const first = await session.open(call);
  await statusOf(first);
  // The gateway goes on with the call: nobody has to read all that.
  first.close();
  let peak = before;
  await until("the end of the call", async () => {
    peak = Math.max(peak, await residentBytes(pid));
    return (await session.send(call)).status === 200;
  }, 15_000);
  const rise = Math.round((peak - before) / MEBIBYTE);
  assert(rise < RISE_MEBIBYTES_MAX, `${rise} MiB`);
});

// ── Slow readers ────────────────────────────────────────────────────────────────────────────────

/** Clients that make a chatty call and read nothing of it, until they come back. */
interface SlowStory {
  readonly riseMebibytes: number;
  /** Of calls of others meanwhile. */
  readonly statuses: readonly number[];
  /** By client. */
  readonly courses: readonly SlowCourse[];
}

interface SlowCourse {
  /** Whether all that was said came on the first connection. */
  readonly isWhole: boolean;
  /** Of both connections. */
  readonly messages: readonly Message[];
}

Deno.test(`${READERS} clients that read nothing of a call cost little memory`, async () => {
  const { riseMebibytes } = await slow;
  assert(riseMebibytes < RISE_MEBIBYTES_MAX, `${riseMebibytes} MiB`);
});

Deno.test("others are served beside clients that read nothing", async () => {
  assertEquals([...new Set((await slow).statuses)], [200]);
});

Deno.test("a client that reads nothing is cut off", async () => {
  const { courses } = await slow;
  assertEquals(courses.map(({ isWhole }) => isWhole), Array(READERS).fill(false));
});

Deno.test("a client that was cut off comes back to its answer", async () => {
  const { courses } = await slow;
  const answers = courses.map(({ messages }) => messages.filter((one) => "result" in one).length);
  assertEquals(answers, Array(READERS).fill(1));
});

Deno.test("a client that was cut off hears what is kept, and how much is not", async () => {
  const counts = (await slow).courses.map(({ messages }) => {
    const data = dataOf(messages);
    const seen = data.filter((one) => typeof one === "string").length;
    return data.reduce<number>((sum, one) => sum + (Number((one as Message).lost) || 0), seen);
  });
  assertEquals(counts, Array(READERS).fill(NOTES));
});

Deno.test("a client that is cut off is no error of the gateway", async () => {
  await slow;
  const lines = calm.gateway.stderr().split("\n");
  assertEquals(lines.filter((line) => line.includes('"level":"ERROR"')), []);
});

async function playSlow(): Promise<SlowStory> {
  let done = 0;
  const slot = calm.play(() => ({
    "tools/call": async (request, reply) => {
      await chatty(request, reply);
      done++;
    },
  }));
  const { gateway: { pid, origin } } = calm;
  const at = await calm.at(slot);
  const sessions = await Promise.all(
    Array.from({ length: READERS }, () => openSession(origin, at)),
  );
  await using other = await openSession(origin, at);
  const before = await residentBytes(pid);
  const calls = await Promise.all(sessions.map(({ id }) => {
    const headers = { "Mcp-Session-Id": id };
    return openUnread(origin, sessionBytes(origin, { ...toolCall("chatty"), ...at, headers }));
  }));
  let peak = before;
  const statuses: number[] = [];
  for (const endMs = performance.now() + STALL_MS_MAX; done < READERS;) {
    if (performance.now() > endMs) throw new Error("Clients that read nothing are not cut off");
    statuses.push((await other.send({ method: "ping" })).status);
    peak = Math.max(peak, await residentBytes(pid));
    await pause(200);
  }
  const courses = await Promise.all(calls.map((call, at) => comeBack(sessions[at]!, call)));
  return { riseMebibytes: Math.round((peak - before) / MEBIBYTE), statuses, courses };
}

async function comeBack(session: Session, call: UnreadReply): Promise<SlowCourse> {
  using _call = call;
  const { text, isWhole } = await call.rest();
  const events = eventsIn(text);
  const headers = { "Accept": "text/event-stream", "Last-Event-ID": lastEventId(events) };
  const { messages } = await session.send({ verb: "GET", headers });
  return { isWhole, messages: [...messagesIn(events), ...messages] };
}

const chatty: Handler = async (request, reply) => {
  const stream = reply.stream();
  for (let at = 0; at < NOTES && !stream.hasLeft(); at++) {
    stream.message(note("x".repeat(NOTE_BYTES)));
    await stream.drained();
  }
  stream.message(said(request, "done"));
  stream.end();
};

async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function dataOf(messages: readonly Message[]): unknown[] {
  return messages.flatMap(({ method, params }) =>
    method === "notifications/message" ? [(params as Message).data] : []
  );
}
