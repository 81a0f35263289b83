/**
 * A client of the transport of 2024-11-05 that loses its stream and comes back with `Last-Event-ID`:
 * what was said meanwhile comes, each message once, and the session goes on; also when it was the
 * gateway that went away.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { configFor, type Everything, startEverything } from "../support/everything.ts";
import { freePort } from "../support/free_port.ts";
import { openInstallation } from "../support/gateway_program.ts";
import type { Message } from "../support/modern.ts";
import { greetOld, type OldStream, openOld } from "../support/old_sse_client.ts";
import { openRaw, statusOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { requestTo } from "../support/raw_http.ts";
import { connectSse } from "../support/sdk_peers.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const PATH = "/servers/everything/sse";
const STEPS = 4;

let upstream: Everything;
let gateway: Gateway;
let token: string;

Deno.test.beforeAll(async () => {
  upstream = await startEverything({ era: "legacy" });
  gateway = await startGateway({
    config: configFor({ everything: upstream.origin }),
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
});

Deno.test.beforeEach(async () => {
  token = await mintToken({ sub: `${crypto.randomUUID()}@example.com` });
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, upstream]) await process?.[Symbol.asyncDispose]();
});

/** Runs on a stream with a session. */
function test(promise: string, run: (stream: OldStream) => Promise<void>): void {
  Deno.test(promise, async () => {
    using stream = await greetOld(gateway.origin, { path: PATH, token });
    await run(stream);
  });
}

function resume(stream: OldStream, lastEventId = stream.lastEventId()): Promise<OldStream> {
  return openOld(gateway.origin, { path: PATH, token, lastEventId });
}

/** Calls a tool that sends progress, and gives once `count` messages of it are there. */
async function callSteps(stream: OldStream, count: number, ms = 100): Promise<void> {
  await stream.post({
    jsonrpc: "2.0",
    id: "steps",
    method: "tools/call",
    params: {
      name: "test_steps",
      arguments: { count: STEPS, ms },
      _meta: { progressToken: "mine" },
    },
  });
  await until(`${count} steps`, () => summary(stream).length >= count);
}

/** Progress by its number, and the result. */
function summary(...streams: readonly OldStream[]): string[] {
  const events = streams.flatMap((stream) => stream.events());
  return events.flatMap(({ type, data }) => {
    if (type !== "message") return [];
    const { method, params, id } = JSON.parse(data);
    if (method === "notifications/progress") return [String(params.progress)];
    return id === "steps" ? ["result"] : [];
  });
}

const WHOLE = ["1", "2", "3", "4", "result"];

test("a resumed stream says first where messages are posted", async (stream) => {
  stream[Symbol.dispose]();
  using again = await resume(stream);
  await again.endpoint();
  assertEquals(again.events()[0]?.type, "endpoint");
});

for (const count of [0, 1, 3]) {
  test(`a stream lost after ${count} messages of a call goes on without loss`, async (stream) => {
    await callSteps(stream, count);
    stream[Symbol.dispose]();
    using again = await resume(stream);
    await again.response("steps");
    assertEquals(summary(stream, again), WHOLE);
  });
}

test("what was said while nobody was there comes in order, once", async (stream) => {
  const { finished } = await upstream.stats();
  await callSteps(stream, 1, 30);
  stream[Symbol.dispose]();
  await until("the call ends", async () => (await upstream.stats()).finished > finished);
  using again = await resume(stream);
  await again.response("steps");
  assertEquals(summary(stream, again), WHOLE);
});

test("a call is made once, however often its stream is lost", async (stream) => {
  const before = (await upstream.stats()).calls.test_steps ?? 0;
  await callSteps(stream, 1);
  stream[Symbol.dispose]();
  const second = await resume(stream);
  await until("one more", () => summary(second).length > 0);
  second[Symbol.dispose]();
  using third = await resume(second);
  await third.response("steps");
  assertEquals(
    [summary(stream, second, third), (await upstream.stats()).calls.test_steps],
    [WHOLE, before + 1],
  );
});

test("from an older event everything behind it comes again, under the same ids", async (stream) => {
  await callSteps(stream, STEPS, 20);
  await stream.response("steps");
  const messages = stream.events().filter(({ type }) => type === "message");
  using again = await resume(stream, messages[0]!.id!);
  await again.response("steps");
  assertEquals(again.events().slice(1), messages.slice(1));
});

