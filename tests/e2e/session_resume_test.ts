/**
 * A client of the session era that loses a connection and comes back with `Last-Event-ID`: it gets
 * what it has missed, each message once, and the call is not made again. And what keeps a
 * connection from being lost, for as long as nothing is said on it.
 *
 * `session_restart_test.ts` does the same when it is the gateway that is lost.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import type { Message } from "../support/modern.ts";
import { messageOf, responseOf, statusOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import {
  followCall,
  lastEventId,
  messagesIn,
  openSession,
  type Session,
  SESSION_REVISIONS,
  type SessionOptions,
  type SessionStream,
  type StreamEvent,
  toolCall,
} from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const EVENTS_MAX = 5;
const QUIET_MS = 40_000;
const KEEP_ALIVE_MS_MAX = 25_000;
const OLDER = SESSION_REVISIONS.filter((revision) => revision !== "2025-11-25");

const SETTINGS = {
  auto: {},
  sse: {
    JSON_RESPONSE_ENABLED: "false",
    STREAMABLE_HTTP_MAX_EVENTS_PER_STREAM: String(EVENTS_MAX),
  },
} as const;
type Setting = keyof typeof SETTINGS;

let upstream: Everything;
let gateways: Readonly<Record<Setting, Gateway>>;
let token: string;
/** These take most of a minute: they run beside the other tests. */
let silent: Readonly<Record<string, SessionStream>>;
let quiet: Promise<Message>;

Deno.test.beforeAll(async () => {
  upstream = await startEverything({ era: "legacy" });
  const config = configFor({ everything: upstream.origin });
  const started = Object.entries(SETTINGS).map(async ([name, settings]) => {
    const env = { JWT_SECRET_KEY: TEST_JWT_SECRET, ...settings };
    return [name, await startGateway({ config, env })] as const;
  });
  gateways = Object.fromEntries(await Promise.all(started)) as typeof gateways;
  token = await mintToken();
  silent = await listenInSilence();
  quiet = loseQuietCall();
  quiet.catch(() => {});
});

