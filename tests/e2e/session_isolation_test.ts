/**
 * Many sessions at once that all use the same ids, and two principals who try each other's: each
 * gets what is its own, and nothing else.
 *
 * One crowd is sent in once; tests of it look at another side each of what came of it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  EVERYTHING_PATH,
  type EverythingWorld,
  openEverythingWorld,
} from "../support/everything.ts";
import type { Message } from "../support/modern.ts";
import { messageOf, responseOf, statusOf } from "../support/open_reply.ts";
import {
  callSession,
  lastEventId,
  openSession,
  openSessionStream,
  type Session,
  type SessionCall,
  type SessionReply,
  type SessionStream,
  toolCall,
  visibleIn,
} from "../support/session_client.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const CLIENTS = 200;
const KINDS = ["echo", "steps", "ask", "aside"] as const;
type Kind = typeof KINDS[number];
/** The same for everybody, on purpose. */
const ID = "7";
const TOKEN = "same-for-all";
const CALM_MS_MAX = 30_000;
/** Sessions that are opened at once. */
const WAVE = 25;

interface Member {
  readonly index: number;
  readonly kind: Kind;
  readonly session: Session;
  /** The session's own stream. */
  readonly own: SessionStream;
  readonly call: SessionStream;
}

let world: EverythingWorld;
let crowd: readonly Member[];

Deno.test.beforeAll(async () => {
  world = await openEverythingWorld({
    env: { SESSIONS_PER_PRINCIPAL: String(CLIENTS), UPSTREAM_CONCURRENCY: String(3 * CLIENTS) },
  });
  crowd = await sendCrowd();
});

Deno.test.afterAll(async () => {
  for (const { own, call } of crowd ?? []) [own, call].forEach((stream) => stream.close());
  await world?.[Symbol.asyncDispose]();
});

// ── A crowd ─────────────────────────────────────────────────────────────────────────────────────

Deno.test("every client has its answer, under the id that it chose", () => {
  const wrong = crowd.filter(({ call }) => responseIn(call)?.id !== Number(ID));
  assertEquals(wrong.map(({ index, call }) => [index, call.text().slice(0, 200)]), []);
});

Deno.test("SESS-03: no client gets the answer of another one", () => {
  const wrong = crowd.filter(({ kind, index, call }) =>
    textIn(responseIn(call)) !== expectedText(kind, index)
  );
  assertEquals(wrong.map(({ index, call }) => [index, call.text().slice(0, 200)]), []);
});

Deno.test("SESS-03: no client gets the progress of another one", () => {
  const wrong = crowd.filter(({ kind, index, call }) => {
    const steps = paramsOf(call, "notifications/progress");
    const total = kind === "steps" ? stepsOf(index) : 0;
    const expected = Array.from({ length: total }, (_, at) => at + 1);
    return steps.map(({ progress }) => progress).join() !== expected.join() ||
      steps.some((step) => step.total !== total || step.progressToken !== TOKEN);
  });
  assertEquals(wrong.map(({ index, call }) => [index, call.text().slice(0, 300)]), []);
});

Deno.test("SESS-03: no client gets a question of another one", () => {
  const wrong = crowd.filter(({ kind, call, own }) =>
    paramsOf(call, "elicitation/create").length !== (kind === "ask" ? 1 : 0) ||
    paramsOf(own, "elicitation/create").length !== 0
  );
  assertEquals(wrong.map(({ index }) => index), []);
});

Deno.test("SESS-03: no client hears what is said to another one", () => {
  const wrong = crowd.filter(({ kind, index, own }) => {
    const said = paramsOf(own, "notifications/message").map(({ data }) => data);
    return said.join() !== (kind === "aside" ? `to ${index}` : "");
  });
  assertEquals(wrong.map(({ index, own }) => [index, own.text().slice(0, 300)]), []);
});

