/**
 * The sandbox: the gateway gets the permissions that its configuration needs, and no more.
 *
 * The runtime writes down every permission that a process asks for (`DENO_AUDIT_PERMISSIONS`);
 * what `doctor --flags` grants is compared with that.
 *
 * @module
 * @see design.md, "Sandbox"
 */
import assert, {
  deepStrictEqual as assertEquals,
  throws as assertThrows,
} from "node:assert/strict";
import { ENTRIES, NOT_YET_SERVED } from "../../src/config/entries.ts";
import { permissionFlags, strictDestinations } from "../../src/cli/permissions.ts";
import { type ConfigSources, loadConfig } from "../../src/config/load.ts";
import { freePort } from "../support/free_port.ts";
import { CALL, OPEN_TO_ALL, openInstallation } from "../support/gateway_program.ts";
import { callModern } from "../support/modern.ts";
import { denoRun, runProgram, startProgram } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";

interface Asked {
  readonly permission: string;
  readonly value: string;
}

interface Granted {
  readonly flags: readonly string[];
  /** Values of `--allow-NAME=…` by name; `undefined` for all. */
  readonly allowed: ReadonlyMap<string, readonly string[] | undefined>;
}

/** What a gateway asked for that was started, served a call and was stopped. */
interface Audit {
  readonly granted: Granted;
  readonly asked: readonly Asked[];
  readonly dataDir: string;
  readonly configPath: string;
}

let audit: Promise<Audit>;

Deno.test.beforeAll(() => {
  audit = auditedServing();
  audit.catch(() => {});
});

Deno.test("nothing is asked for that is not granted", async () => {
  const { granted, asked } = await audit;
  assertEquals(asked.filter((one) => !isGranted(granted, one)), []);
});

Deno.test("each kind of permission that is granted is used", async () => {
  const { granted, asked } = await audit;
  const used = new Set(asked.map(({ permission }) => permission));
  assertEquals([...granted.allowed.keys()].filter((name) => !used.has(name)), []);
});

Deno.test("each variable that may be read is read", async () => {
  const { granted, asked } = await audit;
  const read = asked.filter(({ permission }) => permission === "env").map(({ value }) => value);
  assertEquals([...new Set(read)].sort(), [...granted.allowed.get("env")!].sort());
});

for (const permission of ["read", "write"]) {
  Deno.test(`each path that is granted for ${permission} is used`, async () => {
    const { granted, asked } = await audit;
    const used = asked.filter((one) => one.permission === permission).map(({ value }) => value);
    const idle = granted.allowed.get(permission)!.filter((path) =>
      !used.some((value) => isWithin(path, value))
    );
    assertEquals(idle, []);
  });
}

Deno.test("only the data directory and the config file may be read", async () => {
  const { granted, dataDir, configPath } = await audit;
  assertEquals([...granted.allowed.get("read")!].sort(), [configPath, dataDir]);
});

Deno.test("only the data directory may be written", async () => {
  const { granted, dataDir } = await audit;
  assertEquals(granted.allowed.get("write"), [dataDir]);
});

for (const name of ["run", "ffi", "sys", "import", "all", "scripts"]) {
  Deno.test(`${name} is not granted`, async () => {
    assertEquals((await audit).granted.allowed.has(name), false);
  });
}

Deno.test("nothing but permissions is granted, nobody is prompted, other variables are absent", async () => {
  const { granted } = await audit;
  const others = granted.flags.filter((flag) => !flag.startsWith("--allow-"));
  assertEquals(others.sort(), ["--ignore-env", "--no-prompt"]);
});

Deno.test("the variables are the settings and those that the file refers to", () => {
  const file = '{"mcpServers":{"a":{"url":"http://${A_HOST}/","headers":{"K":"${A_KEY}"}}}}';
  const { allowed } = parsed(permissionFlags(config({ file })));
  const settings = Object.values(ENTRIES).map(({ env }) => env as string);
  const expected = [...settings, ...NOT_YET_SERVED, "SALLYPORT_CONFIG", "A_HOST", "A_KEY"].sort();
  assertEquals(allowed.get("env"), expected);
});

for (
  const given of [
    { dataDir: "data,/etc" },
    { configPath: "a,b.json" },
    { dataDir: "data\n" },
    { file: commands("a,b") },
    { file: commands("a\nb") },
    { file: '{"mcpServers":{"a":{"command":"x","env":{"PATH":"/a,/b"}}}}' },
  ]
) {
  Deno.test(`${JSON.stringify(given)} is refused: no flag can say it`, () => {
    assertThrows(() => permissionFlags(config({ file: "{}", ...given })), {
      name: "UsageError",
    });
  });
}

