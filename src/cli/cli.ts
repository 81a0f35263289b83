/**
 * Arguments to command; help; errors to exit codes: 0 success, 1 failure, 2 wrong usage.
 *
 * @module
 */
import { ConfigError } from "../config/load.ts";
import { VERSION } from "../domain/version.ts";
import { UsageError } from "./args.ts";

/** Each is loaded when it is asked for: most of the time of a short command is that of loading. */
interface Command {
  readonly run: (args: readonly string[]) => Promise<number>;
  readonly summary: string;
  readonly help: string;
}

const COMMON_HELP =
  `  --config FILE    config file; else SALLYPORT_CONFIG, else ./sallyport.json if it exists
  --data DIR       directory of all that is kept (default ./data)`;

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    run: async (args) => await (await import("./serve.ts")).serve(args),
    summary: "run the gateway (the default)",
    help: `Usage: sallyport serve [options]

${COMMON_HELP}
  --host ADDRESS   address to listen on (default 127.0.0.1)
  --port PORT      port to listen on, 0 for a free one (default 4444)`,
  },
  token: {
    run: async (args) => await (await import("./token.ts")).token(args),
    summary: "mint a token for a person or an agent",
    help: `Usage: sallyport token --sub EMAIL [options]

Prints a bearer token of this gateway.

  --sub EMAIL      whom the token is for
  --admin          an administrator's token
  --teams A,B      teams it may act for (default: none, public items only)
  --permissions P  comma-separated permissions, such as tools.read,tools.execute
  --server SLUG    the only server it may use
  --expires TIME   how long it is valid: 30s, 12h, 7d (default 7d)
${COMMON_HELP}`,
  },
  import: {
    run: async (args) => await (await import("./transfer.ts")).importFile(args),
    summary: "take over a configuration, or make tools of an OpenAPI document",
    help: `Usage: sallyport import FILE [options]
       sallyport import openapi FILE [options]

The first takes over a bundle, or the export document of the reference system: all of it or nothing.
With SQLite the gateway must not run meanwhile.

  --strategy S     what becomes of records that are there already: skip (the default), update,
                   rename, or fail, which changes nothing at all then
  --dry-run        change nothing, and say what would be changed
  --passphrase-file F
                   holds the passphrase that the bundle was exported with

The second makes a tool of each operation of the document, and says which could not become one. Again, it finds
its tools by their names. With SQLite the gateway must not run meanwhile.

  --base-url URL   where the API is, in place of the servers that the document names
  --prefix P       put before each name
${COMMON_HELP}`,
  },
  export: {
    run: async (args) => await (await import("./transfer.ts")).exportBundle(args),
    summary: "write the whole configuration as one bundle",
    help: `Usage: sallyport export [FILE] [options]

Writes all that was made through the API, to FILE or to standard output. Secrets are in it only with
a passphrase; what the config file declares is not: the file is its own export. With SQLite the
gateway must not run meanwhile.

  --passphrase-file F
                   holds the passphrase, of at least 12 characters, that seals the secrets
${COMMON_HELP}`,
  },
  migrate: {
    run: async (args) => await (await import("./migrate.ts")).migrateDatabase(args),
    summary: "bring the database to the form that this version needs",
    help: `Usage: sallyport migrate [options]

Applies the steps that are missing and says which. The gateway does the same when it starts; this
is for a job that runs before it. Several may run at once on one PostgreSQL.

${COMMON_HELP}`,
  },
  keys: {
    run: async (args) => await (await import("./keys.ts")).keys(args),
    summary: "seal stored credentials with a new key",
    help: `Usage: sallyport keys rotate [options]

Seals every stored credential with the key in AUTH_ENCRYPTION_SECRET. The key before it goes into
AUTH_ENCRYPTION_SECRET_PREVIOUS; one that was generated is in the file encryption.key of the data
directory. With SQLite the gateway must not run meanwhile. With PostgreSQL, first give both keys to
all replicas, then run this once, then take the previous key away.

${COMMON_HELP}`,
  },
  audit: {
    run: async (args) => await (await import("./audit.ts")).audit(args),
    summary: "check that the audit trail is what was written",
    help: `Usage: sallyport audit verify [options]

Reads the audit files of a data directory from the first to the last line. Ends with 1 and names
file and line when something in them was changed, removed, put in or reordered. Needs the
AUTH_ENCRYPTION_SECRET that they were written with. The gateway may run meanwhile.

${COMMON_HELP}`,
  },
  doctor: {
    run: async (args) => await (await import("./doctor.ts")).doctor(args),
    summary: "check the configuration and say which permissions it needs",
    help: `Usage: sallyport doctor [--flags | --strict] [options]

  --flags          print the Deno permission flags for this configuration and nothing else
  --strict         the same with each network destination listed
${COMMON_HELP}`,
  },
};

const HELP = `Sallyport ${VERSION}: an MCP gateway

Usage: sallyport [command] [options]

${Object.entries(COMMANDS).map(([name, c]) => `  ${name.padEnd(10)} ${c.summary}`).join("\n")}

"sallyport COMMAND --help" says more about each.`;

/** Runs one command and gives the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const name = named ? args[0]! : "serve";
  const rest = named ? args.slice(1) : args;
  if (!named && (rest.includes("--help") || rest.includes("-h"))) return say(HELP);
  if (!named && rest.includes("--version")) return say(VERSION);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) return complain(`There is no command "${name}"; try "--help"`, 2);
  if (rest.includes("--help") || rest.includes("-h")) return say(command.help);
  try {
    return await command.run(rest);
  } catch (error) {
    if (error instanceof UsageError) return complain(`${error.message}; try "--help"`, 2);
    if (error instanceof ConfigError) return complain(error.message, 2);
    return complain((error as Error).message, 1);
  }
}

function say(text: string): number {
  console.log(text);
  return 0;
}

function complain(text: string, code: number): number {
  for (const line of text.split("\n")) console.error(`sallyport: ${line}`);
  return code;
}
