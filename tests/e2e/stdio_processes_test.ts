/**
 * Processes of stdio servers: as many as are needed, none that outlives its session or the gateway,
 * each with what its entry lists and nothing else.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { badOverStdio, everythingOverStdio, LEAN } from "../support/api_world.ts";
import { often } from "../support/long.ts";
import { pathOf } from "../support/spawn.ts";
import { type Session, toolCall } from "../support/session_client.ts";
import { gatewayPid, openStdioGateway, type StdioGateway } from "../support/stdio_gateway.ts";
import { until } from "../support/until.ts";

const onLinux = { ignore: Deno.build.os !== "linux" };
const SESSIONS = often(200, 50);

/** As `npx` does: the server is a child of what is started. */
const WRAPPED = {
  command: "sh",
  args: ["-c", 'exec 3<&0; sh "$1" <&3 & exec 3<&-; wait', "sh", ...LEAN.args],
};
/** The same, with another child that ignores everything but SIGKILL. */
const STUBBORN = { command: "sh", args: [pathOf("fixtures/stdio/wrapper.sh")] };

Deno.test(
  `${SESSIONS} sessions at once are ${SESSIONS} processes, and none when they have ended`,
  onLinux,
  async () => {
    await using world = await openStdioGateway(LEAN, { env: MANY });
    const own = await steady(world);
    const sessions: Session[] = [];
    for (let i = 0; i < SESSIONS / 10; i++) {
      sessions.push(...await Promise.all(Array.from({ length: 10 }, () => world.open())));
    }
    await world.mark.count(own + SESSIONS);
    await Promise.all(sessions.map((session) => session.end()));
    await world.mark.count(own);
  },
);

Deno.test(`${SESSIONS} sessions one after the other leave no process`, onLinux, async () => {
  await using world = await openStdioGateway(LEAN, { env: { STDIO_CHILDREN_MAX: "10" } });
  const own = await steady(world);
  for (let i = 0; i < SESSIONS; i++) {
    const session = await world.open();
    assertEquals((await session.send({ method: "ping" })).status, 200);
    await session.end();
  }
  await world.mark.count(own);
});

Deno.test("a process that nobody uses ends after STDIO_IDLE_TTL", onLinux, async () => {
  const env = { STDIO_IDLE_TTL: "1s" };
  await using world = await openStdioGateway(badOverStdio("none"), { env });
  const before = await world.mark.running();
  await using session = await world.open();
  const mine = (await world.mark.running()).filter((pid) => !before.includes(pid));
  assert(mine.length > 0);
  await until("its end", async () => {
    const now = await world.mark.running();
    return !mine.some((pid) => now.includes(pid));
  }, 15_000);
  // The session goes on with a process of its own.
  assertEquals((await session.send({ method: "ping" })).status, 200);
});

for (const start of ["main.ts", "the launcher"] as const) {
  for (const [what, entry] of [["a server", LEAN], ["a wrapped server", WRAPPED]] as const) {
    Deno.test(`SIGTERM to ${start} leaves no process of ${what}`, onLinux, async () => {
      await using world = await openStdioGateway(entry, { start });
      await using _session = await world.open();
      assert((await world.mark.running()).length > 0);
      world.program.signal("SIGTERM");
      assertEquals((await world.program.ended()).code, 0);
      await world.mark.count(0);
    });
  }

  Deno.test(`kill -9 of the gateway under ${start} leaves no process`, onLinux, async () => {
    await using world = await openStdioGateway(everythingOverStdio("legacy"), { start });
    await using session = await world.open();
    const call = session.send(toolCall("test_slow", { ms: 60_000 })).catch(() => {});
    await until("the call to run", async () => (await world.mark.running()).length > 1);
    Deno.kill(await gatewayPid(world, start), "SIGKILL");
    await world.program.ended();
    await world.mark.count(0);
    await call;
  });

  Deno.test(`${start} gives a process PATH, HOME and what its entry lists`, async () => {
    const env = { MODE: "ro" };
    await using world = await openStdioGateway({ ...badOverStdio("none"), env }, { start });
    await using session = await world.open();
    const { result } = (await session.send(toolCall("env"))).response;
    const given = (result as { env: Record<string, string> }).env;
    assertEquals(Object.keys(given).sort(), ["HOME", "MODE", "PATH", "SALLYPORT_TEST_MARK"]);
    assertEquals(given.MODE, "ro");
  });
}

Deno.test("SIGTERM leaves no process of a server that has a stubborn child", onLinux, async () => {
  await using world = await openStdioGateway(STUBBORN);
  await using _session = await world.open();
  assert((await world.mark.running()).length > 2);
  world.program.signal("SIGTERM");
  assertEquals((await world.program.ended()).code, 0);
  await world.mark.count(0);
});

Deno.test("a second SIGTERM leaves no process either", onLinux, async () => {
  await using world = await openStdioGateway(everythingOverStdio("legacy"));
  await using session = await world.open();
  const call = session.send(toolCall("test_slow", { ms: 60_000 })).catch(() => {});
  await until("the call to run", async () => (await world.mark.running()).length > 1);
  world.program.signal("SIGTERM");
  await until("it to stop", () => world.program.stderr().includes("Stopping"));
  world.program.signal("SIGTERM");
  await world.program.ended();
  await world.mark.count(0);
  await call;
});

Deno.test("a process beyond STDIO_CHILDREN_MAX is refused in one sentence", async () => {
  const env = { STDIO_CHILDREN_MAX: "2", HEALTH_CHECK_INTERVAL: "0" };
  await using world = await openStdioGateway(everythingOverStdio("legacy"), { env });
  const busy: Session[] = [];
  const calls: Promise<unknown>[] = [];
  // Idle ones make room for others; these are not.
  const refusal = await until("a refusal", async () => {
    const reply = await world.open().catch((error: Error) => error.message);
    if (typeof reply === "string") return reply;
    busy.push(reply);
    calls.push(reply.send(toolCall("test_slow", { ms: 60_000 })).catch(() => {}));
    return undefined;
  }, 30_000);
  assert(busy.length <= 2);
  assert(/All 2 processes that STDIO_CHILDREN_MAX allows are in use/.test(refusal), refusal);
  world.program.signal("SIGKILL");
  await Promise.all(calls);
});

Deno.test("the launcher allows the command of the file and no other", onLinux, async () => {
  await using world = await openStdioGateway(LEAN, { start: "the launcher" });
  const pid = await gatewayPid(world, "the launcher");
  const flags = (await Deno.readTextFile(`/proc/${pid}/cmdline`)).split("\0");
  assertEquals(flags.filter((flag) => /^--allow-run|^-A|^--allow-all/.test(flag)), [
    "--allow-run=sh",
  ]);
});

/** The own token is the same for all: the sessions are one caller's. */
const MANY = {
  STDIO_CHILDREN_MAX: "300",
  SESSIONS_PER_PRINCIPAL: "300",
  STREAMS_PER_PRINCIPAL: "300",
};

/** Waits until the gateway has read the server, and gives how many processes that needs. */
async function steady({ mark }: StdioGateway): Promise<number> {
  let last = -1;
  return await until("the first reading to be over", async () => {
    const before = last;
    last = (await mark.running()).length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return last > 0 && before === last && last;
  });
}