Deno.test("without stdio servers nothing may be run", () => {
  const file = '{"mcpServers":{"a":{"url":"http://a.example"}},"servers":{"b":{}}}';
  assertEquals(parsed(permissionFlags(config({ file }))).allowed.has("run"), false);
});

Deno.test("what may be run are the commands of the stdio servers, once each", () => {
  const { allowed } = parsed(permissionFlags(config({ file: commands("npx", "/a/b", "npx") })));
  assertEquals(allowed.get("run"), ["npx", "/a/b"]);
});

Deno.test("the command of a disabled server may not be run", () => {
  const file = '{"mcpServers":{"a":{"command":"x","disabled":true}}}';
  const { allowed } = parsed(permissionFlags(config({ file })));
  assertEquals([allowed.has("run"), allowed.get("env")!.includes("PATH")], [false, false]);
});

Deno.test("with stdio servers PATH and HOME may be read, for their programs", () => {
  const { allowed } = parsed(permissionFlags(config({ file: commands("npx") })));
  assertEquals(["HOME", "PATH"].filter((name) => !allowed.get("env")!.includes(name)), []);
});

Deno.test("the variables of a stdio server may be read", () => {
  const file = '{"mcpServers":{"a":{"command":"${A_CMD}","args":["${A_ARG}"],' +
    '"env":{"X":"${A_ENV}"},"cwd":"/${A_CWD}"}}}';
  const read = parsed(permissionFlags(config({ file }))).allowed.get("env")!;
  assertEquals(read.filter((name) => name.startsWith("A_")), ["A_ARG", "A_CMD", "A_CWD", "A_ENV"]);
});

for (
  const [what, place] of [
    ["a name, found on the gateway's PATH", { command: "sh" }],
    ["a path", { command: "/bin/sh" }],
    ["a path from the working directory", { command: "./tools/hello" }],
    ["a path without a dot", { command: "tools/hello" }],
    ["a path from a working directory of its own", { command: "./hello", cwd: "tools" }],
    ["the same, as a whole path", { command: "../tools/hello", cwd: "DIR/tools" }],
    ["a name, found on a PATH of its own", { command: "hello", env: { PATH: "/none:DIR/tools" } }],
    ["a link", { command: "./tools/link" }],
    ["a name with a space", { command: "./tools/hel lo" }],
  ] as const
) {
  const onUnix = { ignore: Deno.build.os === "windows" };
  Deno.test(`a command that is ${what} is granted so that it starts`, onUnix, async () => {
    await using dir = await tempDir();
    const fields = JSON.stringify(place).replaceAll("DIR", dir.path);
    const { code, stderr } = await startWith(dir.path, fields, fields);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  });
}

Deno.test("no other command is granted", { ignore: Deno.build.os === "windows" }, async () => {
  await using dir = await tempDir();
  const { code, stderr } = await startWith(
    dir.path,
    '{"command":"./tools/hello"}',
    '{"command":"./tools/other"}',
  );
  assertEquals(code, 1);
  assert.match(stderr, /NotCapable/);
});

Deno.test("doctor --flags puts what a shell would take apart in quotes", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(`${dir.path}/sallyport.json`, commands("/o p/it's"));
  const { stdout } = await runProgram(["doctor", "--flags"], { cwd: dir.path });
  assert(stdout.trim().endsWith(` '--allow-run=/o p/it'\\''s'`), stdout);
});

Deno.test("strictly, the destinations are the listener and the declared servers", async () => {
  const file =
    '{"mcpServers":{"a":{"url":"http://127.0.0.1:81/"},"b":{"url":"https://b.example/x"},' +
    '"c":{"url":"http://[::1]:82/"},"d":{"url":"http://d.example","disabled":true},' +
    '"e":{"command":"npx"},"f":{"url":"http://127.0.0.1:81/","auth":{"type":' +
    '"oauth_client_credentials","tokenUrl":"http://127.0.0.1:83/","clientId":"x",' +
    '"clientSecret":"y"}}}}';
  const resolve = () => Promise.resolve(["192.0.2.7", "2001:db8::7"]);
  assertEquals(await strictDestinations(config({ file, flags: { HOST: "::1" } }), resolve), [
    "[::1]:4444",
    "127.0.0.1:81",
    "b.example",
    "192.0.2.7:443",
    "[2001:db8::7]:443",
    "[::1]:82",
    "127.0.0.1:83",
  ]);
});

