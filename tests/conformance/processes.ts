/**
 * Child processes of the conformance program: started, awaited and, whatever
 * happens, ended.
 *
 * Deno is started directly and never through a package runner, which would leave
 * its own child behind when it is stopped.
 *
 * @module
 */

/** How long a server may take to say where it listens. */
const START_MS_MAX = 20_000;
/** How long a process may take to end after SIGTERM. */
const STOP_MS_MAX = 3_000;
/** Last lines of output kept for an error message. */
const TAIL_LINES = 15;

const ROOT = new URL("../../", import.meta.url);

export interface Listener extends AsyncDisposable {
  /** `http://host:port`, without a path. */
  readonly origin: string;
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly isTimedOut: boolean;
}

export interface Processes {
  /** Starts a server that prints `Listening on <origin>`; disposing of the result ends it. */
  listen(args: readonly string[], env?: Record<string, string>): Promise<Listener>;
  /** Runs a program to its end, or ends it and all that it started after `msMax`. */
  finish(args: readonly string[], msMax: number): Promise<Finished>;
  /** Gives what is being opened; it is disposed of once, at the end if not before. */
  keep<T extends AsyncDisposable>(opening: Promise<T>): Promise<T>;
  /** Ends every child and starts no more; for the last line of a program and for signals. */
  end(): Promise<void>;
}

/** What signals go to: a process, or, as a negative number, a process and its descendants. */
type Target = number;

interface SpawnOptions {
  readonly env?: Record<string, string>;
  /** Leads a group of its own, so that its descendants can be ended with it. */
  readonly detached?: boolean;
}

export function createProcesses(): Processes {
  const running = new Map<Deno.ChildProcess, Target>();
  const kept = new Set<() => Promise<void>>();
  let isEnding = false;

  function start(args: readonly string[], options: SpawnOptions): Deno.ChildProcess {
    if (isEnding) throw new Error("Cannot start a process: the program is ending");
    const child = spawn(args, options);
    running.set(child, options.detached ? -child.pid : child.pid);
    child.status.then(() => running.delete(child));
    return child;
  }

  async function stop(child: Deno.ChildProcess): Promise<void> {
    const target = running.get(child);
    if (target === undefined) return;
    signal(target, "SIGTERM");
    const timer = setTimeout(() => signal(target, "SIGKILL"), STOP_MS_MAX);
    await child.status;
    clearTimeout(timer);
  }

  return {
    async listen(args, env = {}) {
      const child = start(args, { env });
      try {
        const origin = await originOf(child, args.find((arg) => arg.endsWith(".ts")) ?? "");
        return { origin, [Symbol.asyncDispose]: () => stop(child) };
      } catch (cause) {
        await stop(child);
        throw cause;
      }
    },

    async finish(args, msMax) {
      const child = start(args, { detached: true });
      let isTimedOut = false;
      const timer = setTimeout(() => {
        isTimedOut = true;
        void stop(child);
      }, msMax);
      const [stdout, stderr, { code }] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.status,
      ]);
      clearTimeout(timer);
      return { code, stdout, stderr, isTimedOut };
    },

    async keep(opening) {
      let disposing: Promise<void> | undefined;
      const dispose = () =>
        disposing ??= opening.then((resource) => resource[Symbol.asyncDispose]())
          .finally(() => kept.delete(dispose));
      kept.add(dispose);
      try {
        return { ...await opening, [Symbol.asyncDispose]: dispose };
      } catch (cause) {
        kept.delete(dispose);
        throw cause;
      }
    },

    async end() {
      isEnding = true;
      await Promise.all([...running.keys()].map(stop));
      await Promise.allSettled([...kept].map((dispose) => dispose()));
    },
  };
}

function spawn(args: readonly string[], options: SpawnOptions): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...options,
  }).spawn();
}

function signal(target: Target, name: Deno.Signal): void {
  try {
    Deno.kill(target, name);
  } catch {
    // It ended by itself in the meantime.
  }
}

/** Waits for the line that says where the server listens; reads its output ever after. */
async function originOf(child: Deno.ChildProcess, program: string): Promise<string> {
  const output: string[] = [];
  const origin = Promise.withResolvers<string>();
  const fail = (why: string) =>
    origin.reject(new Error(`Cannot start ${program}: ${why}\n${output.join("\n")}`));
  void collect(child.stderr, (line) => keepTail(output, line));
  void collect(child.stdout, (line) => {
    keepTail(output, line);
    const found = /^Listening on (https?:\/\/[^\s/]+)/.exec(line)?.[1];
    if (found) origin.resolve(found);
  });
  const timer = setTimeout(() => fail(`no address after ${START_MS_MAX} ms`), START_MS_MAX);
  child.status.then(({ code }) => fail(`it ended with code ${code}`));
  try {
    return await origin.promise;
  } finally {
    clearTimeout(timer);
  }
}

async function collect(
  output: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of output.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  }
}

function keepTail(lines: string[], line: string): void {
  lines.push(line);
  if (lines.length > TAIL_LINES) lines.shift();
}
