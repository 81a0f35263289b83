/**
 * F42, F43, F45, F46, F50, F51: gateways that are told to end, stopped for a while, whose clocks jump,
 * in which something fails, or whose config file changes, while others serve.
 *
 * @module
 * @see security.md, section 5.4; docs/scaling.md, "When something dies"
 */
import { deepStrictEqual as assertEquals, notStrictEqual, ok as assert } from "node:assert/strict";
import { openApi } from "../support/api_client.ts";
import {
  errorsOf,
  failedByGateways,
  isOk,
  openCrowdWorld,
  startTraffic,
} from "../support/crowd_world.ts";
import { startEverything } from "../support/everything.ts";
import { figure, timed } from "../support/figures.ts";
import {
  entryOf,
  type FleetOptions,
  isGood,
  longTest,
  openFleet,
  pathOf,
  pause,
} from "../support/fleet.ts";
import { callModern, type Message } from "../support/modern.ts";
import { statusOf } from "../support/open_reply.ts";
import { denoRun } from "../support/program.ts";
import { replicasTest } from "../support/replicas.ts";
import {
  followCall,
  lastEventId,
  messagesIn,
  openSession,
  type SessionStream,
  toolCall,
} from "../support/session_client.ts";
import { pathOf as pathInCheckout } from "../support/spawn.ts";
import { tempDir } from "../support/temp_dir.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const STREAMS = 1_000;
const PER_SECOND = 200;
/** Of calls that must not fail: a machine that does not keep up fails some, in time and with a word. */
const FAILED_MAX = 0.1;
const PAUSED_MS = 15_000;
const HOUR_MS = 3_600_000;
/** See `failing_json.ts`. */
const UNWRITABLE = "cannot be written";
const LIST = { method: "tools/list" };

