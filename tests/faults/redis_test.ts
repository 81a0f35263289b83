/**
 * F20, F22, F24 to F29: Redis that is away at the start, restarts, is slow, fails over, is full, holds
 * what is damaged, or whose word is lost, while three replicas serve. F21 and F23 are in
 * `crowd_test.ts`.
 *
 * @module
 * @see security.md, section 5.2; docs/scaling.md, "When something dies"
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { figure, percentile, timed } from "../support/figures.ts";
import { longTest, pause } from "../support/fleet.ts";
import { IS_LONG } from "../support/long.ts";
import type { Message } from "../support/modern.ts";
import { statusOf } from "../support/open_reply.ts";
import { headerOf } from "../support/raw_http.ts";
import { openRedisWorld, untilUsed } from "../support/redis_faults.ts";
import { startRedis } from "../support/redis_server.ts";
import { replicasTest } from "../support/replicas.ts";
import {
  followCall,
  lastEventId,
  messagesIn,
  type StreamEvent,
  toolCall,
} from "../support/session_client.ts";
import { until } from "../support/until.ts";

const BACK = "at most 5000";
const REPLICAS = IS_LONG ? 3 : 2;
const LIST = { method: "tools/list" };

longTest(
  "F20: a replica whose Redis is away at the start serves what needs none, and waits",
  async () => {
    await using world = await openRedisWorld();
    const { fleet, redis, ready } = world;
    const replica = fleet.replicas[0]!;
    await replica.stop();
    await redis.kill();
    await replica.start();
    const { status, body } = await until("its word", async () => {
      const word = await ready(0);
      return !JSON.stringify(word.body).includes("starting") && word;
    });
    assertEquals([status, body.degraded], [200, ["redis"]]);
    const isServed = await world.call(replica.origin);
    await redis.start();
    figure(
      "F20",
      "Redis down at the start: ready after its return",
      await world.untilNoted(false),
      BACK,
      " ms",
    );
    figure(
      "F20",
      "calls without a session are served meanwhile",
      Number(isServed),
      "as configured",
    );
    assertEquals((await ready(0)).status, 200);
    await using session = await world.open();
    await untilUsed(session.at(replica.origin));
  },
);

longTest(
  "F22: sessions go on when Redis was restarted with its data, and who listens hears",
  async () => {
    await using world = await openRedisWorld({
      args: ["--appendonly", "yes", "--appendfsync", "always"],
    });
    const { fleet, redis } = world;
    const sessions = await Promise.all(Array.from({ length: 20 }, () => world.open()));
    using stream = await sessions[0]!.listen();
    await statusOf(stream);
    await redis.kill();
    const ms = await timed(async () => {
      await redis.start();
      await Promise.all(sessions.map(untilUsed));
    });
    figure(
      "F22",
      `restart with data: ${sessions.length} sessions used again after`,
      ms,
      BACK,
      " ms",
    );
    for (const { origin } of fleet.replicas) {
      const data = `from ${origin}`;
      const isHeard = () => JSON.stringify(stream.messages()).includes(data);
      // Who listened may have to come again: then that is said by the end of the stream.
      const aside = toolCall("test_aside", { data });
      assertEquals((await sessions[0]!.at(origin).send(aside)).status, 200);
      if (stream.ended() === undefined) {
        await until("what is said", () => isHeard() || stream.ended());
      }
    }
    figure(
      "F22",
      "streams that broke off, for the client to come again",
      stream.ended() ? 1 : 0,
      "told",
    );
  },
);

longTest(
  "F24: a slow Redis delays sessions, one that is too slow stops them, and nothing else",
  async () => {
    await using world = await openRedisWorld();
    const { ways } = world;
    await using session = await world.open();
    for (const latencyMs of [0, 100, 2_000]) {
      // There and back.
      for (const way of ways) way.set({ latencyMs: latencyMs / 2 });
      await pause(3_000);
      const lags: number[] = [];
      const calls: boolean[] = [];
      const waits: number[] = [];
      const endMs = performance.now() + 5_000;
      const probes = world.fleet.replicas.map(async ({ origin }) => {
        while (performance.now() < endMs) {
          lags.push(
            await timed(async () => await (await fetch(`${origin}/health`)).body?.cancel()),
          );
          await pause(20);
        }
      });
      const load = Array.from({ length: 10 }, async () => {
        while (performance.now() < endMs) {
          calls.push(await world.call());
          waits.push(await timed(() => session.send(LIST)));
          await pause(100);
        }
      });
      await Promise.all([...probes, ...load]);
      const what = `${latencyMs} ms latency:`;
      figure(
        "F24",
        `${what} /health p99, the loop's lag in it`,
        percentile(lags, 99),
        "under 50",
        " ms",
      );
      figure(
        "F24",
        `${what} longest answer of a session`,
        Math.max(...waits),
        "at most 2000",
        " ms",
      );
      assert(calls.every(Boolean), "A call without a session failed");
    }
    for (const way of ways) way.set({});
    figure("F24", "sessions work again after", await untilUsed(session), BACK, " ms");
  },
);

longTest(
  "F25: another Redis takes over that has missed the last moment, and nothing runs twice",
  async () => {
    await using world = await openRedisWorld();
    const { redis, ways, upstream } = world;
    await using heir = await startRedis();
    await heir.cli("replicaof", "127.0.0.1", String(redis.port));
    await until(
      "the copy",
      async () => (await heir.cli("info", "replication")).includes("master_link_status:up"),
    );
    await using session = await world.open();
    const before = await upstream.stats();
    const call = await session.open(toolCall("test_steps", { count: 20, ms: 200 }, "mine"));
    await until("an event", () => call.messages()[3]);
    // From here on what is written is lost.
    await heir.cli("replicaof", "no", "one");
    await until("events that the heir does not have", () => call.messages()[6]);
    for (const way of ways) way.lead(heir.port);
    await redis.kill();
    const ms = await untilUsed(session);
    figure("F25", "failover: sessions are used again after", ms, BACK, " ms");
    const events = await followCall(session, call);
    const numbers = progressIn(events);
    assertEquals(numbers, [...new Set(numbers)], "Something was said twice");
    assertEquals(events.length, new Set(events.map(({ id }) => id)).size);
    const after = await upstream.stats();
    figure("F25", "executions of the call that ran", after.started - before.started, "1");
    figure("F25", "of 20 steps shown", numbers.length, "all, or an end that says so");
    assertEquals(after.started - before.started, 1);
  },
);

longTest(
  "F26: a replica that Redis cannot be reached from says so, and serves what needs none",
  async () => {
    await using world = await openRedisWorld({ count: REPLICAS });
    const { fleet, ways } = world;
    const { origin } = fleet.replicas[0]!;
    await using session = await world.open();
    ways[0]!.set({ isHole: true });
    const noticed = await world.untilNoted(true, [0]);
    figure("F26", "cut off: said by /ready after", noticed, BACK, " ms");
    const refused = await until("its refusal", async () => {
      const reply = await session.at(origin).send(LIST);
      return reply.status === 503 && reply;
    });
    assertEquals(headerOf(refused, "retry-after"), "1");
    assert(await world.call(origin));
    // The others are not concerned.
    await untilUsed(session.at(fleet.replicas[1]!.origin));
    figure(
      "F26",
      "a client that comes again is served after",
      await untilUsed(session),
      "no hang",
      " ms",
    );
    ways[0]!.set({});
    const back = await world.untilNoted(false, [0]);
    figure("F26", "back after", back + await untilUsed(session.at(origin)), BACK, " ms");
  },
);

const UNWRITABLE = {
  "full": { on: ["maxmemory", "1"], off: ["maxmemory", "0"] },
  "read-only": { on: ["min-replicas-to-write", "1"], off: ["min-replicas-to-write", "0"] },
} as const;

for (const [what, { on, off }] of Object.entries(UNWRITABLE)) {
  longTest(
    `F27: a Redis that is ${what} counts as away, and no write is lost without a word`,
    async () => {
      await using world = await openRedisWorld();
      const { redis } = world;
      await using session = await world.open();
      await redis.cli("config", "set", ...on);
      const ms = await timed(() =>
        until("the refusal", async () => (await session.send(LIST)).status === 503)
      );
      figure("F27", `${what}: first 503 after`, ms, "surfaced", " ms");
      assert(await world.call());
      await redis.cli("config", "set", ...off);
      figure("F27", `${what}: sessions work again after`, await untilUsed(session), BACK, " ms");
    },
  );
}

longTest("F27: a session that was evicted is none, and its client opens another", async () => {
  await using world = await openRedisWorld();
  const sessions = await Promise.all(Array.from({ length: 10 }, () => world.open()));
  await world.redis.cli("eval", DELETE_SESSIONS, "0");
  const ended = await until("that it is known", async () => {
    const replies = await Promise.all(sessions.map((session) => session.send(LIST)));
    return replies.every(({ status }) => status === 404) && replies.length;
  });
  figure("F27", "evicted: sessions that are 404", ended, String(sessions.length));
  await using anew = await world.open();
  await untilUsed(anew);
});

const DELETE_SESSIONS =
  "for _, key in ipairs(redis.call('keys', '*}:session')) do redis.call('del', key) end";

/** Writes over whatever there is, kind by kind. */
const DAMAGE = `for _, key in ipairs(redis.call('keys', '*')) do
  local kind = redis.call('type', key).ok
  if kind == 'hash' then
    for _, name in ipairs(redis.call('hkeys', key)) do redis.call('hset', key, name, 'damaged') end
  elseif kind == 'list' then
    for i = 1, redis.call('llen', key) do redis.call('lset', key, i - 1, 'damaged') end
  elseif kind == 'string' then redis.call('set', key, 'damaged', 'KEEPTTL')
  elseif kind == 'zset' then redis.call('zadd', key, 1, 'damaged')
  elseif kind == 'set' then redis.call('sadd', key, 'damaged')
  end
end`;

