/**
 * `fixtures/everything/` as seen from a test: starts it, asks what reached it, and puts a gateway
 * in front of it.
 *
 * @module
 */
import { type Gateway, type RunningProcess, startFixture, startGateway } from "./processes.ts";
import { mintToken, TEST_JWT_SECRET } from "./tokens.ts";
import { until } from "./until.ts";

/** See the table in `fixtures/everything/README.md`. */
export interface EverythingStats extends EverythingCounts {
  /** What the gateway asked for itself; the others count what its clients made it ask. */
  readonly own: EverythingCounts;
}

export interface EverythingCounts {
  readonly calls: Readonly<Record<string, number>>;
  readonly prompts: Readonly<Record<string, number>>;
  readonly methods: Readonly<Record<string, number>>;
  readonly started: number;
  readonly finished: number;
  readonly aborted: number;
  readonly openStreams: number;
  readonly sessions: number;
  readonly lastHeaders: Readonly<Record<string, string>>;
}

export interface Everything extends RunningProcess {
  stats(): Promise<EverythingStats>;
  /** Ends it without a word, as a crash would. */
  kill(): Promise<void>;
}

export interface EverythingOptions {
  readonly era?: "both" | "modern" | "legacy";
  /** Whether its sessions have event ids, `on` unless given. */
  readonly events?: "on" | "off";
  /** A free one unless given. */
  readonly port?: number;
}

export async function startEverything(options: EverythingOptions = {}): Promise<Everything> {
  const { era = "both", events = "on", port = 0 } = options;
  const args = ["--era", era, "--events", events, "--port", String(port)];
  const running = await startFixture("everything", args);
  return {
    ...running,
    stats: async () => await (await fetch(`${running.origin}/stats`)).json(),
    async kill() {
      try {
        Deno.kill(running.pid, "SIGKILL");
      } catch (error) {
        // It may be dead already.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      await running.stop();
    },
  };
}

export const EVERYTHING_PATH = "/servers/everything/mcp";

export interface EverythingWorld extends AsyncDisposable {
  readonly upstream: Everything;
  readonly gateway: Gateway;
  /** Lets its bearer in at the gateway. */
  readonly token: string;
}

/**
 * A gateway with the fixture as the upstream `everything`.
 *
 * @param more further upstreams, name to origin
 */
export async function openEverythingWorld(
  { env = {}, more = {} }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly more?: Readonly<Record<string, string>>;
  } = {},
): Promise<EverythingWorld> {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startEverything());
  const gateway = stack.use(
    await startGateway({
      config: configFor({ everything: upstream.origin, ...more }),
      env: { JWT_SECRET_KEY: TEST_JWT_SECRET, ...env },
    }),
  );
  const token = await mintToken();
  return { upstream, gateway, token, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** The config file that declares these upstreams, name to origin. */
export function configFor(origins: Readonly<Record<string, string>>) {
  const entries = Object.entries(origins).map(([name, origin]) =>
    [name, { type: "http", url: `${origin}/mcp` }] as const
  );
  return { mcpServers: Object.fromEntries(entries) };
}

/**
 * Makes a call, aborts it once it runs, and waits until the server has seen that. Of those who leave
 * before it has answered its runtime overlooks some (docs/decisions/0009), but hardly three.
 */
export async function abortIsSeen(
  server: Pick<Everything, "stats">,
  call: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  for (let left = 3;; left--) {
    const before = await server.stats();
    const abort = new AbortController();
    const ended = call(abort.signal).catch(() => {});
    await until("the call runs", async () => (await server.stats()).started > before.started);
    abort.abort();
    await ended;
    const isSeen = async () => (await server.stats()).aborted > before.aborted;
    const wait = until("the server sees the call aborted", isSeen, 5_000);
    if (await wait.then(() => true, (error) => left > 1 ? false : Promise.reject(error))) return;
  }
}
