/**
 * A client of the session era and a server of the session era see of each other what they would see
 * without the gateway: every byte of their messages, and nothing of the gateway's own affairs.
 *
 * @module
 * @see contract.md, section 7, point 3; design.md, "Sessions belong to no replica, running calls do"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { messageOf, statusOf } from "../support/open_reply.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import {
  type Handler,
  initialized,
  note,
  result,
  said,
  type SessionRequest,
  type SessionScript,
  type Slot,
} from "../support/scripted_session_server.ts";
import {
  initialize,
  type Session,
  SESSION_REVISIONS,
  type SessionOptions,
  toolCall,
} from "../support/session_client.ts";

let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

/** Runs in a session of its own, on an endpoint of its own. */
function test(
  promise: string,
  run: (slot: Slot, session: Session) => Promise<void>,
  script?: (slot: Slot) => SessionScript,
  options: SessionOptions = {},
): void {
  Deno.test(promise, async () => {
    const slot = world.play(script);
    await using session = await world.open(slot, options);
    await run(slot, session);
  });
}

// ── initialize ──────────────────────────────────────────────────────────────────────────────────

const HELLO =
  '{ "params" : {"clientInfo":{"name":"n\\u00e9","version":"1","title":"T","icons":[]},' +
  '"vendor":{"big":12345678901234567890,"float":1.0,"exp":1E2},\t"protocolVersion":"2025-06-18",' +
  '"capabilities":{"elicitation":{"form":{},"url":{}},"experimental":{"x":[null, true]}} },\r\n' +
  ' "jsonrpc":"2.0", "method":"initialize", "extra":"é", "id":-7 }';

Deno.test("initialize reaches the server byte for byte", async () => {
  const slot = world.play();
  await initialize(world.gateway.origin, { ...await world.at(slot), body: HELLO });
  assertEquals(slot.requests[0]!.body, HELLO);
});

Deno.test("the answer to initialize comes back byte for byte", async () => {
  const answer = result({ idText: "-7" } as SessionRequest, GREETING);
  const slot = world.play(() => ({ initialize: (_request, reply) => reply.json(answer) }));
  const reply = await initialize(world.gateway.origin, { ...await world.at(slot), body: HELLO });
  assertEquals(reply.text, answer);
});

const GREETING =
  '{"instructions":"Be kind \\ud83d\\ude00", "serverInfo":{"name":"s","version":"0",' +
  '"vendor":1.50}, "protocolVersion":"2025-06-18","capabilities":{"tools":{},"x":{"y":[1e1]}}}';

Deno.test("a client without sessions upstream has one at the gateway", async () => {
  const slot = world.play((slot) => ({
    initialize: (request, reply) => reply.json(initialized(request)),
    "notifications/initialized": (_request, reply) => reply.empty(202),
    "tools/call": (request, reply) => reply.json(said(request, "here")),
    DELETE: slot.usual,
  }));
  const session = await world.open(slot);
  const { text } = await session.send(toolCall("any"));
  await session.end();
  const ids = slot.requests.map((request) => request.header("mcp-session-id"));
  assertEquals([text.includes("here"), new Set(ids)], [true, new Set([undefined])]);
});

// ── Requests ────────────────────────────────────────────────────────────────────────────────────

const BODIES: Readonly<Record<string, string>> = {
  "white space": '\t{ "jsonrpc" : "2.0",\n"method": "tools/call","params":{ } , "id" : 1 }\r\n',
  "number spellings":
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":[1.0,1E2,-0,1e400,0.10,' +
    "12345678901234567890]}}",
  "escapes":
    '{"jsonrpc":"2.0","id":1,"method":"tools\\/call","params":{"\\u0061":"\\ud83d\\ude00\\/\\n"}}',
  "characters outside ASCII": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"é":"😀"}}',
  "unknown members":
    '{"vendor":{"id":2},"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":{"y":[]}}}',
  "an unknown method": '{"jsonrpc":"2.0","id":1,"method":"vendor/thing","params":{"a":null}}',
  "_meta":
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"a/b":1.0,' +
    '"progressToken":"t"}}}',
  "no params": '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
};

