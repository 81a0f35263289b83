/**
 * Stdio servers that cannot be started or do not stay alive: who asks is told why, and the server is
 * left alone for a while.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert, rejects } from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import { DialError } from "../../src/platform/dial.ts";
import { createBackoff } from "../../src/upstream/stdio/backoff.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import {
  aRequest,
  aStdioServer,
  bad,
  initialize,
  lean,
  openStdio,
  openStdioWorld,
} from "../support/stdio.ts";
import { tempDir } from "../support/temp_dir.ts";
import { until } from "../support/until.ts";

const same = (ms: number) => ms;

Deno.test("a server that exits at once says so with its code and last words", async () => {
  await using world = openStdioWorld();
  const sent = world.client.send(bad("exit"), aRequest(initialize()));
  await rejects(sent, (error) => {
    assert(error instanceof GatewayError);
    assertEquals(error.code, "upstream_unavailable");
    return /ended with code 3 .*boom/.test(error.message);
  });
});

Deno.test("a server that failed is not started again at once, and says when and why", async () => {
  const clock = fakeClock();
  await using world = openStdioWorld({ clock, timers: fakeTimers(clock) });
  const server = bad("exit");
  await rejects(world.client.send(server, aRequest(initialize())));
  await until("its end is noticed", () => world.client.children() === 0);
  await rejects(world.client.send(server, aRequest(initialize())), (error) => {
    assert(error instanceof DialError);
    return /is started again in 0\.\d s at the earliest: .*code 3/.test(error.message);
  });
  assertEquals(world.pids.length, 1);
});

Deno.test("a server that failed is started again when its time has come", async () => {
  const clock = fakeClock();
  await using world = openStdioWorld({ clock, timers: fakeTimers(clock) });
  const server = bad("exit");
  await rejects(world.client.send(server, aRequest(initialize())));
  await until("its end is noticed", () => world.client.children() === 0);
  clock.advance(200);
  await rejects(world.client.send(server, aRequest(initialize())), /code 3/);
  assertEquals(world.pids.length, 2);
});

Deno.test("one server's failures do not keep another from starting", async () => {
  await using world = openStdioWorld();
  await rejects(world.client.send(bad("exit"), aRequest(initialize())));
  await openStdio(world, lean());
});

Deno.test("a server that was changed is tried at once", async () => {
  const clock = fakeClock();
  await using world = openStdioWorld({ clock, timers: fakeTimers(clock) });
  const server = bad("exit");
  await rejects(world.client.send(server, aRequest(initialize())));
  await until("its end is noticed", () => world.client.children() === 0);
  await openStdio(world, { ...server, args: bad("none").args });
});

Deno.test("the wait doubles up to 30 s, and begins anew after a quiet time", () => {
  const clock = fakeClock();
  const backoff = createBackoff(clock.monotonic, same);
  const server = lean();
  const waits: number[] = [];
  for (let i = 0; i < 12; i++) {
    backoff.failed(server, clock.monotonic(), "It broke", true);
    let waited = 0;
    while (!mayStart(() => backoff.check(server))) {
      clock.advance(100);
      waited += 100;
    }
    waits.push(waited);
  }
  assertEquals(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000]);
  clock.advance(600_000);
  backoff.failed(server, clock.monotonic(), "It broke", true);
  clock.advance(100);
  assert(mayStart(() => backoff.check(server)));
});

Deno.test("of several processes that fail together, one counts", () => {
  const clock = fakeClock();
  const backoff = createBackoff(clock.monotonic, same);
  const server = lean();
  clock.advance(1_000);
  for (let i = 0; i < 10; i++) backoff.failed(server, 500, "It broke", true);
  clock.advance(100);
  assert(mayStart(() => backoff.check(server)));
});

Deno.test("one that has worked is tried again soon, however often it crashes", () => {
  const clock = fakeClock();
  const backoff = createBackoff(clock.monotonic, same);
  const server = lean();
  for (let i = 0; i < 10; i++) {
    backoff.failed(server, clock.monotonic(), "It broke", false);
    clock.advance(100);
    assert(mayStart(() => backoff.check(server)));
  }
});

for (
  const [what, changes, why] of [
    ["a program that does not exist", { command: "no-such-program-anywhere" }, /was not found/],
    ["a path that does not exist", { command: "/no/such/program" }, /was not found/],
    ["a missing working directory", { cwd: "/no/such/place" }, /working directory/],
    ["a directory as program", { command: "/tmp" }, /could not be started/],
  ] as const
) {
  Deno.test(`${what} is a clear failure, not an exception`, async () => {
    await using world = openStdioWorld();
    await rejects(world.client.send(aStdioServer(changes), aRequest(initialize())), (error) => {
      assert(error instanceof DialError);
      return error.code === "upstream_unavailable" && why.test(error.message);
    });
    assertEquals(world.client.children(), 0);
  });
}

Deno.test("a file that is no program is a clear failure", async () => {
  await using dir = await tempDir();
  const command = `${dir.path}/data.txt`;
  await Deno.writeTextFile(command, "not a program");
  await using world = openStdioWorld();
  const sent = world.client.send(aStdioServer({ command }), aRequest(initialize()));
  await rejects(sent, /could not be started/);
});

Deno.test("failed starts do not use up the places for processes", async () => {
  await using world = openStdioWorld({ childrenMax: 1 });
  for (let i = 0; i < 5; i++) {
    await rejects(world.client.send(bad("exit"), aRequest(initialize())));
    await rejects(world.client.send(aStdioServer({ command: "/no" }), aRequest(initialize())));
  }
  await until("there is room", () => world.client.children() === 0);
  await openStdio(world, lean());
});

function mayStart(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}
