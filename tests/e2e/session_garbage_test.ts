/**
 * Upstream servers of the session era that break the protocol: each time the client gets one clear
 * error of its own request, and its session and its other calls go on.
 *
 * @module
 * @see protocol.md, section 8.3
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import {
  type Handler,
  initialized,
  note,
  result,
  said,
  type SessionRequest,
} from "../support/scripted_session_server.ts";
import { initialize, toolCall } from "../support/session_client.ts";
import { until } from "../support/until.ts";

const RESPONSE_BYTES_MAX = 8 * 1024 * 1024;
const ENDLESS_HEADERS_MAX = 10_000;
/** Codes of the gateway for what an upstream server does wrong, or does not do. */
const FAULTS = [-31001, -31002, -31003, -31004];

let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld({ TOOL_TIMEOUT: "2s", FIRST_BYTE_TIMEOUT: "2s" });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

// ── The answer to a call ────────────────────────────────────────────────────────────────────────

/** What a server says instead of the answer. */
const MESSAGES: Readonly<Record<string, (request: SessionRequest) => string>> = {
  "malformed JSON": () => '{"jsonrpc":"2.0","id":',
  "text": () => "Hello",
  "a number": () => "7",
  "null": () => "null",
  "an answer to another request": () => '{"jsonrpc":"2.0","id":"other","result":{}}',
  "an answer with another type of id": ({ idText }) =>
    `{"jsonrpc":"2.0","id":"${idText}","result":{}}`,
  "an answer without an id": () => '{"jsonrpc":"2.0","result":{}}',
  "an answer with the id null": () => '{"jsonrpc":"2.0","id":null,"result":{}}',
  "an error with the id null": () => '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}',
  "result and error": ({ idText }) =>
    `{"jsonrpc":"2.0","id":${idText},"result":{},"error":{"code":1,"message":""}}`,
  "neither result nor error": ({ idText }) => `{"jsonrpc":"2.0","id":${idText}}`,
  "a result that is a list": (request) => result(request, "[]"),
  "an error that is a text": ({ idText }) => `{"jsonrpc":"2.0","id":${idText},"error":"no"}`,
  "an error without a code": ({ idText }) =>
    `{"jsonrpc":"2.0","id":${idText},"error":{"message":""}}`,
  "JSON-RPC 1.0": ({ idText }) => `{"jsonrpc":"1.0","id":${idText},"result":{}}`,
  "no version of JSON-RPC": ({ idText }) => `{"id":${idText},"result":{}}`,
  "two ids": ({ idText }) => `{"jsonrpc":"2.0","id":${idText},"id":${idText},"result":{}}`,
  "an empty batch": () => "[]",
  "a batch with another answer": () => '[{"jsonrpc":"2.0","id":"other","result":{}}]',
  "JSON that nests too deep": (request) =>
    result(request, `{"a":${"[".repeat(100)}${"]".repeat(100)}}`),
  "an answer that is too large": (request) => said(request, "x".repeat(RESPONSE_BYTES_MAX)),
};

const AS: Readonly<Record<string, (message: string) => Handler>> = {
  "as JSON": (message) => (_request, reply) => reply.json(message),
  "in a stream": (message) => (_request, reply) => {
    const stream = reply.stream();
    stream.message(message);
    stream.end();
  },
  "in a stream that stays open": (message) => (_request, reply) => reply.stream().message(message),
};

for (const [what, make] of Object.entries(MESSAGES)) {
  for (const [form, answer] of Object.entries(AS)) {
    garbled(`${what} ${form}`, (request, reply) => answer(make(request))(request, reply));
  }
}

