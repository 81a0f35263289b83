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
  try {
    const table = { ...COMMON_OPTIONS, ...options };
    return parseArgs({ args: [...args], options: table, strict: true }).values as Values;
  } catch (error) {
    // The first sentence; what follows is advice on Node's own syntax.
    throw new UsageError((error as Error).message.split(/\.\s/)[0]!);
  }
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
