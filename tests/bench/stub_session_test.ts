/**
 * The stub of the session era does what an ordinary server does: figures that were taken against less
 * would say nothing.
 *
 * @module
 */

import { deepStrictEqual as assertEquals } from "node:assert/strict";

import { ANNOUNCEMENT } from "./payload.ts";
import { createSessionStub, type SessionStub } from "./stub_session.ts";

const URL = "http://127.0.0.1/session/mcp";

function send(stub: SessionStub, method: string, session?: string, message?: object) {
  const headers = session === undefined ? undefined : { "mcp-session-id": session };
  const body = message && JSON.stringify({ jsonrpc: "2.0", ...message });
  return stub.answer(new Request(URL, { method, headers: headers ?? {}, body: body ?? null }));
}

async function opened(stub: SessionStub): Promise<string> {
  const response = await send(stub, "POST", undefined, { id: 1, method: "initialize" });
  const { result } = await response.json();
  assertEquals([response.status, result.protocolVersion], [200, "2025-11-25"]);
  return response.headers.get("mcp-session-id") ?? "";
}

const PING = { id: 2, method: "ping" };

Deno.test("answer() wants a session for everything but initialize, and one that it knows", async () => {
  const stub = createSessionStub();
  const session = await opened(stub);
  assertEquals((await send(stub, "POST", undefined, PING)).status, 400);
  assertEquals((await send(stub, "GET")).status, 400);
  for (const method of ["POST", "GET", "DELETE"]) {
    const message = method === "POST" ? PING : undefined;
    assertEquals((await send(stub, method, "unknown", message)).status, 404);
  }
  assertEquals((await send(stub, "POST", session, PING)).status, 200);
});

Deno.test("answer() does not know what opens the stateless era", async () => {
  const stub = createSessionStub();
  const discover = { id: 3, method: "server/discover" };
  assertEquals((await send(stub, "POST", undefined, discover)).status, 400);
  const inSession = await send(stub, "POST", await opened(stub), discover);
  assertEquals((await inSession.json()).error.code, -32601);
});

Deno.test("answer() accepts notifications and answers with 202", async () => {
  const stub = createSessionStub();
  const session = await opened(stub);
  for (const message of [{ method: "notifications/initialized" }, { id: 9, result: {} }]) {
    assertEquals((await send(stub, "POST", session, message)).status, 202);
  }
});

Deno.test("answer() knows nothing of a session after DELETE, and its stream ends", async () => {
  const stub = createSessionStub();
  const session = await opened(stub);
  const stream = await send(stub, "GET", session);
  assertEquals((await send(stub, "GET", session)).status, 409);
  assertEquals(stub.counts(), { sessions: 1, streams: 1 });
  assertEquals((await send(stub, "DELETE", session)).status, 200);
  assertEquals(await stream.text(), "");
  assertEquals((await send(stub, "POST", session, PING)).status, 404);
  assertEquals(stub.counts(), { sessions: 0, streams: 0 });
});

Deno.test("announce() says one thing on each stream that is still open", async () => {
  const stub = createSessionStub();
  const [one, two] = [await opened(stub), await opened(stub)];
  const [left, kept] = [await send(stub, "GET", one), await send(stub, "GET", two)];
  await left.body?.cancel();
  assertEquals(stub.counts(), { sessions: 2, streams: 1 });
  stub.announce();
  await send(stub, "DELETE", two);
  assertEquals((await kept.text()).split(ANNOUNCEMENT).length, 2);
});

Deno.test("answer() to notify gives events ids when asked to, and a priming event first", async () => {
  const stub = createSessionStub();
  const session = await opened(stub);
  const notify = async (ids: boolean) => {
    const params = { name: "notify", arguments: { count: 2, ids }, _meta: { progressToken: 7 } };
    const response = await send(stub, "POST", session, { id: 3, method: "tools/call", params });
    return (await response.text()).split("\n\n").map((it) => it.replace(/data: ./, "data: …"));
  };
  const fields = async (ids: boolean) => (await notify(ids)).map((it) => it.split("…")[0]);
  assertEquals(await fields(false), ["data: ", "data: ", "data: ", ""]);
  assertEquals(await fields(true), [
    "id: call-1-0\nretry: 1000\ndata: ",
    "id: call-1-1\ndata: ",
    "id: call-1-2\ndata: ",
    "id: call-1-3\ndata: ",
    "",
  ]);
});
