/**
 * The data directory: keys that only the owner can read, and one truth for all who start at once.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { loadOrCreateSecret, openDataDir } from "../../src/platform/data_dir.ts";
import { tempDir } from "../support/temp_dir.ts";

const AT_ONCE = 20;
const onUnix = { ignore: Deno.build.os === "windows" };

Deno.test("openDataDir() makes the directory and those above it", async () => {
  await using temp = await tempDir();
  await openDataDir(`${temp.path}/a/b`);
  assert((await Deno.stat(`${temp.path}/a/b`)).isDirectory);
});

Deno.test("openDataDir() is content with a directory that exists", async () => {
  await using temp = await tempDir();
  await openDataDir(temp.path);
});

Deno.test("the directory is open for its owner only", onUnix, async () => {
  await using temp = await tempDir();
  await openDataDir(`${temp.path}/data`);
  assertEquals(await modeOf(`${temp.path}/data`), 0o700);
});

Deno.test("openDataDir() names a directory that cannot be made", async () => {
  await using temp = await tempDir();
  await Deno.writeTextFile(`${temp.path}/file`, "");
  await assertRejects(() => openDataDir(`${temp.path}/file`), {
    message: `The data directory "${temp.path}/file" cannot be made`,
  });
});

Deno.test("a secret has at least 256 bits", async () => {
  await using temp = await tempDir();
  const secret = await loadOrCreateSecret(temp.path, "jwt");
  assert(/^[\w-]{43,}$/.test(secret), `${secret.length} characters`);
});

Deno.test("a secret is the same the next time", async () => {
  await using temp = await tempDir();
  const first = await loadOrCreateSecret(temp.path, "jwt");
  assertEquals(await loadOrCreateSecret(temp.path, "jwt"), first);
});

Deno.test("secrets of different names differ", async () => {
  await using temp = await tempDir();
  const jwt = await loadOrCreateSecret(temp.path, "jwt");
  assert(await loadOrCreateSecret(temp.path, "encryption") !== jwt);
});

Deno.test("a key file is readable for its owner only", onUnix, async () => {
  await using temp = await tempDir();
  await loadOrCreateSecret(temp.path, "jwt");
  assertEquals(await modeOf(`${temp.path}/jwt.key`), 0o600);
});

Deno.test("all who start at once get the same secret", async () => {
  await using temp = await tempDir();
  const secrets = await Promise.all(
    Array.from({ length: AT_ONCE }, () => loadOrCreateSecret(temp.path, "jwt")),
  );
  assertEquals(new Set(secrets).size, 1);
});

Deno.test("no draft stays behind, whoever was first", async () => {
  await using temp = await tempDir();
  await Promise.all(Array.from({ length: AT_ONCE }, () => loadOrCreateSecret(temp.path, "jwt")));
  assertEquals(await namesIn(temp.path), ["jwt.key"]);
});

Deno.test("a key file with a final newline is read like one without", async () => {
  await using temp = await tempDir();
  await Deno.writeTextFile(`${temp.path}/jwt.key`, `${"k".repeat(40)}\n`);
  assertEquals(await loadOrCreateSecret(temp.path, "jwt"), "k".repeat(40));
});

Deno.test("a key file that is too short is refused by name, and not shown", async () => {
  await using temp = await tempDir();
  await Deno.writeTextFile(`${temp.path}/jwt.key`, "short-secret");
  await assertRejects(() => loadOrCreateSecret(temp.path, "jwt"), (error) => {
    const { message } = error as Error;
    return message.includes(`${temp.path}/jwt.key`) && !message.includes("short-secret");
  });
});

Deno.test("a damaged key file is not replaced", async () => {
  await using temp = await tempDir();
  await Deno.writeTextFile(`${temp.path}/jwt.key`, "short-secret");
  await loadOrCreateSecret(temp.path, "jwt").catch(() => {});
  assertEquals(await Deno.readTextFile(`${temp.path}/jwt.key`), "short-secret");
});

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o777;
}

async function namesIn(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
}
