/**
 * Servers of the session era that ask their client during a call, and clients of 2026-07-28: a
 * question ends the reply, and the next request goes on with the same call.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Multi Round-Trip Requests"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  answersTo,
  asking,
  type Call,
  callerAt,
  FORM,
  requiredIn,
  resultOf,
  ROOTS,
  SAMPLING,
  textOf,
} from "../support/asking_server.ts";
import { type Message, modernBytes } from "../support/modern.ts";
import { openRaw, responseOf } from "../support/open_reply.ts";
import { note, type SessionScript, type Slot } from "../support/scripted_session_server.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";

const BAD_STATE = { status: 400, code: -32602 };
const MISSING_CAPABILITY = -32021;
const RATE_LIMITED = -31006;
/** Silence that a server may keep in a call. */
const TOOL_MS = 1_000;
const PARKED_PER_PRINCIPAL = 64;

let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

function test(
  promise: string,
  script: (slot: Slot) => SessionScript,
  run: (call: Call, slot: Slot) => Promise<void>,
): void {
  Deno.test(promise, async () => {
    const slot = world.play(script);
    await run(await callerAt(world, slot), slot);
  });
}

// ── What is asked, and what is answered ─────────────────────────────────────────────────────────

for (const question of [FORM, SAMPLING, ROOTS]) {
  test(
    `${question.method} reaches the client as it was asked`,
    asking([[question]]),
    async (call) => {
      assertEquals(Object.values(requiredIn(await call()).requests), [question]);
    },
  );

  test(
    `the answer to ${question.method} reaches the server`,
    asking([[question]]),
    async (call) => {
      const first = await call();
      const second = await call({ params: answersTo(first), idText: "2" });
      assertEquals(JSON.parse(textOf(second)), [{ action: "accept", to: question.method! }]);
    },
  );
}

test(
  "the answer is one to the request that brought the answers",
  asking([[FORM]]),
  async (call) => {
    const first = await call({ idText: '"first"' });
    const second = await call({ params: answersTo(first), idText: '"second"' });
    assertEquals([first.response.id, second.response.id], ["first", "second"]);
  },
);

test(
  "the server gets its answers with its own ids",
  asking([[FORM, ROOTS]]),
  async (call, slot) => {
    await call({ params: answersTo(await call()) });
    const ids = slot.requestsOf("response").map(({ idText }) => idText);
    assertEquals(ids.sort(), ["1", "2"]);
  },
);

test("what is asked at once is asked in one answer", asking([[FORM, SAMPLING]]), async (call) => {
  const methods = Object.values(requiredIn(await call()).requests).map(({ method }) => method);
  assertEquals(methods, [FORM.method, SAMPLING.method]);
});

test("several rounds lead to the answer", asking([[FORM], [SAMPLING], [ROOTS]]), async (call) => {
  let reply = await call();
  for (let round = 0; round < 3; round++) reply = await call({ params: answersTo(reply) });
  assertEquals(JSON.parse(textOf(reply)).length, 3);
});

test(
  "the server is called once, whatever is asked",
  asking([[FORM], [FORM]]),
  async (call, slot) => {
    let reply = await call();
    for (let round = 0; round < 2; round++) reply = await call({ params: answersTo(reply) });
    assertEquals(slot.requestsOf("tools/call").length, 1);
  },
);

test("what is not answered is asked again", asking([[FORM, ROOTS]]), async (call) => {
  const { requestState, requests, inputResponses } = requiredIn(await call());
  const [form, roots] = Object.keys(requests);
  const params = { requestState, inputResponses: { [form!]: inputResponses[form!]! } };
  assertEquals(Object.keys(requiredIn(await call({ params })).requests), [roots]);
});

test("answers to what was never asked are not passed on", asking([[FORM]]), async (call, slot) => {
  const { requestState, inputResponses } = requiredIn(await call());
  const more = { ...inputResponses, "ask-7": { action: "accept" } };
  await call({ params: { requestState, inputResponses: more } });
  assertEquals(slot.requestsOf("response").length, 1);
});

