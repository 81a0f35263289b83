/**
 * An upstream server that does not know its session any more, as after a restart: the session is
 * opened there anew, once, with all that the client had told the old one, and nothing of it shows
 * to the client.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Session Management"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { type OpenReply, statusOf } from "../support/open_reply.ts";
import { onRenewal, watchable } from "../support/scripted_handlers.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import {
  type Handler,
  said,
  type SessionScript,
  type Slot,
} from "../support/scripted_session_server.ts";
import {
  initialize,
  type Session,
  type SessionCall,
  type SessionReply,
  toolCall,
} from "../support/session_client.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { until } from "../support/until.ts";

const FIRST_BYTE_MS = 2_000;
const CALLS = 20;

const beside = sideBySide();
let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld({ FIRST_BYTE_TIMEOUT: `${FIRST_BYTE_MS}ms` });
  beside.start();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

/** Runs in a session of its own, on an endpoint of its own. */
function test(
  promise: string,
  run: (slot: Slot, session: Session) => Promise<void>,
  script?: (slot: Slot) => SessionScript,
): void {
  beside.test(promise, async () => {
    const slot = world.play(script);
    await using session = await world.open(slot);
    await run(slot, session);
  });
}

// ── Once ────────────────────────────────────────────────────────────────────────────────────────

const MESSAGES: Readonly<Record<string, (slot: Slot) => SessionCall>> = {
  "a call": () => toolCall("any"),
  "a list": () => ({ method: "tools/list" }),
  "a notification": () => ({ method: "notifications/roots/list_changed", idText: "" }),
  "a cancellation": () => ({
    method: "notifications/cancelled",
    params: { requestId: 99 },
    idText: "",
  }),
  // An answer names the server that it is for.
  "an answer": ({ number }) => ({
    body: `{"jsonrpc":"2.0","id":"sallyport:slot-${number}:1:7","result":{"roots":[]}}`,
  }),
};

for (const [what, call] of Object.entries(MESSAGES)) {
  test(
    `${what} that the server refuses for its session is sent again in a new one`,
    async (slot, session) => {
      slot.sessions.clear();
      const { status } = await session.send(call(slot));
      const { method } = slot.requests.at(-1)!;
      const sent = slot.requestsOf(method);
      const { number } = slot;
      assertEquals(sent.map((one) => one.header("mcp-session-id")), [
        `upstream-${number}-1`,
        `upstream-${number}-2`,
      ]);
      assertEquals([sent[0]!.body, status], [sent[1]!.body, method.includes("tools/") ? 200 : 202]);
    },
  );
}

test(`${CALLS} calls at once that are refused lead to one new session`, async (slot, session) => {
  const replies = await refusedTogether(slot, session);
  assertEquals(
    [replies.map(textOf), slot.requestsOf("initialize").length],
    [Array.from({ length: CALLS }, () => "usual"), 2],
  );
}, refusingTogether);

test("each call that is refused is sent again once", async (slot, session) => {
  await refusedTogether(slot, session);
  const counts = Map.groupBy(slot.requestsOf("tools/call"), ({ idText }) => idText);
  assertEquals([...counts.values()].map(({ length }) => length), Array(CALLS).fill(2));
}, refusingTogether);

test("a call that comes while the session is opened anew waits for it", async (slot, session) => {
  slot.sessions.clear();
  const first = session.send(toolCall("first"));
  await slot.arrival("initialize", 1);
  const second = session.send(toolCall("second"));
  const both = await Promise.all([first, second]);
  assertEquals([both.map(textOf), slot.requestsOf("initialize").length], [["usual", "usual"], 2]);
}, (slot) => ({ initialize: onRenewal(slot, slowly(slot)) }));

test("a server can lose its session again and again", async (slot, session) => {
  for (let at = 0; at < 3; at++) {
    slot.sessions.clear();
    assertEquals(textOf(await session.send(toolCall("any"))), "usual");
  }
  assertEquals(slot.requestsOf("initialize").length, 4);
});

test("the session of another client is left alone", async (slot, session) => {
  await using other = await world.open(slot);
  slot.sessions.delete(`upstream-${slot.number}-1`);
  await session.send(toolCall("any"));
  await other.send(toolCall("any"));
  const ids = slot.requestsOf("tools/call").map((one) => one.header("mcp-session-id")?.at(-1));
  assertEquals(ids, ["1", "3", "2"]);
});

test("what a session is opened for, and its end, name the new session", async (slot, session) => {
  slot.sessions.clear();
  await session.send(toolCall("any"));
  await session.send(toolCall("any"));
  await session.end();
  const ids = ["tools/call", "DELETE"].map((what) => slot.requestsOf(what).at(-1)!)
    .map((one) => one.header("mcp-session-id"));
  assertEquals(ids, [`upstream-${slot.number}-2`, `upstream-${slot.number}-2`]);
});

