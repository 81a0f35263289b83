/**
 * Command-line arguments shared by all commands, and what they make of the configuration.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Config, loadConfig } from "../config/load.ts";

/** Wrong usage: one line for the person, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

type OptionTable = Readonly<Record<string, { readonly type: "string" | "boolean" }>>;

export type Values = Readonly<Record<string, string | boolean | undefined>>;

export const COMMON_OPTIONS = {
  config: { type: "string" },
  data: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  help: { type: "boolean" },
} as const;

/** @throws {UsageError} for an unknown option, a missing value, or a stray argument */
export function parseOptions(args: readonly string[], options: OptionTable): Values {
  return parsed(args, options, false).values;
}

function parsed(args: readonly string[], options: OptionTable, allowPositionals: boolean) {
  try {
    const table = { ...COMMON_OPTIONS, ...options };
    const { positionals, values } = parseArgs({
      args: [...args],
      options: table,
      strict: true,
      allowPositionals,
    });
    return { positionals, values: values as Values };
  } catch (error) {
    // The first sentence; what follows is advice on Node's own syntax.
    throw new UsageError((error as Error).message.split(/\.\s/)[0]!);
  }
}

/**
 * The same with so many arguments at most besides, wherever they stand.
 * @throws as `parseOptions`
 */
export function parseArguments(
  args: readonly string[],
  options: OptionTable,
  count: number,
): { readonly given: readonly string[]; readonly values: Values } {
  const { positionals, values } = parsed(args, options, true);
  const stray = positionals[count];
  if (stray !== undefined) throw new UsageError(`Unexpected argument '${stray}'`);
  return { given: positionals, values };
}

/** What stands besides the options of a command, these right or wrong. */
export function looselyParsed(args: readonly string[], options: OptionTable) {
  const table = { ...COMMON_OPTIONS, ...options };
  return parseArgs({ args: [...args], options: table, strict: false, allowPositionals: true });
}

/**
 * @param env reads a variable; the default is the process's environment
 * @throws {ConfigError}
 */
export function configFrom(values: Values): Config {
  const flags: Record<string, string> = {};
  if (typeof values.host === "string") flags.HOST = values.host;
  if (typeof values.port === "string") flags.PORT = values.port;
  return loadConfig({
    flags,
    dataDir: values.data as string | undefined,
    configPath: values.config as string | undefined,
    env: (name) => Deno.env.get(name),
    readFile(path) {
      try {
        return Deno.readTextFileSync(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
  });
}
