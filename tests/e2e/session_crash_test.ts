/**
 * The gateway's process dies at any moment, has to stop with a crowd of clients, or cannot use its
 * data: clients lose nothing but what they are told, and the operator hears what is wrong.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { freePort } from "../support/free_port.ts";
import { often } from "../support/long.ts";
import type { Message } from "../support/modern.ts";
import { statusOf } from "../support/open_reply.ts";
import { NEVER_HOLDS_BACK } from "../support/processes.ts";
import { type Program, startProgram } from "../support/program.ts";
import { headerOf } from "../support/raw_http.ts";
import {
  note,
  said,
  type ScriptedSessions,
  type SessionReply,
  type SessionRequest,
  type SessionScript,
  type Slot,
  startScriptedSessions,
} from "../support/scripted_session_server.ts";
import { scriptedConfig, slotEndpoint } from "../support/scripted_world.ts";
import { seeded } from "../support/seeded.ts";
import {
  initialize,
  lastEventId,
  messagesIn,
  openSession,
  type Session,
  type SessionStream,
  type StreamEvent,
  toolCall,
} from "../support/session_client.ts";
import { tempDir } from "../support/temp_dir.ts";
import { until } from "../support/until.ts";

const ROUNDS = Number(Deno.env.get("GATEWAY_KILL_ROUNDS") ?? often(10, 2));
const CALLS = 6;
const STEPS = 8;
const STEP_MS = 60;
const OUTCOME_UNKNOWN = -31004;
const STREAMS = often(1_000, 300);
const STOP_MS_MAX = 30_000;

// ── Killed at any moment ────────────────────────────────────────────────────────────────────────

/** What the client saw of a call, over all connections. */
interface Course {
  readonly round: number;
  /** Of the notes that came. */
  readonly numbers: readonly number[];
  /** `done`, or the code of an error; one for each response. */
  readonly outcomes: readonly unknown[];
  readonly ids: readonly string[];
  readonly isResumable: boolean;
}

interface Kills {
  readonly courses: readonly Course[];
  /** What came on the session's own stream, over all connections. */
  readonly own: readonly number[];
  readonly slot: Slot;
}

let story: Promise<Kills> | undefined;

function killed() {
  return story ??= playKills();
}

Deno.test(`over ${ROUNDS} kills at random moments every call ends once`, async () => {
  const odd = (await killed()).courses.filter(({ outcomes }) => outcomes.length !== 1);
  assertEquals(odd, []);
});

Deno.test(`over ${ROUNDS} kills a call that its server can resume ends with its result`, async () => {
  const outcomes = (await killed()).courses.filter(({ isResumable }) => isResumable)
    .flatMap(({ outcomes }) => outcomes);
  assertEquals([...new Set(outcomes)], ["done"]);
});

Deno.test(`over ${ROUNDS} kills a call that nobody can resume ends with its result or -31004`, async () => {
  const odd = (await killed()).courses.filter(({ isResumable }) => !isResumable)
    .flatMap(({ outcomes }) => outcomes)
    .filter((outcome) => outcome !== "done" && outcome !== OUTCOME_UNKNOWN);
  assertEquals(odd, []);
});

Deno.test(`EVT-04: over ${ROUNDS} kills no message comes twice, and none out of order`, async () => {
  const odd = (await killed()).courses.filter(({ numbers }) =>
    numbers.some((number, at) => at > 0 && number <= numbers[at - 1]!)
  );
  assertEquals(odd, []);
});

Deno.test(`EVT-04: over ${ROUNDS} kills no message is lost of a call that its server can resume`, async () => {
  const odd = (await killed()).courses.filter(({ isResumable, numbers }) =>
    isResumable && numbers.length < STEPS
  );
  assertEquals(odd, []);
});

Deno.test(`EVT-04: over ${ROUNDS} kills the session's own stream brings every message once, in order`, async () => {
  const { own } = await killed();
  assertEquals(own, own.map((_, at) => at + 1));
  assert(own.length > ROUNDS, `${own.length} messages`);
});

