/**
 * Watches the config file, and listens for SIGHUP.
 *
 * The file is read every two seconds and compared with what is in use. Watching its directory
 * instead would ask for the permission to read all of that directory, and misses changes on network
 * and container mounts; a symbolic link that is turned, as Kubernetes does, and an editor that
 * replaces the file look the same to a reader.
 *
 * @module
 */
import type { Declarations } from "../config/file.ts";
import { type Config, DEFAULT_CONFIG_PATH } from "../config/load.ts";
import { createReload, type Reload, type StdioDeclaration } from "../config/reload.ts";
import { LIMITS } from "../domain/limits.ts";
import { systemClock } from "../platform/clock.ts";
import type { Log } from "../telemetry/log.ts";
import { commandsOf } from "./permissions.ts";

export interface WatchOptions {
  /** What the gateway was started with. */
  readonly config: Config;
  /** Takes over what the file declares now, all or nothing; one call at a time. */
  readonly onChange: (declarations: Declarations) => Promise<void>;
  /** Told when the terminal from which the gateway was started is gone. */
  readonly onHangup: () => void;
  readonly log: Log;
  readonly everyMs?: number;
}

const EVERY_MS = 2_000;

export function watchConfig(options: WatchOptions): { readonly stop: () => void } {
  const { config, log, onChange, everyMs = EVERY_MS } = options;
  const path = config.configPath ?? DEFAULT_CONFIG_PATH;
  const reload = createReload({
    read: () => readConfigFile(path),
    lookup,
    mayRun: runnable(config),
    onChange,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    clock: systemClock,
    log,
  }, { path, text: config.configText });
  // Of a pipe there is nothing more to read.
  const isWatched = config.configText === undefined || isFile(path);
  const timer = isWatched ? setInterval(() => reload.check(), everyMs) : undefined;
  if (timer !== undefined) Deno.unrefTimer(timer);
  const hup = listenForHangup(isWatched ? reload : undefined, options.onHangup);
  return {
    stop() {
      clearInterval(timer);
      hup.stop();
      reload.stop();
    },
  };
}

/**
 * SIGHUP asks for another look. It is also what the end of a terminal sends to all that was started
 * in it: a gateway of that terminal ends with it.
 */
function listenForHangup(reload: Reload | undefined, onHangup: () => void) {
  if (Deno.build.os === "windows") return { stop: () => {} };
  const wasInTerminal = Deno.stdin.isTerminal();
  const taken = () => {
    if (wasInTerminal && !Deno.stdin.isTerminal()) onHangup();
    else reload?.check(true);
  };
  Deno.addSignalListener("SIGHUP", taken);
  return { stop: () => Deno.removeSignalListener("SIGHUP", taken) };
}

/** @throws {Error} when it cannot be read, or is not what a config file can be */
async function readConfigFile(path: string): Promise<string | undefined> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw new Error("it is not a file");
    if (size > LIMITS.configFileBytes) {
      throw new Error(`it is larger than ${LIMITS.configFileBytes} bytes`);
    }
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    // It was there a moment ago, and may come back.
    return true;
  }
}

/** The launcher has allowed the variables that it found in the file, and no others. */
function lookup(name: string): string | undefined {
  if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") {
    throw new Error(
      `needs a restart: the environment variable ${name} is not allowed to this process`,
    );
  }
  return Deno.env.get(name);
}

/** A command that could not be found at start was no reason to refuse the file, and is none now. */
function runnable(config: Config): (server: StdioDeclaration) => boolean {
  const known = new Set(
    config.declarations.upstreams.flatMap((server) =>
      server.transport === "stdio" && server.enabled ? commandsOf(server) : []
    ),
  );
  return (server) =>
    commandsOf(server).some((command) =>
      known.has(command) ||
      Deno.permissions.querySync({ name: "run", command }).state === "granted"
    );
}