replicasTest(
  "F28: whatever Redis holds may be damaged: nobody crashes, nobody is somebody else",
  async () => {
    await using world = await openRedisWorld({ count: REPLICAS });
    const { fleet, redis } = world;
    const sessions = await Promise.all(Array.from({ length: 10 }, () => world.open()));
    const streams = await Promise.all(sessions.map((session) => session.listen()));
    await Promise.all(streams.map((stream) => statusOf(stream)));
    const running = await sessions[0]!.open(toolCall("test_steps", { count: 5, ms: 100 }, "mine"));
    await until("an event", () => running.messages()[0]);
    const damaged = await redis.cli("eval", DAMAGE, "0");
    assertEquals(damaged, "");
    const statuses = new Set<number>();
    await until("the end of all of them", async () => {
      const replies = await Promise.all(sessions.map((session) => session.send(LIST)));
      for (const { status } of replies) statuses.add(status);
      return replies.every(({ status }) => status === 404);
    });
    for (const stream of streams) stream.close();
    running.close();
    const ms = await timed(async () => {
      const anew = await until("a new session", () => world.open().catch(() => undefined), 30_000);
      await untilUsed(anew);
    });
    const alive = await Promise.all(
      fleet.replicas.map(({ origin }) =>
        fetch(`${origin}/ready`).then(({ ok }) => ok, () => false)
      ),
    );
    const crashed = alive.filter((isAlive) => !isAlive).length;
    figure("F28", "damaged: replicas that crashed", crashed, "0");
    figure("F28", "a new session works after", ms, "at most 10000", " ms");
    assertEquals(crashed, 0);
    assertEquals([...statuses].filter((status) => ![200, 404, 503].includes(status)), []);
  },
);

