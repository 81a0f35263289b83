/**
 * The upstream server's reply to a call comes in pieces: the server closes its stream to be asked
 * again, or the connection is lost. The call is made once, its messages arrive once, and it ends
 * once, with its answer or with the word that its outcome is not known.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Resumability and Redelivery"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import {
  type Handler,
  note,
  said,
  type SessionRequest,
  type SessionScript,
  type Slot,
} from "../support/scripted_session_server.ts";
import {
  followCall,
  messagesIn,
  type Session,
  SESSION_REVISIONS,
  type SessionOptions,
  toolCall,
} from "../support/session_client.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { until } from "../support/until.ts";

const TOOL_MS = 2_000;
const TOOL_MS_MAX = 4_000;
/** Servers that name less may be given more. */
const RETRY_MS = 250;
const RETRY_NEVER_MS = 999_999_999;
const OUTCOME_UNKNOWN = -31004;
const OLDER = SESSION_REVISIONS.filter((revision) => revision !== "2025-11-25");

const beside = sideBySide();
let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld({
    TOOL_TIMEOUT: `${TOOL_MS}ms`,
    TOOL_TIMEOUT_MAX: `${TOOL_MS_MAX}ms`,
  });
  beside.start();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

/** Runs in a session of its own, on an endpoint of its own. */
function test(
  promise: string,
  script: (slot: Slot) => SessionScript,
  run: (slot: Slot, session: Session) => Promise<void>,
  options: SessionOptions = {},
): void {
  beside.test(promise, async () => {
    const slot = world.play(script);
    await using session = await world.open(slot, options);
    await run(slot, session);
  });
}

// ── A server that wants to be asked again ───────────────────────────────────────────────────────

const ROUNDS = 4;

/** Says one thing on each connection, then closes it; the last brings the answer. */
function polling(): SessionScript {
  let call: SessionRequest;
  const round = (at: number): Handler => (_request, reply) => {
    const stream = reply.stream();
    stream.text(`id: ${at}-a\nretry: ${RETRY_MS}\ndata:\n\n`);
    stream.message(note(at), `${at}-b`);
    if (at === ROUNDS) stream.message(said(call, "done"), `${at}-c`);
    stream.end();
  };
  return {
    "tools/call"(request, reply) {
      call = request;
      return round(1)(request, reply);
    },
    GET(request, reply) {
      const [before] = (request.header("last-event-id") ?? "0").split("-");
      return round(Number(before) + 1)(request, reply);
    },
  };
}

const WHOLE = [1, 2, 3, 4, "done"];

test(
  "a call of a server that closes its stream again and again brings each message once",
  polling,
  async (_slot, session) => {
    const events = await followCall(session, await session.open(toolCall("any")));
    assertEquals(messagesIn(events).map(summary), WHOLE);
  },
);

test("each time the server is asked behind its last event", polling, async (slot, session) => {
  await followCall(session, await session.open(toolCall("any")));
  const asked = slot.requestsOf("GET").map((request) => request.header("last-event-id"));
  assertEquals([asked, slot.requestsOf("tools/call").length], [["1-b", "2-b", "3-b"], 1]);
});

test("a client is asked to wait as long as the server wants", polling, async (_slot, session) => {
  const events = await followCall(session, await session.open(toolCall("any")));
  assert(events.some(({ retry }) => retry === RETRY_MS), JSON.stringify(events));
});

for (const revision of OLDER) {
  test(
    `a client of ${revision} is kept on one stream meanwhile`,
    polling,
    async (slot, session) => {
      const { messages } = await session.send(toolCall("any"));
      assertEquals([messages.map(summary), slot.requestsOf("GET").length], [WHOLE, 3]);
    },
    { revision },
  );
}

