/**
 * The launcher: it works out the permissions, starts the gateway with them, and is otherwise not
 * there.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  CALL,
  type Installation,
  OPEN_TO_ALL,
  openInstallation,
  slowCall,
} from "../support/gateway_program.ts";
import { callModern } from "../support/modern.ts";
import { denoRun, type Program, runProgram } from "../support/program.ts";
import { pathOf } from "../support/spawn.ts";
import { until } from "../support/until.ts";

const LINES_MAX = 100;
const SCRIPT = "src/cli/launch.ts";
const LAUNCHER = denoRun(["--no-prompt", "--allow-env", "--allow-read", "--allow-run"], SCRIPT);
const TASK = ["task", `--config=${pathOf("deno.json")}`, "--quiet", "start"];
const onLinux = { ignore: Deno.build.os !== "linux" };

Deno.test("the launcher is short enough to be read before it is trusted", async () => {
  const text = await Deno.readTextFile(pathOf(SCRIPT));
  assert(text.split("\n").length - 1 < LINES_MAX);
});

for (const [how, start] of [["launcher", launched], ["task", asTask]] as const) {
  Deno.test(`through the ${how} the gateway serves calls`, async () => {
    await using installation = await openInstallation();
    const origin = await start(installation).listening();
    assertEquals((await callModern(origin, CALL)).status, 200);
  });

  Deno.test(`through the ${how} SIGTERM ends the gateway with 0`, async () => {
    await using installation = await openInstallation();
    const program = start(installation);
    const origin = await program.listening();
    program.signal("SIGTERM");
    assertEquals((await program.ended()).code, 0);
    await until("nothing listens any more", async () => {
      return await fetch(`${origin}/health`).then((r) => r.body?.cancel(), () => true) ?? false;
    });
  });

  Deno.test(`through the ${how} a call that runs is answered after SIGTERM`, async () => {
    await using installation = await openInstallation();
    const program = start(installation);
    const reply = callModern(await program.listening(), slowCall(1_000));
    const { upstream } = installation;
    await until("the call runs", async () => (await upstream.stats()).started > 0);
    program.signal("SIGTERM");
    assertEquals([(await reply).status, (await program.ended()).code], [200, 0]);
  });

  Deno.test(`through the ${how} a wrong setting ends with 2 and its name`, async () => {
    await using installation = await openInstallation();
    const { code, stderr } = await start(installation, { TOOL_TIMEOUT: "soon" }).ended();
    assertEquals(code, 2);
    assert.match(stderr, /^sallyport: TOOL_TIMEOUT /m);
  });
}

Deno.test("SIGHUP is passed on: the gateway looks at its config file", async () => {
  await using installation = await openInstallation();
  const program = launched(installation);
  const origin = await program.listening();
  program.signal("SIGHUP");
  await until("the look", () => program.stderr().includes("The config file has not changed"));
  assertEquals((await callModern(origin, CALL)).status, 200);
});

Deno.test("the exit code of the gateway is passed on", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using installation = await openInstallation();
  // This goes wrong only in the gateway itself.
  const { code } = await launch(["--port", String(listener.addr.port), ...installation.args]);
  assertEquals(code, 1);
});

Deno.test("all problems come at once, each on a line", async () => {
  const env = { TOOL_TIMEOUT: "soon", LOG_LEVEL: "loud" };
  const { stderr } = await runProgram([], { env, deno: LAUNCHER });
  const lines = stderr.trimEnd().split("\n");
  assertEquals(lines.map((line) => line.split(" ").slice(0, 2)), [
    ["sallyport:", "TOOL_TIMEOUT"],
    ["sallyport:", "LOG_LEVEL"],
  ]);
});

for (
  const [args, code] of [
    [["--help"], 0],
    [["token", "--help"], 0],
    [["frobnicate"], 2],
    [["--frobnicate"], 2],
    [["--port"], 2],
    [["token"], 2],
  ] satisfies [string[], number][]
) {
  Deno.test(`"${args.join(" ")}" ends with ${code}, like without the launcher`, async () => {
    const through = await launch(args);
    assertEquals(through, await runProgram(args));
    assertEquals(through.code, code);
  });
}

Deno.test("a command through the launcher says what it says without", async () => {
  await using installation = await openInstallation();
  const args = ["doctor", "--flags", ...installation.args];
  assertEquals((await launch(args)).stdout, (await runProgram(args)).stdout);
});

Deno.test("a token can be made through the launcher", async () => {
  await using installation = await openInstallation();
  const { code, stdout } = await launch([
    "token",
    "--sub",
    "alice@example.com",
    ...installation.args,
  ]);
  assertEquals(code, 0);
  assert.match(stdout, /^eyJ[\w.-]+\n$/);
});

Deno.test("the gateway has exactly the permissions of doctor --flags", onLinux, async () => {
  await using installation = await openInstallation();
  const program = launched(installation);
  await program.listening();
  const args = ["--port", "0", ...installation.args];
  const flags = await installation.command("doctor", "--flags", "--port", "0");
  const expected = denoRun(flags.split(" ")).concat(args);
  assertEquals((await argumentsOfChild(program.pid)).slice(1), expected);
});

Deno.test(
  "an interrupt of the whole group, as a terminal sends it, ends with 0",
  onLinux,
  async () => {
    await using installation = await openInstallation();
    const program = launched(installation);
    const origin = await program.listening();
    const reply = callModern(origin, slowCall(500));
    const { upstream } = installation;
    await until("the call runs", async () => (await upstream.stats()).started > 0);
    program.signal("SIGINT");
    Deno.kill(await childOf(program.pid), "SIGINT");
    assertEquals([(await reply).status, (await program.ended()).code], [200, 0]);
  },
);

function launched(installation: Installation, env: Record<string, string> = {}): Program {
  return installation.serve({ deno: LAUNCHER, env: { ...OPEN_TO_ALL, ...env } });
}

function asTask(installation: Installation, env: Record<string, string> = {}): Program {
  return installation.serve({ deno: TASK, env: { ...OPEN_TO_ALL, ...env } });
}

function launch(args: readonly string[]) {
  return runProgram(args, { deno: LAUNCHER });
}

async function childOf(pid: number): Promise<number> {
  return Number(await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`));
}

async function argumentsOfChild(pid: number): Promise<string[]> {
  const commandLine = await Deno.readTextFile(`/proc/${await childOf(pid)}/cmdline`);
  return commandLine.split("\0").slice(0, -1);
}
