/**
 * A gateway as a program in front of one stdio server, whose processes can be found.
 *
 * @module
 */
import { type Mark, newMark } from "./marked_processes.ts";
import { denoMain, denoRun, type Program, startProgram } from "./program.ts";
import { openSession, type Session } from "./session_client.ts";
import { tempDir } from "./temp_dir.ts";
import { mintToken, TEST_JWT_SECRET } from "./tokens.ts";

const LAUNCH_FLAGS = ["--no-prompt", "--allow-env", "--allow-read", "--allow-run"];

/** How the gateway is started. */
const STARTS = {
  "main.ts": denoMain(),
  "the launcher": denoRun(LAUNCH_FLAGS, "src/cli/launch.ts"),
} as const;

export type Start = keyof typeof STARTS;

export interface Entry {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export const OWN_PATH = "/servers/files/mcp";

export interface StdioGateway extends AsyncDisposable {
  readonly program: Program;
  readonly origin: string;
  readonly token: string;
  readonly mark: Mark;
  /** A session at the server's own URL unless another path is given. */
  readonly open: (path?: string) => Promise<Session>;
}

export interface StdioGatewayOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** `main.ts` unless given. */
  readonly start?: Start;
}

/** @param entry in `mcpServers`, under the name `files` */
export async function openStdioGateway(
  entry: Entry,
  options: StdioGatewayOptions = {},
): Promise<StdioGateway> {
  const { env = {}, start = "main.ts" } = options;
  const stack = new AsyncDisposableStack();
  try {
    const dir = stack.use(await tempDir()).path;
    const mark = newMark();
    const files = { ...entry, env: { ...mark.env, ...entry.env } };
    await Deno.writeTextFile(`${dir}/mcp.json`, JSON.stringify({ mcpServers: { files } }));
    const args = ["--config", `${dir}/mcp.json`, "--data", `${dir}/data`, "--port", "0"];
    const program = stack.use(startProgram(args, {
      cwd: dir,
      env: { JWT_SECRET_KEY: TEST_JWT_SECRET, SHUTDOWN_GRACE: "1s", LOG_FORMAT: "json", ...env },
      deno: STARTS[start],
    }));
    const origin = await program.listening();
    const token = await mintToken();
    return {
      program,
      origin,
      token,
      mark,
      open: (path = OWN_PATH) => openSession(origin, { path, token }),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Of the gateway itself: the launcher starts one process, which is that. */
export async function gatewayPid({ program }: StdioGateway, start: Start): Promise<number> {
  if (start === "main.ts") return program.pid;
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = await Deno.readTextFile(`/proc/${name}/status`).catch(() => "");
    if (new RegExp(`^PPid:\\s${program.pid}$`, "m").test(status)) return Number(name);
  }
  throw new Error("The launcher has started nothing");
}
