/**
 * Sessions of one replica: the contract, and what the file adds to it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import {
  createLocalDirectory,
  DIRECTORY_SCHEMA,
} from "../../../src/mcp/session/local_directory.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import { openSqlite } from "../../../src/storage/sqlite.ts";
import { sessionDirectoryContract } from "../../contract/session_directory.ts";
import { type FakeClock, fakeClock } from "../../support/fake_clock.ts";
import { tempDir } from "../../support/temp_dir.ts";

const IDLE_MS = 60_000;

sessionDirectoryContract("SessionDirectory in SQLite", async (clock, idleMs) => {
  const dir = await tempDir();
  const db = openSqlite(`${dir.path}/sessions.db`, DIRECTORY_SCHEMA);
  const directory = createLocalDirectory(db, { clock }, { idleMs });
  const count = db.prepare(
    "SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM session_field) AS rows",
  );
  return {
    directory,
    rows: () => Number(count.get()!.rows),
    async [Symbol.asyncDispose]() {
      directory.close();
      await dir[Symbol.asyncDispose]();
    },
  };
});

Deno.test("a reopened file has the same sessions, which go on idling", async () => {
  await using file = await sessionFile();
  const { clock } = file;
  const before = file.open();
  await before.create(entry("a", clock), 1);
  const field = await before.swap("a", "one", 0, Uint8Array.of(1));
  before.close();
  clock.advance(IDLE_MS - 1);

  const after = file.open();
  const found = await after.find("a");
  clock.advance(1);
  const later = await after.find("a");
  after.close();

  assertEquals(found, { base: Uint8Array.of(0, 255), fields: new Map([["one", field]]) });
  assertEquals(later, undefined);
});

Deno.test("closing keeps what was asked for just before", async () => {
  await using file = await sessionFile();
  const before = file.open();
  const created = before.create(entry("a", file.clock), 1);
  before.close();
  const after = file.open();
  const found = await after.find("a");
  after.close();
  assertEquals([await created, found !== undefined], [true, true]);
});

Deno.test("a second opener is refused and told to use another --data", async () => {
  await using file = await sessionFile();
  const directory = file.open();
  assertThrows(() => file.open(), /sessions\.db" cannot be opened: .* give each its own --data/);
  directory.close();
});

Deno.test("a clock that is set back ends no session that is in use", async () => {
  await using file = await sessionFile();
  const wall = jumping(file.clock);
  const directory = file.open(wall.clock);
  await directory.create(entry("a", file.clock), 1);
  wall.setBy(-2 * IDLE_MS);
  file.clock.advance(IDLE_MS - 1);
  await directory.touch("a");
  wall.setBy(0);
  file.clock.advance(IDLE_MS - 1);
  const isFound = await directory.find("a") !== undefined;
  directory.close();
  assertEquals(isFound, true);
});

Deno.test("a clock that is set back ends no new session early", async () => {
  await using file = await sessionFile();
  const wall = jumping(file.clock);
  const directory = file.open(wall.clock);
  await directory.find("a");
  wall.setBy(-1e9);
  await directory.create({ ...entry("a", file.clock), endMs: wall.clock.now() + IDLE_MS }, 1);
  file.clock.advance(IDLE_MS - 1);
  const taken = await directory.takeExpired(1);
  const field = await directory.swap("a", "one", 0, Uint8Array.of(1));
  const found = await directory.find("a");
  directory.close();
  assertEquals(taken, []);
  assertEquals(field?.generation, 1);
  assertEquals(found?.fields.get("one"), field);
});

Deno.test("a clock that is set back brings no idled session back", async () => {
  await using file = await sessionFile();
  const wall = jumping(file.clock);
  const directory = file.open(wall.clock);
  await directory.create(entry("a", file.clock), 1);
  file.clock.advance(IDLE_MS);
  await directory.find("a");
  wall.setBy(-IDLE_MS);
  const found = await directory.find("a");
  const created = await directory.create(entry("b", file.clock), 1);
  directory.close();
  assertEquals([found, created], [undefined, true]);
});

Deno.test("a clock that is set back during a restart leaves sessions their idle time", async () => {
  await using file = await sessionFile();
  const wall = jumping(file.clock);
  const before = file.open(wall.clock);
  await before.create(entry("a", file.clock), 1);
  before.close();
  wall.setBy(-IDLE_MS / 2);

  const after = file.open(wall.clock);
  file.clock.advance(IDLE_MS - 1);
  const found = await after.find("a");
  file.clock.advance(1);
  const later = await after.find("a");
  after.close();
  assertEquals([found !== undefined, later], [true, undefined]);
});

Deno.test("a clock that is set forward ends no session that is in use", async () => {
  await using file = await sessionFile();
  const wall = jumping(file.clock);
  const directory = file.open(wall.clock);
  await directory.create({ ...entry("a", file.clock), endMs: file.clock.now() + 100 * IDLE_MS }, 1);
  wall.setBy(2 * IDLE_MS);
  file.clock.advance(1_000);
  await directory.touch("a");
  const expired = await directory.takeExpired(1);
  const found = await directory.find("a");
  directory.close();
  assertEquals([expired, found !== undefined], [[], true]);
});

async function sessionFile() {
  const clock = fakeClock();
  const dir = await tempDir();
  const open = (other: Clock = clock) => {
    const db = openSqlite(`${dir.path}/sessions.db`, DIRECTORY_SCHEMA);
    return createLocalDirectory(db, { clock: other }, { idleMs: IDLE_MS });
  };
  return { clock, open, [Symbol.asyncDispose]: dir[Symbol.asyncDispose] };
}

function entry(key: string, clock: Clock) {
  return { key, owner: "ann", base: Uint8Array.of(0, 255), endMs: clock.now() + 10 * IDLE_MS };
}

/** A wall clock that somebody sets; the monotonic one goes on. */
function jumping(clock: FakeClock) {
  let byMs = 0;
  return {
    clock: { now: () => clock.now() + byMs, monotonic: clock.monotonic } satisfies Clock,
    setBy: (ms: number) => void (byMs = ms),
  };
}
