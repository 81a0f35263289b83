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
  /** Runs these one after another in one shell, and gives what each of them printed. */
  readonly type: (steps: readonly string[]) => Promise<readonly string[]>;
}

/** On ports and in a data directory of their own, whatever the page says. */
export async function openTerminals(): Promise<Terminals> {
  const dir = await tempDir();
  const mark = newMark();
  const ports = new Map(["4444", "4102", "4103"].map((port) => [port, String(freePort())]));
  const adapted = (commands: string) =>
    commands
      .replaceAll("npx -y deno@2.9.6", Deno.execPath())
      .replaceAll(/task start( token)?/g, `task start$1 --data ${dir.path}/data`)
      .replaceAll("task fixture", `task fixture --port ${ports.get("4102")}`)
      .replaceAll("task issuer", `task issuer --port ${ports.get("4103")}`)
      .replaceAll(/127\.0\.0\.1:(\d+)/g, (all, port) => `127.0.0.1:${ports.get(port) ?? all}`);
  const shell = (commands: string) =>
    spawnShell(adapted(commands), { ...mark.env, PORT: ports.get("4444")! }, ROOT);

  return {
    async serve(commands) {
      await shell(commands).stdout.find(/^Listening on /m);
    },
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
