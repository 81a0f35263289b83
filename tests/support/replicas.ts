/**
 * Several gateways of one config file on one PostgreSQL schema of their own, each a process that
 * can be killed, paused and started again.
 *
 * @module
 */
import { freePort } from "./free_port.ts";
import { type OwnSchema, ownSchema, ownUser, POSTGRES_URL, postgresTest } from "./postgres.ts";
import { type Program, type ProgramOptions, startProgram } from "./program.ts";
import { IS_SKIPPED, redisTest } from "./redis_server.ts";
import { tempDir } from "./temp_dir.ts";
import { TEST_JWT_SECRET } from "./tokens.ts";

export interface ReplicasOptions {
  readonly count: number;
  /** The config file of all of them. */
  readonly config?: unknown;
  /** Settings by their environment names. */
  readonly env?: Readonly<Record<string, string>>;
  /** More of them, for one replica; counted from 0. */
  readonly envOf?: (nth: number) => Readonly<Record<string, string>>;
  readonly redisUrl?: string;
  /** Where they find PostgreSQL, unless at its own port: a fault proxy. */
  readonly postgresPort?: number;
  /** Whether they are a user of their own there, who is no administrator. */
  readonly hasUser?: boolean;
  /** What follows `deno` for one replica; `main.ts` with all permissions unless given. */
  readonly denoOf?: (nth: number) => readonly string[];
  /** Commands of the shell that then becomes the process. */
  readonly before?: string;
}

export interface Replica {
  /** The same for all of its lives. */
  readonly origin: string;
  readonly pid: () => number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** `SIGSTOP` and `SIGCONT` too. */
  readonly signal: (signal: Deno.Signal) => void;
  /** `kill -9`, and it is gone. */
  readonly kill: () => Promise<void>;
  /** SIGTERM. Resolves with the exit code. */
  readonly stop: () => Promise<number>;
  /** Starts it again, with its data directory, once it has ended. Resolves when it listens. */
  readonly start: () => Promise<void>;
}

export interface Replicas extends AsyncDisposable {
  /** Where the config file of all of them is. */
  readonly configPath: string;
  readonly schema: OwnSchema;
  /** Who they are in PostgreSQL. */
  readonly user: string;
  /** What all of them are given, for another process on the same schema. */
  readonly env: Readonly<Record<string, string>>;
  readonly all: readonly Replica[];
  readonly origins: readonly string[];
}

/** A test that needs PostgreSQL and a Redis. */
export function replicasTest(name: string, test: () => Promise<void>): void {
  if (IS_SKIPPED) redisTest(name, test);
  else postgresTest(name, test);
}

/** Starts them all at once, and waits until they listen. */
export async function startReplicas(options: ReplicasOptions): Promise<Replicas> {
  await using stack = new AsyncDisposableStack();
  const schema = stack.use(await ownSchema());
  const { text, url } = options.hasUser ? stack.use(await ownUser(schema)) : schema;
  const dir = stack.use(await tempDir()).path;
  const configPath = `${dir}/config.json`;
  await Deno.writeTextFile(configPath, JSON.stringify(options.config ?? {}));
  const env = {
    DATABASE_URL: at(text, options.postgresPort),
    JWT_SECRET_KEY: TEST_JWT_SECRET,
    AUTH_ENCRYPTION_SECRET: TEST_ENCRYPTION_SECRET,
    ...options.redisUrl !== undefined && { REDIS_URL: options.redisUrl },
    ...options.env,
  };
  const all = Array.from({ length: options.count }, (_, i) => {
    const replica = createReplica(["--config", configPath, "--data", `${dir}/${i}`], {
      env: { ...env, ...options.envOf?.(i) },
      ...options.denoOf && { deno: options.denoOf(i) },
      ...options.before !== undefined && { before: options.before },
    });
    stack.defer(replica.end);
    return replica;
  });
  await Promise.all(all.map(({ start }) => start()));
  const kept = stack.move();
  return {
    configPath,
    schema,
    user: url.user,
    env,
    all,
    origins: all.map(({ origin }) => origin),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const TEST_ENCRYPTION_SECRET = "only-for-tests-abcdefghij-0123456789-XYZ";

function createReplica(args: readonly string[], options: ProgramOptions) {
  const port = freePort();
  let life: Program | undefined;

  function living(): Program {
    if (life === undefined) throw new Error("It was never started");
    return life;
  }

  async function ended(signal: Deno.Signal): Promise<number> {
    living().signal(signal);
    return (await living().ended()).code;
  }

  return {
    origin: `http://127.0.0.1:${port}`,
    pid: () => living().pid,
    stdout: () => living().stdout(),
    stderr: () => living().stderr(),
    signal: (signal: Deno.Signal) => living().signal(signal),
    kill: async () => void await ended("SIGKILL"),
    stop: () => ended("SIGTERM"),
    async start() {
      life = startProgram(["--port", String(port), ...args], options);
      await life.listening();
    },
    async end() {
      try {
        // Asleep, it would not hear that it shall end.
        life?.signal("SIGCONT");
      } catch {
        // It has ended already.
      }
      await life?.[Symbol.asyncDispose]();
    },
  };
}

function at(url: string, port: number | undefined): string {
  if (port === undefined) return url;
  const other = new URL(url);
  other.port = String(port);
  other.hostname = "127.0.0.1";
  return other.href;
}

/** Where PostgreSQL is, for a fault proxy in front of it. */
export function postgresPlace(): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(POSTGRES_URL);
  return { host: hostname, port: Number(port || 5432) };
}