// ── What the new session is told ────────────────────────────────────────────────────────────────

test("a new session is opened with the client's own parameters, byte for byte", async (slot) => {
  const params = '{ "protocolVersion":"2025-06-18", "capabilities":{"roots":{"listChanged":true},' +
    '"experimental":{"x":1.0}},  "clientInfo":{"name":"n\\u00e9","version":"1e0"},"vendor":[1E2]}';
  const body = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":${params}}`;
  const at = await world.at(slot);
  const reply = await initialize(world.gateway.origin, { ...at, body });
  const id = reply.headers.find(([name]) => name === "mcp-session-id")![1];
  slot.sessions.clear();
  await using session = await world.open(slot);
  await session.send({ ...toolCall("any"), headers: { "Mcp-Session-Id": id } });
  const renewal = slot.requestsOf("initialize").at(-1)!;
  assert(renewal.body.endsWith(`"params":${params}}`), renewal.body);
});

test(
  "log level and subscriptions are told to a new session before the call",
  async (slot, session) => {
    await session.send({ method: "logging/setLevel", params: { level: "info" } });
    await session.send({ method: "logging/setLevel", params: { level: "debug" } });
    for (const uri of ["a:1", "b:2", "c:3"]) {
      await session.send({ method: "resources/subscribe", params: { uri } });
    }
    await session.send({ method: "resources/unsubscribe", params: { uri: "b:2" } });
    const before = slot.requests.length;
    slot.sessions.clear();
    await session.send(toolCall("any"));
    const told = slot.requests.slice(before).map(({ method, message }) =>
      [method, (message.params as Message)?.level ?? (message.params as Message)?.uri]
        .filter((part) => part !== undefined).join(" ")
    );
    assertEquals(told.filter((one) => one !== "GET"), [
      "tools/call",
      "initialize",
      "notifications/initialized",
      "logging/setLevel debug",
      "resources/subscribe a:1",
      "resources/subscribe c:3",
      "tools/call",
    ]);
  },
);

test("what the server refused is not told to a new session", async (slot, session) => {
  await session.send({ method: "logging/setLevel", params: { level: "nonsense" } });
  slot.sessions.clear();
  await session.send(toolCall("any"));
  assertEquals(slot.requestsOf("logging/setLevel").length, 1);
}, () => ({ "logging/setLevel": refused }));

test(
  "when the client listens, a new session is watched before it is said to be initialized",
  async (slot, session) => {
    using _own = await listening(slot, session);
    const before = slot.requests.length;
    slot.sessions.clear();
    await session.send(toolCall("any"));
    await slot.arrival("GET", 1);
    assertEquals(slot.methods().slice(before), [
      "tools/call",
      "initialize",
      "GET",
      "notifications/initialized",
      "tools/call",
    ]);
  },
  watchable,
);

test("what a new session says beside calls is heard", async (slot, session) => {
  using own = await listening(slot, session);
  slot.sessions.clear();
  await session.send(toolCall("any"));
  await until(
    "the note of the new session",
    () => own.text().includes(`upstream-${slot.number}-2`),
  );
}, watchable);

test("a new session is not asked for events of the old one", async (slot, session) => {
  using own = await listening(slot, session);
  await until("an event", () => own.messages()[0]);
  slot.sessions.clear();
  await session.send(toolCall("any"));
  assertEquals((await slot.arrival("GET", 1)).header("last-event-id"), undefined);
}, watchable);

test(
  "a client that listens is told that something may be lost with a session",
  async (slot, session) => {
    using own = await listening(slot, session);
    slot.sessions.clear();
    await session.send(toolCall("any"));
    await until("the gap", () => own.text().includes('"gap":true'));
  },
  watchable,
);

test(
  "a server that never answers what it is told again does not hold up calls for long",
  async (slot, session) => {
    for (let at = 0; at < 10; at++) {
      await session.send({ method: "resources/subscribe", params: { uri: `a:${at}` } });
    }
    slot.sessions.clear();
    using call = await session.open(toolCall("any"));
    await until("the answer", () => call.text().includes("usual"), 4 * FIRST_BYTE_MS);
  },
  (slot) => ({
    "resources/subscribe"(request, reply) {
      if (slot.requestsOf("initialize").length === 1) slot.usual(request, reply);
    },
  }),
);

// ── When it does not help ───────────────────────────────────────────────────────────────────────

