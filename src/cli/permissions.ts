/**
 * The Deno permissions that a configuration needs, and no more.
 *
 * @module
 * @see design.md, "Sandbox"
 */
import { CONFIG_FILE_VARIABLE, ENTRIES, NOT_YET_SERVED } from "../config/entries.ts";
import { type Config, DEFAULT_CONFIG_PATH } from "../config/load.ts";
import { UsageError } from "./args.ts";

/**
 * Flags for `deno run`, in a stable order.
 *
 * The network is open by default: upstream servers may be added while the gateway runs, and their
 * names resolve to addresses that are not known here.
 *
 * @param net the only destinations to allow, from `strictDestinations`; `undefined` for all
 * @throws {UsageError} for a path that cannot be written in a flag
 */
export function permissionFlags(config: Config, net?: readonly string[]): readonly string[] {
  const files = [config.dataDir, config.configPath ?? DEFAULT_CONFIG_PATH];
  for (const file of files) {
    // The flags separate paths by commas and have no way to write one.
    if (file.includes(",")) throw new UsageError(`The path "${file}" must not contain a comma`);
  }
  return [
    "--no-prompt",
    net === undefined ? "--allow-net" : `--allow-net=${net.join(",")}`,
    `--allow-env=${variables(config).join(",")}`,
    // Libraries look at variables that are not ours: those are absent, not an error.
    "--ignore-env",
    `--allow-read=${files.join(",")}`,
    `--allow-write=${config.dataDir}`,
  ];
}

/**
 * The listener, and of each declared upstream server its name, for the look-up, and the addresses
 * that the name has now: connections go to addresses. When these change, the flags do too.
 *
 * @param resolve gives the addresses of a name; none when it has none
 */
export async function strictDestinations(
  config: Config,
  resolve: (name: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const found = new Set([`${bracketed(config.host)}:${config.port}`]);
  for (const { url } of config.upstreams) {
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    if (isAddress(url.hostname)) {
      found.add(`${url.hostname}:${port}`);
      continue;
    }
    found.add(url.hostname);
    for (const address of await resolve(url.hostname)) found.add(`${bracketed(address)}:${port}`);
  }
  return [...found];
}

/** WHATWG URLs write every IPv4 address with dots and every IPv6 address in brackets. */
function isAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}

function variables(config: Config): readonly string[] {
  const settings = Object.values(ENTRIES).map((entry) => entry.env as string);
  const names = [...settings, ...NOT_YET_SERVED, CONFIG_FILE_VARIABLE, ...config.variables];
  return [...new Set(names)].sort();
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
