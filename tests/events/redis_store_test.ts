/**
 * The event store in Redis: the contract, and what several processes on one Redis can rely on.
 *
 * @module
 * @see security.md, EVT-09, F25, F27, F28, F29
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { createRedisStore } from "../../src/events/redis_store.ts";
import type { EventStoreOptions, News } from "../../src/events/store.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { REDIS_TIME, redisKey } from "../../src/platform/redis.ts";
import { createSecretBox } from "../../src/platform/secret_box.ts";
import { eventStoreContract } from "../contract/event_store.ts";
import { ROOMY, shortcuts } from "../contract/event_store/case.ts";
import { messages } from "../support/event_model.ts";
import {
  connectRedis,
  IS_SKIPPED,
  type RedisServer,
  startCluster,
} from "../support/redis_server.ts";
import { until } from "../support/until.ts";

let server: RedisServer;
Deno.test.beforeAll(async () => {
  if (!IS_SKIPPED) server = await startCluster();
});
Deno.test.afterAll(async () => await server?.[Symbol.asyncDispose]());

const box = createSecretBox("0123456789-0123456789-0123456789", "test");

if (!IS_SKIPPED) {
  eventStoreContract("redis", async (options, clock) => {
    const redis = await connectRedis(server);
    await redis.ask("FLUSHALL");
    const deps = { redis, box, clock, time: () => String(clock.now()), forged: () => {} };
    const store = createRedisStore(deps, { ...options, replica: "here", sessionMs: 3_600_000 });
    return {
      ...store,
      [Symbol.dispose]() {
        store.close();
        redis.close();
      },
    };
  }, { sweeps: false });
}

const KEY = (name: string) => redisKey("session", name);

test("two writers on one stream leave no hole and keep their orders", async ({ open }) => {
  const [a, b] = [await open("a"), await open("b")];
  await a.open("s", { runner: "" });
  const writer = async (store: typeof a, name: string) => {
    const numbers = [];
    for (let i = 0; i < 100; i++) numbers.push(store.append("s", `${name} ${i}`, `${name} ${i}'`));
    return await Promise.all(numbers);
  };
  const numbers = (await Promise.all([writer(a, "a"), writer(b, "b")])).flat();
  assertEquals(
    numbers.toSorted((x, y) => x! - y!),
    Array.from({ length: 200 }, (_, i) => 2 * i + 2),
  );
  const kept = (await b.kept("s"))!.map((text) => text.split(" "));
  assertEquals(kept.map(([seq]) => Number(seq)), Array.from({ length: 400 }, (_, i) => i + 1));
  for (const name of ["a", "b"]) {
    const order = kept.filter((words) => words[1] === name).map((words) => words[2]);
    assertEquals(order, Array.from({ length: 100 }, (_, i) => [`${i}`, `${i}'`]).flat());
  }
});

test("who follows elsewhere is told that there is something to read", async ({ open }) => {
  const [a, b] = [await open("a"), await open("b")];
  await a.open("s", { runner: "" });
  const heard: (News | undefined)[] = [];
  const stop = b.store.follow("s", (news) => heard.push(news));
  await b.kept("s");
  await a.append("s", "x", "y");
  await a.end("s");
  await until("the news", () => heard.length === 2);
  assertEquals(heard, [
    { firstSeq: 3, events: [], isEnded: false },
    { firstSeq: 3, events: [], isEnded: true },
  ]);
  await a.store.erase("session");
  await until("the end", () => heard.length === 3 && heard[2] === undefined);
  stop();
});

test("F29: what was published in vain is found by the next sweep", async ({ open, cli }) => {
  const [a, b] = [await open("a"), await open("b")];
  await a.open("s", { runner: "" });
  const heard: number[] = [];
  b.store.follow("s", (news) => heard.push(news!.firstSeq));
  await b.kept("s");
  // As an append of which nothing is heard.
  await cli("hset", KEY("stream:s"), "last", "7");
  await b.store.sweep();
  assertEquals(heard, [8]);
  await b.store.sweep();
  assertEquals(heard, [8]);
});

test("F27: a stream whose events were evicted shows them as lost", async ({ open, cli }) => {
  const a = await open("a");
  await a.open("s");
  await a.append("s", "x", "y");
  await cli("del", KEY("events:s"));
  assertEquals(await a.kept("s"), []);
  assertEquals(await a.append("s", "z"), 3);
  assertEquals(await a.kept("s"), ["3 z"]);
});

test("F27: a stream that was evicted is gone, and takes nothing more", async ({ open, cli }) => {
  const a = await open("a");
  await a.open("s");
  await a.append("s", "x");
  await cli("del", KEY("stream:s"));
  assertEquals(await a.store.find("s"), undefined);
  assertEquals(await a.append("s", "y"), undefined);
});

test("F25: a number that was given is not given again by a server that is behind", async ({ open, cli }) => {
  const a = await open("a");
  await a.open("s");
  await a.append("s", "x", "y", "z");
  await cli("hset", KEY("stream:s"), "last", "1");
  await cli("ltrim", KEY("events:s"), "0", "0");
  assertEquals(await a.append("s", "new"), 4);
  assertEquals(await a.kept("s"), ["4 new"]);
});

test("F28: what somebody else has written is dropped, and counted", async ({ open, cli, forged }) => {
  const a = await open("a");
  await a.open("s", { note: "n" });
  await a.append("s", "x", "y");
  await cli("lset", KEY("events:s"), "1", `n${"9".repeat(13)}${"A".repeat(40)}`);
  assertEquals(await a.kept("s"), ["1 x"]);
  await cli("hset", KEY("stream:s"), "note", "nothing sealed");
  assertEquals(await a.store.find("s"), undefined);
  assertEquals(forged(), 2);
});

test("F28: a value of another stream, or of another kind, crashes nothing", async ({ open, cli }) => {
  const a = await open("a");
  await a.open("s");
  await a.open("t");
  await a.append("s", "x");
  await cli("rename", KEY("events:s"), KEY("events:t"));
  await cli("hset", KEY("stream:t"), "last", "1");
  assertEquals(await a.kept("t"), []);
  await cli("set", KEY("events:s"), "text");
  await assertRejects(a.append("s", "y"), { code: "unavailable" });
  assertEquals(await a.append("t", "z"), 2);
});

test("EVT-09: a reader of Redis sees no message, note or event id", async ({ open, cli }) => {
  const a = await open("a");
  await a.open("s", { note: "the marker" });
  await a.store.append("s", messages(["the marker", { response: "the marker" }]), {
    upstreamEventId: "the marker",
  });
  for (const key of (await cli("keys", "*")).split("\n")) {
    const dump = await cli("--no-raw", "dump", key);
    assertEquals(dump.includes("marker"), false, key);
  }
});

test("every key has an end", async ({ open, cli }) => {
  const a = await open("a", { eventsMax: 2 });
  await a.open("s", { runner: "" });
  await a.append("s", { response: "x" }, "y", "z");
  await a.open("t");
  await a.end("t", "z");
  const keys = (await cli("keys", "*")).split("\n").filter(Boolean);
  assertEquals(keys.length, 7);
  for (const key of keys) assert(Number(await cli("pttl", key)) > 0, key);
});

test("what Redis forgets by itself is gone for everybody", async ({ open }) => {
  const a = await open("a", { ttlMs: 50 });
  await a.open("s");
  await a.end("s", "x");
  await until("its end", async () => await a.store.find("s") === undefined);
  assertEquals(await a.open("s"), true);
});

type Store = ReturnType<typeof shortcuts>;

interface World {
  readonly open: (replica: string, bounds?: Partial<EventStoreOptions>) => Promise<Store>;
  readonly cli: RedisServer["cli"];
  readonly forged: () => number;
}

/** With Redis' own time, and a connection for each store. */
function test(name: string, body: (world: World) => Promise<void>): void {
  Deno.test({
    name: `redis: ${name}`,
    ignore: IS_SKIPPED,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await server.cli("flushall");
      let forged = 0;
      await body({
        async open(replica, bounds) {
          const redis = stack.adopt(await connectRedis(server), ({ close }) => close());
          const forgedOne = () => void forged++;
          const deps = { redis, box, clock: systemClock, time: REDIS_TIME, forged: forgedOne };
          const options = { ...ROOMY, ...bounds, replica, sessionMs: 3_600_000 };
          return shortcuts(stack.adopt(createRedisStore(deps, options), ({ close }) => close()));
        },
        cli: server.cli,
        forged: () => forged,
      });
    },
  });
}