test(
  "what is said before a question comes before it",
  asking([[FORM]], [JSON.parse(note("hello"))]),
  async (call) => {
    const level = { "io.modelcontextprotocol/logLevel": "debug" };
    const { messages } = await call({ meta: level });
    assertEquals(messages.map(({ method = "answer" }) => method), [
      "notifications/message",
      "answer",
    ]);
  },
);

test("ids of elicitations are not shown", asking([[urlQuestion()]]), async (call) => {
  const [shown] = Object.values(requiredIn(await call()).requests);
  assertEquals(shown!.params, { mode: "url", message: "Open", url: "https://x.example/" });
});

test(
  "a server that asks whether anybody is there is answered",
  asking([[{ method: "ping" }]]),
  async (call) => {
    assertEquals(textOf(await call()), "[{}]");
  },
);

test("two calls that ask at once are not mixed up", bothAsk, async (call) => {
  const [a, b] = await Promise.all([
    call({ params: { name: "a" } }),
    call({ params: { name: "b" } }),
  ]);
  const answered = await Promise.all([
    call({ params: { name: "a", ...told(a, "A") } }),
    call({ params: { name: "b", ...told(b, "B") } }),
  ]);
  assertEquals(answered.map(textOf), ["a was told A", "b was told B"]);
});

// ── What may not be asked ───────────────────────────────────────────────────────────────────────

for (
  const [question, declared, required] of [
    [FORM, {}, { elicitation: { form: {} } }],
    [urlQuestion(), { elicitation: {} }, { elicitation: { url: {} } }],
    [SAMPLING, { elicitation: {} }, { sampling: {} }],
    [toolSampling(), { sampling: {} }, { sampling: { tools: {} } }],
    [ROOTS, { sampling: {} }, { roots: {} }],
  ] as [Message, Message, Message][]
) {
  const what = JSON.stringify(required);
  const script = () => askThenFail(question);
  test(`a call that cannot go on without ${what} is 400 and -32021`, script, async (call) => {
    const { status, response } = await call({ declared });
    const { code, data } = response.error as Message;
    assertEquals([status, code, data], [400, MISSING_CAPABILITY, {
      requiredCapabilities: required,
    }]);
  });
}

test("a server that may not ask is told so", asking([[FORM]]), async (call) => {
  const [answer] = JSON.parse(textOf(await call({ declared: {} })));
  assertEquals(answer.code, -32601);
});

test("the server is told what the client declared", asking([]), async (call, slot) => {
  await call({ declared: { roots: { listChanged: true }, sampling: {} } });
  const { capabilities } = slot.requestsOf("initialize")[0]!.message.params as Message;
  assertEquals(capabilities, { roots: {}, sampling: {} });
});

// ── The end ─────────────────────────────────────────────────────────────────────────────────────

test(
  "a client that leaves during a second round cancels the call",
  askThenHang,
  async (call, slot) => {
    const params = answersTo(await call());
    const { path, token } = await world.at(slot);
    const bytes = modernBytes(world.gateway.origin, {
      path,
      token,
      params: { name: "t", arguments: { a: 1 }, ...params },
    });
    const reply = await openRaw(world.gateway.origin, bytes);
    await slot.arrival("response");
    reply.close();
    const { message } = await slot.arrival("notifications/cancelled");
    const called = slot.requestsOf("tools/call")[0]!;
    assertEquals(String((message.params as Message).requestId), called.idText);
  },
);

Deno.test("a server that takes its question back is not answered", async () => {
  const shown = Promise.withResolvers<void>();
  const slot = world.play((slot) => withdrawn(slot, shown.promise));
  const call = await callerAt(world, slot);
  const params = answersTo(await call());
  shown.resolve();
  await slot.arrival("withdrawn");
  await call({ params });
  assertEquals(slot.requestsOf("response").length, 0);
});

// ── Between two rounds ──────────────────────────────────────────────────────────────────────────