for (const host of ["127.0.0.1", "localhost"]) {
  Deno.test(`strictly, a call to a server that is declared as ${host} is served`, async () => {
    await using installation = await openInstallation();
    const configPath = installation.args[1]!;
    const text = await Deno.readTextFile(configPath);
    await Deno.writeTextFile(configPath, text.replace("127.0.0.1", host));
    const port = String(freePort());
    const flags = await installation.command("doctor", "--strict", "--port", port);
    const args = ["--port", port, ...installation.args];
    await using gateway = startProgram(args, { env: OPEN_TO_ALL, deno: denoRun(flags.split(" ")) });
    const { result } = (await callModern(await gateway.listening(), CALL)).response;
    assertEquals((result as { isError?: boolean }).isError, undefined);
  });
}

Deno.test("a destination that was not granted is a failure of the call, not of the process", async () => {
  await using installation = await openInstallation();
  const port = String(freePort());
  const flags = (await installation.command("doctor", "--strict", "--port", port))
    .replace(`,${new URL(installation.upstream.origin).host}`, "");
  const args = ["--port", port, ...installation.args];
  await using gateway = startProgram(args, { env: OPEN_TO_ALL, deno: denoRun(flags.split(" ")) });
  const origin = await gateway.listening();
  const { result } = (await callModern(origin, CALL)).response;
  assertEquals((result as { isError?: boolean }).isError, true);
  assertEquals((await fetch(`${origin}/ready`)).status, 200);
});

async function auditedServing(): Promise<Audit> {
  await using installation = await openInstallation();
  const { dir, dataDir, args } = installation;
  // Everything by variables: flags would spare the gateway looking at some of them.
  const env = {
    PORT: "0",
    SALLYPORT_CONFIG: args[1]!,
    DENO_AUDIT_PERMISSIONS: `${dir}/audit.jsonl`,
    ...OPEN_TO_ALL,
  };
  const flags = (await installation.command("doctor", "--flags")).split(" ");
  await using gateway = startProgram(["--data", dataDir], { env, cwd: dir, deno: denoRun(flags) });
  const reply = await callModern(await gateway.listening(), CALL);
  assert("result" in reply.response);
  gateway.signal("SIGTERM");
  assertEquals((await gateway.ended()).code, 0);
  const lines = (await Deno.readTextFile(`${dir}/audit.jsonl`)).trimEnd().split("\n");
  const asked = lines.map((line) => JSON.parse(line) as Asked);
  return { granted: parsed(flags), asked, dataDir, configPath: args[1]! };
}

function parsed(flags: readonly string[]): Granted {
  const allowed = flags.flatMap((flag): [string, string[] | undefined][] => {
    const found = /^--allow-([a-z]+)(?:=(.*))?$/.exec(flag);
    return found ? [[found[1]!, found[2]?.split(",")]] : [];
  });
  return { flags, allowed: new Map(allowed) };
}

function isGranted({ allowed }: Granted, { permission, value }: Asked): boolean {
  if (!allowed.has(permission)) return false;
  const values = allowed.get(permission);
  if (values === undefined) return true;
  const isPath = permission === "read" || permission === "write";
  return values.some((granted) => isPath ? isWithin(granted, value) : granted === value);
}

function isWithin(granted: string, path: string): boolean {
  return path === granted || path.startsWith(`${granted}/`);
}

function config({ file, ...more }: { file: string } & Partial<ConfigSources>) {
  const sources: ConfigSources = {
    flags: {},
    dataDir: undefined,
    configPath: undefined,
    env: (name) => name.startsWith("A_") ? "a.example" : undefined,
    readFile: () => file,
    ...more,
  };
  return loadConfig(sources);
}

/** A file with a stdio server for each of these commands. */
function commands(...names: readonly string[]): string {
  const entries = names.map((command, at) => [`a${at}`, { command }]);
  return JSON.stringify({ mcpServers: Object.fromEntries(entries) });
}

/** A process that is granted what one server needs, and starts another one's program. */
async function startWith(dir: string, granted: string, started: string) {
  await Deno.mkdir(`${dir}/tools`);
  for (const name of ["hello", "other", "hel lo"]) {
    await Deno.writeTextFile(`${dir}/tools/${name}`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  }
  await Deno.symlink("hello", `${dir}/tools/link`);
  await Deno.writeTextFile(
    `${dir}/start.ts`,
    `const { command, cwd, env } = ${started};
    await new Deno.Command(command, {
      cwd,
      env: { PATH: Deno.env.get("PATH"), ...env },
      clearEnv: true,
      stdin: "null",
    }).output();`,
  );
  const flags = permissionFlags(config({ file: `{"mcpServers":{"a":${granted}}}` }));
  return await runProgram([], { cwd: dir, deno: ["run", ...flags, `${dir}/start.ts`] });
}