for (const [what, body] of Object.entries(BODIES)) {
  test(`a request with ${what} reaches the server byte for byte`, async (slot, session) => {
    const { status } = await session.send({ body });
    assertEquals([status, slot.requests.at(-1)!.body], [200, body]);
  }, () => ({ "vendor/thing": (request, reply) => reply.json(said(request, "done")) }));
}

test("a notification reaches the server byte for byte", async (slot, session) => {
  const body = '{"params":{"x":1.0},  "method":"notifications/vendor","jsonrpc":"2.0","y":[ ]}';
  const { status, text } = await session.send({ body });
  assertEquals([status, text, slot.requests.at(-1)!.body], [202, "", body]);
});

const TAKEN: Readonly<Record<string, string>> = {
  "200 without a body": "200 OK\r\nContent-Length: 0\r\n\r\n",
  "200 and an empty body in chunks": "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "200 and no JSON at all": "200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
  "200 and text": "200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK",
  "200 and an empty page": "200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
  "200 and null": "200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnull",
  "200 and an empty stream":
    "200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n",
  "201": "201 Created\r\nContent-Length: 0\r\n\r\n",
  "202 and text": "202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nAccepted",
  "204": "204 No Content\r\n\r\n",
};

for (const [what, answer] of Object.entries(TAKEN)) {
  test(`a notification that the server takes with ${what} is 202`, async (_slot, session) => {
    const { status, text } = await session.notify("notifications/vendor");
    assertEquals([status, text], [202, ""]);
  }, () => ({ "notifications/vendor": (_request, reply) => reply.whole(`HTTP/1.1 ${answer}`) }));
}

// ── Ids and tokens ──────────────────────────────────────────────────────────────────────────────

/** As the client writes them, and as they go upstream where that is not the same. */
const IDS: readonly (readonly [client: string, upstream?: string])[] = [
  ["0"],
  ["1"],
  ["-1"],
  ["9007199254740991"],
  ['""'],
  ['"1"'],
  ['"sally"'],
  ['"é 😀"'],
  ['"\\u00e9\\n"'],
  ['"a:b:c"'],
  ["9007199254740993", '"sallyport:~9007199254740993"'],
  ["-12345678901234567890", '"sallyport:~-12345678901234567890"'],
  ["-0", '"sallyport:~-0"'],
  ['"sallyport:initialize"', '"sallyport:~sallyport:initialize"'],
  ['"sallyport:slot-1:7"', '"sallyport:~sallyport:slot-1:7"'],
  ['"sallyport:~"', '"sallyport:~sallyport:~"'],
];

for (const [client, upstream = client] of IDS) {
  for (const [form, answer] of Object.entries(FORMS())) {
    test(`the id ${client} comes back in ${form} as it was written`, async (slot, session) => {
      const { text } = await session.send({ ...toolCall("any"), idText: client });
      assert(text.includes(said({ idText: client } as SessionRequest, "done")), text);
      assertEquals(slot.requests.at(-1)!.idText, upstream);
    }, () => ({ "tools/call": answer }));
  }
}

/** Ways to answer a call. */
function FORMS(): Readonly<Record<string, Handler>> {
  return {
    "JSON": (request, reply) => reply.json(said(request, "done")),
    "a stream": (request, reply) => {
      const stream = reply.stream();
      stream.message(note(1));
      stream.message(said(request, "done"));
      stream.end();
    },
  };
}

for (const token of ["7", '"seven"', "9007199254740993", '"sallyport:7"', "1.0", '"\\u00e9"']) {
  test(`the progress token ${token} is the same on both sides`, async (slot, session) => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call",` +
      `"params":{"name":"x","_meta":{"progressToken":${token}}}}`;
    const { text } = await session.send({ body });
    assertEquals([slot.requests.at(-1)!.body, text.includes(progress(token))], [body, true]);
  }, () => ({
    "tools/call"(request, reply) {
      const stream = reply.stream();
      stream.message(progress(token));
      stream.message(said(request, "done"));
      stream.end();
    },
  }));
}