Deno.test("no session id, and no event id, is given twice", () => {
  const ids = crowd.flatMap(({ session, own, call }) => [
    session.id,
    ...[own, call].flatMap((stream) => stream.events().flatMap(({ id }) => id ?? [])),
  ]);
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test("SESS-17: every session is one of its own at the upstream server", async () => {
  const before = (await world.upstream.stats()).sessions;
  const [first, second] = crowd;
  await first!.session.end();
  await until("one session less", async () => (await world.upstream.stats()).sessions < before);
  assertEquals((await second!.session.send({ method: "ping" })).status, 200);
});

/** Opens all sessions and their own streams, then makes all calls at once. */
async function sendCrowd(): Promise<readonly Member[]> {
  const tokens = await Promise.all(["a", "b"].map((name) => tokenOf(name)));
  const listeners: Omit<Member, "call">[] = [];
  while (listeners.length < CLIENTS) {
    const wave = Array.from({ length: WAVE }, async (_, at) => {
      const index = listeners.length + at;
      const session = await open(tokens[index % tokens.length]!);
      const own = await session.listen();
      await statusOf(own, CALM_MS_MAX);
      return { index, kind: KINDS[Math.floor(index / 2) % KINDS.length]!, session, own };
    });
    listeners.push(...await Promise.all(wave));
  }
  const members = await Promise.all(
    listeners.map(async (listener): Promise<Member> => {
      const call = callOf(listener.kind, listener.index);
      return { ...listener, call: await listener.session.open(call) };
    }),
  );
  // Who is not served is what the tests are about.
  await Promise.allSettled(members.map(serve));
  return members;
}

/** Waits for what is to come to a client, and answers what it is asked. */
async function serve({ index, kind, session, own, call }: Member): Promise<void> {
  if (kind === "ask") {
    const question = await messageOf(call, "elicitation/create", CALM_MS_MAX);
    await session.answer(question, accepted(`client ${index}`));
  }
  await responseOf(call, CALM_MS_MAX);
  if (kind === "aside") await messageOf(own, "notifications/message", CALM_MS_MAX);
}

function callOf(kind: Kind, index: number): SessionCall {
  const calls = {
    echo: toolCall("test_echo", { marker: index }, TOKEN),
    steps: toolCall("test_steps", { count: stepsOf(index), ms: 50 }, TOKEN),
    ask: toolCall("test_input_required_result_elicitation", {}, TOKEN),
    aside: toolCall("test_aside", { data: `to ${index}` }, TOKEN),
  };
  return { ...calls[kind], idText: ID };
}

function expectedText(kind: Kind, index: number): string {
  const texts = {
    echo: JSON.stringify({ marker: index }),
    steps: `Took ${stepsOf(index)} steps: `,
    ask: `Hello, client ${index}!`,
    aside: `Said aside: to ${index}`,
  };
  return texts[kind];
}

/** Another number for each of those who stand next to each other. */
function stepsOf(index: number): number {
  return 1 + index % 20;
}

// ── Two principals ──────────────────────────────────────────────────────────────────────────────

/** A session with a call that runs, a question that waits, and a stream that listens. */
interface Victim extends AsyncDisposable {
  readonly subject: string;
  readonly token: string;
  readonly session: Session;
  readonly own: SessionStream;
  readonly ownEventId: string;
  readonly running: SessionStream;
  readonly asking: SessionStream;
  readonly question: Message;
}

/** What somebody else may try with what they know of a session. */
const ATTEMPTS: Readonly<Record<string, (victim: Victim) => SessionCall>> = {
  "a call": () => ({ ...toolCall("test_simple_text"), idText: "1" }),
  "a call under the id of one that runs": () => ({ ...toolCall("test_simple_text"), idText: ID }),
  "an answer": ({ question }) => ({
    body: JSON.stringify({ jsonrpc: "2.0", id: question.id, ...accepted("Eve") }),
  }),
  "a cancellation": () => ({
    method: "notifications/cancelled",
    idText: "",
    params: { requestId: Number(ID) },
  }),
  "GET": () => ({ verb: "GET", headers: { Accept: "text/event-stream" } }),
  "GET with its event id": ({ ownEventId }) => ({
    verb: "GET",
    headers: { "Accept": "text/event-stream", "Last-Event-ID": ownEventId },
  }),
  "GET with the event id of its call": ({ running }) => ({
    verb: "GET",
    headers: { "Accept": "text/event-stream", "Last-Event-ID": lastEventId(running.events()) },
  }),
  "DELETE": () => ({ verb: "DELETE" }),
};

for (const [what, callOf] of Object.entries(ATTEMPTS)) {
  Deno.test(`SESS-02, EVT-02: ${what} with the session id of somebody else is the 404 of an unknown one`, async () => {
    await using victim = await openVictim();
    const token = await tokenOf("mallory");
    const known = await attempt(token, victim.session.id, callOf(victim));
    const unknown = await attempt(token, crypto.randomUUID(), callOf(victim));
    assertEquals([known.status, visibleIn(known)], [404, visibleIn(unknown)]);
  });

  Deno.test(`SESS-02, SESS-06: ${what} of somebody else leaves the session as it was`, async () => {
    await using victim = await openVictim();
    await attempt(await tokenOf("mallory"), victim.session.id, callOf(victim));
    await assertUnharmed(victim);
  });
}

/** The same with a session of one's own. */
const OWN_ATTEMPTS = ["an answer", "a cancellation"] as const;

for (const what of OWN_ATTEMPTS) {
  Deno.test(`SESS-14: ${what} in another session of another principal does not reach it`, async () => {
    await using victim = await openVictim();
    await using own = await open(await tokenOf("mallory"));
    await own.send(ATTEMPTS[what]!(victim));
    await assertUnharmed(victim);
  });

  Deno.test(`SESS-14: ${what} in another session of the same principal does not reach it`, async () => {
    await using victim = await openVictim();
    await using own = await open(victim.token);
    await own.send(ATTEMPTS[what]!(victim));
    await assertUnharmed(victim);
  });
}

Deno.test("the end of one session leaves others of the same principal as they were", async () => {
  await using victim = await openVictim();
  await (await open(victim.token)).end();
  await assertUnharmed(victim);
});

Deno.test("SESS-11: a renewed token of the same subject goes on with the session", async () => {
  await using victim = await openVictim();
  const now = Math.floor(Date.now() / 1000);
  const renewed = await mintToken({ sub: victim.subject, iat: now - 5, exp: now + 7200 });
  const reply = await attempt(renewed, victim.session.id, { method: "tools/list" });
  assertEquals(reply.status, 200);
});

Deno.test("SESS-11: a renewed token of the same subject resumes its streams", async () => {
  await using victim = await openVictim();
  const { session, own, ownEventId, subject } = victim;
  own.close();
  await session.send(toolCall("test_aside", { data: "for the renewed" }));
  using stream = await openSessionStream(world.gateway.origin, {
    verb: "GET",
    path: EVERYTHING_PATH,
    token: await mintToken({ sub: subject }),
    headers: {
      "Accept": "text/event-stream",
      "Mcp-Session-Id": session.id,
      "Last-Event-ID": ownEventId,
    },
  });
  const { params } = await messageOf(stream, "notifications/message");
  assertEquals((params as Message).data, "for the renewed");
});

let victims = 0;

async function openVictim(): Promise<Victim> {
  const subject = `victim-${++victims}@example.com`;
  const token = await mintToken({ sub: subject });
  const session = await open(token);
  const own = await session.listen();
  await statusOf(own);
  await session.send(toolCall("test_aside", { data: "for its id" }));
  await messageOf(own, "notifications/message");
  const asking = await session.open(toolCall("test_input_required_result_elicitation"));
  const question = await messageOf(asking, "elicitation/create");
  const running = await session.open({
    ...toolCall("test_steps", { count: 5, ms: 60 }, TOKEN),
    idText: ID,
  });
  await messageOf(running, "notifications/progress");
  return {
    subject,
    token,
    session,
    own,
    ownEventId: lastEventId(own.events()),
    running,
    asking,
    question,
    async [Symbol.asyncDispose]() {
      for (const stream of [own, asking, running]) stream.close();
      await session[Symbol.asyncDispose]();
    },
  };
}

/** Its call ends with its result, its question waits for its own answer, its stream hears it. */
async function assertUnharmed({ session, own, running, asking, question }: Victim): Promise<void> {
  await session.send(toolCall("test_aside", { data: "still here" }));
  await until("what is said", () => own.text().includes("still here"));
  await session.answer(question, accepted("Ada"));
  const answers = await Promise.all([asking, running].map((stream) => responseOf(stream)));
  const steps = paramsOf(running, "notifications/progress").map(({ progress }) => progress);
  assertEquals([answers.map(textIn), steps], [
    ["Hello, Ada!", "Took 5 steps: "],
    [1, 2, 3, 4, 5],
  ]);
}

function open(token: string): Promise<Session> {
  return openSession(world.gateway.origin, { path: EVERYTHING_PATH, token });
}

function attempt(token: string, id: string, call: SessionCall): Promise<SessionReply> {
  const headers = {
    ...call.headers,
    "Mcp-Session-Id": id,
    "MCP-Protocol-Version": "2025-11-25",
  };
  return callSession(world.gateway.origin, { path: EVERYTHING_PATH, ...call, token, headers });
}

function tokenOf(name: string): Promise<string> {
  return mintToken({ sub: `${name}@example.com` });
}

function accepted(name: string): { result: Message } {
  return { result: { action: "accept", content: { name } } };
}

function responseIn(stream: SessionStream): Message | undefined {
  return stream.messages().find((message) => "result" in message || "error" in message);
}

function textIn(response: Message | undefined): string | undefined {
  const { content } = (response?.result ?? {}) as { content?: { text: string }[] };
  return content?.[0]?.text;
}

function paramsOf(stream: SessionStream, method: string): Message[] {
  return stream.messages().filter((message) => message.method === method)
    .map(({ params }) => params as Message);
}
