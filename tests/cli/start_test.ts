/**
 * Starting: what is said, where, and how often; that what is handed out works; and that a data
 * directory has one gateway at a time.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  CALL,
  type Installation,
  OPEN_TO_ALL,
  openInstallation,
} from "../support/gateway_program.ts";
import { EVERYTHING_PATH } from "../support/everything.ts";
import { callModern } from "../support/modern.ts";
import { type Program, runProgram } from "../support/program.ts";
import { openSession } from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";

const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/;

Deno.test("standard output is the line that says where it listens, and nothing else", async () => {
  await using installation = await openInstallation();
  const gateway = installation.serve();
  await gateway.listening();
  gateway.signal("SIGTERM");
  assert.match((await gateway.ended()).stdout, /^Listening on http:\/\/127\.0\.0\.1:\d+\n$/);
});

Deno.test("where it says that it listens, it listens", async () => {
  await using installation = await openInstallation();
  const origin = await installation.serve().listening();
  assertEquals((await fetch(`${origin}/ready`)).status, 200);
});

Deno.test("two instances from one checkout get ports and keys of their own", async () => {
  await using one = await openInstallation();
  await using other = await openInstallation();
  const origins = await Promise.all([one, other].map(({ serve }) => serve().listening()));
  const token = await one.command("token", "--sub", "alice@example.com");
  const replies = await Promise.all(origins.map((at) => callModern(at, { ...CALL, token })));
  assertEquals(
    { ports: new Set(origins).size, statuses: replies.map(({ status }) => status) },
    { ports: 2, statuses: [200, 401] },
  );
});

Deno.test("the first start hands out a token that works", async () => {
  await using installation = await openInstallation();
  const gateway = installation.serve();
  const origin = await gateway.listening();
  const token = TOKEN.exec(gateway.stderr())![0];
  assertEquals((await callModern(origin, { ...CALL, token })).status, 200);
});

Deno.test("the first start shows a client configuration that works as it is", async () => {
  await using installation = await openInstallation();
  const gateway = installation.serve();
  const origin = await gateway.listening();
  const { mcpServers } = JSON.parse(/^\{\n.*^\}$/ms.exec(gateway.stderr())![0]);
  const { type, url, headers } = mcpServers.sallyport;
  const params = { name: "everything-test_simple_text", arguments: {} };
  const { response } = await callModern(origin, {
    params,
    path: url.slice(origin.length),
    headers,
  });
  assertEquals({ type, failed: (response.result as { isError?: boolean }).isError ?? false }, {
    type: "http",
    failed: false,
  });
});

Deno.test("the token of the first start is never shown again", async () => {
  await using installation = await openInstallation();
  await startAndStop(installation);
  assertEquals(TOKEN.test((await startAndStop(installation)).stderr), false);
});

Deno.test("the token of the first start is shown outside of the log", async () => {
  await using installation = await openInstallation();
  const { stderr } = await startAndStop(installation, { LOG_LEVEL: "debug" });
  const logged = stderr.split("\n").filter((line) => line.startsWith('{"'));
  assertEquals([logged.length > 0, logged.some((line) => TOKEN.test(line))], [true, false]);
});

Deno.test("a key that was given is what signs the token of the first start", async () => {
  await using installation = await openInstallation();
  const gateway = installation.serve({ env: { JWT_SECRET_KEY: TEST_JWT_SECRET } });
  const token = await mintToken();
  assertEquals((await callModern(await gateway.listening(), { ...CALL, token })).status, 200);
});

Deno.test({
  name: "all that is kept is for the owner only, while it runs and afterwards",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using installation = await openInstallation();
    const gateway = installation.serve({ env: OPEN_TO_ALL });
    await using session = await openSession(await gateway.listening(), { path: EVERYTHING_PATH });
    const running = await modesIn(installation.dataDir);
    await session.end();
    gateway.signal("SIGTERM");
    await gateway.ended();
    const left = await modesIn(installation.dataDir);
    assertEquals({ running: openToOthers(running), left: openToOthers(left) }, {
      running: [],
      left: [],
    });
    assertEquals(["jwt.key", "sessions.db"].filter((name) => !(name in left)), []);
  },
});

Deno.test("a restart keeps the keys: older tokens still work", async () => {
  await using installation = await openInstallation();
  const token = TOKEN.exec((await startAndStop(installation)).stderr)![0];
  const origin = await installation.serve().listening();
  assertEquals((await callModern(origin, { ...CALL, token })).status, 200);
});

Deno.test("what the command token prints is a token and nothing else", async () => {
  await using installation = await openInstallation();
  assert.match(await installation.command("token", "--sub", "alice@example.com"), /^eyJ[\w.-]+$/);
});

Deno.test("a token of the same data directory is let in by a gateway that runs", async () => {
  await using installation = await openInstallation();
  const origin = await installation.serve().listening();
  const token = await installation.command("token", "--sub", "alice@example.com");
  assertEquals((await callModern(origin, { ...CALL, token })).status, 200);
});

Deno.test("a token that was made before the first start is let in", async () => {
  await using installation = await openInstallation();
  const token = await installation.command("token", "--sub", "alice@example.com");
  const origin = await installation.serve().listening();
  assertEquals((await callModern(origin, { ...CALL, token })).status, 200);
});

Deno.test("making a token is no first start", async () => {
  await using installation = await openInstallation();
  await installation.command("token", "--sub", "alice@example.com");
  assert(TOKEN.test((await startAndStop(installation)).stderr));
});

Deno.test("a token of another data directory is refused", async () => {
  await using installation = await openInstallation();
  const origin = await installation.serve().listening();
  const { stdout } = await runProgram(
    ["token", "--sub", "alice@example.com", "--data", `${installation.dir}/other`],
  );
  assertEquals((await callModern(origin, { ...CALL, token: stdout.trim() })).status, 401);
});

for (
  const [args, expected] of [
    [[], {}],
    [["--admin"], { is_admin: true }],
    [["--teams", "red, blue"], { teams: ["red", "blue"] }],
    [["--teams", ""], { teams: [] }],
    [["--permissions", "tools.read"], { scopes: { permissions: ["tools.read"] } }],
    [["--server", "ops"], { scopes: { server_id: "ops" } }],
  ] satisfies [string[], Record<string, unknown>][]
) {
  Deno.test(`token ${args.join(" ")} claims ${JSON.stringify(expected)}`, async () => {
    const { is_admin, teams, scopes } = await claimsOf(args);
    assertEquals(JSON.parse(JSON.stringify({ is_admin, teams, scopes })), expected);
  });
}

for (const [args, seconds] of [[[], 7 * 86_400], [["--expires", "12h"], 43_200]] as const) {
  Deno.test(`token ${args.join(" ")} is valid for ${seconds} s`, async () => {
    const { exp, iat } = await claimsOf(args);
    assertEquals(Number(exp) - Number(iat), seconds);
  });
}

Deno.test("of two first starts at once one serves with a token that works, the other ends", async () => {
  await using installation = await openInstallation();
  const { served, refused } = await startTwice(installation);
  const token = TOKEN.exec(served.stderr())![0];
  const { status } = await callModern(await served.listening(), { ...CALL, token });
  assertEquals({ status, code: (await refused.ended()).code }, { status: 200, code: 1 });
});

Deno.test("a second gateway on a data directory ends with 1 and one line that says what to do", async () => {
  await using installation = await openInstallation();
  const first = installation.serve({ env: OPEN_TO_ALL });
  const origin = await first.listening();
  const { code, stdout, stderr } = await installation.serve().ended();
  assertEquals({ code, stdout }, { code: 1, stdout: "" });
  assert.match(stderr, /^sallyport: [^\n]*another process[^\n]*--data[^\n]*\n$/);
  assert(stderr.includes(installation.dataDir), "it does not name the directory");
  assertEquals((await callModern(origin, CALL)).status, 200);
});

Deno.test("a restart may begin while the gateway before is still ending", async () => {
  await using installation = await openInstallation();
  const first = installation.serve();
  await first.listening();
  const second = installation.serve({ env: OPEN_TO_ALL });
  first.signal("SIGTERM");
  assertEquals((await callModern(await second.listening(), CALL)).status, 200);
});

Deno.test("a data directory is free again after its gateway was killed", async () => {
  await using installation = await openInstallation();
  const first = installation.serve();
  await first.listening();
  first.signal("SIGKILL");
  await first.ended();
  const origin = await installation.serve({ env: OPEN_TO_ALL }).listening();
  assertEquals((await callModern(origin, CALL)).status, 200);
});

Deno.test("without a credential nobody is let in by default", async () => {
  await using installation = await openInstallation();
  assertEquals((await callModern(await installation.serve().listening(), CALL)).status, 401);
});

Deno.test("where none is needed, public items are served without one", async () => {
  await using installation = await openInstallation();
  const origin = await installation.serve({ env: OPEN_TO_ALL }).listening();
  assertEquals((await callModern(origin, CALL)).status, 200);
});

async function startAndStop(installation: Installation, env: Record<string, string> = {}) {
  const gateway = installation.serve({ env });
  await gateway.listening();
  gateway.signal("SIGTERM");
  return await gateway.ended();
}

/** Two gateways on one data directory: which of them serves, and which does not. */
async function startTwice({ serve }: Installation) {
  const [one, other] = [serve(), serve()];
  const isServing = (gateway: Program) => gateway.listening().then(() => true, () => false);
  const serving = await Promise.all([one, other].map(isServing));
  assertEquals(serving.filter(Boolean).length, 1, one.stderr() + other.stderr());
  return serving[0] ? { served: one, refused: other } : { served: other, refused: one };
}

/** File modes by name. */
async function modesIn(dir: string): Promise<Record<string, number>> {
  const files = await Array.fromAsync(Deno.readDir(dir));
  const modes = files.map(async ({ name }) =>
    [name, (await Deno.stat(`${dir}/${name}`)).mode! & 0o777] as const
  );
  return Object.fromEntries(await Promise.all(modes));
}

function openToOthers(modes: Readonly<Record<string, number>>): string[] {
  return Object.entries(modes).filter(([, mode]) => (mode & 0o077) !== 0)
    .map(([name, mode]) => `${name} ${mode.toString(8)}`);
}

async function claimsOf(args: readonly string[]): Promise<Record<string, unknown>> {
  const sub = ["--sub", "alice@example.com"];
  const env = { JWT_SECRET_KEY: TEST_JWT_SECRET };
  const { stdout } = await runProgram(["token", ...sub, ...args], { env });
  return JSON.parse(atob(stdout.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
}
