/**
 * The terminals in which a reader of a page follows it: some that serve, and one to type in.
 *
 * @module
 */
import { freePort } from "./free_port.ts";
import { newMark } from "./marked_processes.ts";
import { ROOT, spawnShell } from "./spawn.ts";
import { tempDir } from "./temp_dir.ts";

export interface Terminals extends AsyncDisposable {
  /** Runs what goes on until it is stopped, and waits for the line that says where it listens. */
  readonly serve: (commands: string) => Promise<void>;
  /** The same, of what says nothing. */
  readonly start: (commands: string) => void;
  /** Runs these one after another in one shell, and gives what each of them printed. */
  readonly type: (steps: readonly string[]) => Promise<readonly string[]>;
}

/** Of pages: each is replaced by a free one. */
const PORTS = ["4444", "4102", "4103", "4500", "4501", "4502", "4503"];

/**
 * On ports and in a data directory of their own, whatever the page says.
 *
 * @param instead what else is put in place of something that the page says
 */
export async function openTerminals(
  instead: Readonly<Record<string, string>> = {},
): Promise<Terminals> {
  const dir = await tempDir();
  const mark = newMark();
  const ports = new Map(PORTS.map((port) => [port, String(freePort())]));
  const adapted = (commands: string) =>
    Object.entries(instead).reduce((text, [said, meant]) => text.replaceAll(said, meant), commands)
      .replaceAll("npx -y deno@2.9.6", Deno.execPath())
      .replaceAll(
        /task start( (?:token|export|import)\b)?/g,
        `task start$1 --data ${dir.path}/data`,
      )
      .replaceAll("task fixture", `task fixture --port ${ports.get("4102")}`)
      .replaceAll("task issuer", `task issuer --port ${ports.get("4103")}`)
      .replaceAll(/(?<=[ =]|^)data(?=[/\n])/gm, `${dir.path}/pages`)
      .replaceAll(/(?<=127\.0\.0\.1:|--port )\d+/g, (port) => ports.get(port) ?? port);
  const shell = (commands: string) =>
    spawnShell(adapted(commands), { ...mark.env, PORT: ports.get("4444")! }, ROOT);

  return {
    async serve(commands) {
      await shell(commands).stdout.find(/^Listening on /m);
    },
    start: (commands) => void shell(commands),
    async type(steps) {
      const end = `end-of-step-${crypto.randomUUID()}`;
      const { child, stdout, stderr } = shell(steps.map((one) => `${one}\necho ${end}`).join("\n"));
      const { code } = await child.status;
      await Promise.all([stdout.ended, stderr.ended]);
      const printed = stdout.text().split(`${end}\n`);
      if (code !== 0 || printed.length !== steps.length + 1) {
        throw new Error(`Step ${printed.length} failed: ${stdout.text()}${stderr.text()}`);
      }
      return printed.slice(0, -1);
    },
    async [Symbol.asyncDispose]() {
      mark.kill(await mark.running());
      await mark.count(0);
      await dir[Symbol.asyncDispose]();
    },
  };
}