for (
  const [what, retryMs] of Object.entries({
    "for days": RETRY_NEVER_MS,
    "at once, for ever": 0,
    "soon, for ever": 100,
  })
) {
  beside.test(`a call whose server wants to be asked ${what} ends after TOOL_TIMEOUT_MAX`, async () => {
    const { answer } = await endless(retryMs);
    assert(isFailure(answer), JSON.stringify(answer));
  });

  beside.test(`what is said of a call whose server wants to be asked ${what} names that time`, async () => {
    const { answer } = await endless(retryMs);
    assert(JSON.stringify(answer).includes(`${TOOL_MS_MAX / 1000} s`), JSON.stringify(answer));
  });
}

const ENDLESS = new Map<number, Promise<{ readonly answer: Message | undefined }>>();

/** A call that its server never ends; played once, beside the others. */
function endless(retryMs: number) {
  if (!ENDLESS.has(retryMs)) ENDLESS.set(retryMs, playEndless(retryMs));
  return ENDLESS.get(retryMs)!;
}

async function playEndless(retryMs: number) {
  const again: Handler = (_request, reply) => {
    const stream = reply.stream();
    stream.text(`id: 1\nretry: ${retryMs}\ndata:\n\n`);
    stream.end();
  };
  const slot = world.play(() => ({ "tools/call": again, GET: again }));
  // A client of this revision is kept on one stream.
  await using session = await world.open(slot, { revision: "2025-06-18" });
  using call = await session.open(toolCall("any"));
  await until("the end of the call", () => call.ended(), 3 * TOOL_MS_MAX).catch(() => {});
  return { answer: call.messages()[0] };
}

// ── A connection that is lost ───────────────────────────────────────────────────────────────────

/** The stream breaks off after so many of its events; a GET goes on behind the event it names. */
function breaking(after: number): (slot: Slot) => SessionScript {
  return () => {
    let events: string[];
    return {
      "tools/call"(request, reply) {
        const primer = `id: 0\nretry: ${RETRY_MS}\ndata:\n\n`;
        const said3 = [note(1), note(2), said(request, "done")];
        events = [primer, ...said3.map((data, at) => `id: ${at + 1}\ndata: ${data}\n\n`)];
        const stream = reply.stream();
        stream.text(events.slice(0, after + 1).join(""));
        setTimeout(stream.drop, 50);
      },
      GET(request, reply) {
        const stream = reply.stream();
        stream.text(events.slice(Number(request.header("last-event-id")) + 1).join(""));
        stream.end();
      },
    };
  };
}

for (const after of [0, 1, 2]) {
  test(
    `a call whose connection is lost after ${after} messages brings each message once`,
    breaking(after),
    async (_slot, session) => {
      const events = await followCall(session, await session.open(toolCall("any")));
      assertEquals(messagesIn(events).map(summary), [1, 2, "done"]);
    },
  );

  test(
    `a call whose connection is lost after ${after} messages is made once, and asked for once`,
    breaking(after),
    async (slot, session) => {
      await followCall(session, await session.open(toolCall("any")));
      const { length } = slot.requestsOf("tools/call");
      const asked = slot.requestsOf("GET").map((request) => request.header("last-event-id"));
      assertEquals([length, asked], [1, [String(after)]]);
    },
  );
}

test(
  "half an event that was lost comes once",
  () => {
    let call: SessionRequest;
    return {
      "tools/call"(request, reply) {
        call = request;
        const stream = reply.stream();
        stream.text(`id: 1\nretry: 50\ndata: ${note(1)}\n\nid: 2\ndata: ${note(2).slice(0, 20)}`);
        setTimeout(stream.drop, 50);
      },
      GET(request, reply) {
        if (request.header("last-event-id") !== "1") return reply.empty(400);
        const stream = reply.stream();
        stream.message(note(2), "2");
        stream.message(said(call, "done"), "3");
        stream.end();
      },
    };
  },
  async (_slot, session) => {
    const events = await followCall(session, await session.open(toolCall("any")));
    assertEquals(messagesIn(events).map(summary), [1, 2, "done"]);
  },
);

