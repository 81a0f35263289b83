/**
 * How long the gateway waits for an upstream server in a call, and how a call that nobody wants any
 * more ends.
 *
 * @module
 * @see contract.md, section 2, `TOOL_TIMEOUT`, `ASK_TIMEOUT`; MCP 2025-11-25, Utilities,
 *   "Cancellation"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { often } from "../support/long.ts";
import type { Message } from "../support/modern.ts";
import { messageOf } from "../support/open_reply.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import {
  type Handler,
  note,
  said,
  type ScriptedStream,
  type SessionScript,
  type Slot,
} from "../support/scripted_session_server.ts";
import { type Session, type SessionStream, toolCall } from "../support/session_client.ts";
import { seeded } from "../support/seeded.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { until } from "../support/until.ts";

const TOOL_MS = 2_000;
const ASK_MS = 4_000;
const TIMEOUT = -31002;
const ROOTS = '{"jsonrpc":"2.0","id":7,"method":"roots/list"}';
const ROOTS_RESULT = { result: { roots: [] } };
const RACES = often(1_000, 300);

const beside = sideBySide();
let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld({
    TOOL_TIMEOUT: `${TOOL_MS}ms`,
    TOOL_TIMEOUT_MAX: `${4 * TOOL_MS}ms`,
    ASK_TIMEOUT: `${ASK_MS}ms`,
  });
  // These take long: they run beside each other.
  for (const story of Object.values(STORIES)) told(story).catch(() => {});
  beside.start();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

// ── Silence ─────────────────────────────────────────────────────────────────────────────────────

/** What became of a call. */
interface Course {
  readonly slot: Slot;
  readonly messages: readonly Message[];
  /** From the call to the end of its stream. */
  readonly tookMs: number;
}

interface Story {
  readonly script: (slot: Slot) => SessionScript;
  /** What the client does while the call runs. */
  readonly client?: (session: Session, call: SessionStream) => Promise<unknown>;
  /** Whether the client listens as well. */
  readonly listens?: boolean;
}

const STORIES = {
  quiet: { script: () => ({ "tools/call": () => {} }) },
  "quiet after progress": {
    script: () => ({ "tools/call": (_request, reply) => reply.stream().message(note(1)) }),
  },
  "with progress": speaking((stream) => stream.message(note(1)), 2),
  "with comments": speaking((stream) => stream.text(": still here\n\n"), 2),
  "with bytes of an endless line": speaking((stream) => stream.text("x"), 8),
  "that never ends": speaking((stream) => stream.message(note(1)), 100),
  asking: {
    script: asking,
    async client(session, call) {
      const question = await messageOf(call, "roots/list");
      await pause(1.5 * TOOL_MS);
      await session.answer(question, ROOTS_RESULT);
    },
  },
  "asking in vain": { script: asking },
  "quiet after an answer": {
    script: () => ({
      "tools/call": (_request, reply) => reply.stream().message(ROOTS),
      response: (_request, reply) => reply.empty(202),
    }),
    client: async (session, call) =>
      await session.answer(await messageOf(call, "roots/list"), ROOTS_RESULT),
  },
  "taking its question back": {
    script: () => ({
      "tools/call"(_request, reply) {
        const stream = reply.stream();
        stream.message(ROOTS);
        stream.message(
          '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}',
        );
      },
    }),
  },
  "asking beside the call": { script: askingAside, listens: true, client: answeringAside },
} satisfies Record<string, Story>;

const TOLD = new Map<Story, Promise<Course>>();

function told(story: Story): Promise<Course> {
  if (!TOLD.has(story)) TOLD.set(story, play(story));
  return TOLD.get(story)!;
}

async function play({ script, client, listens }: Story): Promise<Course> {
  const slot = world.play(script);
  await using session = await world.open(slot);
  using own = listens ? await session.listen() : undefined;
  if (own !== undefined) OWN.set(session, own);
  const startMs = performance.now();
  using call = await session.open(toolCall("any"));
  await client?.(session, call);
  await until("the end of the call", () => call.ended(), 25_000);
  return { slot, messages: call.messages(), tookMs: performance.now() - startMs };
}

for (
  const [name, endMs] of Object.entries({
    "quiet": TOOL_MS,
    "quiet after progress": TOOL_MS,
    "with bytes of an endless line": TOOL_MS,
    "quiet after an answer": TOOL_MS,
    "taking its question back": TOOL_MS,
    "that never ends": 4 * TOOL_MS,
  })
) {
  const story = STORIES[name as keyof typeof STORIES];

  Deno.test(`a call of a server ${name} ends with one timeout`, async () => {
    const answers = responsesIn((await told(story)).messages);
    assertEquals(answers.map(codeOf), [TIMEOUT]);
  });

  Deno.test(`a call of a server ${name} ends after ${endMs / 1000} s`, async () => {
    const { tookMs } = await told(story);
    assert(tookMs > 0.9 * endMs && tookMs < endMs + 2_500, `${tookMs} ms`);
  });
}

