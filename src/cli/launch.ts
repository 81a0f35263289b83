/**
 * Starts the gateway with exactly the permissions that its configuration needs.
 *
 * Static flags in `deno.json` cannot do this: the config file, the data directory and the
 * variables that the file refers to are known only now. This process reads the same sources as
 * the gateway, starts it, forwards signals, and ends with its exit code.
 *
 * @module
 */
import { ConfigError } from "../config/load.ts";
import { configFrom, parseOptions, UsageError } from "./args.ts";
import { main } from "./cli.ts";
import { namedFiles } from "./named_files.ts";
import { permissionFlags } from "./permissions.ts";

/** SIGHUP is no signal of Windows. */
const TAKEN: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGTERM", "SIGINT"]
  : ["SIGTERM", "SIGINT", "SIGHUP"];

/** A terminal sends SIGINT to the gateway itself: forwarded as well, it would count as a second. */
const NOT_FORWARDED: readonly Deno.Signal[] = Deno.stdin.isTerminal() ? ["SIGINT"] : [];

async function launch(args: readonly string[]): Promise<number> {
  const isServe = args[0] === undefined || args[0] === "serve" || args[0].startsWith("-");
  const flags = isServe ? args.slice(args[0] === "serve" ? 1 : 0) : args.slice(1);
  // Help, and whatever is wrong with the arguments, need no second process.
  if (flags.includes("--help") || flags.includes("-h")) return await main(args);
  const options = commonOptions(flags);
  if (options === undefined) return await main(args);
  const root = new URL("../../", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      `--config=${path(new URL("deno.json", root))}`,
      ...permissionFlags(configFrom(options), undefined, namedFiles(args)),
      path(new URL("main.ts", root)),
      ...args,
    ],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  for (const signal of TAKEN) {
    Deno.addSignalListener(signal, () => {
      if (NOT_FORWARDED.includes(signal)) return;
      try {
        child.kill(signal);
      } catch {
        // It has ended by itself: its exit code is on the way.
      }
    });
  }
  return (await child.status).code;
}

/** `--config`, `--data` and their like, whatever else the command takes. */
function commonOptions(args: readonly string[]) {
  const known = ["--config", "--data", "--host", "--port"];
  const common: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [name] = args[i]!.split("=", 1);
    if (!known.includes(name!)) continue;
    common.push(args[i]!);
    if (!args[i]!.includes("=") && args[i + 1] !== undefined) common.push(args[++i]!);
  }
  try {
    return parseOptions(common, {});
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

function path(url: URL): string {
  return decodeURIComponent(url.pathname);
}

try {
  Deno.exit(await launch(Deno.args));
} catch (error) {
  const isUsage = error instanceof ConfigError || error instanceof UsageError;
  for (const line of (error as Error).message.split("\n")) console.error(`sallyport: ${line}`);
  Deno.exit(isUsage ? 2 : 1);
}
