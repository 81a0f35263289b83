/**
 * Questions of a server of 2026-07-28 to clients of the session era: asked on the stream of the call,
 * answered in a second request.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  BRIDGED_PATH,
  type BridgeWorld,
  failureIn,
  openBridgeWorld,
  refusal,
  saidIn,
} from "../support/bridge_world.ts";
import type { Message } from "../support/modern.ts";
import { jsonReply, resultOf, saying, type Script } from "../support/scripted.ts";
import {
  callSession,
  type Session,
  type SessionCall,
  type SessionReply,
  toolCall,
} from "../support/session_client.ts";
import { until } from "../support/until.ts";

const ASK_MS = 1_000;
const ROUNDS_MAX = 16;
const ASKED_MAX = 64;
const FORM = { message: "Who?", requestedSchema: { type: "object", properties: {} } };

let world: BridgeWorld;
let sessionless: BridgeWorld;

Deno.test.beforeAll(async () => {
  [world, sessionless] = await Promise.all([
    openBridgeWorld({ ASK_TIMEOUT: `${ASK_MS}ms` }),
    openBridgeWorld({ USE_STATEFUL_SESSIONS: "false" }),
  ]);
});

Deno.test.afterAll(async () => {
  for (const one of [world, sessionless]) await one?.[Symbol.asyncDispose]();
});

const answering = (resultText: string): Script => ({ rpc }) => jsonReply(resultOf(rpc, resultText));

// ── Questions ───────────────────────────────────────────────────────────────────────────────────

/** Asks once, then says what it was answered. */
function asking(requests: Message, stateText?: string): Script {
  const state = stateText === undefined ? "" : `,"requestState":${stateText}`;
  const asked = `{"resultType":"input_required","inputRequests":${
    JSON.stringify(requests)
  }${state}}`;
  return ({ rpc, body }) => {
    const { params } = JSON.parse(body) as { params: Message };
    return params.inputResponses === undefined
      ? jsonReply(resultOf(rpc, asked))
      : jsonReply(resultOf(rpc, saying(JSON.stringify(params.inputResponses))));
  };
}

const ROOTS = { method: "roots/list" };

/** Calls the tool, and gives the question and what becomes of the call. */
async function question(session: Session) {
  const call = await session.open(toolCall("any"));
  const asked = await until("the question", () => call.messages()[0]);
  return {
    asked,
    /** @param index of the message that is waited for */
    async answer(
      answer: Parameters<Session["answer"]>[1],
      index = 1,
    ): Promise<{ response: Message }> {
      await session.answer(asked, answer);
      return { response: await until("the answer", () => call.messages()[index]) };
    },
    call,
  };
}

Deno.test("a question reaches the client as the server wrote it", async () => {
  await using session = await world.play(
    asking({ q: { method: "elicitation/create", params: FORM } }),
  );
  const { asked, answer } = await question(session);
  assertEquals([asked.method, asked.params], ["elicitation/create", FORM]);
  assertEquals(
    saidIn(await answer({ result: { action: "decline" } })),
    '{"q":{"action":"decline"}}',
  );
});

Deno.test("the second request is the first one, with another id", async () => {
  await using session = await world.play(asking({ q: ROOTS }, '"\\u0041\\/ä"'));
  const { answer } = await question(session);
  await answer({ result: { roots: [] } });
  const [first, second] = [world.got(0), world.got(1)];
  assert(first.id !== second.id);
  assert(world.textGot(1).includes('"requestState":"\\u0041\\/ä"'));
  const { inputResponses, requestState: _, ...rest } = second.params;
  assertEquals([inputResponses, rest], [{ q: { roots: [] } }, first.params]);
});

Deno.test("a server that wants to be asked again is, with its state alone", async () => {
  await using session = await world.play(({ rpc, body }) => {
    const isAgain = body.includes('"requestState":"s"');
    const text = isAgain ? saying("done") : '{"resultType":"input_required","requestState":"s"}';
    return jsonReply(resultOf(rpc, text));
  });
  assertEquals(saidIn(await session.send(toolCall("any"))), "done");
  assertEquals(world.got(1).params.inputResponses, undefined);
});

