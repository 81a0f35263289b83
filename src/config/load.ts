/**
 * Flags, environment and config file become one frozen `Config`, or all problems at once.
 *
 * @module
 */
import { LIMITS } from "../domain/limits.ts";
import { CONFIG_FILE_VARIABLE, ENTRIES, NOT_YET_SERVED } from "./entries.ts";
import type { Entry } from "./entry.ts";
import { type ConfigFile, type Declarations, NO_FILE, parseConfigFile } from "./file.ts";
import { problemsTogether } from "./together.ts";

type Values = { readonly [K in keyof typeof ENTRIES]: ReturnType<(typeof ENTRIES)[K]["parse"]> };

/** Settings that may be absent. */
type Optional =
  | "publicUrl"
  | "redisUrl"
  | "eventStore"
  | "drainMs"
  | "streamsPerPrincipal"
  | "rateOfPrincipal"
  | "rateOfTool"
  | "rateOfSource"
  | "jwtSecretKey"
  | "jwtPublicKeyPath"
  | "jwtPrivateKeyPath"
  | "encryptionSecret"
  | "encryptionSecretPrevious"
  | "redisUrl"
  | "logFormat";

export type Settings =
  & Omit<Values, Optional>
  & { readonly [K in Optional]: Values[K] | undefined };

export interface Config extends Settings {
  /** Directory of everything that is kept. */
  readonly dataDir: string;
  /** The config file in use, if any. */
  readonly configPath: string | undefined;
  /** What that file held, for a reload to compare with. Holds secrets. */
  readonly configText: string | undefined;
  readonly declarations: Declarations;
  /** Environment variables that the config file refers to. */
  readonly variables: readonly string[];
  readonly notes: readonly string[];
}

/** All that is wrong with the configuration. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

export interface ConfigSources {
  /** Values given on the command line, by environment name (`PORT`). */
  readonly flags: Readonly<Record<string, string>>;
  readonly dataDir: string | undefined;
  readonly configPath: string | undefined;
  readonly env: (name: string) => string | undefined;
  /** @throws {Error} when the file cannot be read; `undefined` when it does not exist */
  readonly readFile: (path: string) => string | undefined;
}

/** As it is when nothing is said. */
export function eventStoreOf({ eventStore, redisUrl }: Settings): "sqlite" | "memory" | "redis" {
  return eventStore ?? (redisUrl === undefined ? "sqlite" : "redis");
}

/** The same: replicas stand behind a balancer, which needs time to notice. */
export function drainMsOf({ drainMs, redisUrl }: Settings): number {
  return drainMs ?? (redisUrl === undefined ? 0 : 5_000);
}

export const DEFAULT_CONFIG_PATH = "./sallyport.json";
export const DEFAULT_DATA_DIR = "./data";

/** @throws {ConfigError} */
export function loadConfig(sources: ConfigSources): Config {
  const problems: string[] = [];
  const { configPath, text, file } = loadFile(sources, problems);
  const settings = {} as Record<string, unknown>;
  for (const [name, entry] of Object.entries(ENTRIES) as [string, Entry<unknown>][]) {
    const given = sources.flags[entry.env] ?? nonEmpty(sources.env(entry.env)) ??
      file.settings[entry.env] ?? entry.default;
    settings[name] = given === undefined ? undefined : parsed(entry, given, problems);
  }
  const known = new Set(Object.values(ENTRIES).map((entry) => entry.env as string));
  const unknown = Object.keys(file.settings).filter((name) => !known.has(name));
  problems.push(...problemsTogether(settings as Partial<Settings>, problems));
  if (problems.length > 0) throw new ConfigError(problems);
  const early = NOT_YET_SERVED.filter((name) => nonEmpty(sources.env(name)) !== undefined);
  return Object.freeze({
    ...settings as unknown as Settings,
    dataDir: sources.dataDir ?? DEFAULT_DATA_DIR,
    configPath,
    configText: text,
    declarations: file.declarations,
    variables: file.variables,
    notes: [
      ...file.notes,
      ...unknown.map((name) => `settings.${name} is not known, skipped`),
      ...early.map((name) => `${name} is set and has no effect in this version`),
    ],
  });
}

function loadFile(
  sources: ConfigSources,
  problems: string[],
): { configPath: string | undefined; text: string | undefined; file: ConfigFile } {
  const named = sources.configPath ?? nonEmpty(sources.env(CONFIG_FILE_VARIABLE));
  const path = named ?? DEFAULT_CONFIG_PATH;
  let text: string | undefined;
  try {
    text = sources.readFile(path);
  } catch (error) {
    problems.push(`Config file "${path}": cannot be read: ${(error as Error).message}`);
    return { configPath: path, text, file: NO_FILE };
  }
  if (text === undefined) {
    if (named !== undefined) problems.push(`Config file "${path}": does not exist`);
    return { configPath: undefined, text, file: NO_FILE };
  }
  const found: string[] = [];
  if (new TextEncoder().encode(text).length > LIMITS.configFileBytes) {
    found.push(`is larger than ${LIMITS.configFileBytes} bytes`);
  }
  const file = found.length > 0 ? NO_FILE : parseConfigFile(text, sources.env, found);
  problems.push(...found.map((problem) => `Config file "${path}": ${problem}`));
  return { configPath: path, text, file };
}

function parsed(entry: Entry<unknown>, given: string, problems: string[]): unknown {
  try {
    return entry.parse(given);
  } catch (error) {
    problems.push(`${entry.env} ${(error as Error).message}`);
    return undefined;
  }
}

/** A variable that is set to nothing counts as not set: compose files do that. */
function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}