for (
  const [what, count, chars] of [["little", 3, 10], ["more than is kept", 600, 1_000]] as const
) {
  Deno.test(`${what} that is said between two rounds is told in the second`, async () => {
    const shown = Promise.withResolvers<void>();
    const slot = world.play(() => goingOn(shown.promise, count, "x".repeat(chars)));
    const call = await callerAt(world, slot);
    const meta = { "io.modelcontextprotocol/logLevel": "debug" };
    const params = answersTo(await call({ meta }));
    shown.resolve();
    const { messages } = await call({ params, meta });
    const said = messages.map(({ method = "answer" }) => method);
    assertEquals(said, [...Array(count).fill("notifications/message"), "answer"]);
  });
}

Deno.test("a call that ends between two rounds gives its answer to who comes back", async () => {
  const shown = Promise.withResolvers<void>();
  const slot = world.play((slot) => withdrawn(slot, shown.promise));
  const call = await callerAt(world, slot);
  const params = answersTo(await call());
  shown.resolve();
  await slot.arrival("withdrawn");
  const { response } = await call({ params, idText: '"late"' });
  assertEquals([response.id, (response.result as Message).resultType], ["late", "complete"]);
});

Deno.test("a server that breaks off between two rounds: the call fails", async () => {
  const shown = Promise.withResolvers<void>();
  const slot = world.play(() => breakingOff(shown.promise));
  const call = await callerAt(world, slot);
  const params = answersTo(await call());
  shown.resolve();
  assertEquals(resultOf(await call({ params })).isError, true);
});

test("a client that leaves before it is asked cancels the call", neverAsks, async (_, slot) => {
  const { path, token } = await world.at(slot);
  const bytes = modernBytes(world.gateway.origin, { path, token, params: { name: "t" } });
  const reply = await openRaw(world.gateway.origin, bytes);
  await slot.arrival("tools/call");
  reply.close();
  await slot.arrival("notifications/cancelled");
});

test("too many calls that wait are refused, and cancelled", eachAsks, async (call, slot) => {
  const calls = Array.from({ length: PARKED_PER_PRINCIPAL + 1 }, () => call());
  const failed = (await Promise.all(calls)).filter((reply) => resultOf(reply).isError === true);
  const codes = failed.map((reply) => {
    const meta = resultOf(reply)._meta as Message;
    return (meta["dev.sallyport/failure"] as Message).code;
  });
  await slot.arrival("notifications/cancelled");
  assertEquals(codes, [RATE_LIMITED]);
});

Deno.test("a call that nobody comes back for is cancelled", async () => {
  await using hasty = await openScriptedWorld({ ASK_TIMEOUT: "1s" });
  const slot = hasty.play(asking([[FORM]]));
  const call = await callerAt(hasty, slot);
  const params = answersTo(await call());
  await slot.arrival("notifications/cancelled");
  const { status, response } = await call({ params });
  assertEquals({ status, code: (response.error as Message).code }, BAD_STATE);
});

Deno.test("a call that waits for its client is not taken for a silent one", async () => {
  await using hasty = await openScriptedWorld({ TOOL_TIMEOUT: `${TOOL_MS / 1_000}s` });
  const call = await callerAt(hasty, hasty.play(asking([[FORM]])));
  const params = answersTo(await call());
  await new Promise((resolve) => setTimeout(resolve, 1.5 * TOOL_MS));
  assertEquals(resultOf(await call({ params })).isError, undefined);
});

Deno.test("a gateway that stops ends its sessions at servers", async () => {
  const world = await openScriptedWorld();
  const slot = world.play(asking([[FORM]]));
  await (await callerAt(world, slot))();
  await world.gateway.stop();
  await slot.arrival("DELETE");
  await world[Symbol.asyncDispose]();
});

Deno.test("a gateway that stops answers the calls that run", async () => {
  const world = await openScriptedWorld();
  const slot = world.play(neverAsks);
  const { path, token } = await world.at(slot);
  const bytes = modernBytes(world.gateway.origin, { path, token, params: { name: "t" } });
  const reply = await openRaw(world.gateway.origin, bytes);
  await slot.arrival("tools/call");
  const stopping = world.gateway.stop();
  const { result } = await responseOf(reply, 20_000);
  await stopping;
  await world[Symbol.asyncDispose]();
  const { isError, resultType } = result as Message;
  assertEquals({ isError, resultType }, { isError: true, resultType: "complete" });
});

// ── Scripts ─────────────────────────────────────────────────────────────────────────────────────