longTest("F29: word that is lost costs time, not what was said", async () => {
  await using world = await openRedisWorld({ count: 2 });
  const { fleet, ways } = world;
  const [a, b] = fleet.replicas.map(({ origin }) => origin);
  await using session = (await world.open()).at(a!);
  const call = await session.open(toolCall("test_steps", { count: 50, ms: 100 }, "mine"));
  await until("an event", () => call.messages()[0]);
  call.close();
  using there = await session.at(b!).listen(lastEventId(call.events()));
  await statusOf(there);
  // Whatever is published while the reader's connection is made anew is lost to it.
  const losing = setInterval(ways[1]!.reset, 700);
  let longest = 0;
  let lastMs = performance.now();
  let count = 0;
  await until("the response", () => {
    const messages = there.messages();
    if (messages.length > count) {
      longest = Math.max(longest, performance.now() - lastMs);
      [count, lastMs] = [messages.length, performance.now()];
    }
    return there.ended() ?? messages.some((one) => "result" in one);
  }, 60_000);
  clearInterval(losing);
  const events = await followCall(session.at(b!), there);
  figure("F29", "word lost: longest silence of a stream of 10 a second", longest, "no hang", " ms");
  const first = progressIn(call.events());
  assertEquals([...first, ...progressIn(events)], Array.from({ length: 50 }, (_, i) => i + 1));
});

function progressIn(events: readonly StreamEvent[]): number[] {
  return messagesIn(events).flatMap(({ params }) => {
    const progress = (params as Message | undefined)?.progress;
    return typeof progress === "number" ? [progress] : [];
  });
}