function progress(token: string): string {
  return '{"jsonrpc":"2.0","method":"notifications/progress",' +
    `"params":{"progressToken":${token},"progress":1.0}}`;
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────

const RESULTS: Readonly<Record<string, string>> = {
  "number spellings": '{"a":[1.0,1E2,-0,1e400,12345678901234567890]}',
  "white space": '{ "a" : [ 1 ,\t2 ] }',
  "escapes": '{"\\u0061":"\\ud83d\\ude00\\/ \\ud800"}',
  "names twice": '{"a":1,"a":2}',
  "empty structured content": '{"content":[],"structuredContent":{}}',
  "unknown content": '{"content":[{"type":"vendor","x":1.0}],"isError":false,"_meta":{"a":null}}',
};

for (const [what, value] of Object.entries(RESULTS)) {
  for (const form of ["JSON", "a stream"]) {
    test(`a result with ${what} comes back in ${form} byte for byte`, async (_slot, session) => {
      const { text } = await session.send({ ...toolCall("any"), idText: "5" });
      assert(text.includes(result({ idText: "5" } as SessionRequest, value)), text);
    }, () => ({ "tools/call": answered(form, (request) => result(request, value)) }));
  }
}

for (const status of [200, 400, 403]) {
  test(
    `an error that comes with ${status} keeps status, code, message and data`,
    async (_slot, session) => {
      const reply = await session.send({ ...toolCall("any"), idText: "5" });
      assertEquals([reply.status, reply.text], [
        status,
        `{"jsonrpc":"2.0","id":5,"error":${ERROR}}`,
      ]);
    },
    () => ({
      "tools/call": ({ idText }, reply) =>
        reply.json(`{"jsonrpc":"2.0","id":${idText},"error":${ERROR}}`, { status }),
    }),
  );
}

const ERROR = '{"data":{"x":[1.0]}, "code":-32042,"message":"N\\u00f6","vendor":true}';

for (const form of ["JSON", "a stream"]) {
  test(`a batch of a server in ${form} is passed on message by message`, async (_slot, session) => {
    const { messages, response } = await session.send(toolCall("any"));
    const data = messages.slice(0, -1).map(({ params }) => (params as Message).data);
    assertEquals([data, JSON.stringify(response).includes("done")], [[1, 2], true]);
  }, (slot) => ({
    initialize: slot.greeting({ protocolVersion: "2025-03-26" }),
    "tools/call": answered(
      form,
      (request) => `[${note(1)}, ${note(2)},\t${said(request, "done")}]`,
    ),
  }));
}

test(
  "each request of a batch reaches the server by itself",
  async (slot, session) => {
    const call = (id: number) => `{"jsonrpc":"2.0","id":${id}, "method":"tools/call","params":{}}`;
    const { messages } = await session.send({ body: `[ ${call(1)},${call(2)} ]` });
    const bodies = slot.requestsOf("tools/call").map(({ body }) => body);
    assertEquals([bodies.sort(), messages.length], [[call(1), call(2)], 2]);
  },
  undefined,
  { revision: "2025-03-26" },
);

function answered(form: string, message: (request: SessionRequest) => string): Handler {
  return (request, reply) => {
    if (form === "JSON") return reply.json(message(request));
    const stream = reply.stream();
    stream.message(message(request));
    stream.end();
  };
}

// ── Questions of the server ─────────────────────────────────────────────────────────────────────

for (
  const id of ["0", "-3", "1.5", "9007199254740993", '""', '"a:b"', '"sallyport:x:1"', '"\\u00e9"']
) {
  test(
    `the answer to a question with the id ${id} has that id, and is the client's`,
    async (slot, session) => {
      using call = await session.open(toolCall("any"));
      const { id: given } = await messageOf(call, "roots/list");
      const answer = '{ "roots":[{"uri":"file:///x","vendor":1.0}] }';
      await session.send({
        body: `{"jsonrpc":"2.0","id":${JSON.stringify(given)},"result":${answer}}`,
      });
      const { body } = await slot.arrival("response");
      assertEquals(body, `{"jsonrpc":"2.0","id":${id},"result":${answer}}`);
    },
    () => ({
      "tools/call": (_request, reply) =>
        reply.stream().message(`{"jsonrpc":"2.0","id":${id},"method":"roots/list"}`),
    }),
  );
}

test("progress of the client on a question has the server's token", async (slot, session) => {
  using call = await session.open(toolCall("any"));
  const { params } = await messageOf(call, "sampling/createMessage");
  const { progressToken } = (params as { _meta: { progressToken: string } })._meta;
  await session.notify("notifications/progress", { progressToken, progress: 1 });
  const { message } = await slot.arrival("notifications/progress");
  assertEquals((message.params as Message).progressToken, 42);
}, () => ({
  "tools/call": (_request, reply) =>
    reply.stream().message(
      '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage",' +
        '"params":{"_meta":{"progressToken":42},"messages":[],"maxTokens":1}}',
    ),
}));

test("an answer to a question of another server does not reach this one", async (slot, session) => {
  for (const id of ["sallyport:nobody:7", "sallyport::7", "sallyport:", "7"]) {
    const { status } = await session.send({
      body: JSON.stringify({ jsonrpc: "2.0", id, result: {} }),
    });
    assertEquals(status, 202);
  }
  assertEquals(slot.requestsOf("response"), []);
});

// ── Headers ─────────────────────────────────────────────────────────────────────────────────────

const HEARD = ["authorization", "cookie", "last-event-id", "origin", "x-forwarded-for", "x-vendor"];

test("nothing of the client's own headers reaches the server", async (slot, session) => {
  const headers = {
    "Cookie": "a=b",
    "X-Forwarded-For": "10.0.0.1",
    "X-Vendor": "1",
    "Last-Event-ID": "mine",
  };
  await session.send({ ...toolCall("any"), headers });
  using own = await session.listen();
  await statusOf(own);
  await session.send({ verb: "DELETE", headers });
  const all = slot.requests.flatMap(({ headers }) => headers);
  assertEquals(all.filter(([name]) => HEARD.includes(name.toLowerCase())), []);
  assertEquals(all.filter(([, value]) => value.includes(session.id)), []);
  assertEquals(slot.methods().slice(-3), ["tools/call", "GET", "DELETE"]);
});

for (const revision of SESSION_REVISIONS) {
  test(
    `of a client of ${revision} every request but the first names revision and session`,
    async (slot, session) => {
      await session.send(toolCall("any"));
      using own = await session.listen();
      await statusOf(own);
      await session.end();
      const named = slot.requests.map((request) =>
        ["mcp-protocol-version", "mcp-session-id"].map((name) => request.header(name))
      );
      const all = Array.from({ length: 4 }, () => [revision, `upstream-${slot.number}-1`]);
      assertEquals(named, [[undefined, undefined], ...all]);
    },
    undefined,
    { revision },
  );
}

// ── Older revisions ─────────────────────────────────────────────────────────────────────────────

for (const client of SESSION_REVISIONS) {
  for (const server of SESSION_REVISIONS) {
    const agreed = client < server ? client : server;

    test(
      `a client of ${client} at a server of ${server} is told ${agreed}, the server hears ${server}`,
      async (slot, session) => {
        await session.send(toolCall("any"));
        const heard = slot.requestsOf("tools/call").map((one) =>
          one.header("mcp-protocol-version")
        );
        assertEquals([session.revision, heard], [agreed, [server]]);
      },
      (slot) => ({ initialize: slot.greeting({ protocolVersion: server }) }),
      { revision: client },
    );
  }
}

test("a client is not primed where its server is older than priming", async (_slot, session) => {
  const { events } = await session.send({
    ...toolCall("any"),
    headers: { Accept: "text/event-stream, application/json" },
  });
  assertEquals(events.map(({ data }) => data === ""), [false]);
}, (slot) => ({ initialize: slot.greeting({ protocolVersion: "2025-06-18" }) }));

test("a batch is taken where the server is of 2025-03-26", async (_slot, session) => {
  const { status } = await session.send({ body: '[{"jsonrpc":"2.0","id":1,"method":"ping"}]' });
  assertEquals(status, 200);
}, (slot) => ({ initialize: slot.greeting({ protocolVersion: "2025-03-26" }) }));
