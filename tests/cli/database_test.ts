/**
 * `migrate` and `keys rotate`, and what the launcher grants for a database.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { permissionFlags, strictDestinations } from "../../src/cli/permissions.ts";
import { loadConfig } from "../../src/config/load.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import type { DatabasePlace } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createKeyring } from "../../src/storage/sealed.ts";
import { createCatalogTables } from "../../src/storage/tables/catalog.ts";
import { aRow, someSettings } from "../support/catalog_rows.ts";
import { openPlace } from "../support/open_databases.ts";
import { ownSchema, postgresTest } from "../support/postgres.ts";
import { denoRun, runProgram } from "../support/program.ts";
import { tempDir } from "../support/temp_dir.ts";

const OLD = "hidden old key of these tests, long enough";
const NEW = "hidden new key of these tests, long enough";
const SETTINGS = someSettings({
  headers: { "X-Key": "hidden header" },
  auth: { type: "bearer", token: "hidden token" },
});

Deno.test("migrate says what it did, and the next time that there is nothing to do", async () => {
  await using dir = await tempDir();
  const args = ["migrate", "--data", `${dir.path}/data`];
  const place = `sqlite:${dir.path}/data/sallyport.db`;
  const first = await runProgram(args, { cwd: dir.path });
  const applied = [
    "0001_catalog",
    "0002_accounts",
    "0003_item_audience",
    "0004_audit",
    "0005_own_items",
  ]
    .map((step) => `Applied ${step} to ${place}\n`).join("");
  assertEquals(first, { code: 0, stdout: applied, stderr: "" });
  const second = await runProgram(args, { cwd: dir.path });
  const nothing = `Nothing to do: ${place} is up to date\n`;
  assertEquals(second, { code: 0, stdout: nothing, stderr: "" });
});

Deno.test("the database file is its owner's only", async () => {
  await using dir = await tempDir();
  const env = { DATABASE_URL: `sqlite:${dir.path}/own.db` };
  await runProgram(["migrate"], { cwd: dir.path, env });
  const { mode } = await Deno.stat(`${dir.path}/own.db`);
  assertEquals(mode! & 0o777, 0o600);
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name), ["own.db"]);
});

Deno.test("migrate needs no more than what doctor grants for a file elsewhere", async () => {
  await using dir = await tempDir();
  const env = { DATABASE_URL: `sqlite:${dir.path}/own.db`, DENO_NO_UPDATE_CHECK: "1" };
  const { stdout: flags } = await runProgram(["doctor", "--flags"], { cwd: dir.path, env });
  const deno = denoRun(flags.trim().split(" "));
  const { code, stderr } = await runProgram(["migrate"], { cwd: dir.path, env, deno });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test("migrate names the database that it cannot reach, without its password", async () => {
  const { port } = closedPort();
  const env = {
    DATABASE_URL: `postgres://ann:hidden@127.0.0.1:${port}/name`,
    JWT_SECRET_KEY: NEW,
    AUTH_ENCRYPTION_SECRET: NEW,
  };
  const { code, stderr } = await runProgram(["migrate"], { env });
  assertEquals(code, 1);
  assert.match(stderr, /^sallyport: The database postgres:\/\/ann@\S+\/name cannot be used: .+\n$/);
  assert(!stderr.includes("hidden"), stderr);
});

Deno.test("keys rotate seals anew what the previous key has sealed", async () => {
  await using dir = await tempDir();
  const place = await filled(dir.path);
  const { code, stdout, stderr } = await rotate(dir.path, { previous: OLD });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(counts(stdout), [4, 0, 0]);
  assertEquals(await readWith(place, NEW), [SETTINGS, SETTINGS]);
  assertEquals(counts((await rotate(dir.path, {})).stdout), [0, 4, 0]);
});

Deno.test("keys rotate names the servers whose credentials neither key opens", async () => {
  await using dir = await tempDir();
  const place = await filled(dir.path);
  const { code, stdout, stderr } = await rotate(dir.path, { previous: `${OLD}!` });
  assertEquals({ code, stderr, counts: counts(stdout) }, {
    code: 1,
    stderr: "",
    counts: [0, 0, 4],
  });
  assert.match(stdout, /^ {2}upstream server a:.*\n {2}upstream server b:/m);
  assert(!stdout.includes("hidden"), stdout);
  assertEquals(await readWith(place, OLD), [SETTINGS, SETTINGS]);
});

Deno.test("keys rotate asks for the gateway to be stopped", async () => {
  await using dir = await tempDir();
  await using database = openPlace(await filled(dir.path));
  const { code, stderr } = await rotate(dir.path, { previous: OLD });
  assertEquals(code, 1);
  assert.match(
    stderr,
    /^sallyport: .*\/sallyport\.db is used by .*stop the gateway first.*--data\n$/,
  );
  await database.close();
});

Deno.test("keys rotate uses the generated key where none is given", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(`${dir.path}/encryption.key`, OLD);
  await filled(dir.path);
  const { stdout } = await runProgram(["keys", "rotate", "--data", dir.path], { cwd: dir.path });
  assertEquals(counts(stdout), [0, 4, 0]);
});

postgresTest("keys rotate works on PostgreSQL while a gateway runs", async () => {
  await using schema = await ownSchema();
  await using running = openPlace(schema.url);
  await fill(running, OLD);
  const env = {
    DATABASE_URL: schema.text,
    JWT_SECRET_KEY: NEW,
    AUTH_ENCRYPTION_SECRET: NEW,
    AUTH_ENCRYPTION_SECRET_PREVIOUS: OLD,
  };
  const { code, stdout } = await runProgram(["keys", "rotate"], { env });
  assertEquals([code, counts(stdout)], [0, [4, 0, 0]]);
  assertEquals(await readWith(schema.url, NEW), [SETTINGS, SETTINGS]);
});

Deno.test("doctor shows the database without its password", async () => {
  const env = {
    DATABASE_URL: "postgres://ann:hidden@db.example/name",
    JWT_SECRET_KEY: NEW,
    AUTH_ENCRYPTION_SECRET: NEW,
  };
  const { stdout, stderr } = await runProgram(["doctor"], { env });
  assert.match(stdout, /^Database +postgres:\/\/ann@db\.example:5432\/name$/m);
  assert(!`${stdout}${stderr}`.includes("hidden"), stdout);
});

Deno.test("PostgreSQL is among the strict destinations", async () => {
  const config = configOf("postgres://ann@[::1]:6543/name");
  const found = await strictDestinations(config, () => Promise.resolve([]));
  assertEquals(found, ["127.0.0.1:4444", "[::1]:6543"]);
});

for (
  const [url, files] of [
    ["sqlite:/elsewhere/a.db", ["/elsewhere/a.db", "/elsewhere/a.db-wal"]],
    ["sqlite", []],
    ["sqlite::memory:", []],
    ["postgres://db/name", []],
  ] as const
) {
  Deno.test(`besides the data directory, ${url} may write ${files.join(", ") || "nothing"}`, () => {
    const flags = permissionFlags(configOf(url));
    const write = flags.find((flag) => flag.startsWith("--allow-write="))!.split(/[=,]/).slice(2);
    assertEquals(write, files);
    const read = flags.find((flag) => flag.startsWith("--allow-read="))!.split(/[=,]/).slice(3);
    assertEquals(read, files);
  });
}

for (const given of [{}, { JWT_SECRET_KEY: NEW }, { AUTH_ENCRYPTION_SECRET: NEW }]) {
  const names = Object.keys(given).join() || "no keys";
  Deno.test(`with PostgreSQL and ${names}, every missing key is named`, async () => {
    const env = { DATABASE_URL: "postgres://db/name", ...given };
    const { code, stderr } = await runProgram(["doctor"], { env });
    const named = [...stderr.matchAll(/^sallyport: (\w+) must be set when/gm)].map(([, name]) =>
      name
    );
    const wanted = ["JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET"].filter((name) => !(name in given));
    assertEquals({ code, named }, { code: 2, named: wanted });
  });
}

function closedPort(): Deno.NetAddr {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr;
}

function configOf(url: string) {
  const env = { DATABASE_URL: url, JWT_SECRET_KEY: NEW, AUTH_ENCRYPTION_SECRET: NEW };
  return loadConfig({
    flags: {},
    dataDir: undefined,
    configPath: undefined,
    env: (name) => new Map(Object.entries(env)).get(name),
    readFile: () => undefined,
  });
}

/** A file with two servers whose secrets the old key has sealed. */
async function filled(dir: string): Promise<DatabasePlace> {
  const place = { kind: "sqlite" as const, path: `${dir}/sallyport.db` };
  await using database = openPlace(place);
  await fill(database, OLD);
  return place;
}

async function fill(database: ReturnType<typeof openPlace>, key: string): Promise<void> {
  await migrate(database, { clock });
  const keyring = createKeyring(key, undefined);
  const { upstreams } = createCatalogTables(database, { clock, keyring });
  for (const id of ["a", "b"]) await upstreams.create({ ...aRow(id), settings: SETTINGS });
}

async function readWith(place: DatabasePlace, key: string) {
  await using database = openPlace(place);
  const keyring = createKeyring(key, undefined);
  const rows = await createCatalogTables(database, { clock, keyring }).upstreams.list();
  return rows.map(({ settings }) => settings);
}

function rotate(dir: string, { previous }: { previous?: string }) {
  const env = {
    AUTH_ENCRYPTION_SECRET: NEW,
    ...(previous !== undefined && { AUTH_ENCRYPTION_SECRET_PREVIOUS: previous }),
  };
  return runProgram(["keys", "rotate", "--data", dir], { cwd: dir, env });
}

/** Sealed anew, current already, opened by neither key. */
function counts(stdout: string): readonly number[] {
  return [...stdout.matchAll(/: (\d+)$/gm)].map(([, count]) => Number(count));
}