test(
  "a call that is refused in the new session too gets an error, and is not sent again",
  async (slot, session) => {
    const reply = await session.send(toolCall("any"));
    assertEquals([isFailure(reply), slot.requestsOf("tools/call").length], [true, 2]);
  },
  () => ({ "tools/call": (_request, reply) => reply.empty(404) }),
);

test("404 of a server without sessions is no reason to open one", async (slot, session) => {
  const reply = await session.send(toolCall("any"));
  assertEquals([isFailure(reply), slot.requestsOf("initialize").length], [true, 1]);
}, (slot) => ({
  "tools/call": (_request, reply) => reply.empty(404),
  initialize(request, reply) {
    slot.usual(request, { ...reply, json: (body) => reply.json(body) });
  },
  "notifications/initialized": (_request, reply) => reply.empty(202),
}));

const FAILURES: Readonly<Record<string, Handler>> = {
  "answers 503": (_request, reply) => reply.empty(503),
  "answers with an error": (request, reply) =>
    reply.json(`{"jsonrpc":"2.0","id":${request.idText},"error":{"code":-1,"message":"No"}}`),
  "answers with what is no JSON": (_request, reply) => reply.json("{"),
  "closes the connection": (_request, reply) => reply.drop(),
  "gives a malformed session id": (request, reply) =>
    reply.json(said(request, ""), { headers: { "Mcp-Session-Id": "a b" } }),
  "never answers": () => {},
};

for (const [what, fail] of Object.entries(FAILURES)) {
  const once = onceRenewing(fail);

  test(
    `when the server ${what} to the new session, all who wait get a failure that is none of the gateway`,
    async (slot, session) => {
      const replies = await failedTogether(slot, session);
      assertEquals(replies.map(isFailure), [true, true, true]);
      assert(replies.every(({ status, text }) => status !== 500 && !text.includes("-32603")));
    },
    once,
  );

  test(
    `when the server ${what} to the new session, it was asked for one once`,
    async (slot, session) => {
      await failedTogether(slot, session);
      assertEquals(slot.requestsOf("initialize").length, 2);
    },
    once,
  );

  test(
    `when the server ${what} to the new session, nobody is told that a call may have been carried out`,
    async (slot, session) => {
      const replies = await failedTogether(slot, session);
      const doubts = replies.filter(({ text }) => /not known|-31004/.test(text));
      assertEquals(doubts.map(({ text }) => text), []);
    },
    once,
  );

  test(
    `when the server ${what} to the new session, the next call tries again`,
    async (slot, session) => {
      await failedTogether(slot, session);
      assertEquals(textOf(await session.send(toolCall("any"))), "usual");
    },
    once,
  );
}

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

function slowly(slot: Slot): Handler {
  return async (request, reply) => {
    await until("another request", () => slot.requestsOf("tools/call").length > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    return slot.usual(request, reply);
  };
}

/** The second `initialize` fails, once three requests wait for it. */
function onceRenewing(fail: Handler): (slot: Slot) => SessionScript {
  return (slot) => ({
    async initialize(request, reply) {
      if (slot.requestsOf("initialize").length !== 2) return slot.usual(request, reply);
      await until("all wait", () => slot.requests.length >= 6);
      return fail(request, reply);
    },
  });
}

/** No call is refused before all have come. */
function refusingTogether(slot: Slot): SessionScript {
  return {
    async "tools/call"(request, reply) {
      await until("all calls", () => slot.requestsOf("tools/call").length >= CALLS);
      return slot.usual(request, reply);
    },
  };
}

function refusedTogether(slot: Slot, session: Session): Promise<SessionReply[]> {
  slot.sessions.clear();
  return Promise.all(Array.from({ length: CALLS }, () => session.send(toolCall("any"))));
}

function failedTogether(slot: Slot, session: Session): Promise<SessionReply[]> {
  slot.sessions.clear();
  const calls = [toolCall("any"), { method: "tools/list" }, {
    method: "notifications/roots/list_changed",
    idText: "",
  }];
  return Promise.all(calls.map(session.send));
}

const refused: Handler = (request, reply) =>
  reply.json(`{"jsonrpc":"2.0","id":${request.idText},"error":{"code":-32602,"message":"No"}}`);

async function listening(slot: Slot, session: Session): Promise<OpenReply> {
  const own = await session.listen();
  await statusOf(own);
  await slot.arrival("GET");
  return own;
}

function textOf(reply: SessionReply): string {
  const { result } = reply.response as { result?: { content: { text: string }[] } };
  return result?.content[0]?.text ?? reply.text;
}

/** Whether the client was told that it did not work. */
function isFailure({ status, text }: SessionReply): boolean {
  return status >= 400 || /"isError":true|"error":\{/.test(text);
}