const REFUSALS: Readonly<Record<string, Handler>> = {
  "400": (_request, reply) => reply.empty(400),
  "401": (_request, reply) => reply.empty(401),
  "404": (_request, reply) => reply.empty(404),
  "405": (_request, reply) => reply.empty(405),
  "JSON": (_request, reply) => reply.json("{}"),
  "202": (_request, reply) => reply.empty(202),
};

for (const [what, GET] of Object.entries(REFUSALS)) {
  test(
    `a call whose stream the server gives back with ${what} ends with one -31004`,
    (slot) => ({ ...breaking(1)(slot), GET }),
    async (slot, session) => {
      const events = await followCall(session, await session.open(toolCall("any")));
      assertEquals(messagesIn(events).map(summary), [1, OUTCOME_UNKNOWN]);
      assertEquals(slot.requestsOf("tools/call").length, 1);
    },
  );
}

for (
  const [what, hurdle] of Object.entries<Handler>({
    "503": (_request, reply) => reply.empty(503),
    "429": (_request, reply) => reply.empty(429),
    "a lost connection": (_request, reply) => reply.drop(),
  })
) {
  test(
    `a call is asked for again when the server answers with ${what} at first`,
    (slot) => {
      const script = breaking(1)(slot);
      return {
        ...script,
        GET: (request, reply) =>
          (slot.requestsOf("GET").length === 1 ? hurdle : script.GET!)(request, reply),
      };
    },
    async (_slot, session) => {
      const events = await followCall(session, await session.open(toolCall("any")));
      assertEquals(messagesIn(events).map(summary), [1, 2, "done"]);
    },
  );
}

test(
  "a call that is not given back within TOOL_TIMEOUT ends with one -31004",
  (slot) => ({ ...breaking(1)(slot), GET: (_request, reply) => reply.empty(503) }),
  async (_slot, session) => {
    const events = await followCall(session, await session.open(toolCall("any")));
    assertEquals(messagesIn(events).map(summary), [1, OUTCOME_UNKNOWN]);
  },
);

// ── Without event ids ───────────────────────────────────────────────────────────────────────────

const ENDS: Readonly<Record<string, Handler>> = {
  "breaks off before its head": (_request, reply) => reply.drop(),
  "breaks off after its head": (_request, reply) => void setTimeout(reply.stream().drop, 50),
  "breaks off after a message": (_request, reply) => {
    const stream = reply.stream();
    stream.message(note(1));
    setTimeout(stream.drop, 50);
  },
  "ends after a message": (_request, reply) => {
    const stream = reply.stream();
    stream.message(note(1));
    stream.end();
  },
  "breaks off in its JSON": (_request, reply) => {
    reply.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
    reply.write('Content-Length: 100\r\n\r\n{"jsonrpc"');
    setTimeout(reply.drop, 50);
  },
  "is empty": (_request, reply) => reply.empty(202),
};

for (const [what, answer] of Object.entries(ENDS)) {
  test(
    `a call whose reply ${what} ends with one -31004, and is not made again`,
    () => ({ "tools/call": answer }),
    async (slot, session) => {
      const { messages } = await session.send(toolCall("any"));
      const responses = messages.map(summary).filter((one) => one !== 1);
      assertEquals([responses, slot.methods().slice(2)], [[OUTCOME_UNKNOWN], ["tools/call"]]);
    },
  );
}

function isFailure(message: Message | undefined): boolean {
  return message !== undefined && /"isError":true|"error"/.test(JSON.stringify(message));
}

/** What a message says: a note, the text of a result, or the code of a failure. */
function summary({ method, params, result, error }: Message): unknown {
  if (method !== undefined) return (params as Message).data;
  const { _meta, content } = (result ?? {}) as { _meta?: Message; content: { text: string }[] };
  const failure = (_meta?.["dev.sallyport/failure"] ?? error) as Message | undefined;
  return failure?.code ?? content[0]?.text;
}