Deno.test.afterAll(async () => {
  for (const stream of Object.values(silent ?? {})) stream.close();
  for (const gateway of Object.values(gateways ?? {})) await gateway[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

/** Runs in a session of its own, where every reply is a stream. */
function test(
  promise: string,
  run: (session: Session) => Promise<void>,
  { setting = "sse", ...options }: SessionOptions & { readonly setting?: Setting } = {},
): void {
  Deno.test(promise, async () => {
    await using session = await open(setting, options);
    await run(session);
  });
}

// ── The stream of a call ────────────────────────────────────────────────────────────────────────

/** A client of 2025-11-25 has an id to come back with before anything is said. */
const MOMENTS: Readonly<Record<string, (stream: SessionStream) => Promise<unknown>>> = {
  "before anything was said": (stream) => until("an event", () => stream.events()[0]),
  "after one message": (stream) => until("a message", () => stream.messages()[0]),
  "after three messages": (stream) => until("3 messages", () => stream.messages()[2]),
};

for (const [when, moment] of Object.entries(MOMENTS)) {
  test(`EVT-04: a call lost ${when} brings each message once`, async (session) => {
    const { messages } = await loseAndResume(session, moment);
    assertEquals(messages.map(summary), ["1 of 4", "2 of 4", "3 of 4", "4 of 4", "result"]);
  });

  test(`EVT-11: a call lost ${when} is made once`, async (session) => {
    const before = (await upstream.stats()).calls.test_steps ?? 0;
    await loseAndResume(session, moment);
    assertEquals((await upstream.stats()).calls.test_steps, before + 1);
  });
}

test("a call that ended meanwhile brings the rest at once", async (session) => {
  const { finished } = await upstream.stats();
  const stream = await session.open(toolCall("test_steps", { count: 3, ms: 20 }, "mine"));
  await until("an event", () => stream.events()[0]);
  stream.close();
  await until("the call ends", async () => (await upstream.stats()).finished > finished);
  const { messages } = await resume(session, stream);
  assertEquals(messages.slice(-2).map(summary), ["3 of 3", "result"]);
});

test("EVT-04: the result can be fetched again after it was read", async (session) => {
  using stream = await session.open(toolCall("test_steps", { count: 1, ms: 20 }, "mine"));
  const result = await responseOf(stream);
  using again = await session.listen(stream.events()[0]!.id);
  assertEquals(await responseOf(again), result);
});

test("after the last event nothing comes, and the stream ends", async (session) => {
  using stream = await session.open(toolCall("test_steps", { count: 1, ms: 20 }, "mine"));
  await responseOf(stream);
  using again = await session.listen(lastEventId(stream.events()));
  await until("the end of the stream", () => again.ended());
  assertEquals([again.status(), again.messages()], [200, []]);
});

test("a stream that was resumed ends after the response", async (session) => {
  const stream = await session.open(toolCall("test_steps", { count: 2, ms: 50 }, "mine"));
  await until("an event", () => stream.events()[0]);
  stream.close();
  using again = await session.listen(lastEventId(stream.events()));
  assertEquals(await until("the end of the stream", () => again.ended()), "complete");
});

test("a call can be lost after every message", async (session) => {
  const events: StreamEvent[] = [];
  let stream = await session.open(toolCall("test_steps", { count: 4, ms: 100 }, "mine"));
  while (!messagesIn(events).some((message) => "result" in message)) {
    if (events.length > 0) stream = await session.listen(lastEventId(events));
    await until("the next message", () => stream.messages()[0]);
    stream.close();
    events.push(...stream.events());
  }
  assertEquals(messagesIn(events).map(summary), ["1 of 4", "2 of 4", "3 of 4", "4 of 4", "result"]);
});

test("EVT-03: of two calls that are lost each is resumed by its own event id", async (session) => {
  const labels = ["one", "two"];
  const texts = await Promise.all(labels.map(async (label) => {
    const stream = await session.open(toolCall("test_steps", { count: 3, ms: 50, label }, label));
    await until("a message", () => stream.messages()[0]);
    stream.close();
    const { messages } = await resume(session, stream);
    const { result, params } = { ...messages[0], ...messages.at(-1) };
    return [(params as Message).progressToken, textOf(result)];
  }));
  assertEquals(texts, labels.map((label) => [label, `Took 3 steps: ${label}`]));
});

for (const revision of OLDER) {
  test(`a client of ${revision} resumes a call after its first event`, async (session) => {
    const { messages } = await loseAndResume(session, MOMENTS["after one message"]!);
    assertEquals(messages.map(summary), ["1 of 4", "2 of 4", "3 of 4", "4 of 4", "result"]);
  }, { revision });
}

test("a question that was lost comes again and can be answered", async (session) => {
  const stream = await session.open(toolCall("test_input_required_result_elicitation"));
  await until("an event", () => stream.events()[0]);
  stream.close();
  const [primer] = stream.events();
  using again = await session.listen(primer!.id);
  const question = await messageOf(again, "elicitation/create");
  await session.answer(question, { result: { action: "accept", content: { name: "Ada" } } });
  assertEquals(textOf((await responseOf(again)).result), "Hello, Ada!");
});

// ── What is no longer kept ──────────────────────────────────────────────────────────────────────

test("EVT-04: a stream that lost events says first how many, and goes on with the newest", async (session) => {
  const { kept, lost } = await loseMany(session, 12);
  assertEquals(kept.map(summary), [
    ...Array.from({ length: 12 - lost }, (_, at) => `${at + 1 + lost} of 12`),
    "result",
  ]);
});

test("EVT-04: what a stream says of lost events is a warning with gap and number", async (session) => {
  const { gap, lost } = await loseMany(session, 12);
  const { level, data } = gap.params as Message;
  assertEquals([gap.method, level, data], [
    "notifications/message",
    "warning",
    { gap: true, lost },
  ]);
});

test(`EVT-06: of a stream with more than ${EVENTS_MAX} events the newest are kept`, async (session) => {
  const { kept } = await loseMany(session, 12);
  assert(kept.length >= EVENTS_MAX && kept.length <= EVENTS_MAX + 1, `${kept.length} are kept`);
});

test("EVT-04: a stream that lost nothing says nothing of it", async (session) => {
  const { messages } = await loseAndResume(session, MOMENTS["before anything was said"]!);
  assertEquals(messages.filter(({ method }) => method === "notifications/message"), []);
});

test("the session's own stream says too how many events were lost", async (session) => {
  using own = await session.listen();
  await statusOf(own);
  await session.send(toolCall("test_aside", { data: "0" }));
  await messageOf(own, "notifications/message");
  own.close();
  for (let at = 1; at <= 12; at++) await session.send(toolCall("test_aside", { data: String(at) }));
  using again = await session.listen(lastEventId(own.events()));
  const isThere = () => dataIn(again.messages()).includes("12");
  await until("the last message", isThere);
  const [gap, ...rest] = dataIn(again.messages());
  const { lost } = gap as { lost: number };
  const expected = Array.from({ length: 12 - lost }, (_, at) => String(at + 1 + lost));
  assertEquals([gap, rest], [{ gap: true, lost }, expected]);
});

/** A call that says more than is kept while its client is away. */
async function loseMany(session: Session, count: number) {
  const { finished } = await upstream.stats();
  const stream = await session.open(toolCall("test_steps", { count, ms: 5 }, "mine"));
  await until("an event", () => stream.events()[0]);
  stream.close();
  await until("the call ends", async () => (await upstream.stats()).finished > finished);
  const [primer] = stream.events();
  using again = await session.listen(primer!.id);
  await responseOf(again);
  const [gap, ...kept] = again.messages();
  return { gap: gap!, kept, lost: ((gap!.params as Message).data as { lost: number }).lost };
}

test(
  "a client that reads too late gets all, or is told how much it lost, and the result",
  async (session) => {
    const count = 20_000;
    const stream = await session.open(toolCall("test_many_notifications", { count }, "mine"));
    await statusOf(stream);
    stream.pause();
    await session.send(toolCall("test_slow", { ms: 1_000 }));
    stream.resume();
    const messages = messagesIn(await followCall(session, stream));
    const steps = messages.filter(({ method }) => method === "notifications/progress").length;
    const lost = dataIn(messages).reduce<number>(
      (sum, gap) => sum + (gap as { lost: number }).lost,
      0,
    );
    assertEquals([steps + lost, messages.filter((one) => "result" in one).length], [count, 1]);
  },
  { setting: "auto" },
);

// ── The session's own stream ────────────────────────────────────────────────────────────────────

test("EVT-04: what was said while the client was away comes when it is back, in order", async (session) => {
  const first = await session.listen();
  await statusOf(first);
  await session.send(toolCall("test_aside", { data: "before" }));
  await messageOf(first, "notifications/message");
  first.close();
  for (const data of ["one", "two"]) await session.send(toolCall("test_aside", { data }));
  using second = await session.listen(lastEventId(first.events()));
  await session.send(toolCall("test_aside", { data: "three" }));
  await until("the last message", () => dataIn(second.messages()).includes("three"));
  assertEquals(dataIn(second.messages()), ["one", "two", "three"]);
});

test("who comes back with an event id takes the stream over", async (session) => {
  const { newer } = await takeOver(session);
  await session.send(toolCall("test_aside", { data: "to the newer" }));
  await until("the message", () => dataIn(newer.messages()).includes("to the newer"));
  newer.close();
});

test("the connection that was taken over ends", async (session) => {
  const { older, newer } = await takeOver(session);
  await until("the end of the older connection", () => older.ended());
  newer.close();
});

test("a call's stream that is resumed while it is open ends the older connection", async (session) => {
  using older = await session.open(toolCall("test_steps", { count: 5, ms: 200 }, "mine"));
  await until("an event", () => older.events()[0]);
  using newer = await session.listen(lastEventId(older.events()));
  await statusOf(newer);
  await until("the end of the older connection", () => older.ended());
  assertEquals(summary(await responseOf(newer)), "result");
});

async function takeOver(session: Session) {
  const older = await session.listen();
  await statusOf(older);
  await session.send(toolCall("test_aside", { data: "for its id" }));
  await messageOf(older, "notifications/message");
  const newer = await session.listen(lastEventId(older.events()));
  assertEquals(await statusOf(newer), 200);
  return { older, newer };
}

// ── A server that hangs up ──────────────────────────────────────────────────────────────────────

for (const setting of ["auto", "sse"] as const) {
  test(
    `${setting}: a call of a server that hangs up in between is answered, once`,
    async (session) => {
      const events = await followCall(session, await session.open(toolCall("test_reconnection")));
      const responses = messagesIn(events).filter((message) => "result" in message);
      assertEquals(responses.map(({ result }) => textOf(result)), [
        "Reconnection test completed successfully",
      ]);
    },
    { setting },
  );
}

test("a server that hangs up in between gets its call once", async (session) => {
  const before = (await upstream.stats()).calls.test_reconnection ?? 0;
  await followCall(session, await session.open(toolCall("test_reconnection")));
  assertEquals((await upstream.stats()).calls.test_reconnection, before + 1);
});

// ── Silence ─────────────────────────────────────────────────────────────────────────────────────

for (
  const what of [
    "the session's own stream",
    "a call of 2025-11-25 that takes long",
    "a call of 2025-06-18 that takes long",
  ]
) {
  Deno.test(`${what} gets a comment when it is silent for 15 s`, async () => {
    const stream = silent[what]!;
    await until("a comment", () => /^:/m.test(stream.text()), KEEP_ALIVE_MS_MAX);
  });
}

Deno.test(`a call that is silent for ${QUIET_MS / 1000} s survives a lost connection`, async () => {
  assertEquals(textOf((await quiet).result), `Waited ${QUIET_MS} ms: still there`);
});

async function listenInSilence(): Promise<Record<string, SessionStream>> {
  const newest = await open("auto");
  const older = await open("auto", { revision: "2025-06-18" });
  const long = toolCall("test_slow", { ms: 60_000 });
  return {
    "the session's own stream": await newest.listen(),
    "a call of 2025-11-25 that takes long": await newest.open(long),
    "a call of 2025-06-18 that takes long": await older.open(long),
  };
}

async function loseQuietCall(): Promise<Message> {
  const session = await open("auto", { token: await mintToken({ sub: "patient@example.com" }) });
  const call = toolCall("test_slow", { ms: QUIET_MS, label: "still there" });
  const stream = await session.open(call);
  await until("an event", () => stream.events()[0]);
  stream.close();
  using again = await session.listen(lastEventId(stream.events()));
  return await responseOf(again, 2 * QUIET_MS);
}

function open(setting: Setting, options: SessionOptions = {}): Promise<Session> {
  return openSession(gateways[setting].origin, { path: EVERYTHING_PATH, token, ...options });
}

/** Makes a call of four steps, leaves at that moment, and comes back for the rest. */
async function loseAndResume(
  session: Session,
  moment: (stream: SessionStream) => Promise<unknown>,
) {
  const stream = await session.open(toolCall("test_steps", { count: 4, ms: 100 }, "mine"));
  await moment(stream);
  stream.close();
  return await resume(session, stream);
}

/** Comes back to a stream that was left, and reads the rest: all messages, early ones first. */
async function resume(session: Session, left: SessionStream) {
  using stream = await session.listen(lastEventId(left.events()));
  await responseOf(stream);
  return { messages: messagesIn([...left.events(), ...stream.events()]) };
}

function summary(message: Message): string {
  if (message.method !== "notifications/progress") {
    return Object.keys(message).find((key) => key === "result" || key === "error") ?? "other";
  }
  const { progress, total } = message.params as { progress: number; total: number };
  return `${progress} of ${total}`;
}

function dataIn(messages: readonly Message[]): unknown[] {
  return messages.flatMap(({ method, params }) =>
    method === "notifications/message" ? [(params as Message).data] : []
  );
}

function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
