/**
 * Child processes under the permissions that the gateway has: those to run a few programs.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { ROOT } from "../support/spawn.ts";
import { isRunning, runningIn } from "../support/stdio.ts";
import { tempDir } from "../support/temp_dir.ts";
import { until } from "../support/until.ts";

/** Starts a shell that starts two more, says its id, and kills it when told to. */
const SCRIPT = `
import { environmentForPrograms, startProcess } from "${new URL("src/platform/process.ts", ROOT)}";
const child = startProcess({
  command: "sh",
  args: ["-c", "(while :; do sleep 1; done) & while :; do sleep 1; done"],
  env: environmentForPrograms(),
  cwd: undefined,
});
console.log(child.pid);
for await (const _ of Deno.stdin.readable) break;
child.kill("SIGKILL");
await child.exited;
child.release();
console.log("killed");
`;

async function killedWith(permissions: readonly string[]) {
  await using dir = await tempDir();
  const path = `${dir.path}/script.ts`;
  await Deno.writeTextFile(path, SCRIPT);
  const { PATH = "", HOME = "" } = Deno.env.toObject();
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "--allow-env=PATH,HOME", ...permissions, path],
    env: { PATH, HOME },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
  const program = command.spawn();
  const output = program.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const group = Number((await output.read()).value);
  await until("all of them run", async () => (await runningIn(group)).length === 4);
  const input = program.stdin.getWriter();
  await input.write(new Uint8Array(1));
  assertEquals((await output.read()).value, "killed\n");
  await input.close().catch(() => {});
  await program.status;
  await output.cancel();
  return group;
}

for (const permissions of [["--allow-run"], ["--allow-run=sh,kill"]]) {
  Deno.test(`a process is killed with all that it has started: ${permissions}`, async () => {
    const group = await killedWith(permissions);
    await until("none of them runs", async () => (await runningIn(group)).length === 0);
  });
}

Deno.test("where only the program itself may be run, it is killed alone", async () => {
  const group = await killedWith(["--allow-run=sh"]);
  assertEquals(await isRunning(group), false);
  for (const pid of await runningIn(group)) Deno.kill(pid, "SIGKILL");
});
