/**
 * Starts the gateway and the fixtures as processes of their own, and stops them again.
 *
 * @module
 */
import { builtOr } from "./built.ts";
import { pathOf, spawnDeno } from "./spawn.ts";

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;

export interface RunningProcess extends AsyncDisposable {
  /** `http://HOST:PORT`, as it said itself. */
  readonly origin: string;
  readonly pid: number;
  /** What it has written so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Sends SIGTERM (SIGKILL when that is not enough) and waits for the end. */
  stop(): Promise<Deno.CommandStatus>;
}

/**
 * Settings of a gateway for tests in which servers fail again and again on purpose, and what comes
 * next is to reach them all the same.
 */
export const NEVER_HOLDS_BACK = { UNHEALTHY_THRESHOLD: "1000" };

export interface GatewayOptions {
  /** The config file. */
  readonly config?: unknown;
  /** Settings by their environment names. */
  readonly env?: Readonly<Record<string, string>>;
  /** More arguments for `serve`. */
  readonly args?: readonly string[];
}

export interface Gateway extends RunningProcess {
  /** Its data directory, removed when the gateway is disposed of. */
  readonly dataDir: string;
}

/** Starts `main.ts serve` on a free port with a fresh data directory. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const dir = await Deno.makeTempDir({ prefix: "sallyport-test-" });
  const dataDir = `${dir}/data`;
  const configFile = `${dir}/config.json`;
  await Deno.mkdir(dataDir);
  await Deno.writeTextFile(configFile, JSON.stringify(options.config ?? {}));
  const serve = ["serve", "--config", configFile, "--port", "0", "--data", dataDir];
  try {
    const running = await start(
      ["--unstable-no-legacy-abort", builtOr("main.ts"), ...serve, ...options.args ?? []],
      options.env ?? {},
    );
    return {
      ...running,
      dataDir,
      async [Symbol.asyncDispose]() {
        await running.stop();
        await Deno.remove(dir, { recursive: true });
      },
    };
  } catch (error) {
    await Deno.remove(dir, { recursive: true });
    throw error;
  }
}

/**
 * Starts `fixtures/NAME/main.ts` on a free port.
 *
 * @param name folder below `fixtures/`
 */
export function startFixture(name: string, args: readonly string[] = []): Promise<RunningProcess> {
  return start([builtOr(`fixtures/${name}/main.ts`), "--port", "0", ...args], {});
}

async function start(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<RunningProcess> {
  const command = [
    "run",
    "--quiet",
    "--no-check",
    "-A",
    `--config=${pathOf("deno.json")}`,
    ...args,
  ];
  const { child, stdout, stderr } = spawnDeno(command, env ?? {});

  const stop = async () => {
    const timer = setTimeout(() => kill(child, "SIGKILL"), STOP_MS_MAX);
    kill(child, "SIGTERM");
    const status = await child.status;
    await Promise.all([stdout.ended, stderr.ended]);
    clearTimeout(timer);
    return status;
  };

  const listening = /^Listening on (http:\/\/\S+)$/m;
  const line = await Promise.race([
    stdout.find(listening),
    Promise.all([child.status, stdout.ended, stderr.ended]).then(() => undefined),
    deadline(START_MS_MAX),
  ]);
  if (!line) {
    await stop();
    throw new Error(`Cannot start ${args.join(" ")}: ${stderr.text() || "it said nothing"}`);
  }
  return {
    origin: line[1]!,
    pid: child.pid,
    stdout: stdout.text,
    stderr: stderr.text,
    stop,
    [Symbol.asyncDispose]: async () => void await stop(),
  };
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended already.
  }
}

function deadline(ms: number): Promise<undefined> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(() => resolve(undefined), ms)));
}
