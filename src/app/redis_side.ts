/**
 * What several replicas share through Redis.
 *
 * @module
 */
import type { Config } from "../config/load.ts";
import { alone, type Presence, type ReplicaId } from "../events/presence.ts";
import { createRedisPresence } from "../events/redis_presence.ts";
import { randomText } from "../platform/random.ts";
import { createRedis, type Redis } from "../platform/redis.ts";
import type { Timers } from "../platform/timers.ts";
import type { Platform } from "./base.ts";

export interface RedisSide {
  /** This process, for the others. */
  readonly replica: ReplicaId;
  readonly presence: Presence;
  /** `undefined` without `REDIS_URL`. */
  readonly redis: Redis | undefined;
  /** Told of a value in Redis that this installation has not written. */
  readonly forged: () => void;
  /** What does not work at the moment, as stable words. */
  readonly degraded: () => readonly string[];
  readonly close: () => Promise<void>;
}

const REPLICA_BYTES = 12;

export function openRedis(
  { redisUrl }: Config,
  { clock, log }: Platform,
  timers: Timers,
): RedisSide {
  const replica = randomText(REPLICA_BYTES);
  if (redisUrl === undefined) {
    return {
      replica,
      presence: alone(replica),
      redis: undefined,
      forged() {},
      degraded: () => [],
      close: () => Promise.resolve(),
    };
  }
  const redis = createRedis(redisUrl, { timers });
  redis.onChange((isUp, cause) => {
    if (isUp) log.info("Redis can be used", { replica });
    else log.warning("Redis is away: clients with sessions are told to wait", { error: cause });
  });
  const presence = createRedisPresence({ redis, clock, timers }, replica);
  let forged = 0;
  return {
    replica,
    presence,
    redis,
    forged() {
      forged++;
      log.warning("A value in Redis was not written by this installation: dropped", { forged });
    },
    degraded: () => redis.isUp() ? [] : ["redis"],
    async close() {
      await presence.close();
      redis.close();
    },
  };
}
