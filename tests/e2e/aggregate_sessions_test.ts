/**
 * One session on `/mcp`, and the sessions behind it: one at each server, opened when it is first
 * needed, each told what the client has told the whole, none mixed up with another.
 *
 * @module
 * @see contract.md, section 4; design.md, "Sessions belong to no replica, running calls do"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Message, modernBytes } from "../support/modern.ts";
import { openRaw } from "../support/open_reply.ts";
import {
  followCall,
  lastEventId,
  messagesIn,
  openSession,
  type Session,
  type SessionStream,
  toolCall,
} from "../support/session_client.ts";
import type { Handle, Line } from "../support/shelf_server.ts";
import { aResource, aTool, serveShelf } from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const OUTCOME_UNKNOWN = -31004;
/** Silence that a server may keep in a call. */
const TOOL_MS = 1_000;

const OFFER = { tools: [aTool("t")], resources: [aResource("test://r")] };

async function openWorld(env: Readonly<Record<string, string>> = {}) {
  const offers = { a: OFFER, b: { ...OFFER, resources: [aResource("test://s")] } };
  const world = await serveShelf(offers, { env });
  const { a, b } = world.stands;
  return { ...world, a: a!, b: b! };
}

type World = Awaited<ReturnType<typeof openWorld>>;

let shared: World;

Deno.test.beforeAll(async () => {
  shared = await openWorld({ TOOL_TIMEOUT: `${TOOL_MS / 1000}s`, SESSIONS_PER_PRINCIPAL: "1000" });
});

Deno.test.afterAll(async () => await shared?.[Symbol.asyncDispose]());

/** Runs with a session that has used no server yet. */
function test(promise: string, run: (world: World, session: Session) => Promise<void>): void {
  Deno.test(promise, async () => {
    for (const stand of [shared.a, shared.b]) stand.reset();
    await using session = await open(shared);
    await run(shared, session);
  });
}

async function open({ origin }: { readonly origin: string }): Promise<Session> {
  return await openSession(origin, { token: await mintToken() });
}

// ── Opened, kept, ended ─────────────────────────────────────────────────────────────────────────

test("no server is used before it is needed", async ({ a, b }, session) => {
  for (const method of ["tools/list", "resources/list", "ping"]) await session.send({ method });
  assertEquals([a.opened(), b.opened(), a.requests.length + b.requests.length], [0, 0, 0]);
});

test("a session is opened at the server that is needed, and at no other", async ({ a, b }, own) => {
  await own.send(toolCall("a-t"));
  assertEquals([a.opened(), b.opened()], [1, 0]);
});

test("there is one session at a server, however many calls", async ({ a }, session) => {
  await Promise.all(Array.from({ length: 20 }, () => session.send(toolCall("a-t"))));
  assertEquals([a.opened(), a.requestsOf("tools/call").length], [1, 20]);
});

test("each client session has its own at the server", async (world, session) => {
  await using other = await open(world);
  await Promise.all([session.send(toolCall("a-t")), other.send(toolCall("a-t"))]);
  const used = world.a.requestsOf("tools/call").map(({ session }) => session);
  assertEquals([world.a.opened(), new Set(used).size], [2, 2]);
});

test("the client's end is the end at every server", async ({ a, b }, session) => {
  await session.send(toolCall("a-t"));
  await session.send(toolCall("b-t"));
  await session.end();
  await until("the end of both", () => a.sessions.size + b.sessions.size === 0);
});

test("a server is told that the session is initialized before it is called", async ({ a }, own) => {
  await own.send(toolCall("a-t"));
  const methods = a.requests.map(({ method }) => method);
  assertEquals(methods, ["initialize", "notifications/initialized", "tools/call"]);
});

test("a server is told what the client can do", async ({ a }, session) => {
  await session.send(toolCall("a-t"));
  const { params } = a.requestsOf("initialize")[0]!;
  assertEquals(params.capabilities, { roots: {}, sampling: {}, elicitation: {} });
});

