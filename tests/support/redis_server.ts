/**
 * A Redis of a test's own, which it may stop, freeze and start again.
 *
 * Without `redis-server` these tests are skipped, but never in continuous integration.
 *
 * @module
 */
import { parseRedisUrl } from "../../src/platform/redis_url.ts";
import { createRedis, type Redis } from "../../src/platform/redis.ts";
import type { Timers } from "../../src/platform/timers.ts";
import { freePort } from "./free_port.ts";
import { tempDir } from "./temp_dir.ts";
import { until } from "./until.ts";

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Asks besides the gateway; gives what `redis-cli` writes. */
  readonly cli: (...args: readonly string[]) => Promise<string>;
  readonly signal: (signal: Deno.Signal) => void;
  /** Ends at once, as a machine that is lost. */
  readonly kill: () => Promise<void>;
  /** On the same port, with what was written when data is kept. */
  readonly start: () => Promise<void>;
}

/** @param args more of the command line, such as `--appendonly yes` */
export async function startRedis(...args: readonly string[]): Promise<RedisServer> {
  const dir = await tempDir();
  const port = freePort();
  let child: Deno.ChildProcess | undefined;

  async function cli(...command: readonly string[]): Promise<string> {
    const output = await new Deno.Command("redis-cli", {
      args: ["-p", String(port), ...command],
    }).output();
    return new TextDecoder().decode(output.stdout).trim();
  }

  async function start(): Promise<void> {
    child = new Deno.Command("redis-server", {
      args: ["--port", String(port), "--dir", dir.path, "--save", "", ...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until("Redis", async () => await cli("ping") === "PONG");
  }

  async function kill(): Promise<void> {
    child?.kill("SIGKILL");
    await child?.status;
    child = undefined;
  }

  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    cli,
    signal: (signal) => child?.kill(signal),
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** The same as a cluster of one, which refuses a script on keys of several slots. */
export async function startCluster(): Promise<RedisServer> {
  // Its own choice, 10,000 above the other port, may be taken.
  const bus = String(freePort());
  const server = await startRedis("--cluster-enabled", "yes", "--cluster-port", bus);
  await server.cli("cluster", "addslotsrange", "0", "16383");
  const isOk = async () => (await server.cli("cluster", "info")).includes("cluster_state:ok");
  await until("the cluster", isOk);
  return server;
}

/** Of the runtime: nothing is left of one that was cancelled. */
export const plainTimers: Timers = {
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Waits until it is connected. */
export async function connectRedis({ url }: Pick<RedisServer, "url">): Promise<Redis> {
  const redis = createRedis(parseRedisUrl(url), { timers: plainTimers });
  await until("the connection", redis.isUp);
  return redis;
}

/** A test that starts a Redis. */
export function redisTest(name: string, test: () => Promise<void>): void {
  Deno.test({
    name: IS_SKIPPED ? `${name} (no redis-server)` : name,
    ignore: IS_SKIPPED,
    fn: test,
  });
}

const isThere = await (async () => {
  try {
    return (await new Deno.Command("redis-server", { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
})();

export const IS_SKIPPED = !isThere && Deno.env.get("CI") !== "true";