for (const name of ["with progress", "with comments", "asking"] as const) {
  Deno.test(`a call of a server ${name} may take longer than TOOL_TIMEOUT`, async () => {
    const { messages, tookMs } = await told(STORIES[name]);
    assertEquals([responsesIn(messages).map(textOf), tookMs > TOOL_MS], [["done"], true]);
  });
}

Deno.test("a server that asks in vain is answered with an error, under its own id", async () => {
  const { slot } = await told(STORIES["asking in vain"]);
  const answers = slot.requestsOf("response").map(({ message }) => message);
  assertEquals(answers.map(({ id, error }) => [id, (error as Message)?.code]), [[7, TIMEOUT]]);
});

Deno.test("a call of a server that asked in vain goes on", async () => {
  assertEquals(responsesIn((await told(STORIES["asking in vain"])).messages).map(textOf), ["done"]);
});

Deno.test("a server that takes its question back gets no answer", async () => {
  const { slot } = await told(STORIES["taking its question back"]);
  assertEquals(slot.requestsOf("response").map(({ body }) => body), []);
});

beside.test("a server whose question is open at the end of the session hears of nothing but that", async () => {
  const slot = world.play(() => ({ GET: (_request, reply) => reply.stream().message(ROOTS) }));
  const session = await world.open(slot);
  using own = await session.listen();
  await messageOf(own, "roots/list");
  await session.end();
  await pause(1.25 * ASK_MS);
  assertEquals(slot.methods().at(-1), "DELETE");
  assertEquals(slot.requestsOf("initialize").length, 1);
});

Deno.test("a call may take longer than TOOL_TIMEOUT while its server asks beside it", async () => {
  const { messages } = await told(STORIES["asking beside the call"]);
  assertEquals(responsesIn(messages).map(textOf), ["done"]);
});

/** Says something every 1.2 s, so many times, before the answer. */
function speaking(say: (stream: ScriptedStream) => void, times: number): Story {
  return {
    script: () => ({
      async "tools/call"(request, reply) {
        const stream = reply.stream();
        for (let at = 0; at < times && !stream.hasLeft(); at++) {
          await pause(0.6 * TOOL_MS);
          say(stream);
        }
        stream.message(said(request, "done"));
        stream.end();
      },
    }),
  };
}

/** Asks one question, and answers the call once that is answered. */
function asking(slot: Slot): SessionScript {
  return {
    async "tools/call"(request, reply) {
      const stream = reply.stream();
      stream.message(ROOTS);
      await until("an answer", () => slot.requestsOf("response")[0], 20_000);
      stream.message(said(request, "done"));
      stream.end();
    },
  };
}

function askingAside(slot: Slot): SessionScript {
  return {
    GET: (_request, reply) => reply.stream().message(ROOTS),
    async "tools/call"(request, reply) {
      await until("an answer", () => slot.requestsOf("response")[0], 20_000);
      reply.json(said(request, "done"));
    },
  };
}

const OWN = new WeakMap<Session, SessionStream>();

async function answeringAside(session: Session): Promise<void> {
  const question = await messageOf(OWN.get(session)!, "roots/list");
  await pause(1.5 * TOOL_MS);
  await session.answer(question, ROOTS_RESULT);
}

// ── Cancellation ────────────────────────────────────────────────────────────────────────────────

/** Runs in a session of its own, on an endpoint of its own. */
function test(
  promise: string,
  script: (slot: Slot) => SessionScript,
  run: (slot: Slot, session: Session) => Promise<void>,
): void {
  beside.test(promise, async () => {
    const slot = world.play(script);
    await using session = await world.open(slot);
    await run(slot, session);
  });
}

const deaf = (): SessionScript => ({ "tools/call": () => {} });

for (
  const [idText, upstreamIdText = idText] of [
    ["77"],
    ["-77"],
    ['"seventy-seven"'],
    ['"\\u0073even"'],
    ["9007199254740993", '"sallyport:~9007199254740993"'],
    ['"sallyport:77"', '"sallyport:~sallyport:77"'],
  ]
) {
  test(
    `the cancellation of ${idText} reaches the server with its id`,
    deaf,
    async (slot, session) => {
      using _call = await session.open({ ...toolCall("any"), idText: idText! });
      const { body } = await slot.arrival("tools/call");
      const text = `{"jsonrpc":"2.0","method":"notifications/cancelled",` +
        `"params":{"requestId":${idText},"reason":"why not"}}`;
      using _cancel = await session.open({ body: text });
      const cancel = await slot.arrival("notifications/cancelled");
      assertEquals(cancel.body, text.replace(idText!, upstreamIdText!));
      assert(body.includes(`"id":${upstreamIdText},`), body);
    },
  );
}

test(
  "a call that is cancelled and never answered ends without an answer",
  deaf,
  async (slot, session) => {
    using call = await cancelled(slot, session);
    await until("the end of the call", () => call.ended());
    assertEquals(call.messages(), []);
  },
);

