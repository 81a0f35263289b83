/**
 * The upstream server's own stream (GET), in all the ways in which servers have one or have none:
 * the client's stream is there in any case, brings every message once, and says when one may be
 * lost.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Listening for Messages from the Server"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { statusOf } from "../support/open_reply.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import {
  type Handler,
  note,
  type ScriptedStream,
  type SessionReply,
  type SessionRequest,
  type SessionScript,
  type Slot,
} from "../support/scripted_session_server.ts";
import {
  lastEventId,
  type Session,
  type SessionStream,
  toolCall,
} from "../support/session_client.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { until } from "../support/until.ts";

const RESPONSE_BYTES_MAX = 1024 * 1024;
/** A retry that a test can wait for, and one that it cannot. */
const RETRY_MS = 700;
const RETRY_NEVER_MS = 999_999_999;

const beside = sideBySide();
let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld({ RESPONSE_BODY_MAX: String(RESPONSE_BYTES_MAX) });
  beside.start();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

interface Stage {
  readonly slot: Slot;
  readonly session: Session;
  /** The client's own stream, which is open. */
  readonly own: SessionStream;
}

/** Runs with a client that listens, on an endpoint of its own. */
function test(
  promise: string,
  script: (slot: Slot) => SessionScript,
  run: (stage: Stage) => Promise<void>,
): void {
  beside.test(promise, async () => {
    const slot = world.play(script);
    await using session = await world.open(slot);
    using own = await session.listen();
    assertEquals(await statusOf(own), 200);
    await run({ slot, session, own });
  });
}

// ── Servers with a stream ───────────────────────────────────────────────────────────────────────

test(
  "what the server says is heard as it was said",
  () => ({ GET: (_request, reply) => reply.stream().text(`data: ${ODD}\n\n`) }),
  async ({ own }) => {
    await until("the message", () => own.text().includes(`data: ${ODD}\n`));
  },
);

const ODD = '{"jsonrpc":"2.0","method":"notifications/x","params":{"a":1.0,"é":"\\u00e9","b":[ ]}}';

test("the stream is asked for in the session, and for nothing else", silent, async ({ slot }) => {
  const { headers, number } = { ...await slot.arrival("GET"), ...slot };
  const own = headers.filter(([name]) => !/^(host|user-agent|accept-encoding)$/i.test(name));
  assertEquals(Object.fromEntries(own.map(([name, value]) => [name.toLowerCase(), value])), {
    "accept": "text/event-stream",
    "mcp-protocol-version": "2025-11-25",
    "mcp-session-id": `upstream-${number}-1`,
  });
});

test("a client that comes back finds the same stream of the server", silent, async (stage) => {
  const { slot, session, own } = stage;
  await slot.arrival("GET");
  own.close();
  const again = await listenAgain(session);
  assertEquals(slot.requestsOf("GET").length, 1);
  again.close();
});

const STREAMS = new Map<number, ScriptedStream>();

test(
  "what is said while the client is away waits for it",
  ({ number }) => ({ GET: (_request, reply) => void STREAMS.set(number, reply.stream()) }),
  async ({ slot, session, own }) => {
    await slot.arrival("GET");
    const stream = STREAMS.get(slot.number)!;
    stream.message(note("before"));
    await until("the first message", () => own.messages()[0]);
    own.close();
    for (const data of ["one", "two"]) stream.message(note(data));
    using again = await session.listen(lastEventId(own.events()));
    await until("the last message", () => dataIn(again).includes("two"));
    assertEquals(dataIn(again), ["one", "two"]);
  },
);

test(
  "the end of the session ends the server's stream",
  ({ number }) => ({ GET: (_request, reply) => void STREAMS.set(number, reply.stream()) }),
  async ({ slot, session }) => {
    await slot.arrival("GET");
    await session.end();
    await until("the end of the stream", () => STREAMS.get(slot.number)!.hasLeft());
  },
);

test(
  "a server without session ids is listened to as well",
  (slot) => ({
    initialize: (request, reply) =>
      slot.usual(request, { ...reply, json: (body) => reply.json(body) }),
    "notifications/initialized": (_request, reply) => reply.empty(202),
    GET: (_request, reply) => reply.stream().message(note("here")),
  }),
  async ({ slot, own }) => {
    await until("the message", () => dataIn(own).includes("here"));
    assertEquals((await slot.arrival("GET")).header("mcp-session-id"), undefined);
  },
);

// ── Servers without one ─────────────────────────────────────────────────────────────────────────

