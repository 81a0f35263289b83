/**
 * The config file is watched by a process that has a gateway's permissions and no more.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { loadConfig } from "../../src/config/load.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { denoRun, type Program, startProgram } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";
import { until } from "../support/until.ts";

interface World extends AsyncDisposable {
  readonly dir: string;
  readonly path: string;
  readonly program: Program;
  /** Waits for a line of this text on standard output. */
  readonly says: (line: string) => Promise<unknown>;
  /** Waits for a log line with this in it. */
  readonly logs: (text: string) => Promise<unknown>;
}

/** Soon enough for a test, or never. */
const SOON = "100";
const NEVER = "100000000";

const ONE = servers("one");
const TWO = servers("two");
const onUnix = { ignore: Deno.build.os === "windows" };

Deno.test("a file that is written over is taken over", async () => {
  await using world = await open();
  await Deno.writeTextFile(world.path, TWO);
  await world.says("two");
});

Deno.test("a file that another one takes the place of is taken over", async () => {
  await using world = await open();
  await Deno.writeTextFile(`${world.dir}/draft`, TWO);
  await Deno.rename(`${world.dir}/draft`, world.path);
  await world.says("two");
});

Deno.test("a file behind a link that is turned is taken over", onUnix, async () => {
  await using world = await open({ prepare: mounted });
  await Deno.mkdir(`${world.dir}/second`);
  await Deno.writeTextFile(`${world.dir}/second/mcp.json`, TWO);
  await Deno.symlink("second", `${world.dir}/next`);
  await Deno.rename(`${world.dir}/next`, `${world.dir}/data`);
  await world.says("two");
});

Deno.test("a file that goes and comes back is taken over", async () => {
  await using world = await open();
  await Deno.remove(world.path);
  await world.logs("not there any more");
  await Deno.writeTextFile(world.path, TWO);
  await world.says("two");
});

Deno.test("a directory in its place is refused", async () => {
  await using world = await open();
  await Deno.remove(world.path);
  await Deno.mkdir(world.path);
  await world.logs("it is not a file");
});

Deno.test("a file over the bound is refused without being read", async () => {
  await using world = await open();
  await Deno.truncate(world.path, LIMITS.configFileBytes + 1);
  await world.logs("it is larger than");
});

Deno.test("what is wrong is logged as an error", async () => {
  await using world = await open();
  await Deno.writeTextFile(world.path, '{"servers":{"a":{"url":"http://a.example"}}}');
  await world.logs('"level":"ERROR"');
});

Deno.test("a change that is right is no error", async () => {
  await using world = await open();
  await Deno.writeTextFile(world.path, TWO);
  await world.logs('"level":"INFO"');
  assertEquals(world.program.stderr().includes('"level":"ERROR"'), false);
});

Deno.test("SIGHUP asks for a look at once", onUnix, async () => {
  await using world = await open({ every: NEVER });
  await Deno.writeTextFile(world.path, TWO);
  world.program.signal("SIGHUP");
  await world.says("two");
});

Deno.test("SIGHUP for an unchanged file is answered in the log", onUnix, async () => {
  await using world = await open({ every: NEVER });
  world.program.signal("SIGHUP");
  await world.logs("The config file has not changed");
});

Deno.test("SIGHUP says again why a file is refused", onUnix, async () => {
  await using world = await open({ every: NEVER });
  await Deno.writeTextFile(world.path, "{");
  for (const times of [1, 2]) {
    world.program.signal("SIGHUP");
    await until("the refusal", () => world.program.stderr().split("is not JSON").length > times);
  }
});

Deno.test("a new variable needs a restart, and is named", async () => {
  await using world = await open({ env: { NEW_ONE: "hidden" } });
  await Deno.writeTextFile(
    world.path,
    '{"mcpServers":{"a":{"url":"http://a.example","headers":{"A":"${NEW_ONE}"}}}}',
  );
  await world.logs(
    "mcpServers.a.headers.A: needs a restart: " +
      "the environment variable NEW_ONE is not allowed to this process",
  );
});

Deno.test("a variable that the file refers to already may be used again", async () => {
  const first = '{"mcpServers":{"a":{"url":"http://${NAME}.example"}}}';
  await using world = await open({ env: { NAME: "x" }, first });
  await Deno.writeTextFile(world.path, '{"mcpServers":{"b":{"url":"http://${NAME}.example/b"}}}');
  await world.says("b");
});

Deno.test("a new command needs a restart", async () => {
  await using world = await open();
  await Deno.writeTextFile(world.path, '{"mcpServers":{"a":{"command":"sh"}}}');
  await world.logs(
    "mcpServers.a.command: needs a restart: this process may not run it",
  );
});

for (const command of ["sh", "/bin/sh", "no-such-program", "/no/such/program", "./here"]) {
  Deno.test(`the command ${command}, known at start, may get other arguments`, async () => {
    const first = JSON.stringify({ mcpServers: { a: { command } } });
    await using world = await open({ first });
    await Deno.writeTextFile(
      world.path,
      JSON.stringify({ mcpServers: { b: { command, args: ["-c", "x"] } } }),
    );
    await world.says("b");
  });
}

interface Given {
  readonly every?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What the file holds at start. */
  readonly first?: string;
  readonly prepare?: (dir: string, path: string) => Promise<void>;
}

/** A program that watches a file, with the permissions that the first state of the file needs. */
async function open(given: Given = {}): Promise<World> {
  const { every = SOON, env = {}, first = ONE, prepare } = given;
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir()).path;
  const path = `${dir}/mcp.json`;
  if (prepare) await prepare(dir, path);
  else await Deno.writeTextFile(path, first);
  const dataDir = `${dir}/kept`;
  const flags = permissionFlags(loadConfig({
    flags: {},
    dataDir,
    configPath: path,
    env: (name) => env[name],
    readFile: Deno.readTextFileSync,
  }));
  const program = stack.use(
    startProgram(["--config", path, "--data", dataDir, "--every", every], {
      env,
      cwd: dir,
      deno: denoRun(flags, "tests/support/watching.ts"),
    }),
  );
  await until("the first state", () => program.stdout() !== "", 30_000);
  return {
    dir,
    path,
    program,
    says: (line) =>
      until(`"${line}"`, () => program.stdout().split("\n").slice(1).includes(line), 10_000),
    logs: (text) => until(`"${text}"`, () => program.stderr().includes(text), 10_000),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A file as Kubernetes mounts it: a link into a directory that is itself behind a link. */
async function mounted(dir: string, path: string): Promise<void> {
  await Deno.mkdir(`${dir}/first`);
  await Deno.writeTextFile(`${dir}/first/mcp.json`, ONE);
  await Deno.symlink("first", `${dir}/data`);
  await Deno.symlink("data/mcp.json", path);
}

function servers(...names: readonly string[]): string {
  return JSON.stringify({ servers: Object.fromEntries(names.map((name) => [name, {}])) });
}
