/**
 * The config file while the gateway runs: a change is taken over whole, or refused whole.
 *
 * Only what the file declares is taken over; `settings` need a restart. Whoever owns one of these
 * says when to look; the looking, the checks and their order are here.
 *
 * @module
 * @see contract.md, section 3
 */
import { LIMITS } from "../domain/limits.ts";
import type { StdioUpstream, UpstreamDeclaration } from "../domain/server.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../telemetry/log.ts";
import { ENTRIES } from "./entries.ts";
import { type ConfigFile, type Declarations, NO_FILE, parseConfigFile } from "./file.ts";
import type { Lookup } from "./reading.ts";

export type StdioDeclaration = Omit<StdioUpstream, "id" | "seq">;

export interface ReloadDeps {
  /**
   * What the file holds now, `undefined` when it is not there.
   * @throws {Error} when it cannot be read
   */
  readonly read: () => Promise<string | undefined>;
  readonly lookup: Lookup;
  /** Whether this process may start the server's program. */
  readonly mayRun: (server: StdioDeclaration) => boolean;
  /**
   * Takes over what the file declares now, all or nothing. Never called while it still runs; when
   * it fails it is tried again.
   */
  readonly onChange: (declarations: Declarations) => Promise<void>;
  readonly pause: (ms: number) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ReloadOptions {
  /** For log lines. */
  readonly path: string;
  /** What the file held when the gateway started; `undefined` without a file. */
  readonly text: string | undefined;
}

export interface Reload {
  /**
   * Looks at the file. A call while another one is at it leads to one look more. Never rejects.
   * @param isDemanded somebody asked for it: what was said before is said again
   */
  readonly check: (isDemanded?: boolean) => Promise<void>;
  /** From now on nothing is taken over any more; what has begun ends. */
  readonly stop: () => void;
}

/** What a look at the file shows. */
type Sight = { readonly text: string } | { readonly problem: string };

/** Editors and copies write in pieces: what stays the same for so long is whole. */
const SETTLED_MS = 150;

/** After a failure of `onChange`, doubled with each further one. */
const RETRY_MS = 2_000;
const RETRY_MS_MAX = 60_000;

export function createReload(deps: ReloadDeps, options: ReloadOptions): Reload {
  const { log, clock } = deps;
  const { path } = options;
  const first = firstState(deps.lookup, options.text);
  let notes = first.notes;
  /** `undefined` is no file; `false` that a change may have been taken over or not. */
  let applied: string | undefined | false = options.text;
  /** What was refused and said. */
  let refused: Sight | undefined;
  /** What could not be taken over, how often in a row, and when it is tried again. */
  let failed:
    | { readonly text: string; readonly times: number; readonly retryMs: number }
    | undefined;
  let running: Promise<void> | undefined;
  let wanted: { isDemanded: boolean } | undefined;
  let isStopped = false;

  async function look(isDemanded: boolean): Promise<void> {
    const sight = await settled(deps, (text) => isKnown(text) || sameSight(text, refused));
    if (sight === undefined || isStopped) return;
    if (isKnown(sight)) {
      refused = undefined;
      if (isDemanded) log.info("The config file has not changed", { file: path });
      return;
    }
    if (sameSight(sight, refused) && !isDemanded) return;
    refused = undefined;
    if ("problem" in sight) return refuse(sight, [sight.problem]);
    const isTooSoon = failed?.text === sight.text && clock.monotonic() < failed.retryMs;
    if (isTooSoon && !isDemanded) return;
    const problems: string[] = [];
    const file = parsed(deps, first.settings, sight.text, problems);
    if (problems.length > 0) return refuse(sight, problems);
    await takeOver(file, sight.text);
  }

  function isKnown(sight: Sight): boolean {
    if (applied === false) return false;
    return "text" in sight ? sight.text === applied : applied === undefined && isGone(sight);
  }

  function refuse(sight: Sight, problems: readonly string[]): void {
    refused = sight;
    for (const problem of problems.slice(0, LIMITS.configProblemsLogged)) {
      log.error("The config file is refused; what it declared before stays", {
        file: path,
        problem,
      });
    }
    const more = problems.length - LIMITS.configProblemsLogged;
    if (more > 0) log.error("The config file has more problems", { file: path, more });
  }

  async function takeOver(file: ConfigFile, text: string): Promise<void> {
    try {
      await deps.onChange(file.declarations);
    } catch (error) {
      applied = false;
      const times = failed?.text === text ? failed.times + 1 : 1;
      const waitMs = Math.min(RETRY_MS * 2 ** (times - 1), RETRY_MS_MAX);
      failed = { text, times, retryMs: clock.monotonic() + waitMs };
      log.error("The changed config file could not be taken over", { file: path, error });
      return;
    }
    applied = text;
    failed = undefined;
    const { upstreams, servers } = file.declarations;
    log.info("The changed config file is in use", {
      file: path,
      upstreams: upstreams.length,
      servers: servers.length,
    });
    for (const note of file.notes.filter((one) => !notes.includes(one))) log.warning(note);
    notes = file.notes;
    const changed = changedSettings(first.settings, file.settings);
    if (changed.length > 0) {
      log.warning("Settings in the config file have changed: they need a restart", { changed });
    }
  }

  async function run(): Promise<void> {
    for (let next = wanted; next !== undefined && !isStopped; next = wanted) {
      wanted = undefined;
      try {
        await look(next.isDemanded);
      } catch (error) {
        log.error("The config file could not be looked at", { file: path, error });
      }
    }
    running = undefined;
  }

  return {
    check(isDemanded = false) {
      wanted = { isDemanded: isDemanded || (wanted?.isDemanded ?? false) };
      running ??= run();
      return running;
    },
    stop() {
      isStopped = true;
    },
  };
}

/**
 * What the file shows twice in a row; `undefined` when it does not come to rest.
 * @param isOld told of the first look: whether there is nothing to wait for
 */
async function settled(
  { read, pause }: ReloadDeps,
  isOld: (sight: Sight) => boolean,
): Promise<Sight | undefined> {
  let before = await see(read);
  if (isOld(before)) return before;
  for (let looks = 0; looks < LIMITS.configSettleReads; looks++) {
    await pause(SETTLED_MS);
    const now = await see(read);
    if (sameSight(now, before)) return now;
    before = now;
  }
  return undefined;
}

const GONE = "it is not there any more";

async function see(read: ReloadDeps["read"]): Promise<Sight> {
  try {
    const text = await read();
    return text === undefined ? { problem: GONE } : { text };
  } catch (error) {
    return { problem: `it cannot be read: ${(error as Error).message}` };
  }
}

function isGone(sight: Sight): boolean {
  return "problem" in sight && sight.problem === GONE;
}

function sameSight(one: Sight, other: Sight | undefined): boolean {
  if (other === undefined) return false;
  return "text" in one
    ? "text" in other && one.text === other.text
    : "problem" in other && one.problem === other.problem;
}

function parsed(
  { lookup, mayRun }: ReloadDeps,
  settings: ConfigFile["settings"],
  text: string,
  problems: string[],
): ConfigFile {
  const file = parseConfigFile(text, lookup, problems);
  for (const server of file.declarations.upstreams) {
    if (!isStdio(server) || !server.enabled || mayRun(server)) continue;
    problems.push(
      `mcpServers.${server.name}.command: needs a restart: this process may not run it`,
    );
  }
  for (const name of changedSettings(settings, file.settings)) {
    const entry = Object.values(ENTRIES).find(({ env }) => env === name);
    const value = file.settings[name];
    if (entry === undefined || value === undefined) continue;
    try {
      entry.parse(value);
    } catch (error) {
      problems.push(`settings.${name}: ${(error as Error).message}`);
    }
  }
  return file;
}

/** What the gateway started with was right then: problems with it are no matter now. */
function firstState(lookup: Lookup, text: string | undefined): ConfigFile {
  return text === undefined ? NO_FILE : parseConfigFile(text, lookup, []);
}

function changedSettings(
  before: ConfigFile["settings"],
  now: ConfigFile["settings"],
): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].filter((name) => before[name] !== now[name]);
}

function isStdio(server: UpstreamDeclaration): server is StdioDeclaration {
  return server.transport === "stdio";
}
