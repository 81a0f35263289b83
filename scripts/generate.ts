/**
 * Writes what follows from tables in `src/`: the page of settings, and the permissions with which
 * the container starts.
 *
 *     deno task docs                                      # renew
 *     deno run --allow-read scripts/generate.ts --check   # only say whether they are up to date
 *
 * @module
 */
import { permissionFlags } from "../src/cli/permissions.ts";
import { ENTRIES } from "../src/config/entries.ts";
import type { Entry } from "../src/config/entry.ts";
import { loadConfig } from "../src/config/load.ts";

const ROOT = new URL("../", import.meta.url);

/** Where the container keeps its data and looks for its config file. */
const CONTAINER = { dataDir: "/data", configPath: "/config/mcp.json" } as const;

const SETTINGS_HEAD = `# Settings

Generated from \`src/config/entries.ts\` by \`deno task docs\`.

A setting is taken from the command line (\`--host\`, \`--port\`), else from the environment, else from
\`settings\` in the [config file](configuration.md), else it has its default. A variable that is set
to nothing counts as not set. Durations are written \`500ms\`, \`30s\`, \`5m\`, \`12h\`, \`7d\`; a bare number
is seconds. Sizes are written \`512KiB\`, \`4MiB\`; a bare number is bytes. Lists are separated by
commas or spaces, or are JSON lists. All problems are reported together at start, and the exit code
is 2.

`;

const SETTINGS_TAIL = `
\`SALLYPORT_CONFIG\` names the config file when \`--config\` does not. The data directory is
\`--data DIR\`, else \`./data\`.
`;

if (import.meta.main) Deno.exit(await main(Deno.args.includes("--check")));

/** Returns the exit code. */
async function main(isCheck: boolean): Promise<number> {
  const dockerfile = await Deno.readTextFile(new URL("Dockerfile", ROOT));
  const wanted: readonly (readonly [string, string])[] = [
    ["docs/settings.md", settingsPage()],
    ["Dockerfile", withEntrypoint(dockerfile)],
  ];
  let code = 0;
  for (const [path, text] of wanted) {
    const url = new URL(path, ROOT);
    if (await textOf(url) === text) continue;
    if (isCheck) {
      console.error(`${path} is not up to date: run "deno task docs"`);
      code = 1;
    } else {
      await Deno.writeTextFile(url, text);
      console.log(`Renewed ${path}`);
    }
  }
  return code;
}

async function textOf(url: URL): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(url);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function settingsPage(): string {
  const entries: readonly Entry<unknown>[] = Object.values(ENTRIES);
  const rows = entries.map(({ env, default: value, help }) => [
    `\`${env}\``,
    value ? `\`${value}\`` : "none",
    help.replaceAll("|", "\\|"),
  ]);
  return SETTINGS_HEAD + table([["name", "default", "meaning"], ...rows]) + SETTINGS_TAIL;
}

/** Columns padded as the formatter does. */
function table([head, ...rows]: readonly string[][]): string {
  const widths = head!.map((_, i) => Math.max(...[head!, ...rows].map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |\n`;
  return line(head!) + line(widths.map((width) => "-".repeat(width))) + rows.map(line).join("");
}

/** The Dockerfile with the permissions of its default configuration. */
function withEntrypoint(dockerfile: string): string {
  const config = loadConfig({
    flags: {},
    ...CONTAINER,
    env: () => undefined,
    readFile: () => "{}",
  });
  const command = ["deno", "run", "--cached-only", ...permissionFlags(config), "main.ts"];
  const lines = command.map((word) => `  ${JSON.stringify(word)}`).join(", \\\n");
  return dockerfile.replace(/^ENTRYPOINT \[[^\]]*\]$/m, `ENTRYPOINT [ \\\n${lines} \\\n]`);
}
