/**
 * Child processes: started without a shell, spoken to over pipes, ended together with everything
 * that they have started.
 *
 * @module
 */

/** What a process is made of. */
export interface Program {
  /** Path, or a name that is looked for on `env.PATH`. A relative path begins at `cwd`. */
  readonly command: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

export interface Exit {
  readonly code: number;
  /** `undefined` when it ended by itself. */
  readonly signal: string | undefined;
}

export interface ChildProcess {
  readonly pid: number;
  /** The next piece of its output; `undefined` at the end. */
  readonly stdout: () => Promise<Uint8Array | undefined>;
  readonly stderr: () => Promise<Uint8Array | undefined>;
  /** In order, each whole. Rejects when the process does not read any more. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Ends its input, behind what is being written. */
  readonly closeInput: () => void;
  /** Ends its input now, and lets go of its output: what is left of it is lost. */
  readonly release: () => void;
  /** Signals it and all that it has started, as far as they have stayed in its group. */
  readonly kill: (signal: "SIGTERM" | "SIGKILL") => void;
  /** Never rejects. What it started may still run. */
  readonly exited: Promise<Exit>;
}

/** There is no process; the message says why in words that may be shown. */
export class NotStarted extends Error {
  override readonly name = "NotStarted";
}

/** @throws {NotStarted} */
export function startProcess(program: Program): ChildProcess {
  const child = spawned(program);
  const input = child.stdin.getWriter();
  // Whoever writes is told; nobody waits for these.
  input.closed.catch(() => {});
  input.ready.catch(() => {});
  const stdout = child.stdout.getReader();
  const stderr = child.stderr.getReader();
  const exited = child.status.then(({ code, signal }) => ({ code, signal: signal ?? undefined }));
  const ignore = () => {};

  return {
    pid: child.pid,
    stdout: () => next(stdout),
    stderr: () => next(stderr),
    write: (bytes) => input.write(bytes),
    closeInput: () => void input.close().catch(ignore),
    release() {
      input.abort().catch(ignore);
      stdout.cancel().catch(ignore);
      stderr.cancel().catch(ignore);
    },
    kill: (signal) => signalGroup(child, signal),
    exited,
  };
}

/** Programs need these to find others and their own files: what every one of them is given. */
export function environmentForPrograms(): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const name of ["HOME", "PATH"]) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  return env;
}

function spawned({ command, args, env, cwd }: Program): Deno.ChildProcess {
  try {
    return new Deno.Command(command, {
      args: [...args],
      env: { ...env },
      clearEnv: true,
      ...cwd !== undefined && { cwd },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      // A group of its own: a signal reaches what it has started, and Ctrl-C does not reach it.
      detached: true,
    }).spawn();
  } catch (cause) {
    throw new NotStarted(reasonOf(cause, cwd), { cause });
  }
}

function reasonOf(cause: unknown, cwd: string | undefined): string {
  const text = cause instanceof Error ? cause.message : "";
  if (text.includes("No such cwd")) return `its working directory "${cwd}" is missing`;
  if (cause instanceof Deno.errors.NotFound) return "its program was not found";
  if (cause instanceof Deno.errors.NotCapable) return "the gateway may not run its program";
  if (cause instanceof Deno.errors.PermissionDenied) return "its program cannot be executed";
  return "the system refused to run its program";
}

async function next(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<Uint8Array | undefined> {
  try {
    return (await reader.read()).value;
  } catch {
    // A pipe that breaks says no more than one that ends.
    return undefined;
  }
}

/**
 * `Deno.kill` asks for the permission to run everything. Without that, the program `kill` does the
 * same if it may be run, and else the signal reaches the process alone.
 */
function signalGroup(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    Deno.kill(-child.pid, signal);
    return;
  } catch (error) {
    // Nobody is left of the group.
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotCapable) runKill(child.pid, signal);
  }
  try {
    child.kill(signal);
  } catch {
    // It has ended meanwhile.
  }
}

function runKill(group: number, signal: Deno.Signal): void {
  const { PATH } = environmentForPrograms();
  try {
    new Deno.Command("kill", {
      args: ["-s", signal.slice("SIG".length), "--", `-${group}`],
      env: PATH === undefined ? {} : { PATH },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn().status.catch(() => {});
  } catch {
    // It is not there, or not allowed.
  }
}
