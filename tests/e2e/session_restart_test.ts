/**
 * A gateway that is killed, or stopped, and started again on the same data: sessions go on, and
 * every call that was under way ends once, with its result or with the word that its outcome is
 * unknown.
 *
 * Each story is played once; every test looks at another side of what came of it.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { EVERYTHING_PATH, type EverythingStats } from "../support/everything.ts";
import { freePort } from "../support/free_port.ts";
import { type Installation, openInstallation } from "../support/gateway_program.ts";
import type { Message } from "../support/modern.ts";
import { messageOf, responseOf, statusOf } from "../support/open_reply.ts";
import type { Ended, Program } from "../support/program.ts";
import {
  lastEventId,
  messagesIn,
  openSession,
  type Session,
  type SessionReply,
  type SessionStream,
  type StreamEvent,
  toolCall,
} from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const STEP_MS = 1_500;
const OUTCOME_UNKNOWN = -31004;
const RESUME_MS_MAX = 30_000;
const TOOLS_CHANGED = "notifications/tools/list_changed";

const MOMENTS = [
  "before its first message",
  "between its messages",
  "after its last message",
] as const;
type Moment = typeof MOMENTS[number];

/** What a client got of a call: before the gateway went away, and when it came back. */
interface Course {
  readonly events: readonly StreamEvent[];
  /** What comes when the stream is resumed once more from the same event. */
  readonly again: readonly StreamEvent[];
}

interface Story {
  readonly courses: Readonly<Record<Moment, Course>>;
  /** A call that asked a question before, and got its answer after the restart. */
  readonly answered: Message | undefined;
  /** What the session's own stream brought after the restart. */
  readonly own: readonly Message[];
  readonly stats: EverythingStats;
  readonly list: SessionReply;
  readonly end: SessionReply;
  readonly sessionsLeft: number;
}

/** By whether the upstream server gives event ids, so that its streams can be resumed. */
let killed: Readonly<Record<"on" | "off", Promise<Story>>>;
let stopped: Promise<Stop>;

Deno.test.beforeAll(() => {
  killed = { on: playKill("on"), off: playKill("off") };
  stopped = playStop();
  // Each story is told, well or badly, by the tests that look at it.
  for (const story of [killed.on, killed.off, stopped]) story.catch(() => {});
});

// ── Killed ──────────────────────────────────────────────────────────────────────────────────────

for (const moment of MOMENTS) {
  Deno.test(`a call whose gateway was killed ${moment} brings every message and its result once`, async () => {
    assertEquals(summary((await killed.on).courses[moment].events), [
      "1 of 3",
      "2 of 3",
      "3 of 3",
      "result",
    ]);
  });

  Deno.test(`a call whose gateway was killed ${moment} can be resumed a second time`, async () => {
    assertEquals(summary((await killed.on).courses[moment].again).at(-1), "result");
  });
}

for (const what of ["on", "off"] as const) {
  const story = () => killed[what];

  Deno.test(`events ${what}: event ids stay different over a kill`, async () => {
    const ids = Object.values((await story()).courses).flatMap(({ events }) =>
      events.map(({ id }) => id)
    );
    assertEquals(new Set(ids).size, ids.length);
  });

  Deno.test(`events ${what}: the upstream server ran every call once`, async () => {
    assertEquals((await story()).stats.calls.test_steps, MOMENTS.length);
  });

  Deno.test(`events ${what}: the session id is good after a kill`, async () => {
    assertEquals([(await story()).list.status, "result" in (await story()).list.response], [
      200,
      true,
    ]);
  });

  Deno.test(`events ${what}: the upstream server's session is kept over a kill`, async () => {
    // One is of the client that looks at the server directly.
    assertEquals((await story()).stats.methods.initialize, 2);
  });

  Deno.test(`events ${what}: DELETE after a kill ends the upstream server's session`, async () => {
    const { end, sessionsLeft } = await story();
    assertEquals([end.status < 300, sessionsLeft], [true, 1]);
  });

  Deno.test(`events ${what}: after a kill the session's own stream brings what is new`, async () => {
    const data = (await story()).own.map(({ params }) => (params as Message | undefined)?.data);
    assert(data.includes("after"), JSON.stringify((await story()).own));
  });
}

Deno.test("a question before a kill can be answered after it", async () => {
  const { content } = (await killed.on).answered?.result as { content: { text: string }[] };
  assertEquals(content[0]!.text, "Hello, Ada!");
});

Deno.test("a change while the gateway was away is heard when it is back, once", async () => {
  assertEquals((await killed.on).own.filter(({ method }) => method === TOOLS_CHANGED).length, 1);
});

