/**
 * The program as a person starts it: arguments, environment, what it says, and how it ends.
 *
 * `processes.ts` starts a gateway to test against; here the process itself is what is tested.
 *
 * @module
 */
import { builtOr } from "./built.ts";
import { pathOf, spawnDeno } from "./spawn.ts";
import { until } from "./until.ts";

const END_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What follows `deno`; `main.ts` with all permissions unless given. */
  readonly deno?: readonly string[];
  /** Commands of the shell that then becomes the process. */
  readonly before?: string;
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program extends AsyncDisposable {
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly signal: (signal: Deno.Signal) => void;
  /** Waits for the line that says where it listens, and gives the origin. */
  readonly listening: () => Promise<string>;
  /** Waits until it has ended by itself. */
  readonly ended: () => Promise<Ended>;
}

/** `deno run …` with these flags, of the sources. */
export function denoRun(flags: readonly string[], script = "main.ts"): readonly string[] {
  return ["run", `--config=${pathOf("deno.json")}`, ...flags, pathOf(script)];
}

/** `main.ts` with all permissions. */
export function denoMain(): readonly string[] {
  return ["run", `--config=${pathOf("deno.json")}`, "-A", builtOr("main.ts")];
}

export function startProgram(args: readonly string[], options: ProgramOptions = {}): Program {
  const { env = {}, cwd, deno = denoMain(), before } = options;
  const { child, stdout, stderr } = spawnDeno([...deno, ...args], env, cwd, before);
  let isOver = false;
  const status = child.status.finally(() => isOver = true);

  const ended = async () => {
    await until("the end of the process", () => isOver, END_MS_MAX);
    const { code } = await status;
    await Promise.all([stdout.ended, stderr.ended]);
    return { code, stdout: stdout.text(), stderr: stderr.text() };
  };
  return {
    pid: child.pid,
    stdout: stdout.text,
    stderr: stderr.text,
    signal: (signal) => child.kill(signal),
    async listening() {
      const find = () => /^Listening on (http:\/\/\S+)$/m.exec(stdout.text())?.[1];
      const origin = await until(
        "where it listens",
        () => find() ?? (isOver && "over"),
        END_MS_MAX,
      );
      if (origin === "over") throw new Error(`It ended instead: ${stderr.text()}`);
      return origin;
    },
    ended,
    async [Symbol.asyncDispose]() {
      // The second signal ends a gateway at once; a killed launcher would leave it behind.
      await until(
        "the end of the process",
        () => isOver || void kill(child, "SIGTERM"),
        STOP_MS_MAX,
      )
        .catch(() => kill(child, "SIGKILL"));
      await ended();
    },
  };
}

/** Runs a command to its end. */
export async function runProgram(
  args: readonly string[],
  options?: ProgramOptions,
): Promise<Ended> {
  await using program = startProgram(args, options);
  return await program.ended();
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended already.
  }
}
