/**
 * Stdio servers of both eras, as the parts of the gateway see them that think in Streamable HTTP.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert, rejects } from "node:assert/strict";
import type { StdioUpstream } from "../../src/domain/server.ts";
import { createEraProbe } from "../../src/mcp/era_probe.ts";
import { openUpstream } from "../../src/mcp/session/upstream_handshake.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { UpstreamStatusError } from "../../src/upstream/reply.ts";
import { createUpstreamClient } from "../../src/upstream/connect.ts";
import { bytesOf } from "../support/bytes.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import type { Message } from "../support/modern.ts";
import {
  all,
  aRequest,
  aStdioServer,
  bad,
  everything,
  initialize,
  messageOf,
  openStdio,
  openStdioWorld,
  type RequestChanges,
  type StdioWorld,
} from "../support/stdio.ts";
import { until } from "../support/until.ts";

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
};

function modern(id: number, method: string, params: Message = {}, meta: Message = {}): Message {
  return { jsonrpc: "2.0", id, method, params: { ...params, _meta: { ...META, ...meta } } };
}

function callOf(id: number, name: string, args: Message = {}, meta: Message = {}): Message {
  return modern(id, "tools/call", { name, arguments: args }, meta);
}

function clientOf({ client }: StdioWorld) {
  const nobody = () => Promise.reject(new Error("No HTTP here"));
  return createUpstreamClient({
    http: { send: nobody, remove: nobody },
    stdio: client,
    own: { send: nobody },
  });
}

function probeOf(world: StdioWorld, firstMs = 30_000) {
  const options = { firstMs, version: "1" };
  return createEraProbe(
    { client: clientOf(world), refusalOf: () => undefined, clock: systemClock },
    options,
  );
}

async function ask(world: StdioWorld, server: StdioUpstream, message: Message, caller = "") {
  return await all(await world.client.send(server, aRequest(message, { caller })));
}

for (
  const [era, expected] of [
    ["both", "stateless"],
    ["modern", "stateless"],
    ["legacy", "session"],
  ] as const
) {
  Deno.test(`the probe finds the era of a server that speaks ${era}`, async () => {
    await using world = openStdioWorld();
    assertEquals(await probeOf(world).eraOf(everything(era)), expected);
  });
}

for (const way of ["none", "silent-probe", "exits-at-probe"]) {
  Deno.test(`a server is of the session era: ${way}`, async () => {
    await using world = openStdioWorld();
    assertEquals(await probeOf(world, 1_000).eraOf(bad(way)), "session");
  });
}

Deno.test("a server that ends at the probe can be opened at once", async () => {
  await using world = openStdioWorld();
  const server = bad("exits-at-probe");
  await probeOf(world).eraOf(server);
  await openStdio(world, server);
});

Deno.test("a server that was silent is ended, and not asked again for a while", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers });
  const server = bad("silent-probe");
  const isRefused = (error: unknown) =>
    error instanceof UpstreamStatusError && error.status === 400;
  const first = world.client.send(server, aRequest(modern(1, "server/discover")));
  await until("it has been started", () => world.pids.length === 1);
  timers.advance(10_000);
  await rejects(first, isRefused);
  await rejects(world.client.send(server, aRequest(modern(2, "server/discover"))), isRefused);
  assertEquals(world.pids.length, 1);
  await until("it has ended", () => world.client.children() === 0);
});

Deno.test("the process that was asked for its era becomes that of the next session", async () => {
  await using world = openStdioWorld();
  const server = everything("legacy");
  const eras = probeOf(world);
  await eras.eraOf(server);
  eras.forget(server);
  await eras.eraOf(server);
  const session = await openStdio(world, server);
  const messages = await session.call(1, "test_tool_with_logging");
  assertEquals(messages.length, 4);
  assertEquals(world.pids.length, 1);
});

Deno.test("that process becomes one session's only", async () => {
  await using world = openStdioWorld();
  const server = bad("none");
  await probeOf(world).eraOf(server);
  const sessions = await Promise.all([1, 2, 3].map(() => openStdio(world, server)));
  assertEquals(world.pids.length, 3);
  assertEquals(new Set(sessions.map(({ id }) => id)).size, 3);
});

Deno.test("a server of the stateless era refuses a session as it would over HTTP", async () => {
  await using world = openStdioWorld();
  const opening = { client: clientOf(world), firstByteMs: 30_000 };
  const body = bytesOf(JSON.stringify(initialize()));
  await rejects(openUpstream(opening, everything("modern"), body, 0), { rpcCode: -32022 });
  await until("it is not kept", () => world.client.children() === 0);
});

Deno.test("a session is opened by the handshake of the gateway", async () => {
  await using world = openStdioWorld();
  const opening = { client: clientOf(world), firstByteMs: 30_000 };
  const body = bytesOf(JSON.stringify(initialize()));
  const { state } = await openUpstream(opening, everything("both"), body, 0);
  assertEquals(state?.revision, "2025-11-25");
  assert(state?.sessionId !== undefined);
});

Deno.test("one process serves all requests of a caller, and no other caller's", async () => {
  await using world = openStdioWorld();
  const server = everything("modern");
  const counts = await Promise.all(["alice", "alice", "alice", "bob"].map(async (caller, i) => {
    const [answer] = await ask(world, server, callOf(i + 1, "test_counter"), caller);
    return ((answer!.result as Message).structuredContent as Message).count;
  }));
  assertEquals(counts.slice(0, 3).sort(), [1, 2, 3]);
  assertEquals(counts[3], 1);
  assertEquals(world.pids.length, 2);
});

Deno.test("progress goes to its request only, log messages to one that asked for them", async () => {
  await using world = openStdioWorld();
  const server = everything("modern");
  const quiet = ask(world, server, callOf(1, "test_slow", { ms: 500 }));
  const meta = { "io.modelcontextprotocol/logLevel": "debug" };
  const logged = ask(world, server, callOf(2, "test_logging_tool", {}, meta));
  const stepped = ask(
    world,
    server,
    callOf(3, "test_steps", { count: 2, ms: 1 }, { progressToken: 3 }),
  );
  assertEquals((await logged).length, 5);
  assertEquals((await stepped).length, 3);
  assertEquals((await quiet).length, 1);
});

Deno.test("a subscription gets its own messages, and ends with its client", async () => {
  await using world = openStdioWorld();
  const server = everything("modern");
  const listening = modern(7, "subscriptions/listen", {
    notifications: { toolsListChanged: true },
  });
  const spans: RequestChanges = { silenceMs: Infinity, totalMs: Infinity };
  const stream = await world.client.send(server, aRequest(listening, spans));
  const opened = messageOf(await stream.next());
  assertEquals(opened.method, "notifications/subscriptions/acknowledged");
  await ask(world, server, callOf(8, "test_trigger_tool_change"));
  assertEquals(messageOf(await stream.next()).method, "notifications/tools/list_changed");
  stream.close();
  // It listens no more: its id is free there, too.
  const again = await world.client.send(server, aRequest(listening, spans));
  assertEquals(messageOf(await again.next()).method, "notifications/subscriptions/acknowledged");
  again.close();
});

Deno.test("a subscription that the server ends is ended as over HTTP", async () => {
  await using world = openStdioWorld();
  const cancelled = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}';
  const server = aStdioServer({ args: ["-c", `read -r a; echo '${cancelled}'; read -r b`] });
  const listening = modern(7, "subscriptions/listen", { notifications: {} });
  const [end, ...more] = await ask(world, server, listening);
  assertEquals(end, {
    jsonrpc: "2.0",
    id: 7,
    result: { resultType: "complete", _meta: { "io.modelcontextprotocol/subscriptionId": 7 } },
  });
  assertEquals(more, []);
});

Deno.test("a server cannot end a call by taking it back", async () => {
  await using world = openStdioWorld();
  const script = `read -r a
    echo '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}'
    echo '{"jsonrpc":"2.0","id":7,"result":{"still":"here"}}'; read -r b`;
  const [answer] = await ask(world, aStdioServer({ args: ["-c", script] }), callOf(7, "any"));
  assertEquals(answer!.result, { still: "here" });
});

Deno.test("a client that leaves cancels its call at the server", async () => {
  await using world = openStdioWorld();
  const script = `read -r a; read -r b; printf '%s\\n' "$b" >&2; read -r c`;
  const server = aStdioServer({ args: ["-c", script] });
  const abort = new AbortController();
  await world.client.send(server, aRequest(callOf(7, "any"), { abort }));
  abort.abort(new Error("Gone"));
  await until(
    "the server has read it",
    () => world.log.some((line) => /notifications\/cancelled.*requestId.{3}7/.test(line)),
  );
});

Deno.test("a request of a server's to nobody is refused, and no call is harmed", async () => {
  await using world = openStdioWorld();
  const script = `read -r a
    echo '{"jsonrpc":"2.0","id":"q","method":"roots/list"}'
    read -r b; printf '%s\\n' "$b" >&2
    echo '{"jsonrpc":"2.0","id":7,"result":{}}'; read -r c`;
  const messages = await ask(world, aStdioServer({ args: ["-c", script] }), callOf(7, "any"));
  assertEquals(messages.map(({ id }) => id), [7]);
  assert(world.log.some((line) => line.includes("-32601")));
});

Deno.test("a caller's process that has exited is started again with its next request", async () => {
  await using world = openStdioWorld();
  const server = everything("modern");
  await ask(world, server, callOf(1, "test_counter"));
  Deno.kill(world.pids[0]!, "SIGKILL");
  await until("the exit is noticed", () => world.client.children() === 0);
  const answered = await until(
    "the short wait is over",
    () => ask(world, server, callOf(2, "test_counter")).catch(() => undefined),
  );
  assertEquals(answered.length, 1);
});

Deno.test("what has no session has no stream of the server's own", async () => {
  await using world = openStdioWorld();
  await rejects(world.client.send(everything("modern"), aRequest(undefined)), { status: 405 });
});
