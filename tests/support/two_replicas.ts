/**
 * Two gateways with one Redis and one PostgreSQL, in front of servers of every kind.
 *
 * @module
 */
import { type Everything, EVERYTHING_PATH, startEverything } from "./everything.ts";
import { type OldSse, startOldSse } from "./old_sse.ts";
import { ownSchema, postgresTest } from "./postgres.ts";
import { type Gateway, startGateway } from "./processes.ts";
import { IS_SKIPPED, type RedisServer, redisTest, startRedis } from "./redis_server.ts";
import { openSession, type Session, type SessionOptions } from "./session_client.ts";
import { ROOT } from "./spawn.ts";
import { mintToken, TEST_JWT_SECRET } from "./tokens.ts";

export interface TwoReplicas extends AsyncDisposable {
  readonly a: string;
  readonly b: string;
  readonly gateways: readonly [Gateway, Gateway];
  readonly redis: RedisServer;
  /** Of both eras, behind `everything`. */
  readonly upstream: Everything;
  readonly token: string;
  /** Opened at the first. */
  readonly open: (options?: SessionOptions) => Promise<Session>;
}

export interface Servers {
  /** A server of the session era only, behind `legacy`. */
  readonly legacy: Everything;
  /** One of the stateless era only, behind `modern`. */
  readonly modern: Everything;
  /** One of the transport of 2024-11-05, behind `old`. */
  readonly old: OldSse;
}

const ENCRYPTION_SECRET = "only-for-replicas-0123456789-abcdefghij";

/**
 * @param more of the config file's `mcpServers`
 * @param settings by their environment names
 */
export async function startTwoReplicas(
  more: Readonly<Record<string, unknown>> = {},
  settings: Readonly<Record<string, string>> = {},
): Promise<TwoReplicas> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const schema = stack.use(await ownSchema());
  const upstream = stack.use(await startEverything({ era: "both" }));
  const options = {
    config: { mcpServers: { everything: http(upstream), ...more } },
    env: {
      REDIS_URL: redis.url,
      DATABASE_URL: schema.text,
      JWT_SECRET_KEY: TEST_JWT_SECRET,
      AUTH_ENCRYPTION_SECRET: ENCRYPTION_SECRET,
      DRAIN_DELAY: "0",
      ...settings,
    },
  };
  const gateways = [
    stack.use(await startGateway(options)),
    stack.use(await startGateway(options)),
  ] as const;
  const [a, b] = gateways.map(({ origin }) => origin) as [string, string];
  const token = await mintToken();
  const open = (more: SessionOptions = {}) =>
    openSession(a, { path: EVERYTHING_PATH, token, ...more });
  const kept = stack.move();
  return {
    a,
    b,
    gateways,
    redis,
    upstream,
    token,
    open,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The same with a server of every kind behind them; the last is a program, behind `files`. */
export async function startTwoReplicasOfAll(): Promise<TwoReplicas & Servers> {
  await using stack = new AsyncDisposableStack();
  const legacy = stack.use(await startEverything({ era: "legacy" }));
  const modern = stack.use(await startEverything({ era: "modern" }));
  const old = stack.use(await startOldSse());
  const replicas = stack.use(
    await startTwoReplicas({
      legacy: http(legacy),
      modern: http(modern),
      old: { type: "sse", url: `${old.origin}/sse` },
      files: {
        command: Deno.execPath(),
        args: ["run", "-A", "--no-check", `--config=${path("deno.json")}`, path(PROGRAM)],
      },
    }),
  );
  const kept = stack.move();
  return { ...replicas, legacy, modern, old, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const PROGRAM = "fixtures/stdio/main.ts";

function http({ origin }: { readonly origin: string }) {
  return { type: "http", url: `${origin}/mcp` };
}

function path(name: string): string {
  return decodeURIComponent(new URL(name, ROOT).pathname);
}

/** A test that needs PostgreSQL and a `redis-server`. */
export const twoReplicasTest = IS_SKIPPED ? redisTest : postgresTest;