for (const status of [400, 404, 405, 406, 501]) {
  const without = () => ({
    GET: (_request: SessionRequest, reply: SessionReply) => reply.empty(status),
  });

  test(
    `a server that answers GET with ${status} is called all the same`,
    without,
    async (stage) => {
      const { slot, session, own } = stage;
      await slot.arrival("GET");
      const { text } = await session.send(toolCall("any"));
      assertEquals([text.includes("usual"), own.ended()], [true, undefined]);
    },
  );
}

test(
  "a server that answers GET with 404 keeps its session",
  () => ({ GET: (_request, reply) => reply.empty(404) }),
  async ({ slot }) => {
    await slot.arrival("GET");
    await pause(1_500);
    // It may mean the session: then it is believed once.
    const opened = slot.requestsOf("initialize").length;
    assert(opened <= 2, `${opened} sessions were opened`);
  },
);

test("a server that never says how it answers GET is called all the same", mute, async (stage) => {
  const { text } = await stage.session.send(toolCall("any"));
  assert(text.includes("usual"), text);
});

beside.test("a client is let in within seconds where the server never says how it answers GET", async () => {
  const slot = world.play(mute);
  await using session = await world.open(slot);
  using own = await session.listen();
  assertEquals(await statusOf(own, 3_000), 200);
});

test(
  "a server that says how it answers GET with its first message is heard",
  () => ({
    async GET(_request, reply) {
      await pause(1_000);
      reply.stream().message(note("at last"));
    },
  }),
  async ({ own }) => {
    await until("the message", () => dataIn(own).includes("at last"));
  },
);

const AT_FIRST: Readonly<Record<string, Handler>> = {
  "409": (_request, reply) => reply.empty(409),
  "500": (_request, reply) => reply.empty(500),
  "503": (_request, reply) => reply.empty(503),
  "a lost connection": (_request, reply) => reply.drop(),
  "headers without end": (_request, reply) => {
    reply.write("HTTP/1.1 200 OK\r\n");
    for (let at = 0; at < 1000; at++) reply.write(`X-${at}: ${"x".repeat(100)}\r\n`);
  },
  "JSON": (_request, reply) => reply.json("{}"),
  "a page": (_request, reply) =>
    reply.whole("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nHi"),
};

beside.test("a server that cannot open its stream at first is asked again, whatever it answers", async () => {
  const deaf = await Promise.all(
    Object.entries(AT_FIRST).map(async ([what, answer]) => {
      const script = atFirst(answer, (_request, reply) => reply.stream().message(note("later")));
      await using session = await world.open(world.play(script));
      using own = await session.listen();
      const isHeard = until("the message", () => dataIn(own).includes("later"), 8_000);
      return await isHeard.then(() => [], () => [what]);
    }),
  );
  assertEquals(deaf.flat(), []);
});

// ── A stream that ends ──────────────────────────────────────────────────────────────────────────

/** Three notes with ids, one on each connection. */
const withIds: Handler = (request, reply) => {
  const at = Number(request.header("last-event-id") ?? 0) + 1;
  const stream = reply.stream();
  if (at > 3) return;
  stream.text("retry: 50\n");
  stream.message(note(at), String(at));
  stream.end();
};

test(
  "a stream that ends goes on behind its last event",
  () => ({ GET: withIds }),
  async (stage) => {
    const { slot, own } = stage;
    await slot.arrival("GET", 3);
    await until("all messages", () => own.messages().length >= 3);
    const asked = slot.requestsOf("GET").map((request) => request.header("last-event-id"));
    assertEquals([dataIn(own), asked], [[1, 2, 3], [undefined, "1", "2", "3"]]);
  },
);

beside.test("a server is not asked again before the time that it named", async () => {
  const waitedMs = await Promise.all(Array.from({ length: 8 }, () => waitOf(RETRY_MS)));
  assertEquals(waitedMs.filter((ms) => ms < RETRY_MS), []);
});

test(
  "a server that ends its stream at once and names no time is not asked in a hurry",
  () => ({
    GET(_request, reply) {
      const stream = reply.stream();
      stream.text("retry: 0\n\n");
      stream.end();
    },
  }),
  async ({ slot }) => {
    await slot.arrival("GET");
    await pause(2_000);
    const asked = slot.requestsOf("GET").length;
    assert(asked >= 2 && asked <= 20, `asked ${asked} times in 2 s`);
  },
);

test(
  "a server that does not want to be asked again for days is called meanwhile",
  endless,
  async ({ slot, session }) => {
    await slot.arrival("GET");
    const { text } = await session.send(toolCall("any"));
    assert(text.includes("usual"), text);
  },
);

test(
  "a session whose server does not want to be asked again for days can be ended",
  endless,
  async ({ slot, session }) => {
    await slot.arrival("GET");
    assertEquals((await session.end()).status, 204);
  },
);