test("a large answer that came while nobody was there waits for the client", async (stream) => {
  const { finished } = await upstream.stats();
  const bytes = 3 * 1024 * 1024;
  await stream.call("slow", "test_slow", { ms: 300 });
  await stream.call("large", "test_big_result", { bytes });
  stream[Symbol.dispose]();
  await until("the calls end", async () => (await upstream.stats()).finished > finished);
  using again = await resume(stream);
  const { result } = await again.response("large");
  const [{ text }] = (result as Message).content as [{ text: string }];
  assertEquals(text.length, bytes);
});

test("a client that comes back takes over from the connection that it had", async (stream) => {
  using again = await resume(stream);
  await until("the end of the first", () => stream.reply.ended());
  assertEquals((await again.ask(1, "ping")).result, {});
});

test("messages to the URL of before arrive, and are answered on the new stream", async (stream) => {
  stream[Symbol.dispose]();
  using again = await resume(stream);
  const { status } = await stream.post({ jsonrpc: "2.0", id: "old", method: "ping" });
  assertEquals([status, (await again.response("old")).result], [202, {}]);
});

test("a question that was asked while nobody was there can be answered", async (stream) => {
  await stream.call("asking", "test_input_required_result_list_roots");
  stream[Symbol.dispose]();
  using again = await resume(stream);
  const { id } = await again.message("roots/list");
  await again.post({ jsonrpc: "2.0", id: id!, result: { roots: [{ uri: "file:///here" }] } });
  const { result } = await again.response("asking");
  assertEquals(JSON.stringify(result).includes("file:///here"), true);
});

test("a stream can be resumed on the URL with the server's slug only by whoever opened it there", async (stream) => {
  const all = await openOld(gateway.origin, {
    path: "/sse",
    token,
    lastEventId: stream.lastEventId(),
  }).catch(({ message }) => message.slice(0, 26));
  assertEquals(all, "No stream was opened: 404 ");
});

Deno.test("the SDK's client goes on by itself when its stream breaks", async () => {
  const streams: Breakable[] = [];
  const fetching = async (url: string | URL, init?: RequestInit) => {
    const response = await fetch(url, init);
    if (response.body === null || init?.method === "POST") return response;
    const stream = breakable(response.body);
    streams.push(stream);
    return new Response(stream.body, response);
  };
  const url = `${gateway.origin}${PATH}`;
  await using peer = await connectSse(url, { token, fetch: fetching });
  const steps: number[] = [];
  const call = peer.call({ name: "test_steps", arguments: { count: STEPS, ms: 500 } }, {
    onprogress: ({ progress }) => void steps.push(progress),
  });
  await until("a step", () => steps.length > 0);
  await streams[0]!.break();
  await call;
  assertEquals({ steps, opened: streams.length }, { steps: [1, 2, 3, 4], opened: 2 });
});

interface Breakable {
  readonly body: ReadableStream<Uint8Array>;
  readonly break: () => Promise<void>;
}

/** A body whose connection the test can end, which its reader takes for a fault of the network. */
function breakable(source: ReadableStream<Uint8Array>): Breakable {
  const reader = source.getReader();
  let controller: ReadableStreamDefaultController<Uint8Array>;
  let isBroken = false;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    async pull() {
      const { value } = await reader.read();
      if (value !== undefined) controller.enqueue(value);
      else if (!isBroken) controller.close();
    },
    cancel: () => reader.cancel(),
  });
  return {
    body,
    async break() {
      isBroken = true;
      await reader.cancel();
      controller.error(new Error("Broken by the test"));
    },
  };
}

test("a client that reads nothing is cut off, and gets the answer when it comes back", async (stream) => {
  stream.reply.pause();
  await stream.post({
    jsonrpc: "2.0",
    id: "many",
    method: "tools/call",
    params: {
      name: "test_many_notifications",
      arguments: { count: 60_000 },
      _meta: { progressToken: "mine" },
    },
  });
  const lastEventId = stream.lastEventId();
  await left(stream, false);
  stream.reply.resume();
  assertEquals(await until("the end", () => stream.reply.ended(), 10_000), "broken");
  using again = await resume(stream, lastEventId);
  assertEquals("result" in await again.response("many"), true);
});

/** As a client of the SDK comes back. */
const SPOKEN = { headers: { "MCP-Protocol-Version": "2024-11-05" } };

test("a client that names a revision and no event comes back to the one session it left", async (stream) => {
  stream[Symbol.dispose]();
  using again = await until("the session", async () => {
    const one = await openOld(gateway.origin, { path: PATH, token, ...SPOKEN });
    const { status } = await one.post({ jsonrpc: "2.0", id: 1, method: "ping" });
    if (status === 202) return one;
    one[Symbol.dispose]();
    return undefined;
  });
  assertEquals((await again.response(1)).result, {});
});

