/**
 * The Deno permissions that a configuration needs, and no more.
 *
 * @module
 * @see design.md, "Sandbox"
 */
import { isAsymmetric } from "../auth/algorithms.ts";
import { CONFIG_FILE_VARIABLE, ENTRIES, NOT_YET_SERVED } from "../config/entries.ts";
import { type Config, DEFAULT_CONFIG_PATH } from "../config/load.ts";
import type { HttpUpstream, StdioUpstream, UpstreamDeclaration } from "../domain/server.ts";
import { IN_MEMORY } from "../storage/database_url.ts";
import { UsageError } from "./args.ts";

/**
 * Flags for `deno run`, in a stable order.
 *
 * The network is open by default: upstream servers may be added while the gateway runs, and their
 * names resolve to addresses that are not known here.
 *
 * @param net the only destinations to allow, from `strictDestinations`; `undefined` for all
 * @param named further files
 * @throws {UsageError} for a path or command that cannot be written in a flag
 */
export function permissionFlags(
  config: Config,
  net?: readonly string[],
  { read = [], write = [] }: NamedFiles = {},
): readonly string[] {
  const database = databaseFiles(config);
  const files = [
    config.dataDir,
    config.configPath ?? DEFAULT_CONFIG_PATH,
    ...database,
    ...keyFiles(config),
    ...read,
  ];
  const written = [config.dataDir, ...database, ...write];
  for (const file of [...files, ...write]) refuseUnwritable("path", file);
  const commands = [...new Set(stdioIn(config).flatMap(commandsOf))];
  for (const command of commands) refuseUnwritable("command", command);
  return [
    "--no-prompt",
    net === undefined ? "--allow-net" : `--allow-net=${net.join(",")}`,
    `--allow-env=${variables(config).join(",")}`,
    // Libraries look at variables that are not ours: those are absent, not an error.
    "--ignore-env",
    `--allow-read=${files.join(",")}`,
    `--allow-write=${written.join(",")}`,
    // Without names it would allow every command there is.
    ...commands.length === 0 ? [] : [`--allow-run=${commands.join(",")}`],
  ];
}

/** Files that a command names. */
export interface NamedFiles {
  readonly read?: readonly string[];
  readonly write?: readonly string[];
}

/** A database that is not in the data directory, with what SQLite puts beside it. */
function databaseFiles({ databaseUrl }: Config): readonly string[] {
  if (databaseUrl.kind !== "sqlite") return [];
  const { path } = databaseUrl;
  return path === undefined || path === IN_MEMORY ? [] : [path, `${path}-wal`];
}

/** Of the gateway's own tokens, where they have a pair of keys. */
export function keyFiles(config: Config): readonly string[] {
  if (!isAsymmetric(config.jwtAlgorithm)) return [];
  return [config.jwtPublicKeyPath, config.jwtPrivateKeyPath].filter((path) => path !== undefined);
}

/**
 * As what Deno has to know the command of a server to let it be started.
 *
 * Deno takes a bare name for the file that it finds for it on its own `PATH` at start, and compares
 * files when a command is started; links are not followed. There, a bare name is looked for on the
 * `PATH` that the command gets, and a relative path begins at its working directory.
 */
export function commandsOf({ command, cwd, env }: CommandPlace): readonly string[] {
  if (command.includes("/")) {
    return [command.startsWith("/") || cwd === undefined ? command : `${cwd}/${command}`];
  }
  if (env.PATH === undefined) return [command];
  return env.PATH.split(":").filter(Boolean).map((dir) => `${dir}/${command}`);
}

type CommandPlace = Pick<StdioUpstream, "command" | "cwd" | "env">;

/**
 * The listener, PostgreSQL, Redis, and of each declared upstream server and external issuer its name, for
 * the look-up, and the addresses that the name has now: connections go to addresses. When these
 * change, the flags do too. An issuer whose keys are elsewhere needs its `jwksUri`.
 *
 * @param resolve gives the addresses of a name; none when it has none
 */
export async function strictDestinations(
  config: Config,
  resolve: (name: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const found = new Set([`${bracketed(config.host)}:${config.port}`]);
  const { databaseUrl, redisUrl } = config;
  if (databaseUrl.kind === "postgres") {
    found.add(`${bracketed(databaseUrl.host)}:${databaseUrl.port}`);
  }
  if (redisUrl !== undefined) found.add(`${bracketed(redisUrl.host)}:${redisUrl.port}`);
  const issuers = config.oidcIssuers.map(({ issuer, jwksUri }) => new URL(jwksUri ?? issuer));
  for (const url of [...config.declarations.upstreams.flatMap(urlsOf), ...issuers]) {
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

function urlsOf(server: UpstreamDeclaration): readonly URL[] {
  if (!server.enabled || !isHttp(server)) return [];
  const { url, auth } = server;
  return auth.type === "oauth_client_credentials" ? [url, new URL(auth.tokenUrl)] : [url];
}

function isHttp(server: UpstreamDeclaration): server is Omit<HttpUpstream, "id" | "seq"> {
  return server.transport !== "stdio";
}

/** The stdio servers in use. */
function stdioIn(config: Config): readonly CommandPlace[] {
  return config.declarations.upstreams.flatMap((server) =>
    server.transport === "stdio" && server.enabled ? [server] : []
  );
}

/** WHATWG URLs write every IPv4 address with dots and every IPv6 address in brackets. */
function isAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Programs need to find others and their own files: what every stdio server is given. */
const FOR_PROGRAMS = ["HOME", "PATH"];

function variables(config: Config): readonly string[] {
  const settings = Object.values(ENTRIES).map((entry) => entry.env as string);
  const names = [...settings, ...NOT_YET_SERVED, CONFIG_FILE_VARIABLE, ...config.variables];
  const forPrograms = stdioIn(config).length > 0 ? FOR_PROGRAMS : [];
  return [...new Set([...names, ...forPrograms])].sort();
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

/** The flags separate values by commas and have no way to write one. */
function refuseUnwritable(what: string, value: string): void {
  if (value.includes(",")) throw new UsageError(`The ${what} "${value}" must not contain a comma`);
  if (/\p{Cc}/u.test(value)) {
    throw new UsageError(
      `The ${what} ${JSON.stringify(value)} must not contain control characters`,
    );
  }
}