const REPLIES: Readonly<Record<string, Handler>> = {
  "a page": whole("Content-Type: text/html\r\nContent-Length: 2\r\n\r\nHi"),
  "no content type": whole("Content-Length: 2\r\n\r\n{}"),
  "two lengths": whole("Content-Type: application/json\r\nContent-Length: 2, 3\r\n\r\n{} "),
  "length and chunks": whole(
    "Content-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
  ),
  "a bad chunk": whole(
    "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
  ),
  "a header without a colon": whole("Nonsense\r\nContent-Length: 0\r\n\r\n"),
  "no HTTP": (_request, reply) => reply.whole("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
  "headers without end": (_request, reply) => {
    reply.write("HTTP/1.1 200 OK\r\n");
    for (let at = 0; at < ENDLESS_HEADERS_MAX; at++) reply.write(`X-${at}: ${"x".repeat(50)}\r\n`);
  },
  "a line without end": (_request, reply) => {
    reply.stream().text(`data: ${"x".repeat(RESPONSE_BYTES_MAX + 100)}`);
  },
  "a redirect": (_request, reply) => reply.empty(302, { Location: "http://127.0.0.1:1/mcp" }),
};

for (const [what, answer] of Object.entries(REPLIES)) garbled(what, answer);

/** The tests of one kind of answer to a call. */
function garbled(what: string, answer: Handler): void {
  Deno.test(`a call that is answered with ${what} ends with one error of the gateway`, async () => {
    const slot = world.play((slot) => ({
      "tools/call": (request, reply) =>
        nameOf(request) === "bad" ? answer(request, reply) : slot.usual(request, reply),
    }));
    await using session = await world.open(slot);
    const { messages, response } = await session.send(toolCall("bad"));
    assertEquals([FAULTS.includes(codeOf(response)), messages.length], [true, 1]);
    const good = await session.send(toolCall("good"));
    assertEquals([slot.requestsOf("tools/call").length, good.text.includes("usual")], [2, true]);
  });
}

for (const what of ["malformed JSON", "an answer to another request", "a number"]) {
  Deno.test(`what a server says before ${what} is passed on`, async () => {
    const slot = world.play(() => ({
      "tools/call"(request, reply) {
        const stream = reply.stream();
        stream.text(`data: ${note("before")}\n\ndata: ${MESSAGES[what]!(request)}\n\n`);
        stream.end();
      },
    }));
    await using session = await world.open(slot);
    const { messages: [first] } = await session.send(toolCall("any"));
    assertEquals((first?.params as Message | undefined)?.data, "before");
  });
}

Deno.test("of two answers the first counts", async () => {
  for (
    const script of [
      AS["in a stream"]!,
      AS["in a stream that stays open"]!,
    ]
  ) {
    const slot = world.play(() => ({
      "tools/call": (request, reply) =>
        script(`${said(request, "one")}\n\ndata: ${said(request, "two")}`)(request, reply),
    }));
    await using session = await world.open(slot);
    const { response } = await session.send(toolCall("any"));
    assert(JSON.stringify(response).includes('"one"'), JSON.stringify(response));
  }
});

for (const id of ["null", "true", "{}", "[1]", "1e400"]) {
  Deno.test(`a question with the id ${id} is no question to the client, and the call ends`, async () => {
    const slot = world.play(() => ({
      "tools/call"(request, reply) {
        const stream = reply.stream();
        stream.message(`{"jsonrpc":"2.0","id":${id},"method":"roots/list"}`);
        stream.message(said(request, "done"));
        stream.end();
      },
    }));
    await using session = await world.open(slot);
    const { messages } = await session.send(toolCall("any"));
    const asked = messages.filter(({ method }) => method === "roots/list");
    assertEquals([asked, messages.length > 0], [[], true]);
  });
}

// ── The answer to initialize ────────────────────────────────────────────────────────────────────

const OPENINGS: Readonly<Record<string, Handler>> = {
  ...REPLIES,
  "malformed JSON": (_request, reply) => reply.json("{"),
  "another id": (_request, reply) =>
    reply.json('{"jsonrpc":"2.0","id":"x","result":{"protocolVersion":"2025-11-25"}}'),
  "a batch": (request, reply) => reply.json(`[${initialized(request)}]`),
  "result and error": (request, reply) =>
    reply.json(initialized(request).replace(/}$/, ',"error":{"code":1,"message":""}}')),
  "a revision that is a number": (request, reply) =>
    reply.json(initialized(request, { protocolVersion: 20251125 })),
  "a session id with a space": withSessionId("a b"),
  "a session id with a control character": withSessionId("a\tb"),
  "a session id outside ASCII": withSessionId("é"),
  "a session id of 5 KiB": withSessionId("x".repeat(5 * 1024)),
  "nothing": (_request, reply) => reply.empty(202),
  "HTTP 500": (_request, reply) => reply.empty(500),
  "an end of the connection": (_request, reply) => reply.drop(),
  "silence": () => {},
  "a stream without the answer": (_request, reply) => {
    const stream = reply.stream();
    stream.message(note(1));
    stream.end();
  },
};

for (const [what, answer] of Object.entries(OPENINGS)) {
  Deno.test(`a session whose server answers with ${what} is refused with one error`, async () => {
    const slot = world.play(() => ({ initialize: answer }));
    const reply = await initialize(world.gateway.origin, await world.at(slot));
    const hasId = reply.headers.some(([name]) => name === "mcp-session-id");
    assert(FAULTS.includes(codeOf(reply.response)), reply.text);
    assertEquals([reply.status, reply.response.id, hasId], [200, 0, false]);
  });

  Deno.test(`a session whose server answers with ${what} does not count`, async () => {
    const slot = world.play((slot) => ({
      initialize: (request, reply) =>
        (slot.requestsOf("initialize").length === 1 ? answer : slot.usual)(request, reply),
    }));
    await initialize(world.gateway.origin, await world.at(slot));
    await using session = await world.open(slot);
    assert((await session.send(toolCall("any"))).text.includes("usual"));
  });
}

Deno.test("messages before the answer to initialize do no harm", async () => {
  const slot = world.play((slot) => ({
    initialize(request, reply) {
      const stream = reply.stream({ "Mcp-Session-Id": "mine" });
      slot.sessions.add("mine");
      stream.message(note(1));
      stream.message(initialized(request));
      stream.end();
    },
  }));
  await using session = await world.open(slot);
  await until("the session is known", async () => {
    return (await session.send(toolCall("any"))).text.includes("usual");
  });
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

function withSessionId(id: string): Handler {
  return (request, reply) =>
    reply.json(initialized(request), { headers: { "Mcp-Session-Id": id } });
}

/** A reply with the status 200. */
function whole(rest: string): Handler {
  return (_request, reply) => reply.whole(`HTTP/1.1 200 OK\r\n${rest}`);
}

function nameOf({ message }: SessionRequest): unknown {
  return (message.params as Message).name;
}

function codeOf({ result, error }: Message): number {
  const { _meta } = (result ?? {}) as { _meta?: Message };
  return Number(((_meta?.["dev.sallyport/failure"] ?? error) as Message | undefined)?.code);
}
