/**
 * Starting: what is said, where, and how often; and that what is handed out works.
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
import { callModern } from "../support/modern.ts";
import { runProgram } from "../support/program.ts";
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

Deno.test("two instances with port 0 get ports of their own", async () => {
  await using installation = await openInstallation();
  const origins = await Promise.all([0, 1].map(() => installation.serve().listening()));
  assertEquals(new Set(origins).size, 2);
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
  const { type, url, headers } = mcpServers.everything;
  const path = url.slice(origin.length);
  const reply = await callModern(origin, { ...CALL, path, headers });
  assertEquals([type, reply.status], ["http", 200]);
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
  name: "all that is kept is for the owner only",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using installation = await openInstallation();
    await startAndStop(installation);
    const files = await Array.fromAsync(Deno.readDir(installation.dataDir));
    const modes = await Promise.all(
      files.map(async ({ name }) => (await Deno.stat(`${installation.dataDir}/${name}`)).mode!),
    );
    assertEquals([files.length >= 2, ...new Set(modes.map((mode) => mode & 0o777))], [true, 0o600]);
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

Deno.test("two first starts at once agree on the keys", async () => {
  await using installation = await openInstallation();
  const gateways = [installation.serve(), installation.serve()];
  const origins = await Promise.all(gateways.map((gateway) => gateway.listening()));
  const token = await installation.command("token", "--sub", "alice@example.com");
  const replies = await Promise.all(
    origins.map((origin) => callModern(origin, { ...CALL, token })),
  );
  assertEquals(replies.map(({ status }) => status), [200, 200]);
});

Deno.test("of two first starts at once one hands out a token", async () => {
  await using installation = await openInstallation();
  const gateways = [installation.serve(), installation.serve()];
  await Promise.all(gateways.map((gateway) => gateway.listening()));
  assertEquals(gateways.filter((gateway) => TOKEN.test(gateway.stderr())).length, 1);
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

async function claimsOf(args: readonly string[]): Promise<Record<string, unknown>> {
  const sub = ["--sub", "alice@example.com"];
  const env = { JWT_SECRET_KEY: TEST_JWT_SECRET };
  const { stdout } = await runProgram(["token", ...sub, ...args], { env });
  return JSON.parse(atob(stdout.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
}
