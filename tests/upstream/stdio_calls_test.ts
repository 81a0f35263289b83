/**
 * Requests to stdio servers: what belongs to which, and what becomes of them when the server
 * misbehaves.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert, rejects } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { explained } from "../../src/mcp/failure.ts";
import { ConnectionLost } from "../../src/platform/http1/connection.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import type { Message } from "../support/modern.ts";
import {
  all,
  aRequest,
  aStdioServer,
  bad,
  everything,
  initialize,
  lean,
  messageOf,
  openStdio,
  openStdioWorld,
} from "../support/stdio.ts";
import { tempDir } from "../support/temp_dir.ts";
import { until } from "../support/until.ts";

const SECRET = "sk-verysecretvalue";

function callOf(id: number, name: string, args: Message = {}, token?: string): Message {
  const _meta = token === undefined ? {} : { _meta: { progressToken: token } };
  return { jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: args, ..._meta } };
}

const structured = (answer: Message | undefined) => answer!.result as Message;

Deno.test("concurrent calls each get their own progress and answer", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, everything("legacy"));
  const calls = Array.from({ length: 8 }, async (_, i) => {
    const call = callOf(i + 1, "test_steps", { count: 3, ms: 5, label: `call ${i}` }, `token-${i}`);
    const messages = await all(await session.send(call));
    assertEquals(
      messages.map(({ id, params }) => id ?? (params as Message).progressToken),
      [`token-${i}`, `token-${i}`, `token-${i}`, i + 1],
    );
    assert(JSON.stringify(messages.at(-1)).includes(`call ${i}`));
  });
  await Promise.all(calls);
});

Deno.test("a question of the server's comes on the stream of the call, and the answer reaches it", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, everything("legacy"));
  const reply = await session.send(callOf(1, "test_sampling", { prompt: "Hi" }));
  const question = messageOf(await reply.next());
  assertEquals(question.method, "sampling/createMessage");
  const result = { role: "assistant", model: "m", content: { type: "text", text: "Four" } };
  const answered = await session.send({ jsonrpc: "2.0", id: question.id!, result });
  assertEquals(answered.status, 202);
  const answer = messageOf(await reply.next());
  assert(JSON.stringify(answer).includes("Four"));
});

Deno.test("log messages come on the stream of the call, list changes on the session's own", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, everything("legacy"));
  const own = await session.send(undefined);
  const logged = await session.call(1, "test_tool_with_logging");
  assertEquals(
    logged.slice(0, -1).map(({ method }) => method),
    Array(3).fill("notifications/message"),
  );
  await session.call(2, "test_trigger_tool_change");
  assertEquals(messageOf(await own.next()).method, "notifications/tools/list_changed");
  own.close();
});

Deno.test("a subscribed resource that changes is told on the session's own stream", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, everything("legacy"));
  await session.ask(1, "resources/subscribe", { uri: "test://watched-resource" });
  await session.call(2, "test_trigger_resource_change");
  const own = await session.send(undefined);
  assertEquals(messageOf(await own.next()).method, "notifications/resources/updated");
  own.close();
});

Deno.test("what is said while nobody listens is kept, the newest of it", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("flood"));
  // A call that is one-way has no stream: its log messages belong to nobody.
  await session.send(callOf(1, "flood", { count: 150 }), { isOneWay: true });
  await session.ask(2, "ping");
  const own = await session.send(undefined);
  const texts: string[] = [];
  for (let one = own.take(); one !== undefined; one = own.take()) {
    texts.push(String((messageOf(one).params as Message).data).split(" ")[0]!);
  }
  assertEquals(texts.length, LIMITS.channelUnheardMessages);
  assertEquals([texts[0], texts.at(-1)], ["50", "149"]);
  own.close();
});

Deno.test("a second listener is refused while the first is there", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, lean());
  const first = await session.send(undefined);
  await rejects(session.send(undefined), { status: 409 });
  first.close();
  (await session.send(undefined)).close();
});

Deno.test("an id that is in use is refused, and the call that has it goes on", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, everything("legacy"));
  const first = await session.send(callOf(1, "test_slow", { ms: 200, label: "first" }));
  await rejects(session.send(callOf(1, "test_echo")), { code: "conflict" });
  assertEquals((await all(first)).length, 1);
});

Deno.test("an answer that comes a second time goes nowhere", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("answers-twice"));
  assertEquals((await session.call(1, "any")).length, 1);
  assertEquals(structured((await session.call(2, "any"))[0]), { nth: 1 });
});

Deno.test("a message with line breaks between its tokens stays one message", async () => {
  await using world = openStdioWorld();
  const server = bad("none");
  const session = await openStdio(world, server);
  const smuggled = '{"jsonrpc":"2.0","id":66,"method":"tools/call","params":{"name":"exit"}}';
  const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call",\r\n"params":{"name":"echo",` +
    `"arguments":{"a":\n${smuggled}\n}}}`;
  const request = aRequest(undefined, { session: session.id });
  const reply = await world.client.send(server, {
    ...request,
    body: new TextEncoder().encode(text),
  });
  assertEquals(structured((await all(reply))[0]).echo, { a: JSON.parse(smuggled) });
});

Deno.test("messages pass as the bytes that the server wrote", async () => {
  await using world = openStdioWorld();
  const line =
    '{ "result":{"n":1.0,"big":123456789012345678901,"u":"\\u00e9"},"id":1.0, "jsonrpc":"2.0"}';
  const script = `read -r a; printf '%s\\n' '{"jsonrpc":"2.0","id":0,"result":{}}'
    read -r b; read -r c; printf '%s\\r\\n' '${line}'; read -r d`;
  const session = await openStdio(
    world,
    aStdioServer({ args: ["-c", script.replace("\\\\u", "\\u")] }),
  );
  const reply = await session.send({ jsonrpc: "2.0", id: 1, method: "any" });
  assertEquals(new TextDecoder().decode(await reply.next()), line);
});

Deno.test("a call in flight when the server exits is told how it ended, and its last words", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("exit-mid-call", { env: { KEY: SECRET } }));
  const reply = await session.send(callOf(1, "any"));
  const error: unknown = await reply.next().then(() => undefined, (error) => error);
  assert(error instanceof ConnectionLost);
  assert(error.message.includes("ended with code 7"), error.message);
  assert(error.message.includes("out of cheese: [secret]"), error.message);
});

Deno.test("whether a call was carried out is not known when the server exits", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("exit-mid-call"));
  const reply = await session.send(callOf(1, "any"));
  const error: unknown = await reply.next().then(() => undefined, (error) => error);
  const shown = explained(error, false) as { code: string; message: string };
  assertEquals(shown.code, "outcome_unknown");
  assert(/code 7 .*whether the call was carried out is not known$/.test(shown.message));
});

Deno.test("a signal that ended the server is named", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("silent"));
  const reply = await session.send(callOf(1, "any"));
  Deno.kill(world.pids[0]!, "SIGKILL");
  await rejects(reply.next(), /was ended by SIGKILL/);
});

Deno.test("all calls in flight hear of the exit, and whoever listens too", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("silent"));
  const own = await session.send(undefined);
  const replies = await Promise.all([1, 2, 3].map((id) => session.send(callOf(id, "any"))));
  Deno.kill(world.pids[0]!, "SIGKILL");
  const ends = await Promise.allSettled(replies.map((reply) => reply.next()));
  assertEquals(ends.map(({ status }) => status), Array(3).fill("rejected"));
  assertEquals(await own.next(), undefined);
});

Deno.test("what a server wrote just before it exited still arrives", async () => {
  await using world = openStdioWorld();
  const script = `read -r a; printf '%s\\n' '{"jsonrpc":"2.0","id":0,"result":{}}'
    read -r b; read -r c; printf '%s\\n' '{"jsonrpc":"2.0","id":1,"result":{"last":true}}'; exit 4`;
  const session = await openStdio(world, aStdioServer({ args: ["-c", script] }));
  const [answer] = await session.ask(1, "any");
  assertEquals(structured(answer), { last: true });
});

Deno.test("a message that is too large ends the server, which is said", async () => {
  await using world = openStdioWorld({ messageBytesMax: 1024 * 1024 });
  const session = await openStdio(world, bad("huge-line"));
  const reply = await session.send(callOf(1, "any"));
  await rejects(reply.next(), /too large/);
  assertEquals(world.heldBytes(), 0);
});

Deno.test("a line that never ends is not collected", async () => {
  await using world = openStdioWorld({ messageBytesMax: 256 * 1024 });
  const session = await openStdio(world, bad("endless-line"));
  const reply = await session.send(callOf(1, "any"));
  await rejects(reply.next(), /too large/);
});

Deno.test("lines that are no messages are skipped, and logged once", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("garbage"));
  assertEquals((await session.call(1, "echo")).length, 1);
  const lines = world.log.filter((line) => line.includes("no message"));
  assertEquals(lines.length, 1);
  assert(lines[0]!.includes("hello, I am not JSON"));
});

Deno.test("a server that closes its output is ended", async () => {
  await using world = openStdioWorld();
  const server = aStdioServer({ args: ["-c", "exec 1>&-; while read -r line; do :; done"] });
  const sent = world.client.send(server, aRequest(initialize()));
  await rejects(sent, /closed its input or output/);
});

Deno.test("a server that does not read its input is refused more, and memory stays bounded", async () => {
  await using world = openStdioWorld();
  const server = bad("never-reads");
  const abort = new AbortController();
  const opening = world.client.send(server, aRequest(initialize(), { abort }));
  await until("it has been started", () => world.pids.length === 1);
  abort.abort(new Error("Enough"));
  await rejects(opening);
  const request = (id: number) => ({
    jsonrpc: "2.0",
    id,
    method: "any",
    params: { a: "x".repeat(500_000) },
  });
  const replies = [];
  for (let id = 1; id <= 3; id++) {
    replies.push(await world.client.send(server, aRequest(request(id))));
  }
  await rejects(world.client.send(server, aRequest(request(4))), /does not read its input/);
  for (const reply of replies) reply.close();
});

Deno.test("a client that reads slowly holds the server back, and still gets everything", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("flood"));
  const reply = await session.send(callOf(1, "flood", { count: 5_000 }));
  const first = await reply.next();
  await until("a buffer is full", () => world.heldBytes() > LIMITS.streamBufferBytes);
  let most = 0;
  let count = 1;
  for (let one = first; one !== undefined; one = await reply.next()) {
    count++;
    most = Math.max(most, world.heldBytes());
    if (count % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals(count, 5_002);
  assert(most < LIMITS.streamBufferBytes + 256 * 1024, `${most} bytes were held`);
  assertEquals(world.heldBytes(), 0);
});

Deno.test("a slow client that leaves lets the others go on", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("flood"));
  const slow = await session.send(callOf(1, "flood", { count: 5_000 }));
  await until("a buffer is full", () => world.heldBytes() > LIMITS.streamBufferBytes);
  slow.close();
  assertEquals((await session.ask(2, "ping")).length, 1);
  assertEquals(world.heldBytes(), 0);
});

Deno.test("a server is not blamed for silence while its output is not read", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers });
  const session = await openStdio(world, bad("flood"));
  const reply = await session.send(callOf(1, "flood", { count: 1_000 }), { silenceMs: 5_000 });
  await until("a buffer is full", () => world.heldBytes() > LIMITS.streamBufferBytes);
  timers.advance(30_000);
  const messages = await all(reply);
  assertEquals(messages.length, 1_001);
});

Deno.test("a server that is silent for too long is told that the call is not wanted any more", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers });
  const script = `read -r a; echo '{"jsonrpc":"2.0","id":0,"result":{}}'; read -r b; read -r c
    read -r d; printf '%s\\n' "$d" >&2; read -r e`;
  const session = await openStdio(world, aStdioServer({ args: ["-c", script] }));
  const reply = await session.send(callOf(1, "any"), { firstMs: 5_000 });
  const next = reply.next();
  timers.advance(5_000);
  await rejects(next, { code: "upstream_timeout" });
  await until(
    "the server has read it",
    () => world.log.some((line) => /notifications\/cancelled.*requestId.{3}1/.test(line)),
  );
});

Deno.test("progress is a sign of life", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers });
  const session = await openStdio(world, everything("legacy"));
  const spans = { firstMs: 5_000, silenceMs: 5_000 };
  const reply = await session.send(callOf(1, "test_steps", { count: 3, ms: 20 }, "t"), spans);
  for (let step = 0; step < 3; step++) {
    await reply.next();
    timers.advance(3_000);
  }
  assertEquals(messageOf(await reply.next()).id, 1);
});

Deno.test("a call whose client leaves gives back what it holds", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("silent"));
  const abort = new AbortController();
  const reply = await session.send(callOf(1, "any"), { abort });
  const next = reply.next();
  abort.abort(new Error("Gone"));
  await rejects(next, /Gone/);
  // The id is free again.
  (await session.send(callOf(1, "any"))).close();
});

Deno.test("a server has PATH, HOME and what its entry lists, and nothing else of the gateway's", async () => {
  Deno.env.set("SALLYPORT_TEST_CANARY", "must not be seen");
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("none", { env: { MODE: "ro" } }));
  const [answer] = await session.call(1, "env");
  const { env } = structured(answer) as { env: Message };
  Deno.env.delete("SALLYPORT_TEST_CANARY");
  assertEquals(Object.keys(env).sort(), ["HOME", "MODE", "PATH"]);
});

Deno.test("what an entry lists goes before what every server is given", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("none", { env: { HOME: "/nowhere" } }));
  const [answer] = await session.call(1, "env");
  assertEquals((structured(answer) as { env: Message }).env.HOME, "/nowhere");
});

Deno.test("a server runs where its entry says", async () => {
  await using dir = await tempDir();
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("none", { cwd: dir.path }));
  const [answer] = await session.call(1, "pid");
  assertEquals(structured(answer).cwd, await Deno.realPath(dir.path));
});

Deno.test("no shell reads command and arguments", async () => {
  await using dir = await tempDir();
  await using world = openStdioWorld();
  const attack = `$(touch ${dir.path}/a); touch ${dir.path}/b #`;
  await openStdio(world, lean({ args: [...lean().args, attack] }));
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path)), []);
});