for (const status of [400, 404]) {
  const forgetful = (slot: Slot): SessionScript => ({
    GET(request, reply) {
      if (request.header("last-event-id") !== undefined) return reply.empty(status);
      const nth = slot.requestsOf("GET").length;
      const stream = reply.stream();
      stream.text("retry: 50\n");
      stream.message(note(nth), `of-${nth}`);
      if (nth === 1) stream.end();
    },
  });

  test(
    `a server that answers ${status} to an event id that it has forgotten is listened to anew`,
    forgetful,
    async ({ slot, own }) => {
      await until(
        "a message of the new stream",
        () => dataIn(own).some((data) => Number(data) > 1),
        4_000,
      );
      assert(slot.requestsOf("initialize").length <= 2);
    },
  );

  test(
    `after ${status} to an event id the client is told that something may be lost`,
    forgetful,
    async ({ own }) => {
      await until("the gap", () => isGap(own), 4_000);
    },
  );
}

// ── What may be lost ────────────────────────────────────────────────────────────────────────────

/** Ends its first stream; there are no ids to go on from. */
const withoutIds = atFirst((_request, reply) => {
  const stream = reply.stream();
  stream.text("retry: 50\n");
  stream.message(note("first"));
  stream.end();
}, (_request, reply) => reply.stream().message(note("second")));

test(
  "without event ids the client is told of a gap, then hears what follows",
  withoutIds,
  async ({ own }) => {
    await until("the last message", () => dataIn(own).includes("second"));
    assertEquals(dataIn(own), ["first", { gap: true }, "second"]);
  },
);

test("with event ids nobody is told of a gap", () => ({ GET: withIds }), async ({ slot, own }) => {
  await slot.arrival("GET", 3);
  assertEquals(isGap(own), false);
});

// ── A server that says what it must not ─────────────────────────────────────────────────────────

for (
  const [what, garbage] of Object.entries({
    "malformed JSON": '{"jsonrpc":',
    "what is not JSON-RPC": '{"hello":1}',
    "an answer that nobody waits for": '{"jsonrpc":"2.0","id":1,"result":{}}',
    "an error that nobody waits for": '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}',
    "a number": "7",
    "an empty batch": "[]",
    "a message that is too large": note("x".repeat(RESPONSE_BYTES_MAX)),
  })
) {
  test(`beside ${what} the other messages are heard, in order`, spoiled(garbage), async (stage) => {
    const { own } = stage;
    await until("the last message", () => dataIn(own).includes("behind"), 4_000);
    const heard = dataIn(own).filter((data) => typeof data === "string");
    assertEquals(heard, ["before", "behind"]);
  });
}

function spoiled(garbage: string): () => SessionScript {
  return () => ({
    GET(request, reply) {
      const stream = reply.stream();
      const said = [note("before"), garbage, note("behind")];
      const from = Number(request.header("last-event-id") ?? 0);
      const events = said.map((data, at) => `retry: 50\nid: ${at + 1}\ndata: ${data}\n\n`);
      stream.text(events.slice(from).join(""));
    },
  });
}

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

function silent(): SessionScript {
  return { GET: (_request, reply) => void reply.stream().text(": here\n\n") };
}

function mute(): SessionScript {
  return { GET: () => {} };
}

function endless(): SessionScript {
  return {
    GET(_request, reply) {
      const stream = reply.stream();
      stream.text(`retry: ${RETRY_NEVER_MS}\n\n`);
      stream.end();
    },
  };
}

/** How long the gateway waits before it asks a server again that wants it to wait. */
async function waitOf(retryMs: number): Promise<number> {
  const ended = Promise.withResolvers<number>();
  const again = Promise.withResolvers<number>();
  const slot = world.play(atFirst((_request, reply) => {
    const stream = reply.stream();
    stream.text(`retry: ${retryMs}\n\n`);
    stream.end();
    ended.resolve(performance.now());
  }, (_request, reply) => {
    reply.stream();
    again.resolve(performance.now());
  }));
  await using session = await world.open(slot);
  using _own = await session.listen();
  return await again.promise - await ended.promise;
}

/** The first GET is handled otherwise than those that follow. */
function atFirst(first: Handler, then: Handler): (slot: Slot) => SessionScript {
  return (slot) => ({
    GET: (request, reply) => (slot.requestsOf("GET").length === 1 ? first : then)(request, reply),
  });
}

async function listenAgain(session: Session): Promise<SessionStream> {
  return await until("the stream", async () => {
    const stream = await session.listen();
    if (await statusOf(stream) === 200) return stream;
    stream.close();
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function dataIn(own: SessionStream): unknown[] {
  return own.messages().flatMap(({ method, params }) =>
    method === "notifications/message" ? [(params as Message).data] : []
  );
}

function isGap(own: SessionStream): boolean {
  return own.text().includes('"gap":true');
}
