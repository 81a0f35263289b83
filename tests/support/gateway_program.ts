/**
 * A gateway started as a person would, in front of `fixtures/everything/`.
 *
 * @module
 */
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  type EverythingOptions,
  startEverything,
} from "./everything.ts";
import type { ModernCall } from "./modern.ts";
import { denoMain, type Program, runProgram, startProgram } from "./program.ts";
import { tempDir } from "./temp_dir.ts";

export interface GatewayProgramOptions {
  /** A free one unless given. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** What follows `deno`; `main.ts` with all permissions unless given. */
  readonly deno?: readonly string[];
}

export interface Installation extends AsyncDisposable {
  readonly upstream: Everything;
  /** An empty directory: the working directory of all programs, with the config file in it. */
  readonly dir: string;
  readonly dataDir: string;
  /** What every command of this installation is given. */
  readonly args: readonly string[];
  /** `serve`; it ends with the installation at the latest. */
  readonly serve: (options?: GatewayProgramOptions) => Program;
  /** The output of a command that must succeed. */
  readonly command: (...args: readonly string[]) => Promise<string>;
}

export async function openInstallation(options: EverythingOptions = {}): Promise<Installation> {
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir()).path;
  const upstream = stack.use(await startEverything(options));
  await Deno.writeTextFile(
    `${dir}/config.json`,
    JSON.stringify(configFor({ everything: upstream.origin })),
  );
  const dataDir = `${dir}/data`;
  const args = ["--config", `${dir}/config.json`, "--data", dataDir];
  return {
    upstream,
    dir,
    dataDir,
    args,
    serve({ port = 0, env = {}, deno = denoMain() } = {}) {
      const all = ["--port", String(port), ...args];
      return stack.use(startProgram(all, { env, cwd: dir, deno }));
    },
    async command(...own) {
      const { code, stdout, stderr } = await runProgram([...own, ...args], { cwd: dir });
      if (code !== 0) throw new Error(`${own[0]} ended with ${code}: ${stderr}`);
      return stdout.trim();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** For tests to which identity is no matter. */
export const OPEN_TO_ALL = { MCP_REQUIRE_AUTH: "false" };

export const CALL: ModernCall = {
  path: EVERYTHING_PATH,
  params: { name: "test_simple_text", arguments: {} },
};

export const LISTEN: ModernCall = {
  path: EVERYTHING_PATH,
  method: "subscriptions/listen",
  params: { notifications: { toolsListChanged: true } },
};

/** A call that takes this long. */
export function slowCall(ms: number): ModernCall {
  return { path: EVERYTHING_PATH, params: { name: "test_slow", arguments: { ms, label: "done" } } };
}
