/**
 * The Deno permissions that a configuration needs, and no more.
 *
 * @module
 * @see design.md, "Sandbox"
 */
import { CONFIG_FILE_VARIABLE, ENTRIES } from "../config/entries.ts";
import { type Config, DEFAULT_CONFIG_PATH } from "../config/load.ts";

/**
 * Flags for `deno run`, in a stable order.
 *
 * The network is open by default: upstream servers may be added while the gateway runs, and their
 * names resolve to addresses that are not known here. `strict` lists listener and declared
 * upstream servers instead.
 */
export function permissionFlags(config: Config, strict: boolean): readonly string[] {
  const files = [config.dataDir, config.configPath ?? DEFAULT_CONFIG_PATH];
  return [
    "--no-prompt",
    strict ? `--allow-net=${destinations(config).join(",")}` : "--allow-net",
    `--allow-env=${variables(config).join(",")}`,
    // Libraries look at variables that are not ours: those are absent, not an error.
    "--ignore-env",
    `--allow-read=${files.join(",")}`,
    `--allow-write=${config.dataDir}`,
  ];
}

function variables(config: Config): readonly string[] {
  const settings = Object.values(ENTRIES).map((entry) => entry.env as string);
  return [...new Set([...settings, CONFIG_FILE_VARIABLE, ...config.variables])].sort();
}

function destinations(config: Config): readonly string[] {
  const listener = `${bracketed(config.host)}:${config.port}`;
  const upstreams = config.upstreams.map(({ url }) =>
    `${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`
  );
  return [...new Set([listener, ...upstreams])];
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
