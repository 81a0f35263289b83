/**
 * The fake Redis answers as the real one: the contracts of what is kept there hold on it too, and
 * commands at random have the same results on both.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createRedisClaims } from "../../src/events/redis_claims.ts";
import { createRedisPresence } from "../../src/events/redis_presence.ts";
import { createRedisStore } from "../../src/events/redis_store.ts";
import { createRedisDirectory } from "../../src/mcp/session/redis_directory.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { type Redis, redisKey, redisScript, type Reply } from "../../src/platform/redis.ts";
import { createSecretBox } from "../../src/platform/secret_box.ts";
import { claimsContract } from "../contract/claims.ts";
import { eventStoreContract } from "../contract/event_store.ts";
import { sessionDirectoryContract } from "../contract/session_directory.ts";
import { connectFakeRedis, createFakeRedis } from "./fake_redis/server.ts";
import { connectRedis, plainTimers as timers, redisTest, startRedis } from "./redis_server.ts";
import { type Seeded, seeded } from "./seeded.ts";
import { until } from "./until.ts";

const box = createSecretBox("0123456789-0123456789-0123456789", "test");

eventStoreContract("fake Redis", (options, clock) => {
  const redis = connectFakeRedis(createFakeRedis(clock.now));
  const deps = { redis, box, clock, time: () => String(clock.now()), forged: () => {} };
  const store = createRedisStore(deps, { ...options, replica: "here", sessionMs: 3_600_000 });
  return { ...store, [Symbol.dispose]: store.close };
}, { sweeps: false });

sessionDirectoryContract("SessionDirectory in a fake Redis", (clock, idleMs) => {
  const server = createFakeRedis(clock.now);
  const deps = { redis: connectFakeRedis(server), clock, time: () => String(clock.now()) };
  return Promise.resolve({
    directory: createRedisDirectory(deps, { idleMs }),
    rows: () => server.keys.names().length,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

claimsContract("claims in a fake Redis:", () => {
  const stack = new AsyncDisposableStack();
  const server = createFakeRedis(clock.now);
  const redis = connectFakeRedis(server);
  return Promise.resolve({
    async of(replica) {
      const presence = createRedisPresence({ redis, clock, timers }, replica);
      stack.adopt(presence, ({ close }) => close());
      await until("its presence", presence.isPresent);
      const claims = createRedisClaims({ redis, timers, presence }, replica);
      stack.adopt(claims, ({ close }) => close());
      const die = async () =>
        void await redis.ask("ZREM", redisKey("replicas", "present"), replica);
      return { claims, die };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  });
});

const ROUNDS = 15;
const STEPS = 60;
/** So that no step is done on one side of an end and on the other side of it on the other. */
const TTL_MS = 3_600_000;

redisTest("commands at random have the same results as on a real Redis", async () => {
  await using real = await startRedis();
  const redis = await connectRedis(real);
  const random = seeded("fake Redis and real one");
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const fake = connectFakeRedis(createFakeRedis(clock.now));
      await redis.ask("FLUSHALL");
      for (let step = 0; step < STEPS; step++) {
        const command = commandOf(random);
        const told = `seed ${random.seed}, round ${round}, step ${step}: ${command.join(" ")}`;
        assertEquals(await outcome(fake, command), await outcome(redis, command), told);
      }
    }
  } finally {
    redis.close();
  }
});

redisTest("scripts see and give what they do in a real Redis", async () => {
  await using real = await startRedis();
  const redis = await connectRedis(real);
  const fake = connectFakeRedis(createFakeRedis(clock.now));
  try {
    for (const [text, ...args] of SCRIPTS) {
      const script = redisScript(text);
      const run = ({ run }: Redis) => run(script, ["k"], args).then(told, () => "an error");
      assertEquals(await run(fake), await run(redis), text);
    }
  } finally {
    redis.close();
  }
});

const BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

const SCRIPTS: readonly (readonly [string, ...(string | Buffer)[]])[] = [
  ["return { 1, 2.9, -2.9, 'x', true, false, 3 }"],
  ["return { 1, nil, 3 }"],
  ["return nil"],
  ["return false"],
  ["return true"],
  ["return { {}, { 1, { 'x' } } }"],
  ["return KEYS[1] .. #ARGV .. ARGV[1] .. #ARGV[1]", BYTES],
  ["return 1667000000000 .. ' ' .. 1.5 .. ' ' .. 10 / 2 .. ' ' .. 2 ^ 53"],
  ["return string.format('%013d %d %s %d', 42, 7.0, 'x', 1667000000000)"],
  ["return tostring(tonumber('12')) .. tostring(tonumber('1.5')) .. tostring(tonumber('x'))"],
  ["return redis.call('SET', KEYS[1], 0.1) and redis.call('ZADD', 'z', 1.5, 'x')"],
  ["return { redis.call('ZSCORE', 'z', 'x'), redis.call('ZSCORE', 'z', 'y') }"],
  ["redis.call('ZADD', 'z', 1667000000000 + 0.25, 'y') return redis.call('ZSCORE', 'z', 'y')"],
  ["return redis.call('HMGET', 'h', 'a', 'b')"],
  ["return redis.call('HGET', 'h', 'a') == false and 1 or 0"],
  ["return redis.call('RPUSH', KEYS[1], 'x')"],
  ["return redis.call('NOSUCH')"],
  ["return unknown.value"],
  ["local x = 'a' .. 1 return string.match('12 34', '^(%d+) ') .. x .. math.max(1, 2)"],
  ["return redis.call('PEXPIRE', 'k', 1.5)"],
];