for (
  const [who, options] of [
    ["a client that names no revision", {}],
    ["another program of the same principal", {
      headers: { ...SPOKEN.headers, "User-Agent": "another" },
    }],
  ] as const
) {
  test(`${who} gets a stream of its own`, async (stream) => {
    await left(stream);
    using other = await openOld(gateway.origin, { path: PATH, token, ...options });
    assertEquals((await other.post({ jsonrpc: "2.0", id: 1, method: "ping" })).status, 400);
  });
}

test("another principal never comes back to a session", async (stream) => {
  await left(stream);
  const stranger = await mintToken({ sub: `${crypto.randomUUID()}@example.com` });
  using other = await openOld(gateway.origin, { path: PATH, token: stranger, ...SPOKEN });
  const { status } = await other.post({ jsonrpc: "2.0", id: 1, method: "ping" });
  assertEquals(status, 400);
});

test("which of two sessions was left is not guessed", async (stream) => {
  const second = await greetOld(gateway.origin, { path: PATH, token });
  await left(stream);
  await left(second);
  using other = await openOld(gateway.origin, { path: PATH, token, ...SPOKEN });
  assertEquals((await other.post({ jsonrpc: "2.0", id: 1, method: "ping" })).status, 400);
});

test("a session that is not left is not taken", async (stream) => {
  using other = await openOld(gateway.origin, { path: PATH, token, ...SPOKEN });
  const { status } = await other.post({ jsonrpc: "2.0", id: 1, method: "ping" });
  assertEquals([status, (await stream.ask(2, "ping")).result], [400, {}]);
});

/** Leaves, and waits until the gateway knows: it no longer takes the place of a listener. */
async function left(stream: OldStream, leaves = true): Promise<void> {
  if (leaves) stream[Symbol.dispose]();
  const sessionId = stream.lastEventId().split(".")[0]!;
  await until("a place to listen", async () => {
    const reply = await openRaw(
      gateway.origin,
      requestTo(gateway.origin, {
        verb: "GET",
        path: "/servers/everything/mcp",
        token,
        headers: { "Accept": "text/event-stream", "Mcp-Session-Id": sessionId },
      }),
    );
    const status = await statusOf(reply);
    reply.close();
    return status === 200;
  }, 40_000);
}

// ── The gateway goes away ───────────────────────────────────────────────────────────────────────

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`after ${signal} and a new start the session goes on from its last event`, async () => {
    await using installation = await openInstallation({ era: "legacy" });
    const env = { JWT_SECRET_KEY: TEST_JWT_SECRET, SHUTDOWN_GRACE: "1s" };
    const port = freePort();
    const first = installation.serve({ env, port });
    const origin = await first.listening();
    using stream = await greetOld(origin, { path: PATH, token });
    await stream.ask(1, "ping");
    first.signal(signal);
    const { code } = await first.ended();
    await until("the end of the stream", () => stream.reply.ended());
    const second = installation.serve({ env, port });
    await second.listening();
    using again = await openOld(origin, { path: PATH, token, lastEventId: stream.lastEventId() });
    const { result } = await again.ask(2, "tools/call", { name: "test_simple_text" });
    assertEquals(
      [stream.reply.ended(), code === 0, again.answered(), result !== undefined],
      [signal === "SIGTERM" ? "complete" : "broken", signal === "SIGTERM", [2], true],
    );
  });
}

Deno.test("a call that ran when the gateway was stopped has ended, as the client finds out", async () => {
  await using installation = await openInstallation({ era: "legacy" });
  const env = { JWT_SECRET_KEY: TEST_JWT_SECRET, SHUTDOWN_GRACE: "1s" };
  const port = freePort();
  const first = installation.serve({ env, port });
  const origin = await first.listening();
  using stream = await greetOld(origin, { path: PATH, token });
  await stream.call("running", "test_slow", { ms: 60_000 });
  first.signal("SIGTERM");
  await first.ended();
  await installation.serve({ env, port }).listening();
  using again = await openOld(origin, { path: PATH, token, lastEventId: stream.lastEventId() });
  const { result } = await again.response("running");
  assertEquals((result as Message).isError, true);
});

Deno.test("streams that have no session end with SIGTERM, too", async () => {
  await using installation = await openInstallation({ era: "legacy" });
  const env = { JWT_SECRET_KEY: TEST_JWT_SECRET, SHUTDOWN_GRACE: "20s" };
  const program = installation.serve({ env });
  using stream = await openOld(await program.listening(), { path: PATH, token });
  await stream.endpoint();
  program.signal("SIGTERM");
  const { code } = await program.ended();
  assertEquals([code, stream.reply.ended()], [0, "complete"]);
});
