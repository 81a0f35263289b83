/**
 * What several replicas share through Redis.
 *
 * @module
 */
import type { Config } from "../config/load.ts";
import type { Claims } from "../events/claims.ts";
import { createMemoryClaims } from "../events/memory_claims.ts";
import { alone, type Presence } from "../events/presence.ts";
import { createRedisClaims } from "../events/redis_claims.ts";
import { createRedisPost } from "../events/redis_post.ts";
import { createSeals } from "../events/redis_seals.ts";
import { alone as withoutOthers, createRemote, type Remote } from "../events/remote.ts";
import { createRedisPresence } from "../events/redis_presence.ts";
import { randomText } from "../platform/random.ts";
import { createRedis, type Redis } from "../platform/redis.ts";
import type { Timers } from "../platform/timers.ts";
import { box, type Platform } from "./base.ts";

export interface RedisSide {
  /** This process, and the way to others. */
  readonly remote: Remote;
  readonly presence: Presence;
  readonly claims: Claims;
  /** `undefined` without `REDIS_URL`. */
  readonly redis: Redis | undefined;
  /** Told of a value in Redis that this installation has not written. */
  readonly forged: () => void;
  /** What does not work at the moment, as stable words. */
  readonly degraded: () => readonly string[];
  readonly close: () => Promise<void>;
}

const REPLICA_BYTES = 12;

export function openRedis({ redisUrl }: Config, platform: Platform, timers: Timers): RedisSide {
  const { clock, log } = platform;
  const replica = randomText(REPLICA_BYTES);
  if (redisUrl === undefined) {
    const presence = alone(replica);
    return {
      remote: withoutOthers(replica),
      presence,
      claims: createMemoryClaims(new Map(), { presence }, replica),
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
  let count = 0;
  const forged = () => {
    count++;
    log.warning("A value in Redis was not written by this installation: dropped", { count });
  };
  const seals = createSeals(box(platform, "signals"), forged);
  const post = createRedisPost({ redis, presence, timers, seals, forged }, replica);
  const remote = createRemote({
    post,
    timers,
    failed: (kind, error) => log.warning("What another replica asked for failed", { kind, error }),
  });
  const claims = createRedisClaims({ redis, timers, presence }, replica);
  return {
    remote,
    presence,
    claims,
    redis,
    forged,
    degraded: () => redis.isUp() ? [] : ["redis"],
    async close() {
      await claims.close();
      await presence.close();
      remote.close();
      post.close();
      redis.close();
    },
  };
}