for (const moment of ["before its first message", "between its messages"] as const) {
  Deno.test(`without resumption upstream a call killed ${moment} ends with one -31004`, async () => {
    const outcomes = responsesIn((await killed.off).courses[moment].events);
    assertEquals(outcomes.map(({ error }) => (error as Message)?.code), [OUTCOME_UNKNOWN]);
  });

  Deno.test(`without resumption upstream a call killed ${moment} ends the same way each time`, async () => {
    const { events, again } = (await killed.off).courses[moment];
    assertEquals(responsesIn(again), responsesIn(events));
  });
}

Deno.test("without resumption upstream a call that had ended keeps its result", async () => {
  const { events } = (await killed.off).courses["after its last message"];
  assertEquals(summary(events), ["1 of 3", "2 of 3", "3 of 3", "result"]);
});

// ── Stopped ─────────────────────────────────────────────────────────────────────────────────────

Deno.test("on SIGTERM a call that can finish is answered", async () => {
  assertEquals(summary((await stopped).finishing), ["1 of 3", "2 of 3", "3 of 3", "result"]);
});

for (const what of ["own", "running"] as const) {
  const name = what === "own"
    ? "the session's own stream"
    : "the stream of a call that cannot finish";

  Deno.test(`on SIGTERM ${name} ends as HTTP says that streams end`, async () => {
    assertEquals((await stopped)[what].ended, "complete");
  });

  Deno.test(`on SIGTERM ${name} ends with an id to come back with and the time to wait`, async () => {
    const last = (await stopped)[what].before.at(-1);
    assert(last?.id && Number.isInteger(last.retry), JSON.stringify(last));
  });
}

Deno.test("on SIGTERM with open streams the process ends with 0", async () => {
  assertEquals((await stopped).process.code, 0);
});

Deno.test("on SIGTERM the upstream server's sessions are kept", async () => {
  assertEquals((await stopped).deletes, 0);
});

Deno.test("a call that SIGTERM has interrupted brings the rest and its result once", async () => {
  const { before, after } = (await stopped).running;
  assertEquals(summary([...before, ...after]), ["1 of 3", "2 of 3", "3 of 3", "result"]);
});

Deno.test("after a stop the session's own stream goes on from its last event", async () => {
  const data = messagesIn((await stopped).own.after).map(({ params }) => (params as Message)?.data);
  assertEquals(data, ["after"]);
});

Deno.test("a second signal ends a gateway with open streams at once, with 1", async () => {
  await using installation = await openInstallation({ era: "legacy" });
  // Longer than the end of a process may take here.
  const gateway = serve(installation, freePort(), { SHUTDOWN_GRACE: "2m" });
  const session = await connect(await gateway.listening());
  using _own = await listening(session);
  using call = await session.open(steps());
  await until("an event", () => call.events()[0]);
  gateway.signal("SIGTERM");
  await until("the signal is taken", () => gateway.stderr().includes("Stopping"));
  gateway.signal("SIGTERM");
  assertEquals((await gateway.ended()).code, 1);
});

// ── The stories ─────────────────────────────────────────────────────────────────────────────────

async function playKill(events: "on" | "off"): Promise<Story> {
  await using installation = await openInstallation({ era: "legacy", events });
  const { upstream } = installation;
  const port = freePort();
  const first = serve(installation, port);
  const session = await connect(await first.listening());
  const direct = await openSession(upstream.origin);

  const own = await listening(session);
  await session.send(toolCall("test_aside", { data: "before" }));
  await messageOf(own, "notifications/message");
  const asking = await session.open(toolCall("test_input_required_result_elicitation"));
  const question = await messageOf(asking, "elicitation/create");
  const after = await session.open(steps(20));
  await responseOf(after);
  const between = await session.open(steps());
  await until("a message", () => between.messages()[0]);
  const before = await session.open(steps());
  await until("an event", () => before.events()[0]);
  await until("all calls run", async () => (await upstream.stats()).started === MOMENTS.length);

  first.signal("SIGKILL");
  await first.ended();
  await direct.send(toolCall("test_trigger_tool_change"));
  const second = serve(installation, port);
  await second.listening();

  const courses = {
    "before its first message": resume(session, before),
    "between its messages": resume(session, between),
    // As if the last message and the result had been lost on the way.
    "after its last message": resume(session, after, after.events().slice(0, -2)),
  };
  const resumed = await Promise.all(
    Object.entries(courses).map(async ([moment, course]) => [moment, await course] as const),
  );
  const answered = events === "on" ? await answer(session, asking, question) : undefined;
  using ownAgain = await session.listen(lastEventId(own.events()));
  await statusOf(ownAgain);
  await session.send(toolCall("test_aside", { data: "after" }));
  await until("the last message", () => ownAgain.text().includes('"after"')).catch(() => {});
  const list = await session.send({ method: "tools/list" });
  const stats = await upstream.stats();
  const end = await session.end();
  const left = async () => (await upstream.stats()).sessions;
  await until("the session ends", async () => await left() === 1).catch(() => {});
  return {
    courses: Object.fromEntries(resumed) as Story["courses"],
    answered,
    own: ownAgain.messages(),
    stats,
    list,
    end,
    sessionsLeft: await left(),
  };
}

