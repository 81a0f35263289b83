/**
 * The connection of a process to the Redis of a simulation, and all that may happen to it: as
 * `platform/redis.ts` behaves where nothing is certain.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { GatewayError } from "../../src/domain/errors.ts";
import type { Changed, Heard, Redis, RedisArgument, Reply } from "../../src/platform/redis.ts";
import type { Timer } from "../../src/platform/timers.ts";
import type { RedisValue } from "../support/fake_redis/commands.ts";
import { bytesText, type FakeRedis, replyOf } from "../support/fake_redis/server.ts";
import type { Seeded } from "../support/seeded.ts";
import { createLine, type Process, type Schedule } from "./time.ts";

/** The server, as connections find it. */
export interface SimRedis {
  readonly server: FakeRedis;
  /** Runs a script, and looks what it did. */
  readonly run: FakeRedis["run"];
  readonly isUp: () => boolean;
  /** Does it when the server is not frozen. */
  readonly awake: (happen: () => void) => void;
  /** How often what is published comes: 0, 1 or 2. */
  readonly copies: () => number;
}

export interface RedisLink extends Redis {
  /** The connection breaks: some of what is on its way is carried out. */
  readonly cut: () => void;
  /** Whether the server can be reached from here at all. */
  readonly reach: (canReach: boolean) => void;
  /** Up to so long takes each way. */
  readonly delay: (ms: number) => void;
  readonly waiting: () => number;
  readonly subscriptions: () => number;
}

interface Connection {
  isLost: boolean;
  /** What is on its way there. */
  readonly sent: Set<Sent>;
  readonly stops: Map<string, () => void>;
  readonly there: ReturnType<typeof createLine>;
  readonly back: ReturnType<typeof createLine>;
}

interface Sent {
  isDropped: boolean;
  readonly reject: (error: unknown) => void;
  timer: Timer;
}

const COMMAND_MS = 450;
const LAST_MS = 50;
const USUAL_MS = 2;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;

export function createRedisLink(
  { schedule, process, redis, random }: {
    readonly schedule: Schedule;
    readonly process: Process;
    readonly redis: SimRedis;
    readonly random: Seeded;
  },
): RedisLink {
  const { timers } = process;
  const listeners: Changed[] = [];
  const channels = new Map<string, Set<Heard>>();
  let live: Connection | undefined;
  let delayMs = USUAL_MS;
  let canReach = true;
  let retryMs = RETRY_MS_MIN;
  const latency = () => 0.05 + random.below(1000) / 1000 * delayMs;

  function lose(connection: Connection): void {
    if (connection.isLost) return;
    connection.isLost = true;
    for (const stop of connection.stops.values()) stop();
    for (const one of connection.sent) {
      one.timer.cancel();
      one.reject(away());
    }
    connection.sent.clear();
    if (live !== connection) return;
    live = undefined;
    for (const changed of listeners) changed(false);
    later();
  }

  function later(): void {
    timers.after(retryMs * (1 + random.below(200) / 1000), connect);
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
  }

  function connect(): void {
    schedule.after(latency(), () => {
      if (!redis.isUp() || !canReach) return process.arrive(latency(), later);
      redis.awake(() => process.arrive(2 * latency(), connected));
    });
  }

  function connected(): void {
    if (!redis.isUp() || !canReach) return later();
    retryMs = RETRY_MS_MIN;
    const there = createLine(schedule, latency);
    const back = createLine(schedule, latency);
    live = { isLost: false, sent: new Set(), stops: new Map(), there, back };
    for (const [name, all] of channels) {
      listen(live, name);
      for (const heard of all) heard(undefined);
    }
    for (const changed of listeners) changed(true);
  }

  function listen(connection: Connection, name: string): void {
    connection.there(schedule.after, () => {
      if (connection.isLost || connection.stops.has(name)) return;
      connection.stops.set(
        name,
        redis.server.subscribe(name, (message) => {
          for (let left = redis.copies(); left > 0; left--) {
            connection.back(process.arrive, () => {
              if (connection.isLost) return;
              for (const heard of channels.get(name) ?? []) heard(Buffer.from(message, "latin1"));
            });
          }
        }),
      );
    });
  }

  function ask(carryOut: () => RedisValue): Promise<Reply> {
    const connection = live;
    if (connection === undefined) return Promise.reject(away());
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const timer = timers.after(COMMAND_MS, () => {
      sent.timer = timers.after(LAST_MS, () => lose(connection));
    });
    const sent: Sent = { isDropped: false, reject, timer };
    connection.sent.add(sent);
    connection.there(schedule.after, () =>
      redis.awake(() => {
        // What was given up is carried out all the same, unless it was lost on its way.
        if (sent.isDropped || !redis.isUp()) return;
        const outcome = settled(carryOut);
        connection.back(process.arrive, () => {
          if (connection.isLost) return;
          connection.sent.delete(sent);
          sent.timer.cancel();
          if ("value" in outcome) resolve(replyOf(outcome.value));
          else reject(away(outcome.error));
        });
      }));
    return promise;
  }

  function cut(): void {
    const connection = live;
    if (connection === undefined) return;
    // Nothing that comes after what was lost.
    let left = random.below(connection.sent.size + 1);
    for (const one of connection.sent) one.isDropped = left-- <= 0;
    lose(connection);
  }

  connect();
  return {
    run({ text }, keys, args) {
      const texts = args.map(textOf);
      return ask(() => redis.run(text, keys, texts));
    },
    ask(...command) {
      const texts = command.map(textOf);
      return ask(() => redis.server.ask(texts));
    },
    subscribe(channel, heard) {
      const others = channels.get(channel);
      if (others === undefined) {
        channels.set(channel, new Set([heard]));
        if (live !== undefined) listen(live, channel);
      } else others.add(heard);
      return () => {
        const left = channels.get(channel);
        if (!left?.delete(heard) || left.size > 0) return;
        channels.delete(channel);
        live?.stops.get(channel)?.();
        live?.stops.delete(channel);
      };
    },
    isUp: () => live !== undefined,
    onChange: (changed) => void listeners.push(changed),
    close() {},
    cut,
    reach(can) {
      canReach = can;
      if (!can) cut();
    },
    delay: (ms) => void (delayMs = ms),
    waiting: () => live?.sent.size ?? 0,
    subscriptions: () => channels.size,
  };
}

/** As it is now: whoever sent it may overwrite it. */
const textOf = (argument: RedisArgument) => bytesText(argument);

export const USUAL_DELAY_MS = USUAL_MS;

function settled(carryOut: () => RedisValue) {
  try {
    return { value: carryOut() };
  } catch (error) {
    return { error };
  }
}

function away(cause?: unknown): GatewayError {
  return new GatewayError("unavailable", "The gateway cannot reach Redis at the moment", { cause });
}
