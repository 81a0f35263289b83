/**
 * Replicas that reach Redis through a network that can be broken, for all of them or for one.
 *
 * @module
 */
import { type Everything, EVERYTHING_PATH, startEverything } from "./everything.ts";
import { type FaultProxy, openFaultProxy } from "./fault_proxy.ts";
import { timed } from "./figures.ts";
import { entryOf, type Fleet, isGood, openFleet } from "./fleet.ts";
import type { Message } from "./modern.ts";
import { type RedisServer, startRedis } from "./redis_server.ts";
import type { Session } from "./session_client.ts";
import { until } from "./until.ts";

export interface RedisWorld extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly redis: RedisServer;
  /** One for each replica. */
  readonly ways: readonly FaultProxy[];
  /** Of both eras, behind `everything`. */
  readonly upstream: Everything;
  /** Opened through the balancer. */
  readonly open: () => Promise<Session>;
  /** Whether a call without a session succeeds. */
  readonly call: (at?: string) => Promise<boolean>;
  /** What `/ready` of a replica says. */
  readonly ready: (nth: number) => Promise<{ readonly status: number; readonly body: Message }>;
  /** Milliseconds until these replicas say that Redis is away, or that it is not. */
  readonly untilNoted: (isAway: boolean, replicas?: readonly number[]) => Promise<number>;
}

/** @param args more of Redis' command line */
export async function openRedisWorld(
  { count = 3, args = [] }: { readonly count?: number; readonly args?: readonly string[] } = {},
): Promise<RedisWorld> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis(...args));
  const upstream = stack.use(await startEverything({ era: "both" }));
  const ways: FaultProxy[] = [];
  for (let i = 0; i < count; i++) ways.push(stack.use(await openFaultProxy(redis.port)));
  const fleet = stack.use(
    await openFleet({
      redis,
      count,
      servers: { everything: entryOf(upstream.origin) },
      envOf: (nth) => ({ REDIS_URL: `redis://127.0.0.1:${ways[nth]!.port}` }),
    }),
  );
  const kept = stack.move();

  async function ready(nth: number) {
    const reply = await fetch(`${fleet.replicas[nth]!.origin}/ready`);
    return { status: reply.status, body: await reply.json() };
  }

  const untilNoted: RedisWorld["untilNoted"] = (isAway, replicas = ways.map((_, nth) => nth)) => {
    const wanted = isAway ? '["redis"]' : "null";
    const isNoted = async (nth: number) =>
      JSON.stringify((await ready(nth)).body.degraded ?? null) === wanted;
    const noted = (nth: number) => until(`replica ${nth}`, () => isNoted(nth), 30_000);
    return timed(() => Promise.all(replicas.map(noted)));
  };

  await untilNoted(false);
  return {
    fleet,
    redis,
    ways,
    upstream,
    // A machine that does not keep up refuses some, for a moment.
    open: () => until("a session", () => fleet.open("everything").catch(() => undefined), 30_000),
    async call(at = fleet.origin) {
      const call = fleet.call("everything", "test_simple_text", { path: EVERYTHING_PATH, at });
      return await call.then(isGood).catch(() => false);
    },
    ready,
    untilNoted,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Milliseconds until a session can be used. */
export function untilUsed(session: Session): Promise<number> {
  return timed(() =>
    until("the session to be used", async () => {
      const reply = await session.send({ method: "tools/list" });
      return reply.status === 200 && "result" in reply.response;
    }, 30_000)
  );
}
