/**
 * Error -32042 of a server of the session era, which wants URLs to be opened first, and clients of
 * 2026-07-28, which are asked to open them.
 *
 * @module
 * @see MCP 2025-11-25, Client Features, "Elicitation", "URL Elicitation Required Error"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  answersTo,
  type Call,
  callerAt,
  failing,
  requiredIn,
  resultOf,
  textOf,
} from "../support/asking_server.ts";
import type { Message } from "../support/modern.ts";
import { said, type SessionScript, type Slot } from "../support/scripted_session_server.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";

const MISSING_CAPABILITY = -32021;

const URL_REQUIRED: Message = {
  code: -32042,
  message: "Sign in first",
  data: {
    elicitations: [
      { mode: "url", elicitationId: "e1", message: "Sign in", url: "https://x.example/" },
    ],
  },
};

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

test("error -32042 asks the client to open the URLs", () => failing(URL_REQUIRED), async (call) => {
  const [shown] = Object.values(requiredIn(await call()).requests);
  assertEquals(shown, {
    method: "elicitation/create",
    params: { mode: "url", message: "Sign in", url: "https://x.example/" },
  });
});

test("a client that has opened them has the server called again", urlOnce, async (call) => {
  assertEquals(textOf(await call({ params: answersTo(await call()) })), "signed in");
});

test("the second call says nothing of rounds", urlOnce, async (call, slot) => {
  await call({ params: answersTo(await call()) });
  const { params } = slot.requestsOf("tools/call")[1]!.message;
  assertEquals(params, { name: "t", arguments: { a: 1 }, _meta: {} });
});

test("a user who refuses has nothing called", urlOnce, async (call, slot) => {
  const { requestState, requests } = requiredIn(await call());
  const [key] = Object.keys(requests);
  const inputResponses = { [key!]: { action: "decline" } };
  const reply = await call({ params: { requestState, inputResponses } });
  assertEquals([resultOf(reply).isError, slot.requestsOf("tools/call").length], [true, 1]);
});

test(
  "error -32042 is -32021 for a client that opens none",
  () => failing(URL_REQUIRED),
  async (call) => {
    const { status, response } = await call({ declared: { elicitation: { form: {} } } });
    const { code, data } = response.error as Message;
    assertEquals([status, code, data], [400, MISSING_CAPABILITY, {
      requiredCapabilities: { elicitation: { url: {} } },
    }]);
  },
);

/** Wants an URL to be opened before the first call only. */
function urlOnce(slot: Slot): SessionScript {
  return {
    "tools/call": (request, reply) =>
      slot.requestsOf("tools/call").length === 1
        ? failing(URL_REQUIRED)["tools/call"]!(request, reply)
        : reply.json(said(request, "signed in")),
  };
}