/** Replicas in front of the usual server. */
async function openWorld(options: FleetOptions) {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startEverything({ era: "both" }));
  const servers = { everything: entryOf(upstream.origin) };
  const fleet = stack.use(await openFleet({ ...options, servers }));
  const kept = stack.move();
  return { fleet, upstream, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function preloading(file: string): readonly string[] {
  return denoRun(["-A", `--preload=${pathInCheckout(`tests/support/${file}`)}`]);
}

longTest(
  `F42: a replica that is to end lets go of ${STREAMS} streams, and of no request`,
  async () => {
    await using world = await openCrowdWorld({
      members: 40,
      env: { SESSIONS_PER_PRINCIPAL: "10000", STREAMS_PER_PRINCIPAL: "10000" },
    });
    const { origin } = world.replicas[0]!;
    const token = await mintToken();
    const streams: SessionStream[] = [];
    for (let i = 0; i < STREAMS; i += 50) {
      streams.push(
        ...await Promise.all(Array.from({ length: 50 }, async () => {
          const stream = await (await openSession(origin, { path: pathOf("old"), token })).listen();
          assertEquals(await statusOf(stream, 30_000), 200);
          return stream;
        })),
      );
    }
    const traffic = startTraffic(world.members, PER_SECOND);
    await pause(2_000);
    let code: number | undefined;
    const ms = await timed(async () => code = await world.replicas[0]!.stop());
    await pause(2_000);
    await traffic.end();
    const all = [...traffic.modern, ...traffic.inSession];
    const failed = all.filter((one) => !isOk(one));
    await until("the end of the streams", () => streams.every((stream) => stream.ended()));
    const resumable = streams.filter((stream) => {
      const events = stream.events();
      return stream.ended() === "complete" && events.some(({ id }) => id !== undefined) &&
        events.some(({ retry }) => retry !== undefined);
    });
    figure("F42", `SIGTERM with ${STREAMS} streams open: ended after`, ms, "at most 30000", " ms");
    figure("F42", `of ${all.length} requests at ${PER_SECOND}/s failed`, failed.length, "0");
    console.log(`F42  errors: ${errorsOf(failed)}`);
    figure(
      "F42",
      "streams that end with a cursor and when to come again",
      resumable.length,
      `${STREAMS}`,
    );
    figure("F42", "wrong answers", world.findings().length, "0");
    for (const stream of streams) stream.close();
    assertEquals([code, world.findings()], [0, []]);
    assert(failedByGateways(failed).length <= FAILED_MAX * all.length, errorsOf(failed));
    assertEquals(resumable.length, STREAMS);
  },
);

longTest("F43: told twice, a replica ends at once", async () => {
  await using world = await openWorld({ count: 1 });
  const { fleet, upstream } = world;
  const [replica] = fleet.replicas;
  const before = await upstream.stats();
  const call = fleet.call("everything", "test_slow", { args: { ms: 60_000, label: "never" } })
    .catch(() => undefined);
  await until("the call", async () => (await upstream.stats()).started > before.started);
  replica!.signal("SIGTERM");
  await until("that it is told", () => replica!.stderr().includes("Stopping"));
  let code: number | undefined;
  const ms = await timed(async () => code = await replica!.stop());
  await call;
  figure("F43", "second SIGTERM: ended after", ms, "at most 1000", " ms");
  notStrictEqual(code, 0);
});

longTest("F45: a replica that slept does nothing that another has taken over", async () => {
  await using world = await openWorld({ count: 2 });
  const { fleet, upstream } = world;
  const [asleep, awake] = fleet.replicas;
  await using session = (await fleet.open("everything")).at(asleep!.origin);
  const before = await upstream.stats();
  const count = 100;
  const call = await session.open(toolCall("test_steps", { count, ms: 300 }, "mine"));
  await until("some events", () => call.messages()[3]);
  asleep!.signal("SIGSTOP");
  const there = await session.at(awake!.origin).listen(lastEventId(call.events()));
  const taken = await timed(() => until("the next event", () => there.messages()[0], 30_000));
  figure("F45", "SIGSTOP: another replica goes on after", taken, "at most 10000", " ms");
  await pause(PAUSED_MS);
  asleep!.signal("SIGCONT");
  const rest = await followCall(session.at(awake!.origin), there);
  await pause(1_000);
  const events = [...call.events(), ...rest];
  const byId = Map.groupBy(events.filter(({ data }) => data !== ""), ({ id }) => id);
  const different = [...byId.values()].filter((same) =>
    new Set(same.map(({ data }) => data)).size > 1
  );
  const messages = messagesIn([...byId.values()].map(([one]) => one!));
  const steps = messages.flatMap(({ params }) => (params as Message | undefined)?.progress ?? []);
  const ends = messages.filter((one) => "result" in one || "error" in one);
  const after = await upstream.stats();
  figure("F45", "executions", after.started - before.started, "1");
  figure("F45", "events of one id that differ, or the same under two", different.length, "0");
  const how = "result" in ends[0]! ? "its result" : "the word that its outcome is unknown";
  figure("F45", "ends of the call", ends.length, `1, here ${how}`);
  assertEquals(steps, Array.from({ length: steps.length }, (_, i) => i + 1));
  assertEquals(ends.length, 1);
  assertEquals([after.started - before.started, different], [1, []]);
  assertEquals((await session.send(LIST)).status, 200);
});

longTest("F46: clocks that are off, or jump, end no session and let nobody in", async () => {
  await using dir = await tempDir();
  const fileOf = (nth: number) => `${dir.path}/${nth}`;
  const set = async (...offsets: readonly number[]) => {
    await Promise.all(offsets.map((ms, nth) => Deno.writeTextFile(fileOf(nth), String(ms))));
    await pause(500);
  };
  await set(0, 0, 0);
  await using world = await openWorld({
    envOf: (nth) => ({ CLOCK_FILE: fileOf(nth) }),
    denoOf: () => preloading("shifted_clock.ts"),
  });
  const { fleet } = world;
  const seconds = Math.floor(Date.now() / 1_000);
  const token = await mintToken({ iat: seconds - 7_200, exp: seconds + 36_000 });
  const options = { path: pathOf("everything"), token };
  const ids = new Set<string>();
  const sessions = await Promise.all(
    Array.from({ length: 12 }, () => openSession(fleet.origin, options)),
  );
  const lost = async () => {
    let count = 0;
    for (const { origin } of fleet.replicas) {
      const opened = await openSession(origin, options);
      assert(!ids.has(opened.id));
      ids.add(opened.id);
      const replies = await Promise.all(sessions.map((session) => session.at(origin).send(LIST)));
      count += replies.filter(({ status }) => status === 404).length;
    }
    return count;
  };
  const judged = async (claims: Readonly<Record<string, unknown>>) => {
    const fresh = await mintToken(claims);
    return await Promise.all(
      fleet.replicas.map(async ({ origin: at }) =>
        (await fleet.call("everything", "test_simple_text", { at, token: fresh })).status
      ),
    );
  };
  await set(0, 20_000, -20_000);
  figure("F46", "clocks 20 s off: sessions ended", await lost(), "0");
  assertEquals(await judged({}), [200, 200, 200]);
  await set(0, HOUR_MS, -HOUR_MS);
  const off = await lost();
  figure("F46", "clocks an hour off", off, "0");
  const [own, ahead] = await judged({ exp: seconds - 300 });
  assertEquals([own, ahead], [401, 401]);
  await set(0, -HOUR_MS, HOUR_MS);
  const back = await lost();
  figure("F46", "two hours back, and forth", back, "0");
  await pause(3_000);
  const later = await lost();
  figure("F46", "after the next sweep", later, "0");
  assertEquals([off, back, later], [0, 0, 0]);
  await set(0, 0, 0);
  assertEquals(await judged({ exp: seconds - 300 }), [401, 401, 401]);
});

replicasTest("F50: what fails in one handler fails that request alone", async () => {
  await using world = await openWorld({ count: 1, denoOf: () => preloading("failing_json.ts") });
  const { fleet } = world;
  const api = await openApi(() => fleet.origin);
  const replies = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
    const body = { name: UNWRITABLE, slug: `failing-${i}` };
    const [failing, well] = await Promise.all([
      api.call("POST", "/teams", { body }),
      fleet.call("everything", "test_simple_text"),
    ]);
    return [failing.status, isGood(well)] as const;
  }));
  const statuses = [...new Set(replies.map(([status]) => status))];
  const well = replies.filter(([, isWell]) => isWell).length;
  figure(
    "F50",
    `a handler that fails 20 times, answered ${statuses.join()}: others served`,
    well,
    "20",
  );
  assertEquals([statuses, well], [[500], 20]);
  assertEquals((await fetch(`${fleet.origin}/health`)).status, 200);
});

