/**
 * The processes of a run: contenders, which say `Listening on http://HOST:PORT`, and the load generator,
 * which takes jobs. Each is started through the running Deno and stopped by its own id.
 *
 * @module
 */

import { linesOf } from "./lines.ts";
import {
  type AnyJob,
  type ChurnJob,
  type ChurnResult,
  type DiscoverJob,
  type DiscoverResult,
  type IdleJob,
  type IdleResult,
  type Job,
  JOB_GRACE_MS,
  type JobResult,
} from "./types.ts";

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 5_000;
const STDERR_CHARS_MAX = 4_000;

/** What a child may know of our environment: where packages are cached, and nothing that steers it. */
const ENV_KEPT = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR"];

/** A contender that is ready for requests. */
export interface Listener {
  readonly pid: number;
  readonly port: number;
  /** From the start of the process to its line on stdout. */
  readonly startMs: number;
  /** @throws {Error} when the process has ended by itself, with its last words */
  check(): void;
  stop(): Promise<void>;
}

/** The load generator. Its methods throw an `Error` when it ends, or does not answer in time. */
export interface LoadGenerator {
  readonly pid: number;
  run(job: Job): Promise<JobResult>;
  idle(job: IdleJob): Promise<IdleResult>;
  churn(job: ChurnJob): Promise<ChurnResult>;
  discover(job: DiscoverJob): Promise<DiscoverResult>;
}

/** All processes of a run. Whatever was started here can be ended here, even while it is starting. */
export interface Processes {
  /**
   * Starts a program with the arguments of `deno` and waits until it listens.
   *
   * @throws {Error} when it ends before that, or takes too long, with its last words
   */
  startListener(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<Listener>;
  startLoadGenerator(program: string): LoadGenerator;
  /** Ends everything that still runs. From then on nothing can be started. */
  stopAll(): Promise<void>;
}

/** No processes yet. */
export function createProcesses(): Processes {
  const running = new Set<Deno.ChildProcess>();
  let isStopped = false;

  const spawn: Spawn = (args, env, stdin) => {
    if (isStopped) throw new Error("The run is being stopped");
    const child = spawnDeno(args, env, stdin);
    running.add(child);
    child.status.finally(() => running.delete(child));
    return child;
  };
  return {
    startListener: (args, env) => startListener(spawn, args, env),
    startLoadGenerator: (program) => startLoadGenerator(spawn, program),
    async stopAll() {
      isStopped = true;
      await Promise.all([...running].map(end));
    },
  };
}

type Spawn = (
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin: "null" | "piped",
) => Deno.ChildProcess;

async function startListener(
  spawn: Spawn,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Listener> {
  const startedMs = performance.now();
  const child = spawn(args, env, "null");
  const words = lastWords(child);
  const listening = Promise.withResolvers<number>();
  drain(child, (line) => {
    const port = /^Listening on http:\/\/\S+:(\d+)/.exec(line)?.[1];
    if (port !== undefined) listening.resolve(Number(port));
  });
  let hasEnded = false;
  const ended = child.status.then(() => {
    hasEnded = true;
  });
  const port = await Promise.race([
    listening.promise,
    ended.then(() => undefined),
    deadline(START_MS_MAX).then(() => undefined),
  ]);
  const startMs = performance.now() - startedMs;
  if (port === undefined) {
    await end(child);
    throw new Error(`"deno ${args.join(" ")}" is not listening: ${words()}`);
  }
  return {
    pid: child.pid,
    port,
    startMs,
    check() {
      if (hasEnded) throw new Error(`"deno ${args.join(" ")}" ended: ${words()}`);
    },
    stop: () => end(child),
  };
}

function startLoadGenerator(spawn: Spawn, program: string): LoadGenerator {
  const child = spawn(["run", "-A", program], {}, "piped");
  const words = lastWords(child);
  const stdin = child.stdin.getWriter();
  const encoder = new TextEncoder();
  let onLine: (line: string) => void = () => {};
  drain(child, (line) => onLine(line));
  const ended = child.status.then(() => {});
  const failure = () => {
    throw new Error(`The load generator does not answer: ${words()}`);
  };
  const ask = async (job: AnyJob) => {
    const answer = new Promise<string>((resolve) => onLine = resolve);
    await stdin.write(encoder.encode(JSON.stringify(job) + "\n"));
    const line = await Promise.race([
      answer,
      ended.then(failure),
      deadline(JOB_GRACE_MS + durationMsOf(job)).then(failure),
    ]);
    return JSON.parse(line);
  };
  return { pid: child.pid, run: ask, idle: ask, churn: ask, discover: ask };
}

/** Room for a job: a millisecond for each request, ten for each session and each tool. */
function durationMsOf(job: AnyJob): number {
  if (job.kind === "discover") return job.names.length * 10;
  if (job.kind !== "load") return job.count * 10;
  const { warmupMs, extent } = job;
  return warmupMs + ("durationMs" in extent ? extent.durationMs : extent.requests);
}

function spawnDeno(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin: "null" | "piped",
): Deno.ChildProcess {
  const kept = ENV_KEPT.map((name) => [name, Deno.env.get(name)] as const)
    .filter((pair): pair is [string, string] => pair[1] !== undefined);
  return new Deno.Command(Deno.execPath(), {
    args: [...args],
    clearEnv: true,
    env: { ...Object.fromEntries(kept), NO_COLOR: "1", ...env },
    stdin,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Reads stdout to its end, so that a talkative child never blocks on a full pipe. */
async function drain(child: Deno.ChildProcess, onLine: (line: string) => void): Promise<void> {
  for await (const line of linesOf(child.stdout)) onLine(line);
}

/** Reads stderr to its end; the function returned gives what was said last. */
function lastWords(child: Deno.ChildProcess): () => string {
  let words = "";
  (async () => {
    for await (const line of linesOf(child.stderr)) {
      words = `${words}\n${line}`.slice(-STDERR_CHARS_MAX);
    }
  })();
  return () => words.trim() || "it said nothing on stderr";
}

/** SIGTERM, and after a while SIGKILL. Returns when the process has ended. */
async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch {
    return; // It has ended already.
  }
  const wait = new AbortController();
  const isLate = deadline(STOP_MS_MAX, wait.signal).then(() => true);
  if (await Promise.race([isLate, child.status.then(() => false)])) child.kill("SIGKILL");
  wait.abort();
  await child.status;
}

/** Resolves after a time; does not keep the process alive, and never once aborted. */
function deadline(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    Deno.unrefTimer(timer);
    signal?.addEventListener("abort", () => clearTimeout(timer));
  });
}