test("a server that forgets its session gets a new one, the others keep theirs", async (
  { a, b },
  session,
) => {
  await session.send(toolCall("a-t"));
  await session.send(toolCall("b-t"));
  a.forget();
  const { response } = await session.send(toolCall("a-t"));
  await session.send(toolCall("b-t"));
  assertEquals(["result" in response, a.opened(), b.opened()], [true, 2, 1]);
});

Deno.test("over a restart the sessions at the servers are the same", async () => {
  await using world = await openWorld();
  await using session = await open(world);
  await session.send(toolCall("a-t"));
  await world.stop();
  await world.start();
  await session.send(toolCall("a-t"));
  assertEquals([world.a.opened(), world.a.requestsOf("tools/call").length], [1, 2]);
});

// ── Questions of several servers ────────────────────────────────────────────────────────────────

/** Asks under the id 1, as every server may, and says what it was answered. */
const asking: Handle = async (_, line) => textOf((await ask(line)).result);

function ask(line: Line): Promise<Message> {
  return line.ask(1, "elicitation/create", { message: "?", requestedSchema: { type: "object" } });
}

test("equal ids of two servers are two ids for the client", async ({ a, b }, session) => {
  for (const stand of [a, b]) stand.on("tools/call", asking);
  using calls = await callBoth(session);
  const questions = await Promise.all(calls.all.map(questionIn));
  assertEquals(new Set(questions.map(({ id }) => id)).size, 2);
  for (const question of questions) await session.answer(question, { result: {} });
});

test("each of two servers gets the answer to its own question", async ({ a, b }, session) => {
  for (const stand of [a, b]) stand.on("tools/call", asking);
  using calls = await callBoth(session);
  const [ofA, ofB] = await Promise.all(calls.all.map(questionIn));
  await session.answer(ofB!, { result: { action: "accept", content: { to: "b" } } });
  await session.answer(ofA!, { result: { action: "accept", content: { to: "a" } } });
  const said = await Promise.all(calls.all.map(answerIn));
  assertEquals(said.map((text) => JSON.parse(text).content.to), ["a", "b"]);
});

test("an open question keeps its call alive while another's is answered", async (
  { a, b },
  session,
) => {
  for (const stand of [a, b]) stand.on("tools/call", asking);
  using calls = await callBoth(session);
  const [ofA, ofB] = await Promise.all(calls.all.map(questionIn));
  await session.answer(ofA!, { result: { action: "decline" } });
  await answerIn(calls.all[0]!);
  await pass(2 * TOOL_MS);
  await session.answer(ofB!, { result: { action: "accept" } });
  assertEquals(await answerIn(calls.all[1]!), '{"action":"accept"}');
});

test("a question that one server takes back is not the other's", async ({ a, b }, session) => {
  a.on("tools/call", async (_, line) => {
    void ask(line);
    await b.arrival("tools/call");
    line.notify("notifications/cancelled", { requestId: 1 });
    return textOf("taken back");
  });
  b.on("tools/call", asking);
  using ofB = await session.open(toolCall("b-t"));
  const question = await questionIn(ofB);
  using ofA = await session.open(toolCall("a-t"));
  assertEquals(await answerIn(ofA), '"taken back"');
  await pass(2 * TOOL_MS);
  await session.answer(question, { result: { action: "accept" } });
  assertEquals(await answerIn(ofB), '{"action":"accept"}');
});

test("an answer that names a server which has not asked reaches nobody", async (
  { a, b },
  session,
) => {
  a.on("tools/call", asking);
  using call = await session.open(toolCall("a-t"));
  const question = await questionIn(call);
  const forged = { ...question, id: String(question.id).replace(":a:", ":b:") };
  await session.answer(forged, { result: { action: "accept" } });
  assertEquals(b.requestsOf("response").length, 0);
  await session.answer(question, { result: {} });
  await answerIn(call);
});