for (
  const [what, capabilities, request] of [
    ["sampling", { roots: {} }, { method: "sampling/createMessage", params: {} }],
    ["tools in sampling", { sampling: {} }, {
      method: "sampling/createMessage",
      params: { tools: [] },
    }],
    ["roots", {}, ROOTS],
    ["a form", { elicitation: { url: {} } }, { method: "elicitation/create", params: FORM }],
    ["a URL", { elicitation: {} }, {
      method: "elicitation/create",
      params: { mode: "url", url: "https://a.example/", message: "Go" },
    }],
  ] as [string, Message, Message][]
) {
  Deno.test(`${what} is not asked of a client that has not declared it`, async () => {
    await using session = await world.play(asking({ a: ROOTS, b: request }), { capabilities });
    const reply = await session.send(toolCall("any"));
    const { code, text } = failureIn(reply);
    assertEquals([code, reply.messages.length, world.server.requests.length], [-31003, 1, 1]);
    assert.match(text, /asks for .*, which the client has not declared/);
  });
}

Deno.test("a URL is shown under an id of its own", async () => {
  const params = { mode: "url", url: "https://a.example/", message: "Go" };
  const requests = { q: { method: "elicitation/create", params } };
  await using session = await world.play(asking(requests), {
    capabilities: { elicitation: { url: {} } },
  });
  const { asked } = await question(session);
  const { elicitationId, ...rest } = asked.params as Message;
  assertEquals([typeof elicitationId, rest], ["string", params]);
});

for (
  const [what, result] of Object.entries({
    "nothing": {},
    "another thing": { inputRequests: { q: { method: "ping" } } },
    "no object": { inputRequests: [] },
    "no method": { inputRequests: { q: {} } },
    "a state that is no text": { inputRequests: { q: ROOTS }, requestState: 7 },
    "too much at once": {
      inputRequests: Object.fromEntries(
        Array.from({ length: ASKED_MAX + 1 }, (_, i) => [i, ROOTS]),
      ),
    },
  })
) {
  Deno.test(`a server that asks for ${what} breaks the protocol`, async () => {
    await using session = await world.play(
      answering(JSON.stringify({ resultType: "input_required", ...result })),
    );
    assertEquals(failureIn(await session.send(toolCall("any"))).code, -31003);
  });
}

Deno.test("a server that asks without an end is left", async () => {
  const asked = JSON.stringify({ resultType: "input_required", inputRequests: { q: ROOTS } });
  await using session = await world.play(answering(asked));
  const call = await session.open(toolCall("any"));
  const answered = new Set<unknown>();
  await until("the end", async () => {
    for (const message of call.messages()) {
      if (message.method === undefined || answered.has(message.id)) continue;
      answered.add(message.id);
      await session.answer(message, { result: { roots: [] } });
    }
    return call.ended();
  }, 20_000);
  assertEquals([answered.size, world.server.requests.length], [ROUNDS_MAX, ROUNDS_MAX + 1]);
});

Deno.test("a form that the client cannot show counts as dismissed", async () => {
  await using session = await world.play(
    asking({ q: { method: "elicitation/create", params: FORM } }),
  );
  const { answer } = await question(session);
  const said = saidIn(await answer({ error: { code: -32603, message: "No screen" } }));
  assertEquals(said, '{"q":{"action":"cancel"}}');
});

Deno.test("without an answer to anything else the call ends, and says why", async () => {
  await using session = await world.play(asking({ q: ROOTS }));
  const { answer } = await question(session);
  const { code, text } = failureIn(await answer({ error: { code: -1, message: "Rejected" } }));
  assertEquals([code, world.server.requests.length], [-31005, 1]);
  assert.match(text, /"roots\/list".*Rejected/);
});