type Command = readonly string[];

async function outcome(redis: Redis, command: Command): Promise<unknown> {
  const reply = await redis.ask(...command).then(told, () => "an error");
  const [name] = command;
  // Hashes have no order, and these are their fields.
  return name === "HGETALL" && typeof reply === "object" ? pairsOf(reply) : reply;
}

/** What differs between a server's protocols is not what is compared here. */
function told(reply: Reply): unknown {
  if (Buffer.isBuffer(reply)) return `"${reply.toString("latin1")}"`;
  if (Array.isArray(reply)) return reply.map(told);
  return reply;
}

function pairsOf(reply: unknown): unknown {
  const flat = Array.isArray(reply) ? reply : Object.entries(reply as object).flat();
  const texts = flat.map((one) => String(one).replaceAll('"', ""));
  return texts.flatMap((text, i) => i % 2 === 0 ? [`${text}=${texts[i + 1]}`] : []).sort();
}

const NAMES = ["a", "b", "c", "d"];

function commandOf(random: Seeded): Command {
  const make = random.pick(COMMANDS);
  const name = () => random.pick(NAMES);
  const at = () => String(random.below(7) - 3);
  // A key is mostly of one kind, and sometimes taken for another.
  const key = (kind: string) => `${random.below(40) === 0 ? "other" : kind}${random.below(2)}`;
  return make({ name, at, key, score: () => String(random.below(5) + random.below(2) / 2) });
}

interface Making {
  readonly name: () => string;
  readonly at: () => string;
  readonly key: (kind: string) => string;
  readonly score: () => string;
}

const COMMANDS: readonly ((making: Making) => Command)[] = [
  ({ key, name }) => ["HSET", key("h"), name(), name(), name(), name()],
  ({ key, name }) => ["HDEL", key("h"), name(), name()],
  ({ key, name }) => ["HGET", key("h"), name()],
  ({ key, name }) => ["HMGET", key("h"), name(), name()],
  ({ key }) => ["HGETALL", key("h")],
  ({ key, name }) => ["RPUSH", key("l"), name(), name()],
  ({ key }) => ["LPOP", key("l")],
  ({ key, at }) => ["LINDEX", key("l"), at()],
  ({ key, at }) => ["LRANGE", key("l"), at(), at()],
  ({ key, name }) => ["LREM", key("l"), "1", name()],
  ({ key }) => ["LLEN", key("l")],
  ({ key, score, name }) => ["ZADD", key("z"), score(), name(), score(), name()],
  ({ key, score, name }) => ["ZADD", key("z"), "NX", score(), name()],
  ({ key, score, name }) => ["ZADD", key("z"), "XX", score(), name()],
  ({ key, name }) => ["ZREM", key("z"), name()],
  ({ key }) => ["ZCARD", key("z")],
  ({ key, at }) => ["ZRANGE", key("z"), at(), at()],
  ({ key, score }) => ["ZRANGE", key("z"), `(${score()}`, "+inf", "BYSCORE"],
  ({ key, score }) => ["ZRANGEBYSCORE", key("z"), "-inf", score(), "LIMIT", "0", "2"],
  ({ key, score }) => ["ZREMRANGEBYSCORE", key("z"), "-inf", score()],
  ({ key, name }) => ["SET", key("s"), name(), "PX", String(TTL_MS)],
  ({ key }) => ["GET", key("s")],
  ({ key }) => ["GET", key("h")],
  ({ key }) => ["UNLINK", key("s"), key("l"), key("h")],
  ({ key }) => ["PEXPIRE", key("z"), String(TTL_MS)],
  ({ key }) => ["PEXPIRE", key("h"), "0"],
  ({ key }) => ["XLEN", key("x")],
  ({ key }) => ["XRANGE", key("none"), "-", "+", "COUNT", "2"],
];

redisTest("streams for signals are as in a real Redis", async () => {
  await using real = await startRedis();
  const redis = await connectRedis(real);
  const fake = connectFakeRedis(createFakeRedis(clock.now));
  try {
    assertEquals(await signals(fake), await signals(redis));
  } finally {
    redis.close();
  }
});

/** Without the times, which are no part of it. */
async function signals({ ask, run }: Redis): Promise<unknown> {
  const add = redisScript("return redis.call('XADD', KEYS[1], 'MAXLEN', 3, '*', ARGV[1], ARGV[2])");
  for (const text of ["1", "2", "3", "4"]) await run(add, ["x"], ["from", text]);
  const taken = await ask("XRANGE", "x", "-", "+", "COUNT", "2") as Reply[][];
  const gone = await ask("XDEL", "x", String(taken[0]![0]));
  return [taken.map(([, fields]) => told(fields!)), gone, await ask("XLEN", "x")];
}
