/**
 * Three gateways behind a balancer that serve as one, for one run. PostgreSQL has a schema for
 * them, and the Redis is their own.
 *
 * @module
 */
import { openBalancer } from "../support/balancer.ts";
import { freePort } from "../support/free_port.ts";
import { IS_SKIPPED as HAS_NO_POSTGRES, ownSchema } from "../support/postgres.ts";
import { IS_SKIPPED as HAS_NO_REDIS, startRedis } from "../support/redis_server.ts";
import { TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { endpointsAt, type Gateway, gatewayDirectory, listen } from "./gateway.ts";
import type { Processes } from "./processes.ts";

const COUNT = 3;
const ENCRYPTION_SECRET = "only-for-conformance-0123456789-abcdefghij";

/** What this machine lacks for them, unless they must be started all the same: CI. */
export const LACKING: string | undefined = HAS_NO_POSTGRES
  ? "PostgreSQL"
  : HAS_NO_REDIS
  ? "redis-server"
  : undefined;

export interface Replicas extends Gateway {
  /** Requests that each was given. */
  readonly counts: () => readonly number[];
}

/** Starts them all at once, and waits until the balancer uses all of them. */
export async function startReplicas(processes: Processes, upstreamUrl: string): Promise<Replicas> {
  await using stack = new AsyncDisposableStack();
  const schema = stack.use(await processes.keep(ownSchema()));
  const redis = stack.use(await processes.keep(startRedis()));
  const directory = stack.use(await gatewayDirectory(upstreamUrl));
  const port = freePort();
  const env = {
    DATABASE_URL: schema.text,
    REDIS_URL: redis.url,
    JWT_SECRET_KEY: TEST_JWT_SECRET,
    AUTH_ENCRYPTION_SECRET: ENCRYPTION_SECRET,
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    DRAIN_DELAY: "0",
  };
  const starting = Array.from({ length: COUNT }, async (_, i) => {
    const replica = await listen(processes, directory.path, String(i), env);
    stack.use(replica);
    return replica.origin;
  });
  // One that cannot start must not leave the others behind.
  await Promise.allSettled(starting);
  const balancer = stack.use(await openBalancer(await Promise.all(starting), port));
  await until("the balancer to use all replicas", () => balancer.inUse().length === COUNT);
  const kept = stack.move();
  return {
    ...endpointsAt(balancer.origin),
    counts: balancer.counts,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