Deno.test(`EVT-01: over ${ROUNDS} kills every event has an id of its own`, async () => {
  const ids = (await killed()).courses.flatMap(({ ids }) => ids);
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test(`EVT-11: over ${ROUNDS} kills the server runs every call once, in one session`, async () => {
  const { courses, slot } = await killed();
  const calls = slot.requestsOf("tools/call").length;
  assertEquals([calls, slot.requestsOf("initialize").length], [courses.length, 1]);
});

Deno.test("after a kill a session that was opened anew is not asked for events of the lost one", async () => {
  await using place = await openPlace();
  let said = 0;
  const slot = place.server.play((slot) => ({
    GET(request, reply) {
      const stream = reply.stream();
      const isFirst = request.header("mcp-session-id") === `upstream-${slot.number}-1`;
      if (isFirst) stream.message(note(++said), String(said));
      else stream.text(": nothing yet\n\n");
    },
  }));
  const port = freePort();
  const first = place.serve({ port });
  const session = await openSession(await first.listening(), at(slot));
  const own = await session.listen();
  await until("an event", () => own.messages()[0]);
  slot.sessions.clear();
  await session.send(toolCall("any"));
  await slot.arrival("GET", 1);
  first.signal("SIGKILL");
  await first.ended();
  await place.serve({ port }).listening();
  using _again = await session.listen(lastEventId(own.events()));
  assertEquals((await slot.arrival("GET", 2)).header("last-event-id"), undefined);
});

async function playKills() {
  const random = seeded("kills");
  await using place = await openPlace();
  const slot = place.server.play(steps);
  const port = freePort();
  let gateway = place.serve({ port });
  const session = await openSession(await gateway.listening(), at(slot));
  const courses: Course[] = [];
  const own: StreamEvent[] = [];
  let listening = await session.listen();
  for (let round = 0; round < ROUNDS; round++) {
    const calls = await Promise.all(Array.from({ length: CALLS }, async (_, at) => {
      const call = await session.open(toolCall(at % 2 === 0 ? "resumable" : "plain"));
      await until("an event", () => call.events()[0]);
      return call;
    }));
    await pause(random.below((STEPS + 1) * STEP_MS));
    gateway.signal("SIGKILL");
    await gateway.ended();
    gateway = place.serve({ port });
    await gateway.listening();
    own.push(...listening.events());
    listening = await session.listen(lastEventId(own));
    const ended = await Promise.all(calls.map((call) => follow(session, call)));
    courses.push(...ended.map((events, at) => {
      // Before its first event id nobody can ask a server to go on.
      const isResumable = at % 2 === 0 && calls[at]!.messages().length > 0;
      return courseOf(round, events, isResumable);
    }));
  }
  own.push(...listening.events());
  return { courses, own: numbersIn(messagesIn(own)), slot };
}

/** Reads a call to its response, over as many connections as it takes. */
async function follow(session: Session, first: SessionStream): Promise<StreamEvent[]> {
  const seen = first.events();
  const isOver = () => responsesIn(messagesIn(seen)).length > 0;
  for (let left = 5; !isOver() && left > 0; left--) {
    using stream = await session.listen(lastEventId(seen));
    await until("the end of the stream", () => stream.ended(), 15_000).catch(() => {});
    seen.push(...stream.events());
  }
  return seen;
}

function courseOf(round: number, events: readonly StreamEvent[], isResumable: boolean): Course {
  const messages = messagesIn(events);
  return {
    round,
    isResumable,
    numbers: numbersIn(messages),
    outcomes: responsesIn(messages).map(({ result, error }) => {
      const { content } = (result ?? {}) as { content?: { text: string }[] };
      return content?.[0]?.text ?? (error as Message).code;
    }),
    ids: events.flatMap(({ id, data }) => id !== undefined && data !== "" ? [id] : []),
  };
}

function numbersIn(messages: readonly Message[]): number[] {
  return messages.flatMap(({ method, params }) =>
    method === undefined ? [] : [Number((params as Message).data)]
  );
}

/**
 * A stream of its own that says a number every moment, with an event id, and calls of several
 * steps, one after the other; those that are resumable have event ids.
 */
function steps(): SessionScript {
  const startMs = performance.now();
  const listen = async (from: number, reply: SessionReply) => {
    const stream = reply.stream();
    for (let number = from; !stream.hasLeft(); number++) {
      await due(startMs + number * STEP_MS);
      stream.message(note(number), `own-${number}`);
    }
  };
  const running = new Map<string, { readonly request: SessionRequest; readonly startMs: number }>();
  const say = async (idText: string, from: number, reply: SessionReply) => {
    const { request, startMs } = running.get(idText)!;
    const isResumable = (request.message.params as Message).name === "resumable";
    const id = (step: number) => isResumable ? `${idText}-${step}` : undefined;
    const stream = reply.stream();
    for (let step = from; step <= STEPS; step++) {
      await due(startMs + step * STEP_MS);
      stream.message(note(step), id(step));
    }
    stream.message(said(request, "done"), id(STEPS + 1));
    stream.end();
  };
  return {
    "tools/call"(request, reply) {
      running.set(request.idText, { request, startMs: performance.now() });
      return say(request.idText, 1, reply);
    },
    GET(request, reply) {
      const [idText, step] = (request.header("last-event-id") ?? "own-0").split("-");
      if (idText === "own") return listen(Number(step) + 1, reply);
      return running.has(idText!) ? say(idText!, Number(step) + 1, reply) : reply.empty(405);
    },
  };
}

async function due(atMs: number): Promise<void> {
  if (atMs > performance.now()) await pause(atMs - performance.now());
}

// ── A crowd ─────────────────────────────────────────────────────────────────────────────────────

interface Crowd {
  readonly code: number;
  readonly tookMs: number;
  readonly lastEvents: readonly (StreamEvent | undefined)[];
  readonly ended: readonly (string | undefined)[];
  readonly deletes: number;
}

let crowd: Promise<Crowd> | undefined;

Deno.test(`on SIGTERM with ${STREAMS} streams the process ends with 0 within 30 s`, async () => {
  const { code, tookMs } = await (crowd ??= playCrowd());
  assertEquals([code, tookMs < STOP_MS_MAX], [0, true]);
});

Deno.test(`on SIGTERM each of ${STREAMS} streams ends with an id and the time to wait`, async () => {
  const { lastEvents, ended } = await (crowd ??= playCrowd());
  const good = lastEvents.filter((last) => last?.id !== undefined && last.retry !== undefined);
  assertEquals([good.length, [...new Set(ended)]], [STREAMS, ["complete"]]);
});

Deno.test(`on SIGTERM none of ${STREAMS} sessions ends at the server`, async () => {
  assertEquals((await (crowd ??= playCrowd())).deletes, 0);
});

async function playCrowd(): Promise<Crowd> {
  await using place = await openPlace();
  const slot = place.server.play(() => ({
    GET: (_request, reply) => void reply.stream().text(": here\n\n"),
  }));
  const gateway = place.serve({ env: { SESSIONS_PER_PRINCIPAL: String(STREAMS) } });
  const origin = await gateway.listening();
  const streams: SessionStream[] = [];
  await Promise.all(Array.from({ length: 20 }, async () => {
    for (let left = STREAMS / 20; left > 0; left--) {
      const session = await openSession(origin, at(slot));
      streams.push(await session.listen());
    }
  }));
  for (const stream of streams) assertEquals(await statusOf(stream), 200);
  const startMs = performance.now();
  gateway.signal("SIGTERM");
  const { code } = await gateway.ended();
  const tookMs = performance.now() - startMs;
  await until("the end of all streams", () => streams.every((stream) => stream.ended()));
  return {
    code,
    tookMs,
    lastEvents: streams.map((stream) => stream.events().at(-1)),
    ended: streams.map((stream) => stream.ended()),
    deletes: slot.requestsOf("DELETE").length,
  };
}

// ── Data that cannot be used ────────────────────────────────────────────────────────────────────

Deno.test("a second gateway on the same data ends with a line that says why", async () => {
  await using place = await openPlace();
  await place.serve({}).listening();
  const { code, stderr } = await place.serve({}).ended();
  assertEquals([code, stderr.trim().split("\n").length], [1, 1]);
  assert(/sallyport\.db.*another process.*--data/.test(stderr), stderr);
});

for (
  const [what, spoil] of Object.entries<(bytes: Uint8Array) => Uint8Array>({
    "is no database": (bytes) => bytes.map((byte) => byte ^ 0x55),
    "is damaged inside": (bytes) => bytes.map((byte, at) => at < 4096 ? byte : byte ^ 0x55),
    "is cut off": (bytes) => bytes.slice(0, bytes.length / 2),
  })
) {
  Deno.test(`a gateway whose session file ${what} ends with a line that names the file`, async () => {
    await using place = await openPlace();
    const slot = place.server.play();
    const first = place.serve({});
    const session = await openSession(await first.listening(), at(slot));
    for (let left = 20; left > 0; left--) await session.send(toolCall("any"));
    first.signal("SIGTERM");
    await first.ended();
    const file = `${place.dir}/data/sessions.db`;
    await Deno.writeFile(file, spoil(await Deno.readFile(file)));
    const { code, stderr } = await place.serve({}).ended();
    assertEquals([code, stderr.trim().split("\n").length], [1, 1]);
    assert(stderr.includes("sessions.db"), stderr);
  });
}

/** A gateway whose files cannot grow: what it cannot keep it must not promise. */
const FULL_KIB = 400;

Deno.test({
  name: "a call whose messages cannot be kept any more ends, and so does who comes back to it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using place = await openPlace();
    const slot = place.server.play(() => ({ "tools/call": endless }));
    await stopped(place.serve({}));
    const gateway = place.serve({ filesKibMax: FULL_KIB });
    const session = await openSession(await gateway.listening(), at(slot));
    const calls = await Promise.all(
      Array.from({ length: 5 }, () => session.open(toolCall("any"))),
    );
    for (const call of calls) {
      await until("the end of a call", () => call.ended(), 10_000);
      using again = await session.listen(lastEventId(call.events()));
      await until("the end of what was kept of it", () => again.ended(), 10_000);
    }
  },
});

Deno.test({
  name: "a gateway that cannot keep a session answers 503, and says why in its log",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using place = await openPlace();
    const slot = place.server.play(() => ({ "tools/call": endless }));
    await stopped(place.serve({}));
    const gateway = place.serve({ filesKibMax: FULL_KIB });
    const origin = await gateway.listening();
    const session = await openSession(origin, at(slot));
    using call = await session.open(toolCall("any"));
    const reply = await until("a refusal", async () => {
      const reply = await initialize(origin, at(slot));
      return reply.status !== 200 && reply;
    }, 10_000);
    call.close();
    assertEquals([reply.status, headerOf(reply, "content-type")], [503, "application/json"]);
    assert(gateway.stderr().includes("disk"), gateway.stderr());
    const health = await fetch(`${origin}/health`);
    await health.text();
    assertEquals(health.status, 200);
  },
});

