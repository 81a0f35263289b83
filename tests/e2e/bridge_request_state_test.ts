/**
 * `requestState` of a call that waits for its client: good once, and for the very same request.
 * Whatever else is sent is refused before any server is asked.
 *
 * @module
 * @see security.md, SESS-16
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  answersTo,
  asking,
  type Call,
  callerAt,
  FORM,
  requiredIn,
  resultOf,
} from "../support/asking_server.ts";
import type { Message } from "../support/modern.ts";
import type { SessionScript, Slot } from "../support/scripted_session_server.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import { mintToken } from "../support/tokens.ts";

const BAD_STATE = { status: 400, code: -32602 };

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

const refusals: Record<string, (call: Call, first: Message, slot: Slot) => ReturnType<Call>> = {
  "with one character changed": (call, { requestState, ...rest }) => {
    const text = String(requestState);
    const changed = `${text.slice(0, 20)}${text[20] === "A" ? "B" : "A"}${text.slice(21)}`;
    return call({ params: { ...rest, requestState: changed } });
  },
  "cut short": (call, { requestState, ...rest }) =>
    call({ params: { ...rest, requestState: String(requestState).slice(0, -4) } }),
  "that is no text": (call, { inputResponses }) =>
    call({ params: { inputResponses: inputResponses!, requestState: 7 } }),
  "that is missing": (call, { inputResponses }) =>
    call({ params: { inputResponses: inputResponses! } }),
  "with other arguments": (call, first) => call({ params: { ...first, arguments: { a: 2 } } }),
  "for another tool": (call, first) => call({ params: { ...first, name: "other" } }),
  "of somebody else": async (call, first) =>
    call({ params: first, token: await mintToken({ sub: "thief@example.com" }) }),
  "for another server": (call, first) => {
    const { number } = world.play();
    return call({ params: first, path: `/servers/slot-${number}/mcp` });
  },
};

for (const [what, retry] of Object.entries(refusals)) {
  test(
    `SESS-16: a state ${what} is refused, and nobody is asked`,
    asking([[FORM]]),
    async (call, slot) => {
      const first = await call();
      const before = slot.requests.length;
      const { status, response } = await retry(call, answersTo(first), slot);
      const { code } = response.error as Message;
      assertEquals([{ status, code }, slot.requests.length], [BAD_STATE, before]);
    },
  );

  test(
    `SESS-16: a state ${what} does not spoil the right one`,
    asking([[FORM]]),
    async (call, slot) => {
      const first = await call();
      await retry(call, answersTo(first), slot);
      assertEquals(resultOf(await call({ params: answersTo(first) })).resultType, "complete");
    },
  );
}

test("SESS-16: a state is good once", asking([[FORM]]), async (call, slot) => {
  const params = answersTo(await call());
  await call({ params });
  const before = slot.requests.length;
  const { status, response } = await call({ params });
  const { code } = response.error as Message;
  assertEquals([{ status, code }, slot.requests.length], [BAD_STATE, before]);
});

test(
  "SESS-16: of two who come at once with one state, one is served",
  asking([[FORM]]),
  async (call) => {
    const params = answersTo(await call());
    const both = await Promise.all([call({ params }), call({ params })]);
    assertEquals(both.map(({ status }) => status).sort(), [200, 400]);
  },
);

test(
  "answers that are none are refused, and the state stays good",
  asking([[FORM]]),
  async (call) => {
    const params = answersTo(await call());
    const { status } = await call({ params: { ...params, inputResponses: { "ask-1": 7 } } });
    assertEquals([status, resultOf(await call({ params })).resultType], [400, "complete"]);
  },
);

test("SESS-16: a state does not show what is in it", asking([[FORM]]), async (call) => {
  const { requestState } = requiredIn(await call());
  assert(!/parked|slot|guest/.test(atob(requestState.replaceAll("-", "+").replaceAll("_", "/"))));
});