Deno.test("a client that never answers ends the call with one failure", async () => {
  await using session = await world.play(
    asking({ q: { method: "elicitation/create", params: FORM } }),
  );
  const { call } = await question(session);
  await until("the end", () => call.ended());
  const [, response, ...more] = call.messages();
  assertEquals([failureIn({ response: response! }).code, more], [-31002, []]);
});

Deno.test("two calls that ask at once get each its own answer", async () => {
  await using session = await world.play(asking({ q: ROOTS }));
  const [one, two] = [await question(session), await question(session)];
  const ofTwo = await two.answer({ result: { roots: [2] } });
  const ofOne = await one.answer({ result: { roots: [1] } });
  assertEquals([saidIn(ofOne), saidIn(ofTwo)], ['{"q":{"roots":[1]}}', '{"q":{"roots":[2]}}']);
});

Deno.test("answers that are too large together end the call", async () => {
  await using session = await world.play(asking({ a: ROOTS, b: ROOTS }));
  const { asked, answer, call } = await question(session);
  const second = await until("the second", () => call.messages()[1]);
  const big = { roots: [], big: "x".repeat(2_200_000) };
  await answer({ result: big }, 0);
  await session.answer(second, { result: big });
  const response = await until("the end", () => call.messages()[2]);
  assert(asked.id !== second.id);
  assertEquals([failureIn({ response }).code, world.server.requests.length], [-32600, 1]);
});

Deno.test("another session cannot answer", async () => {
  await using session = await world.play(asking({ q: ROOTS }));
  await using other = await world.open();
  const { asked, answer } = await question(session);
  await other.answer(asked, { result: { roots: ["forged"] } });
  assertEquals(saidIn(await answer({ result: { roots: [] } })), '{"q":{"roots":[]}}');
});

Deno.test("an answer that comes twice counts once", async () => {
  await using session = await world.play(asking({ q: ROOTS }));
  const { asked, answer } = await question(session);
  await answer({ result: { roots: [] } });
  const again = await session.answer(asked, { result: { roots: ["late"] } });
  assertEquals([again.status, world.server.requests.length], [202, 2]);
});

Deno.test("a cancelled call that waits for an answer is sent no more", async () => {
  await using session = await world.play(asking({ q: ROOTS }));
  const call = await session.open({ ...toolCall("any"), idText: '"mine"' });
  const asked = await until("the question", () => call.messages()[0]);
  await session.notify("notifications/cancelled", { requestId: "mine" });
  await until("the end", () => call.ended());
  await session.answer(asked, { result: { roots: [] } });
  assertEquals([call.messages().length, world.server.requests.length], [1, 1]);
});

Deno.test("a session that ends takes its open questions with it", async () => {
  const session = await world.play(asking({ q: ROOTS }));
  const { call } = await question(session);
  await session.end();
  await until("the end", () => call.ended());
  assertEquals(world.server.requests.length, 1);
});

// ── Without sessions ────────────────────────────────────────────────────────────────────────────

Deno.test("without sessions a call is relayed, and declares nothing", async () => {
  sessionless.follow(statelessly(answering(saying("hello"))));
  assertEquals(saidIn(await sendWithout(toolCall("any"))), "hello");
  const { _meta } = sessionless.got(sessionless.server.requests.length - 1).params;
  assertEquals(_meta["io.modelcontextprotocol/clientCapabilities"], {});
});

Deno.test("without sessions a question ends the call, and says why", async () => {
  sessionless.follow(statelessly(asking({ q: ROOTS })));
  assert.match(failureIn(await sendWithout(toolCall("any"))).text, /asks for roots/);
});

function statelessly(script: Script): Script {
  return (request) => request.rpc.method === "initialize" ? refusal(request) : script(request);
}

function sendWithout(call: SessionCall): Promise<SessionReply> {
  const { gateway, token } = sessionless;
  return callSession(gateway.origin, { path: BRIDGED_PATH, token, ...call });
}
