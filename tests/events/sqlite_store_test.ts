/**
 * The event store in SQLite: the contract, and what a file promises beyond it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { createSqliteStore, EVENT_SCHEMA } from "../../src/events/sqlite_store.ts";
import type { EventStoreOptions, NewEvent } from "../../src/events/store.ts";
import { createSecretBox } from "../../src/platform/secret_box.ts";
import { openSqlite, type Sqlite } from "../../src/storage/sqlite.ts";
import { eventStoreContract } from "../contract/event_store.ts";
import { ROOMY, shortcuts } from "../contract/event_store/case.ts";
import { keptOf, messages, textOf } from "../support/event_model.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { seeded } from "../support/seeded.ts";
import { tempDir } from "../support/temp_dir.ts";

const box = createSecretBox("only-for-tests-0123456789-abcdefghij", "stored events");

eventStoreContract("sqlite", (options, clock) => {
  const db = openSqlite(":memory:", EVENT_SCHEMA);
  const store = createSqliteStore(db, options, { clock, box });
  return { ...store, [Symbol.dispose]: () => db.close() };
});

Deno.test("sqlite: a file that is opened again has the same streams, and numbers go on", async () => {
  await using file = await fileStore();
  {
    const { store, open, append, end } = file.reopen();
    await open("s", { note: "to go on with" });
    await store.append("s", messages(["a", { response: "b" }]), { upstreamEventId: "up-1" });
    await store.claim("s", "runner", "new");
    await append("s", "c");
    await store.append("s", [], { upstreamEventId: "up-2" });
    await open("t");
    await end("t", "d");
  }
  const { store, append, kept } = file.reopen();
  assertEquals(await store.find("s"), {
    runner: "new",
    note: "to go on with",
    upstreamEventId: "up-2",
    lastSeq: 3,
    isEnded: false,
  });
  assertEquals(await append("s", "e"), 4);
  assertEquals(await kept("s"), ["1 a", "2 b", "3 c", "4 e"]);
  assertEquals((await store.find("t"))?.isEnded, true);
  assertEquals(await append("t", "late"), undefined);
  assertEquals(await kept("t"), ["1 d"]);
});

Deno.test("sqlite: no number is used again though nothing of the stream was kept", async () => {
  await using file = await fileStore({ bytesMax: 10 });
  {
    const { store, open, append } = file.reopen();
    for (const id of ["expired", "too long"]) await open(id, { runner: "" });
    await store.append("expired", messages(["a", "b"]), { upstreamEventId: "up-2" });
    file.clock.advance(ROOMY.ttlMs);
    await store.sweep();
    await append("too long", "c", "a notification of too many bytes");
  }
  const { store, append, kept } = file.reopen();
  assertEquals(await kept("expired"), []);
  assertEquals((await store.find("expired"))?.upstreamEventId, "up-2");
  assertEquals(await append("expired", "c"), 3);
  assertEquals(await kept("too long"), []);
  assertEquals(await append("too long", "d"), 3);
});

Deno.test("sqlite: the bounds hold across openings, sweeps and pieces", async () => {
  const random = seeded("sqlite event store");
  await using file = await fileStore({ eventsMax: 6, bytesMax: 80 });
  let opened = file.reopen();
  await opened.open("s", { runner: "" });
  const model: NewEvent[] = [];
  for (let turn = 0; turn < 200; turn++) {
    const texts = Array.from({ length: random.below(9) }, () => {
      const text = "x".repeat(1 + random.below(random.pick([5, 20, 120])));
      return random.below(20) === 0 ? { response: text } : text;
    });
    model.push(...messages(texts));
    assertEquals(await opened.append("s", ...texts), model.length);
    if (random.below(8) === 0) opened = file.reopen();
    if (random.below(4) === 0) await opened.store.sweep();
    assertEquals(await opened.kept("s"), keptOf(model, 6, 80).map(textOf));
  }
});

Deno.test("sqlite: bounds that have become narrower count for what is there already", async () => {
  await using file = await fileStore();
  const { open, append } = file.reopen();
  await open("s");
  for (const text of ["a", "b", "c", "d"]) await append("s", text);
  const { kept, append: appendAgain } = file.reopen({ eventsMax: 2 });
  assertEquals(await kept("s"), ["3 c", "4 d"]);
  await appendAgain("s", "e");
  assertEquals(file.rows("events"), 2);
});

Deno.test("sqlite: what a stream gets in one turn is one row", async () => {
  await using file = await fileStore();
  const { open, append, kept } = file.reopen();
  await Promise.all([open("s"), open("t")]);
  await Promise.all([append("s", "a"), append("t", "b"), append("s", "c", "d"), append("t", "e")]);
  assertEquals(file.rows("events"), 2);
  assertEquals(await kept("s"), ["1 a", "2 c", "3 d"]);
});

Deno.test("sqlite: rows out of bounds are gone when the append resolves", async () => {
  await using file = await fileStore({ eventsMax: 3 });
  const { open, append } = file.reopen();
  await open("s");
  for (let i = 0; i < 20; i++) {
    await append("s", "a");
    assertEquals(file.rows("events"), Math.min(i + 1, 3));
  }
});

Deno.test("sqlite: what is erased stays erased, also when the process ends amid it", async () => {
  await using file = await fileStore({ eventsMax: 2_000 });
  {
    const { store, open, append } = file.reopen();
    await open("s");
    for (let i = 0; i < 1_000; i++) await append("s", `${i}`);
    file.rejectAfterNextWrite();
    await assertRejects(store.erase("session"), /the process has ended/);
  }
  const { store, open, kept } = file.reopen();
  assertEquals(await kept("s"), undefined);
  assertEquals(file.rows("events") > 0, true);
  assertEquals(await open("s"), true);
  await store.sweep();
  assertEquals([file.rows("events"), file.rows("streams")], [0, 1]);
});

Deno.test("sqlite: the bytes of all streams are counted across openings", async () => {
  await using file = await fileStore();
  const { open, end } = file.reopen();
  for (const id of ["s", "t", "u"]) {
    await open(id);
    await end(id, "x".repeat(20_000));
    file.clock.advance(1);
  }
  const { store } = file.reopen({ totalBytesMax: 50_000 });
  await store.sweep();
  const states = await Promise.all(["s", "t", "u"].map((id) => store.find(id)));
  assertEquals(states.map((state) => state?.lastSeq), [undefined, 1, 1]);
});

Deno.test("sqlite: an event that could not be written leaves no trace", async () => {
  await using file = await fileStore();
  const { store, open, append, kept } = file.reopen();
  await open("s");
  await append("s", "a");
  const heard: (number | undefined)[] = [];
  store.follow("s", (news) => heard.push(news?.firstSeq));
  file.failNextWrite();
  const failed = [append("s", "b"), open("t"), append("t", "c")];
  for (const each of failed) await assertRejects(each, /the disk is full/);
  assertEquals(await append("s", "d"), 2);
  assertEquals(await store.find("t"), undefined);
  assertEquals(await kept("s"), ["1 a", "2 d"]);
  assertEquals(heard, [2]);
});

Deno.test("sqlite: what is done again because another write failed is done once", async () => {
  await using file = await fileStore();
  const { store, open, append, kept } = file.reopen();
  await open("s");
  const heard: (number | undefined)[] = [];
  store.follow("s", (news) => heard.push(news?.firstSeq));
  const appended = append("s", "a", "b");
  const failed = file.write(() => {
    throw new Error("somebody else's mistake");
  });
  await assertRejects(failed, /mistake/);
  assertEquals(await appended, 2);
  assertEquals(await append("s", "c"), 3);
  assertEquals(await kept("s"), ["1 a", "2 b", "3 c"]);
  assertEquals(heard, [1, 3]);
});

Deno.test("sqlite: a sweep that is done again because other writes failed is complete", async () => {
  await using file = await fileStore();
  const { store, open, append } = file.reopen();
  await open("s", { runner: "" });
  await append("s", "a", "b");
  file.clock.advance(ROOMY.ttlMs);
  let isSwept = false;
  const swept = store.sweep().finally(() => isSwept = true);
  while (!isSwept) {
    const failed = file.write(() => {
      throw new Error("somebody else's mistake");
    });
    await assertRejects(failed, /mistake/);
  }
  await swept;
  assertEquals(file.rows("events"), 0);
  assertEquals(await append("s", "c"), 3);
});

Deno.test("sqlite: closing the file keeps what waits", async () => {
  await using file = await fileStore();
  const { store, open, append } = file.reopen();
  await open("s");
  const appended = append("s", "a");
  store.close();
  const { kept } = file.reopen();
  assertEquals(await appended, 1);
  assertEquals(await kept("s"), ["1 a"]);
});

Deno.test("EVT-09: sqlite: no message can be read in the file", async () => {
  await using file = await fileStore();
  const { open, append, kept } = file.reopen();
  await open("s");
  await append("s", ...Array.from({ length: 200 }, (_, i) => `a marked message ${i}`));
  assertEquals((await kept("s"))?.length, 200);
  assertEquals((await file.text()).includes("marked"), false);
});

Deno.test("EVT-09: sqlite: a row that is changed, or of another place, shows as a hole", async () => {
  await using file = await fileStore();
  const { open, append, kept } = file.reopen();
  await open("s");
  await open("other");
  for (const id of ["s", "other"]) for (const text of ["a", "b", "c"]) await append(id, text);
  await file.change(
    "UPDATE events SET messages = (SELECT messages FROM events WHERE no = 1) " +
      "WHERE no IN (2, 4)",
  );
  await file.change("UPDATE events SET messages = zeroblob(40) WHERE no = 6");
  assertEquals([await kept("s"), await kept("other")], [["1 a", "3 c"], ["2 b"]]);
});

/** A file that can be opened again and again, with a store that sees what it is told to see. */
async function fileStore(given: Partial<EventStoreOptions> = {}) {
  const dir = await tempDir();
  const clock = fakeClock();
  let db: Sqlite | undefined;
  let spoil: (<T>(written: Promise<T>) => Promise<T>) | undefined;
  let isFull = false;

  function write<T>(work: () => T): Promise<T> {
    const written = db!.write(() => {
      const value = work();
      if (isFull) throw new Error("the disk is full");
      return value;
    });
    const spoilt = spoil?.(written);
    spoil = undefined;
    return spoilt ?? written;
  }

  return {
    clock,
    write,
    reopen(changed: Partial<EventStoreOptions> = {}) {
      db?.close();
      db = openSqlite(`${dir.path}/events.db`, EVENT_SCHEMA);
      const options = { ...ROOMY, ...given, ...changed };
      const store = createSqliteStore({ ...db, write }, options, { clock, box });
      return shortcuts(store);
    },
    /** All that is on the disk. */
    async text() {
      let text = "";
      for await (const { name } of Deno.readDir(dir.path)) {
        text += new TextDecoder("latin1").decode(await Deno.readFile(`${dir.path}/${name}`));
      }
      return text;
    },
    change: (sql: string) => db!.write(() => db!.prepare(sql).run()),
    rows: (table: string) => Number(db!.prepare(`SELECT count(*) AS n FROM ${table}`).get()!.n),
    failNextWrite() {
      isFull = true;
      spoil = (written) => written.finally(() => isFull = false);
    },
    rejectAfterNextWrite() {
      spoil = (written) => written.then(() => Promise.reject(new Error("the process has ended")));
    },
    async [Symbol.asyncDispose]() {
      db?.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}
