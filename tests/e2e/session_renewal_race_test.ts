/**
 * A session that the upstream server has lost, while the client does other things: it begins to
 * listen, cancels, ends the session, comes back to a call, or answers what it was asked before.
 * What belongs to the lost session never gets into the new one.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Session Management"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { messageOf, responseOf, statusOf } from "../support/open_reply.ts";
import { hold, onRenewal, watchable } from "../support/scripted_handlers.ts";
import { openScriptedWorld, type ScriptedWorld } from "../support/scripted_world.ts";
import { note, type SessionRequest, type Slot } from "../support/scripted_session_server.ts";
import { type SessionStream, toolCall } from "../support/session_client.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { until } from "../support/until.ts";

const FIRST_BYTE_MS = 2_000;
const OUTCOME_UNKNOWN = -31004;

const beside = sideBySide();
let world: ScriptedWorld;

Deno.test.beforeAll(async () => {
  world = await openScriptedWorld({ FIRST_BYTE_TIMEOUT: `${FIRST_BYTE_MS}ms` });
  beside.start();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

// ── While the session is opened anew ────────────────────────────────────────────────────────────

beside.test("a call that is refused after the client began to listen is sent again", async () => {
  let release = () => {};
  const slot = world.play((slot) => {
    const held = hold(slot.usual);
    release = held.release;
    return { ...watchable(slot), "tools/call": held.handler };
  });
  await using session = await world.open(slot);
  using call = await session.open(toolCall("any"));
  await slot.arrival("tools/call");
  using own = await session.listen();
  await statusOf(own);
  await slot.arrival("GET");
  slot.sessions.clear();
  release();
  await endsAsUsual(call);
});

beside.test("a call is sent again when the client begins to listen meanwhile", async () => {
  const { slot, release } = heldRenewal();
  await using session = await world.open(slot);
  slot.sessions.clear();
  using call = await session.open(toolCall("any"));
  await slot.arrival("initialize", 1);
  using own = await session.listen();
  await statusOf(own);
  release();
  await endsAsUsual(call);
});

beside.test("a session that its client ends meanwhile leaves none at the server", async () => {
  const { slot, release } = heldRenewal();
  const session = await world.open(slot);
  slot.sessions.clear();
  using _call = await session.open(toolCall("any"));
  await slot.arrival("initialize", 1);
  await session.end();
  release();
  await until("the new session is made", () => slot.sessions.size > 0 || slot.methods().length > 5);
  await until("the new session is ended", () => slot.sessions.size === 0);
});

beside.test("a call that is cancelled meanwhile ends soon", async () => {
  const { slot, release } = heldRenewal();
  await using session = await world.open(slot);
  slot.sessions.clear();
  using call = await session.open({ ...toolCall("any"), idText: "77" });
  await slot.arrival("initialize", 1);
  using _cancel = await session.open({
    method: "notifications/cancelled",
    params: { requestId: 77 },
    idText: "",
  });
  try {
    await until("the end of the call", () => call.ended(), FIRST_BYTE_MS - 200);
  } finally {
    release();
  }
});

// ── What belongs to the lost session ────────────────────────────────────────────────────────────

beside.test("the answer to a question of the lost session does not reach the new one", async () => {
  const slot = world.play(asking);
  await using session = await world.open(slot);
  using first = await session.open(toolCall("first"));
  const old = await messageOf(first, "elicitation/create");
  slot.sessions.clear();
  using second = await session.open(toolCall("second"));
  await messageOf(second, "elicitation/create");
  const { status } = await session.answer(old, { result: { action: "accept", content: {} } });
  const misled = slot.requestsOf("response").filter((one) => isOf(one, slot, 2));
  assertEquals([status, misled.map(({ body }) => body)], [202, []]);
});

beside.test("the answer to a question of the new session reaches it", async () => {
  const slot = world.play(asking);
  await using session = await world.open(slot);
  using first = await session.open(toolCall("first"));
  await messageOf(first, "elicitation/create");
  slot.sessions.clear();
  using second = await session.open(toolCall("second"));
  const question = await messageOf(second, "elicitation/create");
  await session.answer(question, { result: { action: "decline" } });
  const { body, ...answer } = await slot.arrival("response");
  assertEquals(JSON.parse(body).id, 7);
  assert(isOf(answer, slot, 2));
});

/** Every session counts its questions alike. */
function asking(slot: Slot) {
  return {
    "tools/call": (request: SessionRequest, reply: Parameters<Slot["usual"]>[1]) => {
      if (!slot.sessions.has(request.header("mcp-session-id")!)) return reply.empty(404);
      reply.stream().message(
        '{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":"Sure?"}}',
      );
    },
  };
}

beside.test("a call of the lost session is not resumed in the new one", async () => {
  const slot = world.play((slot) => ({
    "tools/call"(request, reply) {
      if (!slot.sessions.has(request.header("mcp-session-id")!)) return reply.empty(404);
      if ((request.message.params as Message).name === "quick") return slot.usual(request, reply);
      const stream = reply.stream();
      stream.text(`id: 1\nretry: 700\ndata: ${note("mine")}\n\n`);
      stream.end();
    },
    // Every session counts its events alike.
    GET(request, reply) {
      if (!slot.sessions.has(request.header("mcp-session-id")!)) return reply.empty(404);
      reply.stream().message(note("of another call"), "2");
    },
  }));
  // A client of this revision is kept on one stream.
  await using session = await world.open(slot, { revision: "2025-06-18" });
  using call = await session.open({ ...toolCall("lost"), idText: "5" });
  await until("a message", () => call.messages()[0]);
  slot.sessions.clear();
  await session.send(toolCall("quick"));
  const { id, result } = await responseOf(call);
  const { _meta } = result as { _meta?: { [name: string]: Message } };
  const data = call.messages().flatMap(({ params }) => (params as Message | undefined)?.data ?? []);
  assertEquals([id, _meta?.["dev.sallyport/failure"]?.code, data], [5, OUTCOME_UNKNOWN, ["mine"]]);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** A server that gives its second session when the test says so. */
function heldRenewal() {
  let release = () => {};
  const slot = world.play((slot) => {
    const held = hold(slot.usual);
    release = held.release;
    return { ...watchable(slot), initialize: onRenewal(slot, held.handler) };
  });
  return { slot, release: () => release() };
}

async function endsAsUsual(call: SessionStream): Promise<void> {
  await until("the end of the call", () => call.ended());
  assert(call.text().includes("usual"), call.text());
}

/** Whether a request is of the server's `nth` session. */
function isOf(request: Pick<SessionRequest, "header">, { number }: Slot, nth: number): boolean {
  return request.header("mcp-session-id") === `upstream-${number}-${nth}`;
}
