/**
 * A gateway whose own tokens have a pair of keys: making tokens, taking them, and what is said when
 * a key cannot be used.
 *
 * @module
 * @see contract.md, sections 2 and 8, "Start"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { exportPKCS8, exportSPKI } from "jose";
import { ASYMMETRIC } from "../../src/auth/algorithms.ts";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { loadConfig } from "../../src/config/load.ts";
import { CALL, openInstallation } from "../support/gateway_program.ts";
import { callModern } from "../support/modern.ts";
import { makeKey } from "../support/oidc_issuer.ts";
import { denoRun, runProgram, startProgram } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";

for (const algorithm of ["RS256", "PS384", "ES256", "EdDSA"] as const) {
  Deno.test(`a token that \`sallyport token\` makes with ${algorithm} is let in`, async () => {
    await using installation = await openInstallation();
    const env = await keyFiles(installation.dir, algorithm);
    const origin = await installation.serve({ env }).listening();
    const token = await mint(installation.args, installation.dir, env);
    const header = JSON.parse(atob(token.split(".")[0]!));
    const { status } = await callModern(origin, { ...CALL, token });
    assertEquals([header.alg, status], [algorithm, 200]);
  });
}

Deno.test("AUTHN-03: with a pair of keys, the generated secret makes no tokens", async () => {
  await using installation = await openInstallation();
  const token = await installation.command("token", "--sub", "alice@example.com");
  const env = await keyFiles(installation.dir, "ES256");
  const origin = await installation.serve({ env }).listening();
  assertEquals((await callModern(origin, { ...CALL, token })).status, 401);
});

Deno.test("a gateway that only verifies starts, and hands out no token", async () => {
  await using installation = await openInstallation();
  const { JWT_PRIVATE_KEY_PATH: _, ...env } = await keyFiles(installation.dir, "ES256");
  const gateway = installation.serve({ env });
  await gateway.listening();
  assert.match(gateway.stderr(), /no JWT_PRIVATE_KEY_PATH/);
  assert.doesNotMatch(gateway.stderr(), /eyJ/);
});

Deno.test("with exactly the flags of doctor, such a gateway serves", async () => {
  await using installation = await openInstallation();
  const { args, dir } = installation;
  const env = await keyFiles(dir, "ES256");
  const { stdout } = await runProgram(["doctor", "--flags", ...args], { cwd: dir, env });
  const deno = denoRun(stdout.trim().split(" "));
  await using gateway = startProgram(["--port", "0", ...args], { cwd: dir, env, deno });
  const token = await mint(args, dir, env);
  assertEquals((await callModern(await gateway.listening(), { ...CALL, token })).status, 200);
});

Deno.test("exactly the key files may be read, where there is a pair of keys", () => {
  const env = { JWT_PUBLIC_KEY_PATH: "/keys/public.pem", JWT_PRIVATE_KEY_PATH: "/keys/own.pem" };
  const pair = readableWith({ ...env, JWT_ALGORITHM: "ES256" });
  assertEquals(pair.filter((path) => !readableWith(env).includes(path)), Object.values(env));
});

Deno.test("doctor says which keys sign and verify", async () => {
  await using dir = await tempDir();
  const env = await keyFiles(dir.path, "ES256");
  const { stdout } = await runProgram(["doctor"], { cwd: dir.path, env });
  assert.match(stdout, /^Signing key .*ES256.*public\.pem.*private\.pem$/m);
});

Deno.test("doctor says which issuers and proxies are believed", async () => {
  await using dir = await tempDir();
  const { stdout } = await runProgram(["doctor"], {
    cwd: dir.path,
    env: {
      OIDC_ISSUERS: '[{"issuer":"http://login.example","audience":"a","teamsClaim":"groups"}]',
      TRUST_PROXY_AUTH: "true",
      TRUSTED_PROXIES: "0.0.0.0/0",
    },
  });
  assert.match(stdout, /^Issuer +http:\/\/login\.example .*groups$/m);
  assert.match(stdout, /^Proxy user +X-Authenticated-User$/m);
  assert.match(stdout, /^Warning +TRUSTED_PROXIES/m);
  assert.match(stdout, /^Warning +OIDC_ISSUERS: http:\/\/login\.example/m);
});

const PAIR = await makeKey(undefined, "ES256");
const PUBLIC = await exportSPKI(PAIR.publicKey);
const PRIVATE = await exportPKCS8(PAIR.privateKey);
const OTHER = await exportPKCS8((await makeKey(undefined, "ES256")).privateKey);

for (
  const [what, publicPem, privatePem, more, named] of [
    ["a public key that is not there", undefined, PRIVATE, {}, "JWT_PUBLIC_KEY_PATH"],
    ["a private key that is not there", PUBLIC, undefined, {}, "JWT_PRIVATE_KEY_PATH"],
    ["a public key that is none", "hello", PRIVATE, {}, "JWT_PUBLIC_KEY_PATH"],
    ["a private key in place of the public one", PRIVATE, PRIVATE, {}, "JWT_PUBLIC_KEY_PATH"],
    ["a public key in place of the private one", PUBLIC, PUBLIC, {}, "JWT_PRIVATE_KEY_PATH"],
    ["a private key of another pair", PUBLIC, OTHER, {}, "JWT_PRIVATE_KEY_PATH"],
    [
      "a key of another algorithm",
      PUBLIC,
      PRIVATE,
      { JWT_ALGORITHM: "RS256" },
      "JWT_PUBLIC_KEY_PATH",
    ],
    [
      "a key of another curve",
      PUBLIC,
      PRIVATE,
      { JWT_ALGORITHM: "ES384" },
      "JWT_PUBLIC_KEY_PATH",
    ],
  ] as const
) {
  for (const command of [["serve", "--port", "0"], ["token", "--sub", "a"]]) {
    Deno.test(`${command[0]} with ${what} ends with 2 and the setting's name`, async () => {
      await using dir = await tempDir();
      const env = await writeKeys(dir.path, "ES256", publicPem, privatePem);
      const { code, stderr } = await runProgram(command, {
        cwd: dir.path,
        env: { ...env, ...more },
      });
      assertEquals(code, 2);
      assert.match(stderr, new RegExp(`^sallyport: ${named} .*\\n$`));
      assert.doesNotMatch(stderr, /BEGIN [A-Z]+ KEY-/);
    });
  }
}

Deno.test("token without a private key ends with 2 and the setting's name", async () => {
  await using dir = await tempDir();
  const { JWT_PRIVATE_KEY_PATH: _, ...env } = await keyFiles(dir.path, "ES256");
  const { code, stderr } = await runProgram(["token", "--sub", "a"], { cwd: dir.path, env });
  assertEquals(code, 2);
  assert.match(stderr, /^sallyport: JWT_PRIVATE_KEY_PATH .*\n$/);
});

async function keyFiles(dir: string, algorithm: typeof ASYMMETRIC[number]) {
  const { publicKey, privateKey } = await makeKey(undefined, algorithm);
  return await writeKeys(
    dir,
    algorithm,
    await exportSPKI(publicKey),
    await exportPKCS8(privateKey),
  );
}

async function writeKeys(
  dir: string,
  algorithm: string,
  publicPem: string | undefined,
  privatePem: string | undefined,
) {
  const paths = {
    JWT_PUBLIC_KEY_PATH: `${dir}/public.pem`,
    JWT_PRIVATE_KEY_PATH: `${dir}/private.pem`,
  };
  if (publicPem !== undefined) await Deno.writeTextFile(paths.JWT_PUBLIC_KEY_PATH, publicPem);
  if (privatePem !== undefined) await Deno.writeTextFile(paths.JWT_PRIVATE_KEY_PATH, privatePem);
  return { JWT_ALGORITHM: algorithm, ...paths };
}

async function mint(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const options = { cwd, env };
  const ended = await runProgram(["token", "--sub", "alice@example.com", ...args], options);
  return ended.stdout.trim();
}

function readableWith(env: Readonly<Record<string, string>>): readonly string[] {
  const config = loadConfig({
    flags: {},
    dataDir: undefined,
    configPath: undefined,
    env: (name) => env[name],
    readFile: () => undefined,
  });
  const flag = permissionFlags(config).find((one) => one.startsWith("--allow-read="))!;
  return flag.slice("--allow-read=".length).split(",");
}