test("two servers that ask for the client's roots on their streams each get them", async (
  { a, b },
  session,
) => {
  using own = await session.listen();
  await session.send(toolCall("a-t"));
  await session.send(toolCall("b-t"));
  await until("both watched", () => a.listening() > 0 && b.listening() > 0);
  for (const stand of [a, b]) stand.ask(1, "roots/list");
  const questions = await until("both questions", () => {
    const found = messagesIn(own.events()).filter(({ method }) => method === "roots/list");
    return found.length === 2 && found;
  });
  for (const question of questions) await session.answer(question, { result: { roots: [] } });
  const answers = [await a.arrival("response"), await b.arrival("response")];
  assertEquals(answers.map(({ message }) => message.id), [1, 1]);
});

// ── What the client tells the whole ─────────────────────────────────────────────────────────────

const LEVEL = { method: "logging/setLevel", params: { level: "warning" } };

test("the log level reaches every server that is open", async ({ a, b }, session) => {
  await session.send(toolCall("a-t"));
  await session.send(toolCall("b-t"));
  await session.send(LEVEL);
  const levels = [a, b].map((stand) => stand.requestsOf(LEVEL.method)[0]?.params.level);
  assertEquals(levels, ["warning", "warning"]);
});

test("the log level reaches a server that is opened later, before it is called", async (
  { a },
  session,
) => {
  await session.send(LEVEL);
  await session.send(toolCall("a-t"));
  const methods = a.requests.map(({ method }) => method).slice(-2);
  assertEquals(methods, ["logging/setLevel", "tools/call"]);
});

test("a log level that there is not is refused, and no server is told", async ({ a }, session) => {
  await session.send(toolCall("a-t"));
  const { response } = await session.send({ ...LEVEL, params: { level: "loud" } });
  assertEquals([(response.error as Message).code, a.requestsOf(LEVEL.method).length], [-32602, 0]);
});

test("a server that refuses the log level is no failure of the whole", async ({ a }, session) => {
  a.on("logging/setLevel", () => {
    throw new Error("No levels here");
  });
  await session.send(toolCall("a-t"));
  const { response } = await session.send(LEVEL);
  assertEquals(response.result, {});
});

test("changed roots are told to every server that is open", async ({ a, b }, session) => {
  await session.send(toolCall("a-t"));
  await session.send(toolCall("b-t"));
  await session.notify("notifications/roots/list_changed");
  await Promise.all([a, b].map((one) => one.arrival("notifications/roots/list_changed")));
});

test("changed roots open no session", async ({ a, b }, session) => {
  await session.notify("notifications/roots/list_changed");
  assertEquals([a.opened(), b.opened()], [0, 0]);
});

// ── Calls ───────────────────────────────────────────────────────────────────────────────────────

test("a cancellation reaches the server of the call, and no other", async ({ a, b }, session) => {
  for (const stand of [a, b]) stand.on("tools/call", (_, line) => line.left.then(() => ({})));
  using ofA = await session.open({ ...toolCall("a-t"), idText: '"x"' });
  using _ofB = await session.open({ ...toolCall("b-t"), idText: '"y"' });
  await Promise.all([a.arrival("tools/call"), b.arrival("tools/call")]);
  await session.notify("notifications/cancelled", { requestId: "x" });
  const seen = await a.arrival("notifications/cancelled");
  await until("the end of the call", () => ofA.ended());
  const atB = b.requestsOf("notifications/cancelled").length;
  assertEquals([seen.params.requestId, atB], ["x", 0]);
});

test("a cancellation of what does not run reaches nobody", async ({ a, b }, session) => {
  await session.send(toolCall("a-t"));
  await session.notify("notifications/cancelled", { requestId: 12345 });
  assertEquals([a, b].flatMap((one) => one.requestsOf("notifications/cancelled")), []);
});

