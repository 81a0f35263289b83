/**
 * The streams of a session: which form a reply takes, what stands at the beginning of a stream, and
 * that every message goes out on the one stream where it belongs.
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
import { messageOf, type OpenReply, responseOf, statusOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf } from "../support/raw_http.ts";
import {
  callSession,
  initialize,
  openSession,
  type Session,
  SESSION_REVISIONS,
  type SessionCall,
  type SessionOptions,
  toolCall,
} from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const NEWEST = "2025-11-25";
const OLDER = SESSION_REVISIONS.filter((revision) => revision !== NEWEST);
const JSON_TYPE = "application/json";
const STREAM_TYPE = "text/event-stream";
const WATCHED_URI = "test://watched-resource";

const QUICK = toolCall("test_simple_text");
/** Answered after more than the second for which `auto` waits. */
const LATE = toolCall("test_slow", { ms: 1_300 });
const SPEAKING = toolCall("test_steps", { count: 3, ms: 20 }, "mine");

const SETTINGS = {
  auto: {},
  json: { JSON_RESPONSE_ENABLED: "true" },
  sse: { JSON_RESPONSE_ENABLED: "false" },
  stateless: { USE_STATEFUL_SESSIONS: "false" },
} as const;
type Setting = keyof typeof SETTINGS;

let upstream: Everything;
let gateways: Readonly<Record<Setting, Gateway>>;
let token: string;

