/**
 * SQLite files: one transaction per turn of the event loop, one process per file.
 *
 * @module
 */
import {
  deepStrictEqual as assertEquals,
  ok as assert,
  rejects as assertRejects,
  throws as assertThrows,
} from "node:assert/strict";
import { openSqlite } from "../../src/storage/sqlite.ts";
import { tempDir } from "../support/temp_dir.ts";

/** A child may come before its parent, but not be committed without it. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS note (text TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS child (
    parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
  );
`;

Deno.test("writes of one turn are one transaction", async () => {
  using db = memory();
  const written = [
    db.write(() => db.addChild.run(1)),
    db.write(() => db.addParent.run(1)),
  ];
  await Promise.all(written);
  assertEquals(db.children(), 1);
});

Deno.test("writes of two turns are two transactions", async () => {
  using db = memory();
  const child = db.write(() => db.addChild.run(1)).catch(({ cause }) => Promise.reject(cause));
  await assertRejects(child, /FOREIGN KEY/);
  await db.write(() => db.addParent.run(1));
  assertEquals(db.children(), 0);
});

Deno.test("what SQLite cannot keep is unavailable, and the reason is for the log", async () => {
  using db = memory();
  const failure = await db.write(() => db.addChild.run(1)).catch((error) => error);
  assertEquals([failure.code, /FOREIGN KEY/.test(failure.message)], ["unavailable", false]);
});

Deno.test("writes run in the order in which they were asked for, and resolve in it", async () => {
  using db = memory();
  const order: string[] = [];
  const write = (text: string) =>
    db.write(() => void order.push(`run ${text}`)).then(() => order.push(`kept ${text}`));
  await Promise.all(["a", "b", "c"].map(write));
  assertEquals(order, ["run a", "run b", "run c", "kept a", "kept b", "kept c"]);
});

Deno.test("a write sees those before it, of its turn as well", async () => {
  using db = memory();
  const seen = [1, 2, 3].map(() =>
    db.write(() => {
      db.addNote.run("a");
      return db.notes().length;
    })
  );
  assertEquals(await Promise.all(seen), [1, 2, 3]);
});

Deno.test("nothing is written before the turn is over", async () => {
  using db = memory();
  const written = db.write(() => db.addNote.run("a"));
  const before = db.notes();
  await written;
  assertEquals([before, db.notes()], [[], ["a"]]);
});

Deno.test("a write that throws is undone alone, and only its promise rejects", async () => {
  using db = memory();
  const failing = db.write(() => {
    db.addNote.run("undone");
    throw new RangeError("for this test");
  });
  const settled = await Promise.allSettled([
    db.write(() => db.addNote.run("before")),
    failing,
    db.write(() => db.addNote.run("after")),
  ]);
  assertEquals(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  await assertRejects(failing, new RangeError("for this test"));
  assertEquals(db.notes(), ["before", "after"]);
});

Deno.test("a write that SQLite refuses is undone alone", async () => {
  using db = memory();
  await db.write(() => db.addParent.run(1));
  const settled = await Promise.allSettled([
    db.write(() => db.addNote.run("before")),
    db.write(() => db.addParent.run(1)),
    db.write(() => db.addNote.run("after")),
  ]);
  assertEquals(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assertEquals(db.notes(), ["before", "after"]);
});

Deno.test("a write that cannot be committed is undone alone", async () => {
  using db = memory();
  const settled = await Promise.allSettled([
    db.write(() => db.addNote.run("before")),
    db.write(() => db.addChild.run(1)),
    db.write(() => db.addNote.run("after")),
  ]);
  assertEquals(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assertEquals([db.notes(), db.children()], [["before", "after"], 0]);
});

Deno.test("a failed write leaves the file ready for the next one", async () => {
  using db = memory();
  const failing = db.write(() => {
    throw new Error("for this test");
  });
  await assertRejects(failing);
  await db.write(() => db.addNote.run("a"));
  assertEquals(db.notes(), ["a"]);
});

Deno.test("a write may ask for another one, which comes later", async () => {
  using db = memory();
  let second: Promise<unknown> | undefined;
  await db.write(() => {
    second = db.write(() => db.addNote.run("second"));
    db.addNote.run("first");
  });
  await second;
  assertEquals(db.notes(), ["first", "second"]);
});

Deno.test("closing writes what waits", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/a.db`;
  const before = opened(path);
  const written = before.write(() => before.addNote.run("a")).then(() => "kept");
  before.close();
  using after = opened(path);
  assertEquals([await written, after.notes()], ["kept", ["a"]]);
});

Deno.test("what was written is there when the file is opened again", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/a.db`;
  {
    using before = opened(path);
    await before.write(() => before.addNote.run("a"));
  }
  using after = opened(path);
  assertEquals(after.notes(), ["a"]);
});

Deno.test("the size grows with what is written", async () => {
  using db = memory();
  const beforeBytes = db.size();
  await db.write(() => db.addNote.run("a".repeat(100_000)));
  assert(db.size() - beforeBytes > 90_000);
});

Deno.test("a second opener is refused and told to use another --data", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/a.db`;
  using first = opened(path);
  assertThrows(() => opened(path), {
    message: `The file "${path}" cannot be opened: another process uses it; ` +
      "give each its own --data",
  });
  await first.write(() => first.addNote.run("a"));
  assertEquals(first.notes(), ["a"]);
});

Deno.test("a file that cannot be made is named", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/missing/a.db`;
  assertThrows(() => opened(path), new RegExp(`^Error: The file "${path}" cannot be opened: `));
});

Deno.test("a file of another kind is named", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/a.db`;
  await Deno.writeTextFile(path, "not a database, and longer than the header of one ".repeat(9));
  assertThrows(() => opened(path), /a\.db" cannot be opened: file is not a database/);
});

const memory = () => opened(":memory:");

function opened(path: string) {
  const db = openSqlite(path, SCHEMA);
  const notes = db.prepare("SELECT text FROM note ORDER BY rowid");
  const children = db.prepare("SELECT count(*) AS count FROM child");
  return {
    ...db,
    addNote: db.prepare("INSERT INTO note VALUES (?)"),
    addParent: db.prepare("INSERT INTO parent VALUES (?)"),
    addChild: db.prepare("INSERT INTO child VALUES (?)"),
    notes: () => notes.all().map(({ text }) => text),
    children: () => Number(children.get()!.count),
    [Symbol.dispose]: db.close,
  };
}
