/**
 * A gateway that serves `shelf_server.ts` and a stdio server from its config file, and is managed
 * through its API.
 *
 * @module
 */
import { type Api, openApi } from "./api_client.ts";
import { openShelfWorld, type ShelfWorld } from "./shelf_world.ts";
import type { Offer, Stand } from "./shelf_server.ts";
import { pathOf } from "./spawn.ts";
import { type OwnSchema, ownSchema } from "./postgres.ts";

export interface ApiWorld extends ShelfWorld {
  readonly api: Api;
  /** The declared ones. */
  readonly stands: Readonly<Record<string, Stand>>;
  readonly dataDir: string;
  /** Where PostgreSQL keeps it. */
  readonly schema: OwnSchema | undefined;
  /** Ends the program and starts it again, on the same data. */
  readonly restart: (signal?: "SIGTERM" | "SIGKILL") => Promise<void>;
}

export interface ApiWorldOptions {
  /** Servers over HTTP that the config file declares. */
  readonly declared?: Readonly<Record<string, Partial<Offer>>>;
  /** Further entries of `mcpServers`. */
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly servers?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly database?: DatabaseKind;
}

export const DATABASES = ["sqlite", "memory", "postgres"] as const;
export type DatabaseKind = (typeof DATABASES)[number];

/** What is made through the API may be on this machine. */
export const LOOPBACK_ALLOWED = { EGRESS_ALLOW_PRIVATE: "127.0.0.0/8" };

export async function openApiWorld(options: ApiWorldOptions = {}): Promise<ApiWorld> {
  const { declared = {}, entries = {}, servers = {}, database = "sqlite" } = options;
  const stack = new AsyncDisposableStack();
  try {
    const schema = database === "postgres" ? stack.use(await ownSchema()) : undefined;
    const world = stack.use(await openShelfWorld());
    const stands = Object.fromEntries(
      Object.entries(declared).map(([name, offer]) => [name, world.stand(name, offer)]),
    );
    const http = Object.values(stands).map(({ name, url }) => [name, { type: "http", url }]);
    const mcpServers = { ...Object.fromEntries(http), ...entries };
    await Deno.writeTextFile(world.configFile, JSON.stringify({ mcpServers, servers }));
    const env = {
      ...LOOPBACK_ALLOWED,
      ...schema === undefined ? {} : { DATABASE_URL: schema.text, ...KEYS },
      ...database === "memory" ? { DATABASE_URL: "sqlite::memory:" } : {},
      ...options.env,
    };
    await world.start(env);
    return {
      ...world,
      stands,
      schema,
      api: await openApi(() => world.origin),
      dataDir: world.configFile.replace(/[^/]*$/, "data"),
      start: (more) => world.start({ ...env, ...more }),
      async restart(signal) {
        await world.stop(signal);
        await world.start(env);
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** With a database that several may share these must be given. */
const KEYS = { AUTH_ENCRYPTION_SECRET: "only-for-tests-abcdefghij-0123456789-ZYX" };

/** The entry of a stdio server that starts at once and has no tools. */
export const LEAN = { command: "sh", args: [pathOf("fixtures/stdio/lean.sh")] };

/** The entry of `fixtures/stdio/main.ts`. */
export function everythingOverStdio(era: "both" | "modern" | "legacy" = "both") {
  return denoEntry("fixtures/stdio/main.ts", ["--era", era]);
}

/** The entry of `fixtures/stdio/bad.ts`. */
export function badOverStdio(way: string) {
  return denoEntry("fixtures/stdio/bad.ts", [way]);
}

/** The entry of `fixtures/stdio/file_tools.ts`. */
export function fileToolsOverStdio(file: string) {
  return denoEntry("fixtures/stdio/file_tools.ts", [file]);
}

function denoEntry(script: string, args: readonly string[]) {
  const run = ["run", "-A", "--no-check", `--config=${pathOf("deno.json")}`, pathOf(script)];
  return { command: Deno.execPath(), args: [...run, ...args] };
}