beside.test("a call that is cancelled is not waited for any more", async () => {
  const left = Promise.withResolvers<void>();
  const slot = world.play(() => ({
    "tools/call": (_request, reply) => reply.left.then(left.resolve),
  }));
  await using session = await world.open(slot);
  using _call = await cancelled(slot, session);
  await left.promise;
});

test("the answer to a call that is cancelled is passed on once when it comes", (slot) => ({
  async "tools/call"(request, reply) {
    await slot.arrival("notifications/cancelled");
    reply.json(said(request, "all the same"));
  },
}), async (slot, session) => {
  using call = await cancelled(slot, session);
  await until("the end of the call", () => call.ended());
  assertEquals(responsesIn(call.messages()).map(textOf), ["all the same"]);
});

test("the id of a call that was cancelled can be used again", deaf, async (slot, session) => {
  using call = await cancelled(slot, session);
  await until("the end of the call", () => call.ended());
  using again = await session.open({ ...toolCall("again"), idText: "77" });
  await slot.arrival("tools/call", 1);
  assertEquals(again.status() === undefined || again.status() === 200, true);
});

test("the cancellation of a call that never was is passed on", deaf, async (slot, session) => {
  const { status } = await session.notify("notifications/cancelled", { requestId: "nobody" });
  const { message } = await slot.arrival("notifications/cancelled");
  assertEquals([status, message.params], [202, { requestId: "nobody" }]);
});

test("other calls go on when one is cancelled", (slot) => ({
  async "tools/call"(request, reply) {
    if (request.idText === "77") return;
    await slot.arrival("notifications/cancelled");
    reply.json(said(request, "done"));
  },
}), async (slot, session) => {
  const other = session.send(toolCall("other"));
  await slot.arrival("tools/call");
  using _call = await cancelled(slot, session, 1);
  assertEquals(textOf((await other).response), "done");
});

Deno.test(`of ${RACES} calls that are cancelled as their answers come, each ends in one way`, async () => {
  const { below } = seeded("cancellation against result");
  const answered = new Map<string, boolean>();
  const arrived = new Map<string, () => void>();
  const slot = world.play(() => ({ "tools/call": racing({ answered, arrived, below }) }));
  await using session = await world.open(slot);
  const odd: string[] = [];
  const race = async (id: number) => {
    // On its way a cancellation may overtake the call, which is then no race.
    const isThere = new Promise<void>((resolve) => arrived.set(String(id), resolve));
    const call = session.send({ ...toolCall("any"), idText: String(id) });
    await isThere;
    await pause(below(30));
    const { status } = await session.notify("notifications/cancelled", { requestId: id });
    const { messages } = await call;
    const ids = responsesIn(messages).map((message) => message.id);
    const expected = answered.get(String(id)) ? [id] : [];
    if (status !== 202 || JSON.stringify(ids) !== JSON.stringify(expected)) {
      odd.push(`${id}: ${status} ${JSON.stringify(messages)}`);
    }
  };
  const ids = Array.from({ length: RACES }, (_, at) => at + 1_000);
  await Promise.all(Array.from({ length: 40 }, async () => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) await race(id);
  }));
  const made = ["tools/call", "notifications/cancelled"].map((one) => slot.requestsOf(one).length);
  assertEquals([odd, made], [[], [RACES, RACES]]);
});

interface Races {
  readonly answered: Map<string, boolean>;
  readonly arrived: ReadonlyMap<string, () => void>;
  readonly below: (bound: number) => number;
}

/** Answers after some time, whether or not it is cancelled meanwhile; sometimes not at all. */
function racing({ answered, arrived, below }: Races): Handler {
  return async (request, reply) => {
    const isAnswered = below(4) > 0;
    answered.set(request.idText, isAnswered);
    arrived.get(request.idText)!();
    if (!isAnswered) return;
    await pause(below(30));
    if (below(2) > 0) return reply.json(said(request, "done"));
    const stream = reply.stream();
    stream.message(note(1));
    stream.message(said(request, "done"));
    stream.end();
  };
}

/** A call with the id 77 that is cancelled when it has reached the server. */
async function cancelled(slot: Slot, session: Session, nth = 0): Promise<SessionStream> {
  const call = await session.open({ ...toolCall("any"), idText: "77" });
  await slot.arrival("tools/call", nth);
  await session.notify("notifications/cancelled", { requestId: 77 });
  return call;
}

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function responsesIn(messages: readonly Message[]): Message[] {
  return messages.filter((message) => "result" in message || "error" in message);
}

function textOf({ result }: Message): string | undefined {
  return (result as { content: { text: string }[] } | undefined)?.content[0]?.text;
}

function codeOf({ result, error }: Message): unknown {
  const { _meta } = (result ?? {}) as { _meta?: Message };
  return ((_meta?.["dev.sallyport/failure"] ?? error) as Message | undefined)?.code;
}