const endless: SessionScript[string] = async (request, reply) => {
  const stream = reply.stream();
  for (let left = 60; left > 0 && !stream.hasLeft(); left--) {
    stream.message(note("x".repeat(20_000)));
    await pause(10);
  }
  stream.message(said(request, "done"));
  stream.end();
};

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

interface ServeOptions {
  /** A free one unless given. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Bound on the size of each file that it writes. */
  readonly filesKibMax?: number;
}

/** A data directory, and servers for the gateways that use it. */
interface Place extends AsyncDisposable {
  readonly dir: string;
  readonly server: ScriptedSessions;
  readonly serve: (options: ServeOptions) => Program;
}

async function openPlace(): Promise<Place> {
  const stack = new AsyncDisposableStack();
  const { path: dir } = stack.use(await tempDir());
  const server = stack.use(await startScriptedSessions({ setsGatewayAside: true }));
  await Deno.writeTextFile(`${dir}/config.json`, JSON.stringify(scriptedConfig(server.origin)));
  return {
    dir,
    server,
    serve({ port = 0, env = {}, filesKibMax }) {
      const args = ["--config", `${dir}/config.json`, "--data", `${dir}/data`];
      const always = { MCP_REQUIRE_AUTH: "false", JSON_RESPONSE_ENABLED: "false" };
      return stack.use(
        startProgram(["--port", String(port), ...args], {
          cwd: dir,
          env: { ...always, SHUTDOWN_GRACE: "1s", ...NEVER_HOLDS_BACK, ...env },
          ...filesKibMax !== undefined && { before: limited(filesKibMax) },
        }),
      );
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Writing beyond the bound fails, instead of ending the process. A block is half a KiB. */
function limited(kib: number): string {
  return `trap '' XFSZ; ulimit -f ${2 * kib}`;
}

/** Lets a gateway make its files. */
async function stopped(gateway: Program): Promise<void> {
  await gateway.listening();
  gateway.signal("SIGTERM");
  await gateway.ended();
}

function at({ number }: Slot) {
  return { path: slotEndpoint(number) };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function responsesIn(messages: readonly Message[]): Message[] {
  return messages.filter((message) => "result" in message || "error" in message);
}