test("progress has the client's token", async ({ a, b }, session) => {
  for (const stand of [a, b]) {
    stand.on("tools/call", (seen, line) => {
      const { progressToken } = seen.params._meta as Message;
      line.notify("notifications/progress", { progressToken: progressToken!, progress: 1 });
      return {};
    });
  }
  const replies = await Promise.all(
    ["a", "b"].map((name) => session.send(toolCall(`${name}-t`, {}, `of ${name}`))),
  );
  const tokens = replies.map(({ messages }) => (messages[0]!.params as Message).progressToken);
  assertEquals(tokens, ["of a", "of b"]);
});

test("the same id may be used again at another server", async (_, session) => {
  await session.send({ ...toolCall("a-t"), idText: "5" });
  const { response } = await session.send({ ...toolCall("b-t"), idText: "5" });
  assertEquals("result" in response, true);
});

test("an id that runs at one server is refused for another", async ({ a, b }, session) => {
  a.on("tools/call", (_, line) => line.left.then(() => ({})));
  using _running = await session.open({ ...toolCall("a-t"), idText: "6" });
  await a.arrival("tools/call");
  const { status } = await session.send({ ...toolCall("b-t"), idText: "6" });
  assertEquals([status, b.requestsOf("tools/call").length], [400, 0]);
  await session.notify("notifications/cancelled", { requestId: 6 });
});

Deno.test("a client of the stateless era that leaves ends its call, and no other's", async () => {
  const { a, b, origin } = shared;
  for (const stand of [a, b]) stand.reset();
  const left: string[] = [];
  for (const stand of [a, b]) {
    stand.on("tools/call", async (_, line) => {
      // The runtime tells of the end of an open stream, always; of that of a request, not always.
      line.notify("notifications/message", { level: "info", data: "begun" });
      await line.left;
      left.push(stand.name);
      return {};
    });
  }
  const token = await mintToken();
  const call = (name: string) =>
    openRaw(origin, modernBytes(origin, { token, params: { name, arguments: {} } }));
  const ofA = await call("a-t");
  using _ofB = await call("b-t");
  await Promise.all([a.arrival("tools/call"), b.arrival("tools/call")]);
  ofA[Symbol.dispose]();
  await until("the end of the call", () => left.length > 0);
  assertEquals(left, ["a"]);
});

Deno.test("a call whose gateway was killed ends with one -31004 when it is resumed", async () => {
  await using world = await openWorld();
  await using session = await open(world);
  world.a.on("tools/call", (_, line) => {
    line.notify("notifications/message", { level: "info", data: "begun" });
    return line.left.then(() => ({}));
  });
  using stream = await session.open(toolCall("a-t"));
  await until("its beginning", () => stream.text().includes("begun"));
  await world.stop("SIGKILL");
  await world.start();
  using resumed = await session.listen(lastEventId(stream.events()));
  const [last] = messagesIn(await followCall(session, resumed)).slice(-1);
  assertEquals((last!.error as Message | undefined)?.code ?? textIn(last!), OUTCOME_UNKNOWN);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

async function callBoth(session: Session) {
  const all = await Promise.all(["a-t", "b-t"].map((name) => session.open(toolCall(name))));
  return {
    all,
    [Symbol.dispose]() {
      for (const stream of all) stream[Symbol.dispose]();
    },
  };
}

function questionIn(stream: SessionStream): Promise<Message> {
  return until(
    "the question",
    () => messagesIn(stream.events()).find(({ id, method }) => method !== undefined && id),
  );
}

async function answerIn(stream: SessionStream): Promise<string> {
  const answer = await until(
    "the answer",
    () => messagesIn(stream.events()).find((one) => "result" in one || "error" in one),
  );
  return textIn(answer);
}

function textOf(value: unknown): Message {
  return { content: [{ type: "text", text: JSON.stringify(value) }] };
}

function textIn({ result, error }: Message): string {
  const [content] = ((result ?? {}) as Message).content as Message[] ?? [];
  return String(content?.text ?? JSON.stringify(error));
}

/** For what must not happen meanwhile. */
function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
