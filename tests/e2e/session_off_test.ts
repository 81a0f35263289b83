/**
 * `USE_STATEFUL_SESSIONS=false` in front of servers that have sessions all the same: the requests of
 * one principal share one session there, and nothing of it shows.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do", "Ids"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { openScriptedWorld, type ScriptedWorld, slotEndpoint } from "../support/scripted_world.ts";
import { note, said, type SessionScript, type Slot } from "../support/scripted_session_server.ts";
import {
  callSession,
  initialize,
  openSessionStream,
  type SessionCall,
  type SessionReply,
  toolCall,
} from "../support/session_client.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const CALLS = 20;
const TIMEOUT = -31002;

let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld({
    USE_STATEFUL_SESSIONS: "false",
    SESSION_IDLE_TTL: "2s",
    TOOL_TIMEOUT: "3s",
  });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

// ── The session upstream ────────────────────────────────────────────────────────────────────────

Deno.test("calls at once of one principal share one session", async () => {
  const slot = world.play();
  const replies = await together(slot);
  assertEquals([replies.map(textOf), slot.requestsOf("initialize").length], [usual(), 1]);
});

Deno.test("SESS-17: calls of two principals do not share a session", async () => {
  const slot = world.play();
  for (const sub of ["one@example.com", "two@example.com"]) {
    await send(slot, { token: await mintToken({ sub }) });
  }
  const ids = slot.requestsOf("tools/call").map((request) => request.header("mcp-session-id"));
  assertEquals([new Set(ids).size, slot.requestsOf("initialize").length], [2, 2]);
});

Deno.test("a session that the server lost is opened anew once", async () => {
  const slot = world.play();
  await send(slot);
  slot.sessions.clear();
  const replies = await together(slot);
  assertEquals([replies.map(textOf), slot.requestsOf("initialize").length], [usual(), 2]);
});

Deno.test("the server is told the gateway's own name, and nothing that the client can do", async () => {
  const slot = world.play();
  await send(slot);
  const { params } = slot.requests[0]!.message as { params: Message };
  const { capabilities, clientInfo } = params;
  assertEquals([capabilities, (clientInfo as Message).name], [{}, "sallyport"]);
});

Deno.test("a session that nobody uses any more ends", async () => {
  const slot = world.play();
  await send(slot);
  await until("DELETE", () => slot.requestsOf("DELETE")[0], 10_000);
  const text = textOf(await send(slot));
  assertEquals([text, slot.requestsOf("initialize").length], ["usual", 2]);
});

for (
  const [what, script] of Object.entries<(slot: Slot) => SessionScript>({
    "closes the connection": (slot) => atFirst(slot, (reply) => reply.drop()),
    "answers 503": (slot) => atFirst(slot, (reply) => reply.empty(503)),
    "answers what is no JSON": (slot) => atFirst(slot, (reply) => reply.json("{")),
  })
) {
  for (const method of ["tools/call", "tools/list", "initialize"]) {
    Deno.test(`when the server ${what} at first, ${method} fails as the server's fault`, async () => {
      const slot = world.play(script);
      const reply = method === "initialize"
        ? await initialize(world.gateway.origin, await at(slot))
        : await send(slot, { method });
      assert(/-3100[13]/.test(reply.text) && reply.status === 200, reply.text);
    });
  }

  Deno.test(`when the server ${what} at first, the next call is served`, async () => {
    const slot = world.play(script);
    await send(slot);
    assertEquals(textOf(await send(slot)), "usual");
  });
}

// ── Calls ───────────────────────────────────────────────────────────────────────────────────────

Deno.test("SESS-03: calls with the same id and token get each its own progress and answer", async () => {
  const slot = world.play(() => ({
    async "tools/call"(request, reply) {
      const { name, _meta } = request.message.params as { name: string; _meta: Message };
      const stream = reply.stream();
      const params = { progressToken: _meta.progressToken!, progress: Number(name) };
      stream.message({ jsonrpc: "2.0", method: "notifications/progress", params });
      await pause(50);
      stream.message(said(request, name));
      stream.end();
    },
  }));
  const seen = await Promise.all(Array.from({ length: CALLS }, async (_, at) => {
    const { messages } = await send(slot, toolCall(String(at), {}, "mine"));
    const [progress, answer] = messages;
    const { progressToken, progress: value } = progress!.params as Message;
    return [progressToken, value, answer!.id, textOf({ response: answer! })];
  }));
  assertEquals(seen, Array.from({ length: CALLS }, (_, at) => ["mine", at, 1, String(at)]));
});

Deno.test("a question of the server is answered with an error, and the call goes on", async () => {
  const slot = world.play((slot) => ({
    async "tools/call"(request, reply) {
      const stream = reply.stream();
      stream.message('{"jsonrpc":"2.0","id":7,"method":"roots/list"}');
      await slot.arrival("response");
      stream.message(said(request, "done"));
      stream.end();
    },
  }));
  const { messages } = await send(slot);
  const answers = slot.requestsOf("response").map((
    { message: { id, error } },
  ) => [id, typeof error]);
  assertEquals([answers, messages.map((one) => "result" in one)], [[[7, "object"]], [true]]);
});

Deno.test("a cancellation reaches the server with the id that the call has there", async () => {
  const slot = world.play(() => ({ "tools/call": () => {} }));
  using _call = await openSessionStream(world.gateway.origin, {
    ...toolCall("any"),
    idText: '"mine"',
    ...await at(slot),
  });
  const { message } = await slot.arrival("tools/call");
  await send(slot, {
    method: "notifications/cancelled",
    params: { requestId: "mine" },
    idText: "",
  });
  const cancel = await slot.arrival("notifications/cancelled");
  assertEquals((cancel.message.params as Message).requestId, message.id);
});

Deno.test("a call whose server is silent ends with one timeout", async () => {
  const slot = world.play(() => ({
    "tools/call": (_request, reply) => reply.stream().message(note(1)),
  }));
  const { response } = await send(slot);
  const { _meta } = response.result as { _meta: { [name: string]: Message } };
  assertEquals(_meta["dev.sallyport/failure"]!.code, TIMEOUT);
});

Deno.test("a batch of 2025-03-26 is answered as one", async () => {
  const slot = world.play();
  const body = '[{"jsonrpc":"2.0","id":1,"method":"tools/list"},' +
    '{"jsonrpc":"2.0","id":2,"method":"tools/list"}]';
  const { messages } = await send(slot, {
    body,
    headers: { "MCP-Protocol-Version": "2025-03-26" },
  });
  assertEquals(messages.map(({ id }) => id).sort(), [1, 2]);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** The first `initialize` is handled so, the others as usual. */
function atFirst(slot: Slot, handle: (reply: Parameters<Slot["usual"]>[1]) => void): SessionScript {
  return {
    initialize: (request, reply) =>
      slot.requestsOf("initialize").length === 1 ? handle(reply) : slot.usual(request, reply),
  };
}

async function at({ number }: Slot) {
  const token = await mintToken({ sub: `guest-${number}@example.com` });
  return { path: slotEndpoint(number), token };
}

async function send(slot: Slot, call: SessionCall = toolCall("any")): Promise<SessionReply> {
  const headers = { "MCP-Protocol-Version": "2025-11-25", ...call.headers };
  return await callSession(world.gateway.origin, { ...await at(slot), ...call, headers });
}

function together(slot: Slot): Promise<SessionReply[]> {
  return Promise.all(Array.from({ length: CALLS }, () => send(slot)));
}

function usual(): string[] {
  return Array.from({ length: CALLS }, () => "usual");
}

function textOf({ response }: Pick<SessionReply, "response">): string | undefined {
  return (response.result as { content?: { text: string }[] } | undefined)?.content?.[0]?.text;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
