/**
 * Sessions of stdio servers: one child process each, from `initialize` to the end.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert, rejects } from "node:assert/strict";
import { UpstreamStatusError } from "../../src/upstream/reply.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { often } from "../support/long.ts";
import {
  all,
  aRequest,
  bad,
  initialize,
  isRunning,
  lean,
  openStdio,
  openStdioWorld,
  runningIn,
  wrapper,
} from "../support/stdio.ts";
import { until } from "../support/until.ts";

const SESSIONS = often(200, 50);

const isStatus = (status: number) => (error: unknown) =>
  error instanceof UpstreamStatusError && error.status === status;

Deno.test("initialize starts a process and gives its session an id that cannot be guessed", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, lean());
  assert(/^this\.[\w-]{32,}$/.test(session.id));
});

Deno.test("each session has a process of its own", async () => {
  await using world = openStdioWorld();
  const server = bad("none");
  const one = await openStdio(world, server);
  const other = await openStdio(world, server);
  const [[first], [second]] = await Promise.all([one.call(1, "pid"), other.call(1, "pid")]);
  assert(JSON.stringify(first) !== JSON.stringify(second));
});

Deno.test("a session that is not known is answered as HTTP does", async () => {
  await using world = openStdioWorld();
  const request = aRequest({ jsonrpc: "2.0", id: 1, method: "ping" }, { session: "nobody" });
  await rejects(world.client.send(lean(), request), isStatus(404));
});

Deno.test("a session of one server is not known at another", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, lean());
  const request = aRequest({ jsonrpc: "2.0", id: 1, method: "ping" }, { session: session.id });
  await rejects(world.client.send(lean(), request), isStatus(404));
  assertEquals(await world.client.remove(lean(), { headers: "", session: session.id }, 1), 404);
});

Deno.test("a session whose process has exited is not known any more, and can be opened anew", async () => {
  await using world = openStdioWorld();
  const server = bad("none");
  const session = await openStdio(world, server);
  Deno.kill(world.pids[0]!, "SIGKILL");
  await until("the exit is noticed", () => world.client.children() === 0);
  await rejects(session.ask(1, "ping"), isStatus(404));
  await until("the short wait is over", async () => {
    const again = await openStdio(world, server).catch(() => undefined);
    return again !== undefined && (await again.ask(1, "ping")).length === 1;
  });
});

Deno.test("a session of a program that was changed is not known any more", async () => {
  await using world = openStdioWorld();
  const server = lean();
  const session = await openStdio(world, server);
  const changed = { ...server, env: { MODE: "rw" } };
  const request = aRequest({ jsonrpc: "2.0", id: 1, method: "ping" }, { session: session.id });
  await rejects(world.client.send(changed, request), isStatus(404));
  await until("the old process has ended", () => world.client.children() === 0);
});

Deno.test("a session outlives a change of its server's title", async () => {
  await using world = openStdioWorld();
  const server = lean();
  const session = await openStdio(world, server);
  const request = aRequest({ jsonrpc: "2.0", id: 1, method: "ping" }, { session: session.id });
  const reply = await world.client.send({ ...server, title: "New" }, request);
  assertEquals((await all(reply)).length, 1);
});

Deno.test("removing a session ends its process", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, lean());
  assertEquals(await session.end(), 200);
  assertEquals(await isRunning(world.pids[0]!), false);
});

Deno.test("a process that ignores the end of its input and SIGTERM is killed", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, bad("ignores-eof ignores-term"));
  assertEquals(await session.end(), 200);
  assertEquals(await isRunning(world.pids[0]!), false);
});

Deno.test("whatever a wrapper has started ends with it", async () => {
  await using world = openStdioWorld();
  const session = await openStdio(world, wrapper());
  const [group] = world.pids;
  // Wrapper, server, the one that ignores signals, and its sleep.
  await until("all of them run", async () => (await runningIn(group!)).length === 4);
  await session.end();
  await until("none of them runs", async () => (await runningIn(group!)).length === 0);
});

Deno.test("what a server has started ends with it when it crashes", async () => {
  await using world = openStdioWorld();
  await openStdio(world, wrapper());
  const [group] = world.pids;
  await until("all of them run", async () => (await runningIn(group!)).length === 4);
  Deno.kill(group!, "SIGKILL");
  await until("none of them runs", async () => (await runningIn(group!)).length === 0);
});

Deno.test(`${SESSIONS} sessions opened and closed leave no process`, async () => {
  await using world = openStdioWorld({ childrenMax: 20 });
  const server = wrapper();
  for (let round = 0; round < SESSIONS / 10; round++) {
    const sessions = await Promise.all(
      Array.from({ length: 10 }, () => openStdio(world, server)),
    );
    await Promise.all(sessions.map((session) => session.ask(1, "ping")));
    await Promise.all(sessions.map((session) => session.end()));
  }
  assertEquals(world.pids.length, SESSIONS);
  assertEquals(world.client.children(), 0);
  await until("no process is left of any group", async () => {
    const left = await Promise.all([...new Set(world.pids)].slice(-20).map(runningIn));
    return left.flat().length === 0;
  });
  const running = await Promise.all(world.pids.map(isRunning));
  assertEquals(running.filter(Boolean), []);
});

Deno.test("closing ends every process, the stubborn ones too, and lets no other begin", async () => {
  const world = openStdioWorld();
  const stubborn = bad("ignores-eof ignores-term");
  await Promise.all([
    openStdio(world, lean()),
    openStdio(world, stubborn),
    openStdio(world, stubborn),
  ]);
  await world.client.close();
  const running = await Promise.all(world.pids.map(isRunning));
  assertEquals(running, [false, false, false]);
  await rejects(world.client.send(lean(), aRequest(initialize())), /stopping/);
});

Deno.test("a server that was removed loses its processes, another keeps its own", async () => {
  await using world = openStdioWorld();
  const server = lean();
  await openStdio(world, server);
  await openStdio(world, lean());
  await world.client.forget(server.id);
  assertEquals(world.client.children(), 1);
});

Deno.test("a server that refuses initialize is not kept", async () => {
  await using world = openStdioWorld();
  const reply = await world.client.send(bad("refuses"), aRequest(initialize()));
  const [answer] = await all(reply);
  assertEquals((answer!.error as { message: string }).message, "Not today");
  await until("it has ended", () => world.client.children() === 0);
});

Deno.test("a server that does not answer initialize is not kept", async () => {
  await using world = openStdioWorld();
  const request = aRequest(initialize(), { firstMs: 300, totalMs: 300 });
  await rejects(world.client.send(bad("mute"), request), { code: "upstream_timeout" });
  await until("it has ended", () => world.client.children() === 0);
});

Deno.test("a client that leaves before the answer to initialize leaves no process", async () => {
  await using world = openStdioWorld();
  const request = aRequest(initialize());
  const sent = world.client.send(bad("mute"), request);
  await until("it has been started", () => world.pids.length === 1);
  request.abort.abort(new Error("Gone"));
  await rejects(sent, /Gone/);
  await until("it has ended", () => world.client.children() === 0);
});

Deno.test("a process that nobody uses ends, and its session is not known any more", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers, idleMs: 60_000 });
  const session = await openStdio(world, lean());
  timers.advance(40_000);
  await session.ask(1, "ping");
  timers.advance(40_000);
  assertEquals(world.client.children(), 1);
  timers.advance(30_000);
  await until("it has ended", () => world.client.children() === 0);
  await rejects(session.ask(2, "ping"), isStatus(404));
});

Deno.test("a process with an open request is not idle", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers, idleMs: 60_000 });
  const session = await openStdio(world, bad("silent"));
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "wait" } };
  const spans = { firstMs: Infinity, silenceMs: Infinity, totalMs: Infinity };
  const reply = await session.send(message, spans);
  timers.advance(600_000);
  assertEquals(world.client.children(), 1);
  reply.close();
});

Deno.test("who listens to an idle process is not told of its end: it would only be started again", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers, idleMs: 60_000 });
  const session = await openStdio(world, lean());
  const spans = { firstMs: Infinity, silenceMs: Infinity, totalMs: Infinity };
  const stream = await session.send(undefined, spans);
  let isOver = false;
  const next = stream.next().finally(() => isOver = true);
  timers.advance(61_000);
  await until("it has ended", () => world.client.children() === 0);
  assertEquals(isOver, false);
  stream.close();
  assertEquals(await next, undefined);
});

Deno.test("a process whose client listens for changes of resources is not idle", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers, idleMs: 60_000 });
  const session = await openStdio(world, lean());
  await session.ask(1, "resources/subscribe", { uri: "test://one" });
  const spans = { firstMs: Infinity, silenceMs: Infinity, totalMs: Infinity };
  const stream = await session.send(undefined, spans);
  timers.advance(600_000);
  assertEquals(world.client.children(), 1);
  stream.close();
});

Deno.test("where there is no room, the process that was idle for longest makes it", async () => {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  await using world = openStdioWorld({ clock, timers, childrenMax: 2 });
  const first = await openStdio(world, lean());
  timers.advance(10);
  const second = await openStdio(world, lean());
  timers.advance(10);
  await first.ask(1, "ping");
  timers.advance(10);
  const third = await openStdio(world, lean());
  await rejects(second.ask(1, "ping"), isStatus(404));
  assertEquals((await first.ask(2, "ping")).length, 1);
  assertEquals((await third.ask(1, "ping")).length, 1);
  assertEquals(world.client.children(), 2);
});

Deno.test("one after the other that needs room takes the place of one, and no more", async () => {
  await using world = openStdioWorld({ childrenMax: 2 });
  for (let i = 0; i < 6; i++) await openStdio(world, lean());
  assertEquals([world.client.children(), world.pids.length], [2, 6]);
});

Deno.test("where all processes are in use, another is refused, naming the setting", async () => {
  await using world = openStdioWorld({ childrenMax: 1 });
  const session = await openStdio(world, bad("silent"));
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "wait" } };
  const reply = await session.send(message);
  await rejects(world.client.send(lean(), aRequest(initialize())), /STDIO_CHILDREN_MAX/);
  reply.close();
});

Deno.test("many that need room at once never become more than allowed", async () => {
  await using world = openStdioWorld({ childrenMax: 3 });
  let most = 0;
  const opened = Array.from({ length: 30 }, async () => {
    await openStdio(world, lean()).catch(() => undefined);
    most = Math.max(most, (await Promise.all(world.pids.map(isRunning))).filter(Boolean).length);
  });
  await Promise.all(opened);
  assert(most <= 3, `${most} processes`);
});