longTest("F51: config files are taken over whole or not at all, and no request fails", async () => {
  await using world = await openCrowdWorld({ members: 40 });
  const { fleet, members } = world;
  const text = await Deno.readTextFile(fleet.configPath);
  const config = JSON.parse(text) as { mcpServers: Record<string, unknown> };
  const traffic = startTraffic(members, PER_SECOND);
  const isServed = async (at: string, name: string) =>
    (await callModern(at, { path: pathOf(name), token: fleet.token, method: "tools/list" }))
      .status !== 404;
  let last = "";
  const told = async (text: string) => {
    await Deno.writeTextFile(`${fleet.configPath}.next`, text);
    await Deno.rename(`${fleet.configPath}.next`, fleet.configPath);
    for (const replica of fleet.replicas) replica.signal("SIGHUP");
  };
  for (let i = 0; i < 10; i++) {
    const more = { [`more-${i}`]: config.mcpServers.both };
    await told(JSON.stringify({ mcpServers: { ...config.mcpServers, ...more } }));
    last = `more-${i}`;
    for (const { origin } of fleet.replicas) {
      await until(`${last} at ${origin}`, () => isServed(origin, last), 30_000);
    }
    await told(i % 2 === 0 ? text.slice(0, -20) : JSON.stringify({ mcpServers: { "no!": 1 } }));
    await pause(500);
    for (const { origin } of fleet.replicas) assert(await isServed(origin, last));
  }
  await traffic.end();
  const all = [...traffic.modern, ...traffic.inSession];
  const failed = all.filter((one) => !isOk(one));
  figure(
    "F51",
    `20 reloads, half of them invalid: of ${all.length} requests failed`,
    failed.length,
    "0",
  );
  console.log(`F51  errors: ${errorsOf(failed)}`);
  figure("F51", "wrong answers", world.findings().length, "0");
  assertEquals(world.findings(), []);
  assert(failedByGateways(failed).length <= FAILED_MAX * all.length, errorsOf(failed));
});
