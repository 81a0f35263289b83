/**
 * Help, and wrong usage: exit code 2, one line on standard error that names what is wrong.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { VERSION } from "../../src/domain/version.ts";
import { type Ended, runProgram } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";

const COMMANDS = ["serve", "token", "import", "export", "migrate", "keys", "audit", "doctor"];
const LONG_KEY = "hidden-0123456789-0123456789-0123456789";

for (const command of COMMANDS) {
  for (const flag of ["--help", "-h"]) {
    Deno.test(`${command} ${flag} says how to use it`, async () => {
      const { code, stdout, stderr } = await run([command, flag]);
      assert.match(stdout, new RegExp(`^Usage: sallyport ${command} .*--config FILE`, "s"));
      assertEquals({ code, stderr }, { code: 0, stderr: "" });
    });
  }
}

Deno.test("--help lists every command", async () => {
  const { code, stdout } = await run(["--help"]);
  const listed = [...stdout.matchAll(/^ {2}(\w+) +\w/gm)].map(([, name]) => name);
  assertEquals({ code, listed }, { code: 0, listed: COMMANDS });
});

Deno.test("--version is the version", async () => {
  assertEquals((await run(["--version"])).stdout, `${VERSION}\n`);
});

for (
  const [args, named] of [
    [["frobnicate"], "frobnicate"],
    [["constructor"], "constructor"],
    [["serve", "--frobnicate"], "--frobnicate"],
    [["serve", "stray"], "stray"],
    [["serve", "--port"], "--port"],
    [["serve", "--port", "-1"], "--port"],
    [["serve", "--admin"], "--admin"],
    [["--frobnicate"], "--frobnicate"],
    [["token"], "--sub"],
    [["token", "--sub", " "], "--sub"],
    [["token", "--sub", "a".repeat(256)], "--sub"],
    [["token", "--sub", "a", "--expires", "soon"], "--expires"],
    [["doctor", "--sub", "a"], "--sub"],
    [["keys"], "rotate"],
    [["keys", "forget"], "rotate"],
    [["keys", "rotate", "--sub", "a"], "--sub"],
    [["migrate", "stray"], "stray"],
    [["import"], "file"],
    [["import", "a.json", "--strategy", "merge"], "--strategy"],
    [["import", "a.json", "stray"], "stray"],
    [["export", "a.json", "stray"], "stray"],
    [["import", "openapi"], "openapi"],
    [["import", "openapi", "a.json", "stray"], "stray"],
  ] satisfies [string[], string][]
) {
  Deno.test(`"${args.join(" ").slice(0, 40)}" is wrong usage, in one line`, async () => {
    assertWrong(await run(args), [named]);
  });
}

for (
  const [name, value] of [
    ["PORT", "70000"],
    ["PUBLIC_URL", "mcp.example.com"],
    ["ALLOWED_HOSTS", "https://a.example"],
    ["ALLOWED_ORIGINS", "a.example"],
    ["JSON_RESPONSE_ENABLED", "maybe"],
    ["MCP_REQUIRE_AUTH", "perhaps"],
    ["JWT_ALGORITHM", "none"],
    ["JWT_ALGORITHM", "RS256"],
    ["OIDC_ISSUERS", "https://a.example"],
    ["OIDC_ISSUERS", '[{"issuer":"a"}]'],
    ["TRUST_PROXY_AUTH", "true"],
    ["TRUSTED_PROXIES", "localhost"],
    ["PROXY_USER_HEADER", "Authorization"],
    ["MCP_CLIENT_AUTH_ENABLED", "false"],
    ["JWT_SECRET_KEY", "hidden"],
    ["JWT_SECRET_KEY", "my-test-key-hidden-0123456789-abcdefghij"],
    ["AUTH_ENCRYPTION_SECRET", "hidden"],
    ["AUTH_ENCRYPTION_SECRET_PREVIOUS", "hidden"],
    ["DATABASE_URL", "mysql://a:hidden@b/c"],
    ["TOOL_TIMEOUT", "soon"],
    ["RATE_LIMIT_PRINCIPAL", "100"],
    ["RATE_LIMIT_TOOL", "0/s"],
    ["RATE_LIMIT_SOURCE", "10/d"],
    ["STREAMS_PER_PRINCIPAL", "0"],
    ["UPSTREAM_CONCURRENCY", "none"],
    ["REQUEST_BODY_MAX", "1GiB"],
    ["LOG_LEVEL", "loud"],
  ] as const
) {
  Deno.test(`the wrong setting ${name}=${value.slice(0, 20)} ends with 2 and its name`, async () => {
    assertWrong(await run(["serve"], { [name]: value }), [name]);
  });
}

for (const command of ["serve", "doctor", "token"]) {
  Deno.test(`${command} tells all problems at once`, async () => {
    const args = command === "token" ? [command, "--sub", "a"] : [command];
    const env = { PORT: "x", TOOL_TIMEOUT: "soon", SALLYPORT_CONFIG: "missing.json" };
    assertWrong(await run(args, env), ["missing.json", "PORT", "TOOL_TIMEOUT"]);
  });
}

Deno.test("a config file that is named and missing ends with 2 and its name", async () => {
  assertWrong(await run(["serve", "--config", "missing.json"]), ["missing.json"]);
});

Deno.test("a config file that is not JSON ends with 2, its name and the place", async () => {
  assertWrong(await run(["serve"], {}, '{ "mcpServers": }'), ["sallyport.json.*line 1"]);
});

Deno.test("a missing variable ends with 2 and its name", async () => {
  const file = '{"mcpServers":{"a":{"url":"http://${NOT_THERE}/mcp"}}}';
  assertWrong(await run(["serve"], {}, file), ["NOT_THERE"]);
});

Deno.test("a wrong setting leaves nothing behind", async () => {
  await using dir = await tempDir();
  await runProgram(["serve", "--data", `${dir.path}/data`], { cwd: dir.path, env: { PORT: "x" } });
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path)), []);
});

Deno.test("a data directory that cannot be made ends with 1 and its name", async () => {
  const { code, stderr } = await run(["serve", "--data", "/dev/null/data"]);
  assertEquals(code, 1);
  assert.match(stderr, /^sallyport: .*\/dev\/null\/data.*\n$/);
});

Deno.test("a port that is taken ends with 1 and names the setting", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using dir = await tempDir();
  const { code, stderr } = await runProgram(
    ["serve", "--port", String(listener.addr.port), "--data", dir.path],
  );
  assertEquals(code, 1);
  assert.match(stderr, /^sallyport: .*\bPORT\b.*\n$/m);
});

Deno.test("doctor says what is set, and no secret", async () => {
  const file = '{"mcpServers":{"a":{"url":"http://a.example/mcp?key=${KEY}",' +
    '"headers":{"Authorization":"Bearer ${KEY}"}}}}';
  const env = { KEY: LONG_KEY, JWT_SECRET_KEY: LONG_KEY };
  const { code, stdout, stderr } = await run(["doctor"], env, file);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assert.match(stdout, /^ {2}a +public +http:\/\/a\.example/m);
  assert(!stdout.includes("hidden"), stdout);
});

Deno.test("doctor names the program of a stdio server, and no argument or variable of it", async () => {
  const file = '{"mcpServers":{"a":{"command":"/opt/${KEY}/run","args":["${KEY}"],' +
    '"env":{"K":"${KEY}"},"disabled":false}}}';
  const { stdout } = await run(["doctor"], { KEY: LONG_KEY }, file);
  assert.match(stdout, /^ {2}a +public +stdio run$/m);
  assert(!stdout.includes("hidden"), stdout);
});

Deno.test("doctor lists virtual servers and what is disabled", async () => {
  const file = '{"mcpServers":{"a":{"url":"http://a.example","disabled":true}},' +
    '"servers":{"b":{"naming":"verbatim"}}}';
  const { stdout } = await run(["doctor"], {}, file);
  assert.match(
    stdout,
    /^ {2}a +public, disabled +http:\/\/a\.example$[^]*^ {2}b +public +verbatim$/m,
  );
});

/** @param file what `./sallyport.json` holds */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  file?: string,
): Promise<Ended> {
  await using dir = await tempDir();
  if (file !== undefined) await Deno.writeTextFile(`${dir.path}/sallyport.json`, file);
  return await runProgram(args, { env, cwd: dir.path });
}

/** Exit code 2, and a line for each problem. */
function assertWrong({ code, stdout, stderr }: Ended, named: readonly string[]): void {
  const lines = stderr.trimEnd().split("\n");
  assertEquals({ code, stdout, lines: lines.length }, { code: 2, stdout: "", lines: named.length });
  for (const [at, name] of named.entries()) {
    assert.match(lines[at]!, new RegExp(`^sallyport: .*${name}`));
  }
  assert(!stderr.includes("hidden"), stderr);
}
