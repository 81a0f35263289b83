/**
 * A `redis-server` of a test's own, which can be killed, paused and started again.
 *
 * @module
 */
import { freePort } from "./free_port.ts";
import { spawnCommand } from "./spawn.ts";
import { tempDir } from "./temp_dir.ts";
import { until } from "./until.ts";

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  /** For `REDIS_URL`. */
  readonly url: string;
  /** Ends it without a word. */
  readonly kill: () => Promise<void>;
  /** Starts it again after `kill`, on the same port, with what was acknowledged or with nothing. */
  readonly start: (how: { readonly keepsData: boolean }) => Promise<void>;
  /** Keeps its connections and answers nothing, until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** What it answers to a command, as RESP says it: `+PONG\r\n`. */
  readonly ask: (...words: readonly string[]) => Promise<string>;
}

/** A test that needs a `redis-server`: skipped without one, but never in continuous integration. */
export function redisServerTest(name: string, test: () => Promise<void>): void {
  const isSkipped = !hasRedisServer && Deno.env.get("CI") !== "true";
  Deno.test({ name: isSkipped ? `${name} (no redis-server)` : name, ignore: isSkipped, fn: test });
}

export async function startRedisServer(): Promise<RedisServer> {
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir()).path;
  const port = freePort();
  let running: ReturnType<typeof spawnCommand> | undefined;

  async function start({ keepsData }: { readonly keepsData: boolean }): Promise<void> {
    if (!keepsData) await Deno.remove(`${dir}/appendonlydir`, { recursive: true }).catch(() => {});
    running = spawnCommand("redis-server", argumentsFor(port, dir), {}, dir);
    const { child, stdout } = running;
    const over = child.status.then(() => Promise.reject(new Error(stdout.text())));
    over.catch(() => {});
    const isReady = () => ask(port, ["PING"]).then((said) => said === "+PONG\r\n", () => false);
    await Promise.race([until("redis-server", isReady), over]);
  }

  async function kill(): Promise<void> {
    if (running === undefined) return;
    const { child, stdout, stderr } = running;
    running = undefined;
    child.kill("SIGKILL");
    await Promise.all([child.status, stdout.ended, stderr.ended]);
  }

  stack.defer(kill);
  await start({ keepsData: false });
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    start,
    pause: () => running?.child.kill("SIGSTOP"),
    resume: () => running?.child.kill("SIGCONT"),
    ask: (...words) => ask(port, words),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What is acknowledged is in the log, which the system has when the process is killed. */
function argumentsFor(port: number, dir: string): readonly string[] {
  const settings = { port: String(port), bind: "127.0.0.1", dir, save: "", appendonly: "yes" };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** One command on a connection of its own; answers of more than one packet are cut. */
async function ask(port: number, words: readonly string[]): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`${words.join(" ")}\r\n`));
  const buffer = new Uint8Array(64 * 1024);
  const count = await connection.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

/** Whether there is such a program. */
export const hasRedisServer = await new Deno.Command("redis-server", {
  args: ["--version"],
  stdout: "null",
})
  .output().then(({ success }) => success, () => false);