/** What the client saw of a stream up to the stop, and what it got when it came back. */
interface Interrupted {
  readonly before: readonly StreamEvent[];
  readonly ended: string | undefined;
  readonly after: readonly StreamEvent[];
}

interface Stop {
  readonly process: Ended;
  readonly finishing: readonly StreamEvent[];
  readonly running: Interrupted;
  readonly own: Interrupted;
  readonly deletes: number;
}

async function playStop(): Promise<Stop> {
  await using installation = await openInstallation({ era: "legacy" });
  const { upstream } = installation;
  const port = freePort();
  const first = serve(installation, port, { SHUTDOWN_GRACE: "1s" });
  const session = await connect(await first.listening());
  const own = await listening(session);
  await session.send(toolCall("test_aside", { data: "before" }));
  await messageOf(own, "notifications/message");
  const running = await session.open(steps());
  await until("a message", () => running.messages()[0]);
  const finishing = await session.open(steps(50));
  await until("both run", async () => (await upstream.stats()).started === 2);

  first.signal("SIGTERM");
  const process = await first.ended();
  const deletes = (await upstream.stats()).methods.DELETE ?? 0;
  const second = serve(installation, port);
  await second.listening();

  using ownAgain = await session.listen(lastEventId(own.events()));
  await statusOf(ownAgain);
  await session.send(toolCall("test_aside", { data: "after" }));
  await until("the last message", () => ownAgain.messages().length > 0).catch(() => {});
  using runningAgain = await session.listen(lastEventId(running.events()));
  await responseOf(runningAgain, RESUME_MS_MAX).catch(() => {});
  return {
    process,
    finishing: finishing.events(),
    running: {
      before: running.events(),
      ended: running.ended(),
      after: runningAgain.events(),
    },
    own: { before: own.events(), ended: own.ended(), after: ownAgain.events() },
    deletes,
  };
}

/** Comes back to the stream of a call after the last of the events that were seen. */
async function resume(
  session: Session,
  left: SessionStream,
  seen: readonly StreamEvent[] = left.events(),
): Promise<Course> {
  const read = async () => {
    using stream = await session.listen(lastEventId(seen));
    // Who gets no response is what the tests are about.
    await responseOf(stream, RESUME_MS_MAX).catch(() => {});
    return stream.events();
  };
  const rest = await read();
  return { events: [...seen, ...rest], again: await read() };
}

async function answer(session: Session, asking: SessionStream, question: Message) {
  const { status } = await session.answer(question, {
    result: { action: "accept", content: { name: "Ada" } },
  });
  if (status !== 202) return undefined;
  using stream = await session.listen(lastEventId(asking.events()));
  return await responseOf(stream, RESUME_MS_MAX).catch(() => undefined);
}

/** Every reply is a stream: a client can come back to it from the beginning. */
function serve(
  installation: Installation,
  port: number,
  env: Record<string, string> = {},
): Program {
  const always = { JWT_SECRET_KEY: TEST_JWT_SECRET, JSON_RESPONSE_ENABLED: "false" };
  return installation.serve({ port, env: { ...always, ...env } });
}

async function connect(origin: string): Promise<Session> {
  return await openSession(origin, { path: EVERYTHING_PATH, token: await mintToken() });
}

async function listening(session: Session): Promise<SessionStream> {
  const own = await session.listen();
  await statusOf(own);
  return own;
}

function steps(ms = STEP_MS) {
  return toolCall("test_steps", { count: 3, ms }, "mine");
}

function summary(events: readonly StreamEvent[]): string[] {
  return messagesIn(events).map((message) => {
    if (message.method !== "notifications/progress") {
      return Object.keys(message).find((key) => key === "result" || key === "error") ?? "other";
    }
    const { progress, total } = message.params as { progress: number; total: number };
    return `${progress} of ${total}`;
  });
}

function responsesIn(events: readonly StreamEvent[]): Message[] {
  return messagesIn(events).filter((message) => "result" in message || "error" in message);
}
