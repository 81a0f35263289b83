/**
 * Replicas behind a balancer, on a Redis and a PostgreSQL schema of their own, and a caller of
 * theirs.
 *
 * @module
 */
import { type Balancer, openBalancer } from "./balancer.ts";
import { freePort } from "./free_port.ts";
import { IS_LONG } from "./long.ts";
import { callModern, type Message, type ModernCall, type ModernReply } from "./modern.ts";
import { type RedisServer, startRedis } from "./redis_server.ts";
import {
  type Replica,
  type Replicas,
  type ReplicasOptions,
  replicasTest,
  startReplicas,
} from "./replicas.ts";
import { openSession, type Session, type SessionOptions } from "./session_client.ts";
import { mintToken } from "./tokens.ts";
import { until } from "./until.ts";

export interface FleetOptions extends Partial<Omit<ReplicasOptions, "config" | "redisUrl">> {
  /** `mcpServers` of the config file. */
  readonly servers?: Readonly<Record<string, unknown>>;
  /** One of its own unless given. */
  readonly redis?: RedisServer;
}

export interface Fleet extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly replicas: readonly Replica[];
  readonly schema: Replicas["schema"];
  /** Who the replicas are in PostgreSQL. */
  readonly user: string;
  readonly configPath: string;
  readonly balancer: Balancer;
  /** Of the balancer. */
  readonly origin: string;
  readonly token: string;
  /** Calls a tool of a server, in the stateless era. */
  readonly call: (server: string, tool: string, more?: CallOptions) => Promise<ModernReply>;
  /** Opens a session with a server. */
  readonly open: (server: string, options?: SessionOptions) => Promise<Session>;
}

export interface CallOptions extends Omit<ModernCall, "params"> {
  readonly args?: Message;
  /** Instead of the balancer. */
  readonly at?: string;
}

/** Longer than any deadline of a gateway here: whoever waits for so long waits in vain. */
const DEADLINE_MS = 60_000;
/** Three, unless `count` is given. */
const COUNT = 3;

/** Everything is in use already. */
export async function openFleet(options: FleetOptions = {}): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const { servers = {}, count = COUNT } = options;
  const redis = options.redis ?? stack.use(await startRedis());
  const entrance = freePort();
  const replicas = stack.use(
    await startReplicas({
      redisUrl: redis.url,
      ...options,
      count,
      config: { mcpServers: servers },
      env: { ALLOWED_HOSTS: `127.0.0.1:${entrance}`, ...options.env },
    }),
  );
  const balancer = stack.use(await openBalancer(replicas.origins, entrance));
  await until("all replicas", () => balancer.inUse().length === count, 30_000);
  const { origin } = balancer;
  const token = await mintToken();
  const kept = stack.move();
  return {
    redis,
    replicas: replicas.all,
    schema: replicas.schema,
    user: replicas.user,
    configPath: replicas.configPath,
    balancer,
    origin,
    token,
    call: (server, name, { args = {}, at = origin, ...more } = {}) =>
      callModern(at, {
        path: pathOf(server),
        token,
        params: { name, arguments: args },
        options: { deadlineMs: DEADLINE_MS },
        ...more,
      }),
    open: (server, more = {}) => openSession(origin, { path: pathOf(server), token, ...more }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export function pathOf(server: string): string {
  return `/servers/${server}/mcp`;
}

/** An entry of `mcpServers`. */
export function entryOf(origin: string, path = "/mcp") {
  return { type: "http", url: `${origin}${path}` };
}

/** A test of what takes too long, or needs too much of the machine, for every day. */
export function longTest(name: string, test: () => Promise<void>): void {
  if (IS_LONG) replicasTest(name, test);
  else Deno.test({ name: `${name} (FAULTS=long)`, ignore: true, fn: test });
}

/** Whether a call has brought a result that is no error. */
export function isGood(reply: ModernReply): boolean {
  const { result } = reply.response;
  return reply.status === 200 && result !== undefined && !(result as Message).isError;
}

/** Waits; for faults that are there for a while. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