Deno.test.beforeAll(async () => {
  upstream = await startEverything({ era: "legacy" });
  const config = configFor({ everything: upstream.origin });
  const started = Object.entries(SETTINGS).map(async ([name, settings]) => {
    const env = { JWT_SECRET_KEY: TEST_JWT_SECRET, ...settings };
    return [name, await startGateway({ config, env })] as const;
  });
  gateways = Object.fromEntries(await Promise.all(started)) as typeof gateways;
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  for (const gateway of Object.values(gateways ?? {})) await gateway[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

/** Runs in a session of its own. */
function test(
  promise: string,
  run: (session: Session) => Promise<void>,
  { setting = "auto", ...options }: SessionOptions & { readonly setting?: Setting } = {},
): void {
  Deno.test(promise, async () => {
    await using session = await open(setting, options);
    await run(session);
  });
}

// ── The form of a reply ─────────────────────────────────────────────────────────────────────────

for (
  const [setting, what, call, type] of [
    ["auto", "an answer that comes at once", QUICK, JSON_TYPE],
    ["auto", "an answer that comes after a second", LATE, STREAM_TYPE],
    ["auto", "an answer after notifications", SPEAKING, STREAM_TYPE],
    ["json", "an answer that comes at once", QUICK, JSON_TYPE],
    ["json", "an answer that comes after a second", LATE, JSON_TYPE],
    ["json", "an answer after notifications", SPEAKING, JSON_TYPE],
    ["sse", "an answer that comes at once", QUICK, STREAM_TYPE],
    ["sse", "an answer that comes after a second", LATE, STREAM_TYPE],
    ["sse", "an answer after notifications", SPEAKING, STREAM_TYPE],
  ] as const
) {
  test(`${setting}: ${what} is ${type}`, async (session) => {
    assertEquals(headerOf(await session.send(call), "content-type"), type);
  }, { setting });
}

for (const setting of ["auto", "json", "sse"] as const) {
  test(
    `${setting}: the reply to a call holds one response, with the id of the call`,
    async (session) => {
      assertEquals((await session.send({ ...SPEAKING, idText: '"é"' })).response.id, "é");
    },
    { setting },
  );

  test(`${setting}: a notification is 202 without a body`, async (session) => {
    const reply = await session.notify("notifications/roots/list_changed");
    assertEquals([reply.status, reply.text], [202, ""]);
  }, { setting });
}

for (
  const [what, call] of [["a call's stream", SPEAKING], ["the session's own stream", null]] as const
) {
  test(`${what} tells proxies not to hold it back`, async (session) => {
    using stream = await (call ? session.open(call) : session.listen());
    await statusOf(stream);
    assertEquals(stream.header("x-accel-buffering"), "no");
    assert.match(stream.header("cache-control") ?? "", /no-transform/);
  }, { setting: "sse" });
}

// ── How a stream begins ─────────────────────────────────────────────────────────────────────────

for (
  const [setting, what, call] of [
    ["sse", "of a quick answer", QUICK],
    ["auto", "of an answer that comes after a second", LATE],
    ["auto", "of a call that speaks first", SPEAKING],
  ] as const
) {
  test(
    `${setting}: for ${NEWEST} the stream ${what} begins with an id, a retry and no data`,
    async (session) => {
      const [first] = (await session.send(call)).events;
      assert(first?.id && Number.isInteger(first.retry), JSON.stringify(first));
      assertEquals(first.data, "");
    },
    { setting },
  );

  for (const revision of OLDER) {
    test(
      `${setting}: for ${revision} the stream ${what} has no event without data`,
      async (session) => {
        const { events } = await session.send(call);
        assertEquals(events.filter(({ data }) => data === ""), []);
      },
      { setting, revision },
    );
  }
}

test("every message on a stream has an id of its own", async (session) => {
  const { events } = await session.send(SPEAKING);
  const ids = events.flatMap(({ id }) => id ?? []);
  assertEquals([ids.length, new Set(ids).size], [events.length, events.length]);
}, { setting: "sse" });

test("event ids are different on all streams of a session", async (session) => {
  const replies = await Promise.all([SPEAKING, SPEAKING, QUICK].map(session.send));
  const ids = replies.flatMap(({ events }) => events.map(({ id }) => id));
  assertEquals(new Set(ids).size, ids.length);
}, { setting: "sse" });

// ── Each message on its own stream ──────────────────────────────────────────────────────────────

test("calls at once do not cross", async (session) => {
  const counts = [1, 2, 3, 4, 5];
  const replies = await Promise.all(
    counts.map((count) => session.send(toolCall("test_steps", { count, ms: 20 }, `of ${count}`))),
  );
  assertEquals(
    replies.map(({ messages }) => progressIn(messages)),
    counts.map((count) =>
      Array.from({ length: count }, (_, at) => `of ${count}: ${at + 1} of ${count}`)
    ),
  );
});

test("what belongs to a call is on its stream only", async (session) => {
  using own = await session.listen();
  await statusOf(own);
  const { messages } = await session.send(toolCall("test_logging_tool"));
  await saidAside(session, own);
  assertEquals([logsIn(messages).length, logsIn(own.messages())], [4, ["the end"]]);
});

test("what belongs to no call is on the session's own stream only, once", async (session) => {
  using own = await session.listen();
  await statusOf(own);
  using call = await session.open(toolCall("test_steps", { count: 3, ms: 50 }, "mine"));
  await messageOf(call, "notifications/progress");
  await session.send({ method: "resources/subscribe", params: { uri: WATCHED_URI } });
  await session.send(toolCall("test_trigger_resource_change"));
  await saidAside(session, own);
  await responseOf(call);
  const updated = "notifications/resources/updated";
  assertEquals(
    [methodsIn(own).filter((method) => method === updated), methodsIn(call).includes(updated)],
    [[updated], false],
  );
});

test("the session's own stream carries no responses", async (session) => {
  using own = await session.listen();
  await statusOf(own);
  await session.send(SPEAKING);
  await saidAside(session, own);
  assertEquals(own.messages().filter((message) => "result" in message || "error" in message), []);
});

test("a change is heard by a client that opens its own stream after it subscribed", async (session) => {
  await session.send({ method: "resources/subscribe", params: { uri: WATCHED_URI } });
  using own = await session.listen();
  await statusOf(own);
  await session.send(toolCall("test_trigger_resource_change"));
  const { params } = await messageOf(own, "notifications/resources/updated");
  assertEquals(params, { uri: WATCHED_URI });
});

test("a session's own stream can be opened again when it was closed", async (session) => {
  const first = await session.listen();
  await statusOf(first);
  first.close();
  using second = await until("a second stream", async () => {
    const stream = await session.listen();
    if (await statusOf(stream) === 200) return stream;
    stream.close();
  });
  await saidAside(session, second);
});

// ── Questions of the server ─────────────────────────────────────────────────────────────────────

const ASK = toolCall("test_input_required_result_elicitation");

test("a question on a call's stream has an id that names the upstream", async (session) => {
  using call = await session.open(ASK);
  const { id } = await messageOf(call, "elicitation/create");
  assert.match(String(id), /everything/);
});

test("the answer to a question reaches the call that asked", async (session) => {
  using call = await session.open(ASK);
  const question = await messageOf(call, "elicitation/create");
  await session.answer(question, accepted("Ada"));
  assertEquals(textOf(await responseOf(call)), "Hello, Ada!");
});

test("an answer is 202 without a body", async (session) => {
  using call = await session.open(ASK);
  const reply = await session.answer(
    await messageOf(call, "elicitation/create"),
    accepted("Ada"),
  );
  assertEquals([reply.status, reply.text], [202, ""]);
});

test("a second answer to a question is 202 and changes nothing", async (session) => {
  using call = await session.open(ASK);
  const question = await messageOf(call, "elicitation/create");
  await session.answer(question, accepted("Ada"));
  const { status } = await session.answer(question, accepted("Eve"));
  assertEquals([status, textOf(await responseOf(call))], [202, "Hello, Ada!"]);
});

test("an error as answer reaches the call that asked as it does directly", async (session) => {
  await using direct = await openSession(upstream.origin);
  const refuse = async (one: Session) => {
    using call = await one.open({ ...ASK, idText: "1" });
    const question = await messageOf(call, "elicitation/create");
    await one.answer(question, { error: { code: -1, message: "Nobody is here" } });
    return await responseOf(call);
  };
  assertEquals(await refuse(session), await refuse(direct));
});

test("questions of calls at once get each its own answer", async (session) => {
  const names = ["Ada", "Bob", "Cleo"];
  const texts = await Promise.all(names.map(async (name) => {
    using call = await session.open(ASK);
    await session.answer(await messageOf(call, "elicitation/create"), accepted(name));
    return textOf(await responseOf(call));
  }));
  assertEquals(texts, names.map((name) => `Hello, ${name}!`));
});

test("a question beside all calls comes on the session's own stream", async (session) => {
  using own = await session.listen();
  await statusOf(own);
  using call = await session.open(toolCall("test_ask_aside"));
  const question = await messageOf(own, "roots/list");
  await session.answer(question, { result: { roots: [{ uri: "file:///here" }] } });
  assertEquals(textOf(await responseOf(call)), "Roots: file:///here");
});

test("what the client can do is what the server is told", async () => {
  await using session = await open("auto", { capabilities: { roots: {} } });
  using call = await session.open(toolCall("test_input_required_result_capabilities"));
  const asked = await until("a question", () => methodsIn(call)[0]);
  assertEquals(asked, "roots/list");
});

// ── Cancellation ────────────────────────────────────────────────────────────────────────────────

for (const idText of ["77", '"seventy-seven"']) {
  test(`the cancellation of the request ${idText} reaches the server`, async (session) => {
    using call = await cancel(session, idText);
    const { aborted } = call.before;
    await until("the call is aborted", async () => (await upstream.stats()).aborted > aborted);
  }, { setting: "sse" });
}

test("the stream of a call that is cancelled ends", async (session) => {
  using call = await cancel(session, "77");
  await until("the end of the stream", () => call.stream.ended());
}, { setting: "sse" });

test("leaving is no cancellation: the call goes on to its end", async (session) => {
  const before = await upstream.stats();
  const call = await session.open(toolCall("test_slow", { ms: 300 }));
  await until("the call runs", async () => (await upstream.stats()).started > before.started);
  call.close();
  await until("the call ends", async () => (await upstream.stats()).finished > before.finished);
});

/** Starts a call that takes long, waits until it runs, and cancels it. */
async function cancel(session: Session, idText: string) {
  const before = await upstream.stats();
  const stream = await session.open({ ...toolCall("test_slow", { ms: 60_000 }), idText });
  await until("the call runs", async () => (await upstream.stats()).started > before.started);
  await session.notify("notifications/cancelled", { requestId: JSON.parse(idText) });
  return { before, stream, [Symbol.dispose]: stream.close };
}

// ── Without sessions ────────────────────────────────────────────────────────────────────────────

Deno.test("stateless: initialize gives no session id", async () => {
  const reply = await initialize(gateways.stateless.origin, { path: EVERYTHING_PATH, token });
  assertEquals([reply.status, headerOf(reply, "mcp-session-id")], [200, undefined]);
});

Deno.test("stateless: a call without a session id is answered", async () => {
  const { response } = await sendStateless(QUICK);
  assertEquals(textOf(response), "This is a simple text response for testing.");
});

Deno.test("stateless: progress arrives on the stream of the call", async () => {
  const { messages } = await sendStateless(SPEAKING);
  assertEquals(progressIn(messages), ["mine: 1 of 3", "mine: 2 of 3", "mine: 3 of 3"]);
});

Deno.test("stateless: a notification is 202", async () => {
  const call = { method: "notifications/initialized", idText: "" };
  assertEquals((await sendStateless(call)).status, 202);
});

Deno.test("stateless: clients with the same ids get each its own answer", async () => {
  const numbers = Array.from({ length: 20 }, (_, at) => at);
  const replies = await Promise.all(
    numbers.map((number) => sendStateless({ ...toolCall("test_echo", { number }), idText: "1" })),
  );
  assertEquals(
    replies.map(({ response }) => textOf(response)),
    numbers.map((number) => JSON.stringify({ number })),
  );
});

for (const verb of ["GET", "DELETE"]) {
  Deno.test(`stateless: ${verb} is 405 and names POST in Allow`, async () => {
    const reply = await sendStateless({ verb, headers: { Accept: STREAM_TYPE } });
    assertEquals(reply.status, 405);
    assert.match(headerOf(reply, "allow") ?? "", /\bPOST\b/);
  });
}

function sendStateless(call: SessionCall) {
  const headers = { "MCP-Protocol-Version": NEWEST, ...call.headers };
  const options = { path: EVERYTHING_PATH, token, ...call, headers };
  return callSession(gateways.stateless.origin, options);
}

function open(setting: Setting, options: SessionOptions = {}): Promise<Session> {
  return openSession(gateways[setting].origin, { path: EVERYTHING_PATH, token, ...options });
}

/** Lets the server say something behind all that it said before, and waits for that. */
async function saidAside(session: Session, own: OpenReply): Promise<void> {
  await session.send(toolCall("test_aside", { data: "the end" }));
  await until("what the server says last", () => logsIn(own.messages()).includes("the end"));
}

function accepted(name: string): { result: Message } {
  return { result: { action: "accept", content: { name } } };
}

function methodsIn(stream: OpenReply): string[] {
  return stream.messages().flatMap(({ method }) => typeof method === "string" ? [method] : []);
}

function logsIn(messages: readonly Message[]): unknown[] {
  return messages.filter(({ method }) => method === "notifications/message")
    .map(({ params }) => (params as Message).data);
}

function progressIn(messages: readonly Message[]): string[] {
  return messages.filter(({ method }) => method === "notifications/progress")
    .map(({ params }) => params as { progressToken: string; progress: number; total: number })
    .map(({ progressToken, progress, total }) => `${progressToken}: ${progress} of ${total}`);
}

function textOf(response: Message): string {
  return (response.result as { content: { text: string }[] }).content[0]!.text;
}