function urlQuestion(): Message {
  const params = { mode: "url", message: "Open", url: "https://x.example/", elicitationId: "e7" };
  return { method: "elicitation/create", params };
}

function toolSampling(): Message {
  return { method: "sampling/createMessage", params: { messages: [], maxTokens: 1, tools: [] } };
}

function told(reply: Awaited<ReturnType<Call>>, who: string): Message {
  const { requestState, requests } = requiredIn(reply);
  return { requestState, inputResponses: { [Object.keys(requests)[0]!]: { who } } };
}

/** Fails when it may not ask. */
function askThenFail(question: Message): SessionScript {
  let fail = () => {};
  return {
    "tools/call"({ idText }, reply) {
      const stream = reply.stream();
      fail = () => {
        const error = { code: -32603, message: "I had to know" };
        stream.message(`{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify(error)}}`);
        stream.end();
      };
      stream.message({ jsonrpc: "2.0", id: 1, ...question });
    },
    response(_, reply) {
      reply.empty(202);
      fail();
    },
  };
}

/** Calls of two tools: each asks under an id that is its name, and says what it was told. */
function bothAsk(): SessionScript {
  const streams = new Map<string, (who: unknown) => void>();
  return {
    "tools/call"({ idText, message }, reply) {
      const { name } = message.params as Message;
      const stream = reply.stream();
      streams.set(String(name), (who) => {
        const content = [{ type: "text", text: `${name} was told ${who}` }];
        stream.message(`{"jsonrpc":"2.0","id":${idText},"result":${JSON.stringify({ content })}}`);
        stream.end();
      });
      stream.message({ jsonrpc: "2.0", id: name!, ...FORM });
    },
    response({ message }, reply) {
      reply.empty(202);
      streams.get(String(message.id))!((message.result as Message).who);
    },
  };
}

/** Every call asks, and none is ever answered. */
function eachAsks(): SessionScript {
  return {
    "tools/call"({ idText }, reply) {
      reply.stream().message({ jsonrpc: "2.0", id: `q${idText}`, ...FORM });
    },
  };
}

function neverAsks(): SessionScript {
  return { "tools/call": (_, reply) => void reply.stream().text(":\n\n") };
}

/** Says so much when its question was shown, whether or not it is answered. */
function goingOn(shown: Promise<void>, count: number, data: string): SessionScript {
  let told = () => {};
  const isTold = new Promise<void>((resolve) => told = resolve);
  return {
    async "tools/call"({ idText }, reply) {
      const stream = reply.stream();
      stream.message({ jsonrpc: "2.0", id: 1, ...FORM });
      await shown;
      for (let i = 0; i < count; i++) {
        stream.message(note(data));
        await stream.drained();
      }
      await isTold;
      stream.message(`{"jsonrpc":"2.0","id":${idText},"result":{"content":[]}}`);
      stream.end();
    },
    response(_, reply) {
      reply.empty(202);
      told();
    },
  };
}

function breakingOff(shown: Promise<void>): SessionScript {
  return {
    async "tools/call"(_, reply) {
      const stream = reply.stream();
      stream.message({ jsonrpc: "2.0", id: 1, ...FORM });
      await shown;
      stream.drop();
    },
    response: (_, reply) => reply.empty(202),
  };
}

function askThenHang(): SessionScript {
  return {
    "tools/call": (_, reply) => reply.stream().message({ jsonrpc: "2.0", id: 1, ...FORM }),
    response: (_, reply) => reply.empty(202),
  };
}

/** Takes its question back when it was shown, and goes on without the answer. */
function withdrawn(slot: Slot, shown: Promise<void>): SessionScript {
  return {
    async "tools/call"(request, reply) {
      const stream = reply.stream();
      stream.message({ jsonrpc: "2.0", id: 1, ...FORM });
      await shown;
      const params = { requestId: 1 };
      stream.message({ jsonrpc: "2.0", method: "notifications/cancelled", params });
      stream.message(`{"jsonrpc":"2.0","id":${request.idText},"result":{"content":[]}}`);
      stream.end();
      slot.requests.push({ ...request, method: "withdrawn" });
    },
  };
}
